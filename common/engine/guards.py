"""What keeps a training from losing what it has: signals, faults, numbers that are none."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from common.cli import FAULTS, Interrupted, UserError, fault_text, is_fault

log = logging.getLogger(__name__)


class StopRequest:
    """While active, notes SIGINT and SIGTERM instead of dying; a second one stops at once.

    Args:
        repeats: a launcher passes on what the terminal has sent already, so a second signal means
            nothing; it kills by itself what does not end.

    Attributes:
        number: the signal that came, or None.
    """

    def __init__(self, repeats: bool = False):
        self.number: int | None = None
        self._repeats = repeats
        self._before: dict = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():  # only it may set handlers
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number, _frame) -> None:
        if self.number is not None:
            if self._repeats:
                return
            raise KeyboardInterrupt
        self.number = number
        log.warning("%s: finishing this step, then saving.", signal.Signals(number).name)

    @property
    def exit_code(self) -> int:
        """The shell's code for a process ended by the signal."""
        return 128 + (self.number or 0)


class Finite:
    """Whether loss and gradients have been finite, told on the device, read when it is asked.

    Args:
        skip: leave a step out whose numbers are not, as ``--on_nan skip``; this waits for the
            device at every step.

    Attributes:
        skipped: steps left out.
    """

    def __init__(self, skip: bool = False):
        self.skip, self.skipped = skip, 0
        self._fine: Tensor | None = None

    def note(self, loss: Tensor, parameters: Iterable[nn.Parameter], scaled: bool) -> None:
        """Look at a step, after its backward.

        Args:
            scaled: a loss scale is looked for, so infinite gradients are usual.
        """
        fine = torch.isfinite(loss.detach()).all()
        if not scaled:
            gradients = [p.grad for p in parameters if p.grad is not None]
            fine = fine & torch.isfinite(torch.nn.utils.get_total_norm(gradients))
        self._fine = fine if self._fine is None else self._fine & fine

    def take(self) -> bool:
        """Whether all steps since the last call were finite."""
        fine = self._fine is None or bool(self._fine)
        self._fine = None
        return fine

    def leave_out(self) -> bool:
        """Whether the step that was just noted is to be left out."""
        if not self.skip or self.take():
            return False
        self.skipped += 1
        log.warning(
            "loss or gradients are not finite: the step is left out (%d so far)", self.skipped
        )
        return True


class Clock:
    """When a checkpoint is due inside an epoch.

    Args:
        minutes: between two; 0 means never.
    """

    def __init__(self, minutes: float):
        self._seconds, self._since = 60 * minutes, time.monotonic()

    def start(self) -> None:
        """Count from now."""
        self._since = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time."""
        return self._seconds > 0 and time.monotonic() - self._since >= self._seconds


@contextmanager
def telling(go_on: str) -> Iterator[None]:
    """Inside the block a fault or a signal ends in a sentence that says how to go on.

    Args:
        go_on: the command that does, with a word before it.

    Raises:
        UserError: the disk is full or gone, memory ran out, or a loader process died.
        Interrupted: a signal came.
    """
    try:
        yield
    except Interrupted as stop:
        raise Interrupted(f"{stop}\n{go_on}", stop.exit_code) from None
    except KeyboardInterrupt:  # a second Ctrl-C
        raise Interrupted(f"Stopped at once; what was saved last stays.\n{go_on}") from None
    except FAULTS as error:
        if not is_fault(error):
            raise
        raise UserError(f"{fault_text(error)} {go_on}") from None
