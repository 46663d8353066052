"""The state of a search as others see it: its progress, its result, the wish to stop it."""

from __future__ import annotations

from dataclasses import dataclass, field

from flipsearch.catalogue import Run
from flipsearch.scheme import Scheme


class Stop:
    """Asked for by a signal: once to drain and save, twice to stop at once."""

    def __init__(self) -> None:
        self.asked = 0


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
    lift_failure : str or None
        Why the last scheme tried did not lift.
    lifting_seconds, lifting_share : float
        Seconds spent on lifting, and the most that they might be.
    interrupted : bool
        Whether a signal ended it.
    """

    run: Run
    progress: Progress
    stored: list[str] = field(default_factory=list)
    scheme: Scheme | None = None
    lifted: Scheme | None = None
    lift_failure: str | None = None
    lifting_seconds: float = 0.0
    lifting_share: float = 0.0
    interrupted: bool = False
