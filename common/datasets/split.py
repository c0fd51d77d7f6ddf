"""``python -m common.datasets split``: draw which images are labelled, as a file."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path

from common.cli import UserError
from common.data import split_files
from common.data.check import drop_unreadable
from common.data.manifest import Manifest
from common.data.splits import Split, draw_balanced, hold_out_validation
from common.datasets import catalogue
from common.datasets.folders import counts_table
from common.flags import a_seed, count, number

# (training images, labelled images or their share, seed) -> Split
Draw = Callable[[Manifest, float, int], Split]
PROTOCOLS: dict[str, Draw] = {"balanced": draw_balanced}
"""Ways of drawing that belong to nobody."""
EXAMPLE = "package.data:draw_split"


def protocol(name: str) -> Draw:
    """A way of drawing: one of :data:`PROTOCOLS`, or the function that ``module:function`` names.

    The function takes the training images, how many of them are labelled (a number, or a share
    below 1) and a seed, and returns a :class:`Split`.

    Raises:
        UserError: neither; or no such module or function.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    module, colon, function = name.partition(":")
    if not (module and colon and function):
        raise UserError(
            f"no protocol is called {name}; known is {', '.join(PROTOCOLS)}. For a drawing of "
            f"your own give its function as module:function, such as {EXAMPLE}."
        )
    try:
        draw = getattr(importlib.import_module(module), function, None)
    except ImportError as error:
        raise UserError(
            f"--protocol {name}: the module {module} cannot be imported ({error}); run the command "
            f"in the folder it is in, and write module:function, such as {EXAMPLE}."
        ) from None
    if not callable(draw):
        raise UserError(
            f"--protocol {name}: {module} has no function {function}; expected one that takes the "
            "training images, the number of labels and a seed."
        )
    return draw


def add(commands) -> None:
    """Add ``split`` to the parser's sub-commands."""
    parser = commands.add_parser(
        "split",
        help="draw which images are labelled, as a file that trainings take with --split",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    share = number(float, low=0, below=1)
    add = parser.add_argument
    add("name", metavar="NAME", help=", ".join(sorted(catalogue.DATASETS)))
    add("root", metavar="DIR", type=Path, help="folder of the dataset")
    drawn_by = f"{', '.join(PROTOCOLS)}, or a function as module:function, such as {EXAMPLE}"
    add("--protocol", required=True, help=drawn_by)
    add("--labels", required=True, type=_labels, metavar="N", help="images, or a share below 1")
    add("--seed", type=a_seed, default=0, help="of the draw; a package's --seed gives its own")
    add("--val_fraction", type=share, default=0.0, help="share of the rest that is held out")
    add("--out", type=Path, default=Path("."), metavar="DIR", help="folder of the file")
    add("--workers", type=count, default=2, help="threads that check the images")
    parser.set_defaults(run=run)


def _labels(text: str) -> int | float:
    value = float(text)
    if not 0 < value < float("inf") or (value >= 1 and value != int(value)):
        raise argparse.ArgumentTypeError(f"{text} is neither a number of images nor a share")
    return int(value) if value >= 1 else value


def run(args: argparse.Namespace) -> int:
    """Draw and write a split file.

    Raises:
        UserError: the dataset, the protocol or the number of labels does not fit.
    """
    draw = protocol(args.protocol)
    manifest = drop_unreadable(catalogue.reader(args.name)(args.root), args.workers)
    train = manifest.split("train")
    split = draw(train, args.labels, args.seed)
    if not isinstance(split, Split):
        raise UserError(
            f"--protocol {args.protocol} returned a {type(split).__name__}; expected a "
            f"{Split.__module__}.{Split.__name__}."
        )
    split = hold_out_validation(split, train.labels, args.val_fraction, args.seed)
    held = f".v{args.val_fraction:g}" if args.val_fraction else ""
    drawn_by = args.protocol.partition(":")[0].partition(".")[0]  # of a module its package
    name = f"{catalogue.canonical(args.name)}.{drawn_by}.{args.labels}.s{args.seed}{held}"
    asked = {"protocol": args.protocol, "labels": args.labels, "seed": args.seed}
    content = split_files.describe(name, manifest, split, asked)
    digest = split_files.write(content, args.out / f"{name}.json")
    print(counts_table(content["counts"]))
    shared = ", ".join(f"{n} {k.replace('_', ' and ')}" for k, n in content["overlap"].items())
    print(f"images that stand in two parts, by their bytes: {shared}")
    print(f"written to {args.out / name}.json, hash {digest[:16]}")
    return 0
