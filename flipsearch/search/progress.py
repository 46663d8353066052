"""Hold the public state of a search: its progress, its result and the request to stop it."""

from __future__ import annotations

import html
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

from flipsearch.canvas import axes_or_new, plain, whole_numbers
from flipsearch.catalogue import Run
from flipsearch.scheme import Scheme

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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


class Moment(NamedTuple):
    """The best rank of a run after some seconds of walking and flips of all workers."""

    seconds: float
    flips: int
    rank: int


@dataclass(repr=False)
class Result:
    """The results of a run.

    Parameters
    ----------
    run : Run
        The record of the run at the beginning of this search.
    progress : Progress
    stored : list of str
        Content hashes of the stored schemes, in order.
    scheme, lifted : Scheme or None
        The best scheme, and the best scheme lifted to characteristic 0.
    history : list of Moment
        Seconds, flips and rank at the beginning, at each new best rank and at the end. They count
        from the first start of the run, even if it was resumed.
    lift_failure : str or None
        The reason why the last scheme tried did not lift.
    lifting_seconds, lifting_share : float
        Seconds spent on lifting, and their limit.
    interrupted : bool
        Whether a signal or `Study.pause` ended it.
    classes, compared : int
        Number of classes up to symmetry, each proved, among so many stored schemes of the best
        rank.

    Examples
    --------
    >>> import flipsearch as fs
    >>> found = fs.search("2x2x2", target=7, seed=1, gpu="off", lift=False)
    >>> found.scheme.rank, found.lifted, found.history[-1].rank
    (7, None, 7)
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
    classes: int = 0
    compared: int = 0

    def note(self) -> None:
        """Add the present state to the history unless it is the last entry."""
        run, now = self.run, self.progress
        moment = Moment(run.seconds + now.seconds, run.flips + now.flips, now.best_rank)
        if not self.history or moment != self.history[-1]:
            self.history.append(moment)

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the best rank over the seconds of walking; return the axes.

        Raises
        ------
        PlotError
            matplotlib is not installed.
        """
        axes = axes_or_new(axes)
        seconds, _, ranks = zip(*self.history, strict=True)
        axes.step(seconds, ranks, where="post", label=plain(f"{self.run.format} {self.run.ring}"))
        axes.set_xlabel("seconds of walking")
        axes.set_ylabel("best rank")
        whole_numbers(axes.yaxis)
        axes.legend()
        return axes

    def __repr__(self) -> str:
        lifted = "" if self.lifted is None else f", lifted {self.lifted!r}"
        return f"<Result {self.scheme!r}{lifted}, {self._walked()}>"

    def _walked(self) -> str:
        now = self.progress
        return f"{now.flips:,} flips in {now.seconds:.1f} s"

    def _repr_html_(self) -> str:
        """Return the found schemes' rank and ring and a picture of the history, for a notebook."""
        found = [s for s in (self.scheme, self.lifted) if s is not None]
        rows = "".join(
            f"<tr><td>{s.ring}</td><td>{s.rank}</td><td>{s.content_hash[:12]}</td></tr>"
            for s in dict.fromkeys(found)
        )
        head = html.escape(f"{self.run.format}, {self._walked()}")
        return (
            f"<table><caption>{head}</caption><tr><th>ring</th><th>rank</th><th>scheme</th></tr>"
            f"{rows}</table>{_picture(self.history)}"
        )


def _picture(history: list[Moment]) -> str:
    """Return the best rank over time as an SVG element, 320 x 80 pixels, its ends labelled."""
    first, last = history[0], history[-1]
    width, height = max(last.seconds - first.seconds, 1e-9), max(first.rank - last.rank, 1)
    points, before = [], first.rank
    for seconds, _, rank in history:
        x = 30 + 260 * (seconds - first.seconds) / width
        points += [(x, 10 + 60 * (first.rank - y) / height) for y in (before, rank)]
        before = rank
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        '<svg width="320" height="80"><polyline fill="none" stroke="#0072b2" '
        f'points="{path}"/><text x="0" y="14" font-size="11">{first.rank}</text>'
        f'<text x="295" y="74" font-size="11">{last.rank}</text></svg>'
    )
