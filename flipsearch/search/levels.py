"""Pools of packed states by rank, from which strategies draw where to walk next.

Beside them, the two moves that are made between walks rather than within: reduction by any linear
dependence, and sandwiching. Both are rare, and exact on schemes; no engine has to know them.

Invariant: a pool holds states of one format and one rank, no two with the same terms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from flipsearch.formats import Format
from flipsearch.rings import Ring
from flipsearch.transform.dimensions import matrix_format
from flipsearch.transform.reduce import reduce_terms
from flipsearch.transform.sandwich import sandwich
from flipsearch.walk.dependence import is_dependent
from flipsearch.walk.task import Words, pack, unpack

POOL_SIZE = 256
LEVEL_RATIO = 0.3
"""A level is chosen this often compared with the one below it."""
SANDWICHES = 16
"""Sandwiches tried until one is ternary."""


def key_of(state: Words) -> bytes:
    """Return what two packed states have in common exactly when their terms are the same."""
    rows = np.ascontiguousarray(state.reshape(len(state), -1))
    return rows[np.lexsort(rows.T[::-1])].tobytes()


def can_flip(state: Words, ring: Ring) -> bool:
    """Whether two rows share a factor up to sign: Strassen squared, for one, has none that do."""
    words = state.shape[2] if ring is Ring.F2 else state.shape[2] // 2
    rows = np.arange(len(state))
    for slot in range(3):
        factors = state[:, slot].copy()
        if ring is not Ring.F2:
            nonzeros, signs = factors[:, :words], factors[:, words:]
            first = (nonzeros != 0).argmax(axis=1)
            lowest = nonzeros[rows, first] & (~nonzeros[rows, first] + np.uint64(1))
            turned = (signs[rows, first] & lowest) != 0
            signs[turned] ^= nonzeros[turned]
        if len(np.unique(factors, axis=0)) < len(state):
            return True
    return False


class Pools:
    """Pools by rank of distinct packed states, bounded, oldest forgotten first."""

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self.levels: dict[int, list[Words]] = {}
        self.mobile: dict[int, list[Words]] = {}
        self._known: dict[int, set[bytes]] = {}

    @property
    def best_rank(self) -> int:
        """The lowest rank in any pool."""
        return min(self.levels)

    def admit(self, state: Words) -> None:
        """Put a state into its pool, unless it is there."""
        rank, key = len(state), key_of(state)
        known = self._known.setdefault(rank, set())
        if key in known:
            return
        known.add(key)
        pool = self.levels.setdefault(rank, [])
        mobile = self.mobile.setdefault(rank, [])
        pool.append(state)
        if can_flip(state, self.ring):
            mobile.append(state)
        if len(pool) > POOL_SIZE:
            oldest = pool.pop(0)
            known.discard(key_of(oldest))
            if mobile and mobile[0] is oldest:
                mobile.pop(0)

    def draw(self, random: np.random.Generator) -> Words:
        """Return a state of one of the four lowest levels that has a flip, if any does."""
        ranks = [rank for rank in sorted(self.levels) if self.mobile[rank]][:4]
        ranks = ranks or [self.best_rank]
        weights = LEVEL_RATIO ** np.arange(len(ranks))
        rank = ranks[int(random.choice(len(ranks), p=weights / weights.sum()))]
        pool = self.mobile[rank] or self.levels[rank]
        return pool[int(random.integers(len(pool)))]

    def state(self) -> dict[str, Any]:
        """Return the states by rank."""
        return {str(rank): list(states) for rank, states in self.levels.items()}

    @classmethod
    def restored(cls, ring: Ring, state: Mapping[str, Any]) -> Pools:
        """Return the pools that `state` described."""
        pools = cls(ring)
        for states in state.values():
            for words in states:
                pools.admit(np.asarray(words, dtype=np.uint64))
        return pools


class Archived:
    """What strategies that keep all they found in one archive say about it.

    Attributes
    ----------
    archive : Pools
        The states found for the strategy's format, from its start on.
    target : int
        The search is over at this rank.
    """

    archive: Pools
    target: int

    @property
    def best_rank(self) -> int:
        """The lowest rank found."""
        return self.archive.best_rank

    @property
    def finished(self) -> bool:
        """Whether the target is reached."""
        return self.best_rank <= self.target

    @property
    def levels(self) -> dict[int, list[Words]]:
        """The archive's states by rank."""
        return self.archive.levels

    @property
    def sizes(self) -> dict[int, int]:
        """Size of the archive's pools by rank."""
        return {rank: len(states) for rank, states in sorted(self.levels.items())}

    def best_states(self) -> list[Words]:
        """Return the packed states of the lowest rank, in the order found."""
        return list(self.levels[self.best_rank])


def without_dependence(format_: Format, ring: Ring, state: Words) -> Words:
    """Return the state, or one of lower rank if its products are linearly dependent."""
    if not is_dependent(format_, ring, state):
        return state
    reduced = reduce_terms(unpack(format_, ring, state))
    return pack(reduced) if reduced.rank < len(state) else state


def sandwiched(format_: Format, state: Words, random: np.random.Generator) -> Words:
    """Return the ZT state of a general format in another basis, or itself where none is found.

    One row or column is added to another, or taken from it. Over ZT a flip is refused if a
    coefficient leaves {-1, 0, 1}, so that another basis has other ways on; over F2 and F3 walks
    would not notice, because the flip graph looks alike in all.
    """
    scheme = unpack(format_, Ring.ZT, state)
    sides = matrix_format(scheme).sides
    for _ in range(SANDWICHES):
        bases = [np.eye(side, dtype=np.int64) for side in sides]
        basis = bases[int(random.integers(3))]
        if len(basis) > 1:
            first, second = random.permutation(len(basis))[:2]
            basis[first, second] = 1 - 2 * int(random.integers(2))
            other = sandwich(scheme, *bases)
            if other.ring is Ring.ZT:
                return pack(other)
    return state
