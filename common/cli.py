"""What every command line shares: errors for humans, devices, log lines and progress."""

from __future__ import annotations

import argparse
import errno
import functools
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from tqdm import tqdm

log = logging.getLogger(__name__)

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


class UserError(Exception):
    """A mistake of the user, told in sentences: what was found, what was expected, what to do."""


class Interrupted(Exception):
    """A run was stopped by a signal after its checkpoint was written.

    Attributes:
        exit_code: 128 + signal number, the shell's convention.
    """

    def __init__(self, message: str, exit_code: int = EXIT_INTERRUPTED):
        super().__init__(message)
        self.exit_code = exit_code


class Terminated(KeyboardInterrupt):
    """SIGTERM came where no training is there to be saved."""


REMEDIES = {
    errno.ENOSPC: "make room on that disk",
    errno.EDQUOT: "make room within your quota",
    errno.EROFS: "make the disk writable",
    errno.EACCES: "make it accessible to you",
    errno.EPERM: "make it accessible to you",
    errno.ENOENT: "put it back, or give another path",
    errno.EMFILE: "allow more open files (ulimit -n), or use --num_workers 0",
    errno.ENAMETOOLONG: "give a shorter name",
}


def sentence(error: BaseException) -> str | None:
    """What to tell a user of an error that the machine or the input causes; None for a mistake
    of this program, whose traceback is wanted."""
    text = (str(error) or type(error).__name__).splitlines()[0]
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        of = f" of {error.filename}" if error.filename else ""
        remedy = REMEDIES.get(error.errno, "see to that, then try again")
        return f"the system says '{error.strerror or text}'{of}; {remedy}."
    if isinstance(error, RecursionError):
        return f"something in the input is nested too deeply to be read ({text}); use another file."
    if isinstance(error, RuntimeError) and "DataLoader worker" in text:
        return (
            f"a loader process died ({text}): the machine may be out of memory, or it was told to "
            "stop; --num_workers 0 does without."
        )
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and ("allocate memory" in text or "out of memory" in text)
    ):
        return f"there is not enough memory ({text}); use a smaller batch or smaller images."
    if isinstance(error, RuntimeError) and "PytorchStreamWriter" in text:
        return f"the checkpoint cannot be written ({text}); is the disk full?"
    return None


@contextmanager
def going_on(how: str, saved: Path) -> Iterator[None]:
    """Add to whatever ends a run in this block how to go on with it.

    Args:
        how: the command that does, told where there is a checkpoint.
        saved: the checkpoint.

    Raises:
        Interrupted: a signal came.
        UserError: the machine, the data or the numbers ended it.
    """
    how = f"Go on with:\n  {how}"
    try:
        yield
    except Interrupted as stop:
        raise Interrupted(f"{stop}\n{how}", stop.exit_code) from None
    except KeyboardInterrupt as stop:  # a second Ctrl-C, or one where nothing is trained
        code = _exit_code(stop)
        raise Interrupted(f"Stopped at once; what was saved last stays.\n{how}", code) from None
    except UserError:
        raise  # it says itself what to do
    except Exception as error:
        told = sentence(error)
        if told is None:
            raise
        raise UserError(f"{told} {how}" if saved.exists() else told) from None


def _exit_code(stop: KeyboardInterrupt) -> int:
    return 128 + signal.SIGTERM if isinstance(stop, Terminated) else EXIT_INTERRUPTED


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends this process as Ctrl-C does, with a word; its children die of it as always."""
    own = os.getpid()

    def stop(number, _frame) -> None:
        if os.getpid() == own:
            raise Terminated
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    if threading.current_thread() is not threading.main_thread():  # only it may set handlers
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


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
        0 on success, 2 after a :class:`UserError` or what :func:`sentence` knows of, 130 or 143
        after Ctrl-C or SIGTERM.
    """
    try:
        with _terminable():
            return run(sys.argv[1:] if argv is None else list(argv)) or 0
    except Interrupted as stop:
        print(f"\n{stop}", file=sys.stderr)
        return stop.exit_code
    except KeyboardInterrupt as stop:
        print("\nInterrupted before there was anything to save.", file=sys.stderr)
        return _exit_code(stop)
    except BrokenPipeError:  # the reader of our output went away, e.g. `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        told = sentence(error)
        if told is None:
            raise
        print(f"error: {told}", file=sys.stderr)
        return EXIT_USER_ERROR


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
