"""The formats of a search of many: those of a range of sides, and the state of each.

Invariant: the rank of a member is that of its best state, or of the scheme that the plan makes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations_with_replacement

from flipsearch.errors import UsageError
from flipsearch.formats import MatrixProduct
from flipsearch.search.pools import Pools
from flipsearch.walk.task import Words

PATIENCE = 4_000_000
"""Steps without a gain after which a format rests, times the number of its naive products."""
CLOSED = 0.05
"""Gain of a format at its known bound or below, of which one more rank would be news."""
RESTING = 0.02
"""Share of its weight that a resting format keeps."""


def formats_within(low: int, high: int) -> list[MatrixProduct]:
    """Return all general formats n <= m <= p with sides from low to high."""
    if not 1 <= low <= high:
        raise UsageError(f"a range of sides is low..high with 1 <= low <= high, not {low}..{high}")
    return [
        MatrixProduct(*sides) for sides in combinations_with_replacement(range(low, high + 1), 3)
    ]


def formats_of(within: str) -> list[MatrixProduct]:
    """Return the formats of a range of sides such as ``2..8``.

    Raises `UsageError` if the text is no range.
    """
    match = re.fullmatch(r"(\d+)\.\.(\d+)", within)
    if match is None:
        raise UsageError(f"range {within!r} is not LOW..HIGH, for instance 2..4")
    return formats_within(int(match[1]), int(match[2]))


@dataclass
class Member:
    """A format of the search, with its known bound, states, recent success and tasks.

    `pools` are empty until the first walk. `best` is the least rank of a state, or of what the
    plan makes. `gain` is the number of formats that a new best would lower. `credit` is 1 after a
    new best and decays with every task. `idle` counts the steps since the last new best of the
    format, or of one that feeds it.
    """

    format: MatrixProduct
    known: int | None
    pools: Pools[Words]
    best: int
    gain: float = 1.0
    credit: float = 1.0
    tasks: int = 0
    idle: int = 0

    @property
    def weight(self) -> float:
        """The weight of the format in the draw of a task."""
        is_open = self.known is None or self.best > self.known
        rest = RESTING if self.idle > PATIENCE * self.format.naive_rank else 1.0
        gain = rest * self.gain if is_open else CLOSED
        return gain * (0.2 + self.credit) / self.format.naive_rank**0.5
