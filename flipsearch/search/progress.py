"""Hold the public state of a search: its progress and the request to stop it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


class Stop:
    """A request to stop: once to drain and save, twice to stop at once."""

    def __init__(self) -> None:
        self.asked = 0


@contextmanager
def stopped_by_signals(stop: Stop, announce: Callable[[str], None]) -> Iterator[None]:
    """Count Ctrl-C and SIGTERM as requests to stop.

    Outside the main thread the handlers stay as they are, because other threads hear no signals.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        stop.asked += 1
        if stop.asked == 1:
            announce("stopping: running walks are finished and saved (again to stop at once)")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {n: signal.signal(n, handle) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@dataclass
class Progress:
    """The progress of a run, reported to its caller about twice a second.

    Flips and steps are totals of all workers; `seconds` is the wall time of walking.
    """

    best_rank: int
    sizes: dict[int, int]
    flips: int = 0
    steps: int = 0
    tasks: int = 0
    seconds: float = 0.0
    message: str = ""

    @property
    def flips_per_second(self) -> float:
        """The flips of all workers per second of wall time."""
        return self.flips / self.seconds if self.seconds else 0.0
