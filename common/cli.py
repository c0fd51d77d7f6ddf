"""What every command line shares: errors for humans, devices, log lines and progress."""

from __future__ import annotations

import argparse
import contextlib
import functools
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from tqdm import tqdm

log = logging.getLogger(__name__)

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


class UserError(Exception):
    """A mistake of the user, told in sentences: what was found, what was expected, what to do."""


FAULTS = (OSError, MemoryError, RecursionError, RuntimeError)
"""What may be the machine's fault, see :func:`is_fault`."""
NO_MEMORY = ("can't allocate memory", "out of memory", "unable to allocate")
DEAD_LOADER = "DataLoader worker"


def is_fault(error: BaseException) -> bool:
    """Whether an error is of the machine, such as a full disk, and not of the code."""
    if not isinstance(error, RuntimeError) or isinstance(error, RecursionError):
        return isinstance(error, FAULTS)
    text = str(error)
    return DEAD_LOADER in text or any(word in text.lower() for word in NO_MEMORY)


def fault_text(error: BaseException) -> str:
    """A fault of the machine in sentences."""
    if isinstance(error, RecursionError):
        return "A file is nested too deeply to be read; give a flat one."
    if isinstance(error, OSError):
        place = f" ({error.filename})" if error.filename else ""
        return (
            f"The machine refused: {error.strerror or error}{place}; make room, or see to the "
            "rights of the folder."
        )
    if DEAD_LOADER in str(error):
        return (
            f"A loader process died ({str(error).splitlines()[0]}): the machine may be out of "
            "memory, or it was told to stop; --num_workers 0 does without."
        )
    return "Memory ran out; give a smaller batch size or image size, or fewer --num_workers."


class Interrupted(Exception):
    """A run was stopped by a signal after its checkpoint was written.

    Attributes:
        exit_code: 128 + signal number, the shell's convention.
    """

    def __init__(self, message: str, exit_code: int = EXIT_INTERRUPTED):
        super().__init__(message)
        self.exit_code = exit_code


def boolean(text: str) -> bool:
    """Parse ``true``/``false`` (also yes/no, 1/0), as published flags take truth values."""
    value = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    try:
        return value[text.strip().lower()]
    except KeyError:
        raise argparse.ArgumentTypeError(f"'{text}' is neither true nor false") from None


def entry_point(run: Callable[[list[str]], int | None], argv: list[str] | None = None) -> int:
    """Run a command and turn its mistakes into one sentence and an exit code.

    Args:
        run: the command; gets the arguments after the program's name.
        argv: the arguments; ``sys.argv[1:]`` when None.

    Returns:
        0 on success, 2 after a :class:`UserError` or a fault of the machine, 130 or 143 after
        Ctrl-C or SIGTERM.
    """
    try:
        with _terminated_in_words():
            return run(sys.argv[1:] if argv is None else list(argv)) or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except Interrupted as stop:
        print(f"\n{stop}", file=sys.stderr)
        return stop.exit_code
    except KeyboardInterrupt:
        print("\nInterrupted before there was anything to save.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away, e.g. `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except FAULTS as error:
        if not is_fault(error):
            raise
        print(f"error: {fault_text(error)}", file=sys.stderr)
        return EXIT_USER_ERROR


@contextlib.contextmanager
def _terminated_in_words() -> Iterator[None]:
    """Inside the block SIGTERM ends the command as Ctrl-C does, with its own exit code."""

    def stop(number: int, _frame) -> None:
        raise Interrupted("Stopped before there was anything to save.", 128 + number)

    usual = threading.current_thread() is threading.main_thread()
    usual = usual and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if usual:
        signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        if usual:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def command(run: Callable[[list[str]], int | None]) -> Callable[[list[str] | None], int]:
    """A function of the words after the command, as a ``main`` that tells a user's mistakes.

    Without words it takes those of the process; see :func:`entry_point`.
    """

    @functools.wraps(run)
    def main(argv: list[str] | None = None) -> int:
        return entry_point(run, argv)

    return main


def choose_device(device: str = "auto", gpu: int | None = None) -> torch.device:
    """Pick the device of a run.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; anything but ``auto`` wins over `gpu`.
        gpu: CUDA index as in the published ``--gpu N``. On a machine without CUDA the run goes
            on on the CPU after one loud warning.

    Raises:
        UserError: a CUDA device was asked for by `device`, or by an index past the last one.
    """
    if device == "auto":
        if not torch.cuda.is_available():
            if gpu is not None:
                log.warning(
                    "*** --gpu %s was asked for, but this machine has no usable CUDA device: "
                    "running on the CPU, many times slower. ***",
                    gpu,
                )
            return torch.device("cpu")
        device = f"cuda:{gpu or 0}"
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise UserError(f"--device {device} is no device; use auto, cpu, cuda or cuda:N.") from None
    if chosen.type == "cuda":
        count = torch.cuda.device_count()
        if count == 0:
            raise UserError(
                f"--device {device}: this machine has no usable CUDA device; use --device cpu."
            )
        if (chosen.index or 0) >= count:
            raise UserError(
                f"GPU {chosen.index} was asked for, but there are only {count} (0 to {count - 1})."
            )
    elif chosen.type != "cpu":
        raise UserError(f"--device {device} is not supported; use auto, cpu, cuda or cuda:N.")
    return chosen


def log_to(folder: Path | None = None, name: str = "log.txt") -> None:
    """Send log lines to standard error and, with `folder`, to the file `name` in it.

    A command calls it first without a folder; the lines from then on also open the file.
    """
    root = logging.getLogger()
    early = [r for h in root.handlers if isinstance(h, _ConsoleHandler) for r in h.records]
    for handler in [h for h in root.handlers if getattr(h, "ours", False)]:
        root.removeHandler(handler)
        handler.close()
    handlers: list[logging.Handler] = [_ConsoleHandler(keep=folder is None)]
    if folder is not None:
        handlers.append(logging.FileHandler(folder / name, encoding="utf-8"))
    for handler in handlers:
        handler.ours = True
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
        root.addHandler(handler)
    if folder is not None:
        for record in early:
            handlers[-1].handle(record)
    root.setLevel(logging.INFO)


class _ConsoleHandler(logging.Handler):
    """Prints above a progress bar instead of through it, and may remember what it printed."""

    def __init__(self, keep: bool):
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self._keep = keep

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)
        if self._keep:
            self.records.append(record)


_BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt} steps [{elapsed}, {remaining} left{postfix}]"


def training_bar(total: int, done: int, shown: bool = True) -> tqdm:
    """A bar over all steps with the time left; without a terminal, a line a minute."""
    return tqdm(
        total=total,
        initial=done,
        disable=not shown,
        bar_format=_BAR,
        dynamic_ncols=True,
        mininterval=0.5 if sys.stderr.isatty() else 60,
        maxinterval=10 if sys.stderr.isatty() else 120,
    )


def epoch_line(row: dict, metric: str) -> str:
    """The row of an epoch in one line: training means, then `metric` of every evaluation."""
    parts = [f"{name} {value:.4f}" for name, value in row.get("train", {}).items()]
    for split, values in row.items():
        if split != "train" and isinstance(values, dict) and metric in values:
            parts.append(f"{split} {metric} {values[metric]:.4f}")
    return ", ".join(parts)
