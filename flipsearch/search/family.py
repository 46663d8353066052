"""The formats of a meta search, and what it holds of each.

Invariant: a `Pool` holds states of its format alone, by rank, and knows the lowest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations_with_replacement

from flipsearch.errors import UsageError
from flipsearch.formats import MatrixProduct
from flipsearch.walk.task import Words


def formats_within(low: int, high: int) -> list[MatrixProduct]:
    """Return all general formats n <= m <= p with sides from low to high."""
    if not 1 <= low <= high:
        raise UsageError(f"a range of sides is low..high with 1 <= low <= high, not {low}..{high}")
    return [
        MatrixProduct(*sides) for sides in combinations_with_replacement(range(low, high + 1), 3)
    ]


@dataclass
class Pool:
    """The states of one format.

    Parameters
    ----------
    format : MatrixProduct
    known : int or None
        The known bound over the strategy's ring.
    levels : dict of int to list of states
        By rank.
    best : int
        The lowest rank held.
    credit : float
        Recent success: 1 after a new best, decaying with every task.
    tasks : int
        Tasks asked from this pool.
    """

    format: MatrixProduct
    known: int | None
    levels: dict[int, list[Words]] = field(default_factory=dict)
    best: int = 1 << 30
    credit: float = 1.0
    tasks: int = 0

    @property
    def gap(self) -> int:
        """Best rank minus known bound; 1 where no bound is known."""
        return 1 if self.known is None else self.best - self.known
