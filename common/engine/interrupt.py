"""Stopping a training between two steps when a signal asks for it."""

from __future__ import annotations

import logging
import signal
import threading

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
