"""The formats of a meta search, and what it holds of each.

Invariant: a `Pool` holds states of its format alone, by rank, and knows the lowest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations_with_replacement

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.formats import MatrixProduct
from flipsearch.search.levels import key_of
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
    known_keys : dict of int to set of bytes
        Of the states, by rank: no two have the same terms.
    """

    format: MatrixProduct
    known: int | None
    levels: dict[int, list[Words]] = field(default_factory=dict)
    best: int = 1 << 30
    credit: float = 1.0
    tasks: int = 0
    known_keys: dict[int, set[bytes]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for rank, states in self.levels.items():
            distinct = {key_of(state): state for state in states}
            self.levels[rank] = list(distinct.values())
            self.known_keys[rank] = set(distinct)

    def admit(self, state: Words, width: int, random: np.random.Generator) -> bool:
        """Keep a state at its rank, in place of a random one of `width`; False if it is there."""
        rank, key = len(state), key_of(state)
        level, keys = self.levels.setdefault(rank, []), self.known_keys.setdefault(rank, set())
        if key in keys:
            return False
        keys.add(key)
        if len(level) < width:
            level.append(state)
        else:
            place = int(random.integers(width))
            keys.discard(key_of(level[place]))
            level[place] = state
        return True

    def forget_above(self, rank: int) -> None:
        """Drop the states of higher ranks."""
        for worse in [r for r in self.levels if r > rank]:
            del self.levels[worse], self.known_keys[worse]

    @property
    def gap(self) -> int:
        """Best rank minus known bound; 1 where no bound is known."""
        return 1 if self.known is None else self.best - self.known
