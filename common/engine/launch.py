"""The beginning and the end of every run: seeds, records, summary and headline."""

from __future__ import annotations

import argparse
import json
import logging
import random
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from common.cli import Interrupted, UserError
from common.data.manifest import Manifest
from common.engine.precision import apply_fast
from common.engine.run_folder import CONFIG, ENVIRONMENT, LAST, SUMMARY, RunFolder, environment
from common.engine.trainer import Trainer
from common.flags import resume_command
from common.metrics.protocols import four_protocols
from common.quirks import Quirk, apply_corrections, in_force

log = logging.getLogger(__name__)

Ending = Callable[[Trainer, RunFolder, bool, float], dict]
DRAWN = "DRAWN STAND-IN DATA: no number here says anything about the real dataset."


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and torch's global generators (CUDA included)."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def plain(value):
    """A command-line value as JSON and checkpoints can hold it."""
    return str(value) if isinstance(value, Path) else value


def record(
    run: RunFolder,
    method: str,
    args: argparse.Namespace,
    quirks: list[Quirk],
    device: torch.device,
    train: Manifest,
    test: Manifest | None,
    seed: int | None = None,
    more: dict | None = None,
) -> None:
    """Write ``config.json`` and ``environment.json`` and log what a reader must know at once.

    Args:
        test: None where nothing is tested, as in pre-training.
        seed: of the run; ``args.seed`` when None.
        more: further entries of ``data`` in ``config.json``, e.g. ``split`` and ``cache``.
    """
    active = in_force(quirks, args)
    log.info("quirks in force: %s", "; ".join(q.name for q in active) or "none")
    sides = [train] if test is None else [train, test]
    drawn = any(side.drawn for side in sides)
    notes = list(dict.fromkeys(note for side in sides for note in side.notes))
    if drawn:
        log.warning(DRAWN)
    for note in notes:
        log.info("data: %s", note)
    run.write(
        CONFIG,
        {
            "method": method,
            "arguments": {name: plain(value) for name, value in sorted(vars(args).items())},
            "quirks_in_force": [q.name for q in active],
            "data": {
                "name": train.name,
                "classes": list(train.classes),
                "train": train.counts(),
                "test": None if test is None else test.counts(),
                "drawn": drawn,
                "notes": notes,
                **(more or {}),
            },
        },
    )
    run.write(ENVIRONMENT, environment(device, args.seed if seed is None else seed))


def warn_ignored(ignored: dict[str, str], explicit: set[str]) -> None:
    """Say once, of every accepted flag that the user gave, that it has no effect."""
    for name in sorted(explicit & ignored.keys()):
        log.warning("--%s is accepted and has no effect: %s", name, ignored[name])


def settle(
    args: argparse.Namespace, explicit: set[str], device: torch.device, register: list[Quirk]
) -> None:
    """Resolve, in place, the shared flags that set other flags: ``--corrected`` and ``--fast``."""
    if args.corrected:
        apply_corrections(register, args, explicit)
    if args.fast:
        apply_fast(args, device, explicit)


def conduct(
    trainer: Trainer,
    command: str,
    argv: list[str],
    drawn: bool,
    resume_takes_path: bool = False,
    ending: Ending | None = None,
) -> dict:
    """Train to the end and tell the result, or how to go on.

    Args:
        command: what a person types before `argv`.
        argv: the arguments of this run.
        drawn: whether the images are drawn stand-ins.
        resume_takes_path: see :func:`common.flags.resume_command`.
        ending: writes and tells the summary; :func:`finish` when None.

    Returns:
        The summary, see :func:`finish`.

    Raises:
        Interrupted: a signal came; the text says how to go on.
    """
    run = trainer.run
    told = resume_command(command, argv, run.path / LAST, resume_takes_path)
    go_on = f"Go on with:\n  {told}"
    if trainer.progress.epoch >= trainer.recipe.epochs and (run.path / SUMMARY).exists():
        summary = read_summary(run.path)  # resumed after its end
        print(headline_text(summary, run.path))
        return summary
    (run.path / SUMMARY).unlink(missing_ok=True)  # of an earlier, shorter part
    run.start_scalars(trainer.progress.global_step)
    started = time.monotonic()
    try:
        trainer.fit()
    except Interrupted as stop:
        raise Interrupted(f"{stop}\n{go_on}", stop.exit_code) from None
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise UserError(
            f"a loader process died ({str(error).splitlines()[0]}): the machine may be out of "
            f"memory, or it was told to stop; --num_workers 0 does without. {go_on}"
        ) from None
    except KeyboardInterrupt:  # a second Ctrl-C
        raise Interrupted(f"Stopped at once; what was saved last stays.\n{go_on}") from None
    finally:
        run.close()
    summary = (ending or finish)(trainer, run, drawn, time.monotonic() - started)
    if not summary["finished"]:
        print(go_on)
    return summary


def finish(trainer: Trainer, run: RunFolder, drawn: bool, wall_s: float) -> dict:
    """Write ``summary.json`` and print the headline.

    Args:
        wall_s: seconds this process trained, evaluation included.

    Returns:
        The summary.
    """
    metric = trainer.recipe.metric
    protocols = four_protocols(trainer.history, metric, trainer.recipe.mode)
    headline = "val_selected" if trainer.judged_on == "val" else "best_on_test"
    chosen = protocols[headline]
    summary = {
        "headline": {"protocol": headline, "metric": metric, **chosen},
        "protocols": protocols,
        "metric": metric,
        "at_headline": next(r for r in trainer.history if r["epoch"] == chosen["epoch"]),
        "last": trainer.history[-1],
        "drawn": drawn,
        "finished": trainer.finished,
        "percent": trainer.recipe.percent,
        "wall_s": round(wall_s, 1),
        "train_images_per_second": trainer.images_per_second,
        "peak_memory_bytes": peak_memory(trainer.device),
    }
    run.write(SUMMARY, summary)
    print(headline_text(summary, run.path))
    return summary


def headline_text(summary: dict, path: Path) -> str:
    """The end of a run in a few lines: which protocol the number is, and the other three."""
    head, metric = summary["headline"], summary["metric"]
    how = f"{head['protocol']}: {head['meaning']}, epoch {head['epoch']}"
    form = ".2%" if summary["percent"] else ".4f"
    lines = [f"{metric} {head['value']:{form}} ({how})"]
    for name, row in summary["protocols"].items():
        if name == head["protocol"]:
            continue
        value = "none (no --val_fraction)" if row["value"] is None else f"{row['value']:{form}}"
        lines.append(f"  {name}: {value}")
    if summary["drawn"]:
        lines.append(DRAWN)
    lines.append(f"run folder: {path}")
    return "\n".join(lines)


def peak_memory(device: torch.device) -> int:
    """Bytes: the GPU's peak allocation, or the process's peak resident size on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kibibytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def read_summary(run: Path) -> dict:
    """``summary.json`` of a finished run."""
    return json.loads((run / SUMMARY).read_text(encoding="utf-8"))
