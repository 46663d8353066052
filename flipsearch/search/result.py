"""Return the finds of a run to its caller, and show them."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flipsearch.canvas import axes_or_new, plain, whole_numbers
from flipsearch.catalogue import Run
from flipsearch.scheme import Scheme
from flipsearch.search.journal import Journal, Moment
from flipsearch.search.progress import Progress

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    journal : Journal
        The best rank over time, and the success of tasks by start, schedule and kind.
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
    journal: Journal = field(default_factory=Journal)
    lift_failure: str | None = None
    lifting_seconds: float = 0.0
    lifting_share: float = 0.0
    interrupted: bool = False
    classes: int = 0
    compared: int = 0

    @property
    def history(self) -> list[Moment]:
        """Seconds, flips and rank at the beginning, at each new best rank and at the end.

        They count from the first start of the run, even if it was resumed.
        """
        return self.journal.history

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
