"""The state of a search as others see it: its progress, its result, the wish to stop it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import NamedTuple

from flipsearch.catalogue import Run
from flipsearch.scheme import Scheme


class Stop:
    """Asked for by a signal or a caller: once to drain and save, twice to stop at once."""

    def __init__(self) -> None:
        self.asked = 0


@contextmanager
def stopped_by_signals(stop: Stop, announce: Callable[[str], None]) -> Iterator[None]:
    """Count Ctrl-C and SIGTERM as wishes to stop.

    In other threads than the main one nothing changes, because they hear no signals.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        stop.asked += 1
        if stop.asked == 1:
            announce("stopping: what runs is finished and saved (again to stop at once)")

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
    """What a run has done so far, told to its caller about twice a second.

    Flips and steps are those of all workers; `seconds` is wall time of walking.
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
        """Flips of all workers per second of wall time."""
        return self.flips / self.seconds if self.seconds else 0.0


class Moment(NamedTuple):
    """The best rank of a run after so many seconds of walking and flips of all workers."""

    seconds: float
    flips: int
    rank: int


@dataclass
class Result:
    """What a run found.

    Parameters
    ----------
    run : Run
        Its record, as it was when this search began.
    progress : Progress
    stored : list of str
        Content hashes of the schemes stored, in order.
    scheme, lifted : Scheme or None
        The best scheme, and the best that was lifted to characteristic 0.
    history : list of Moment
        Seconds, flips and rank at the beginning, at each new best rank and at the end; they count
        from the beginning of the run, also where it went on later.
    lift_failure : str or None
        Why the last scheme tried did not lift.
    lifting_seconds, lifting_share : float
        Seconds spent on lifting, and the most that they might be.
    interrupted : bool
        Whether a signal or `Study.pause` ended it.
    """

    run: Run
    progress: Progress
    stored: list[str] = field(default_factory=list)
    scheme: Scheme | None = None
    lifted: Scheme | None = None
    history: list[Moment] = field(default_factory=list)
    lift_failure: str | None = None
    lifting_seconds: float = 0.0
    lifting_share: float = 0.0
    interrupted: bool = False

    def note(self) -> None:
        """Add the present to the history, unless it says so already."""
        run, now = self.run, self.progress
        moment = Moment(run.seconds + now.seconds, run.flips + now.flips, now.best_rank)
        if not self.history or moment != self.history[-1]:
            self.history.append(moment)
