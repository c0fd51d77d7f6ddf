"""``python -m common.datasets``: check, split, describe, lay out and stand in for datasets."""

from __future__ import annotations

import argparse
from pathlib import Path

from common.cli import command
from common.datasets import folders, labels, split
from common.datasets.catalogue import DATASETS, STANDINS
from common.datasets.doctor import command as doctor
from common.datasets.doctor import stats
from common.datasets.folders import counts_table
from common.datasets.prepare import MIDPOINT, prepare_archives, prepare_bass
from common.datasets.standins.twin import make_twin
from common.flags import at_least_0, number

LEAST = "every class keeps a few images whatever the scale"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m common.datasets", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    names = ", ".join(sorted(STANDINS))
    twin = commands.add_parser(
        "twin",
        help="draw a stand-in for a dataset in its official tree",
        description=f"Draw a stand-in for a dataset in its official tree. Known: {names}.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    twin.add_argument("name", metavar="NAME", help=names)
    twin.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    share = number(float, low=1e-6)
    twin.add_argument("--scale", type=share, default=1.0, help=f"share of the images; {LEAST}")
    twin.add_argument("--seed", type=at_least_0, default=0, help="same seed, same bytes")
    twin.add_argument("--size", type=number(int, low=16), help="pixels of the long side")
    twin.add_argument("--overwrite", action="store_true", help="replace an earlier stand-in")

    prepare = commands.add_parser(
        "prepare", help="unpack a dataset's official archives; lay BASS out as image folders"
    )
    downloads = prepare.add_subparsers(dest="name", required=True, metavar="NAME")
    bass = downloads.add_parser(
        "bass",
        help="BASS silhouettes in four valence-arousal quadrants",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    bass.add_argument("--source", type=Path, required=True, metavar="DIR", help="the download")
    bass.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    fraction = number(float, low=0.01, high=0.9)
    bass.add_argument("--test_fraction", type=fraction, default=0.25, help="share of test images")
    bass.add_argument("--seed", type=at_least_0, default=0, help="of the split")
    bass.add_argument("--valence_cut", type=float, default=MIDPOINT, help="positive from here on")
    bass.add_argument("--arousal_cut", type=float, default=MIDPOINT, help="aroused from here on")
    for name in sorted(DATASETS.keys() - {"bass"}):
        _add_archives(downloads.add_parser(name, help=f"{name}, from its archives"))
    for tool in (doctor, split, folders, labels, stats):
        tool.add(commands)
    return parser


def _add_archives(parser: argparse.ArgumentParser) -> None:
    files = {"type": Path, "nargs": "+", "required": True, "metavar": "FILE"}
    parser.add_argument("--source", **files, help="zip or tar files, all of the dataset's at once")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    limit = number(float, low=0.001)
    parser.add_argument("--max_gb", type=limit, default=500.0, help="unpacked, at most (500)")
    parser.add_argument("--no_check", action="store_true", help="keep what cannot be read too")


@command
def main(argv: list[str]) -> int:
    """Run a data command; returns the exit code."""
    parsed = _parser().parse_args(argv)
    if "run" in parsed:
        return parsed.run(parsed)
    args = vars(parsed)
    command, name = args.pop("command"), args.pop("name")
    if command == "twin":
        counts = make_twin(name, **args)
    elif name != "bass":
        counts = prepare_archives(name, **args)
    else:
        table = prepare_bass(**args)
        counts = {s: rows["label"].value_counts().to_dict() for s, rows in table.groupby("split")}
    print(counts_table(counts))
    print(f"written to {args['out']}" + (" (drawn stand-in)" if command == "twin" else ""))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
