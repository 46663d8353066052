"""Keep pools of states by rank, from which strategies draw the starts of walks.

Two moves are made between walks: reduction by any linear dependence, and sandwiching. Both are
rare and exact on schemes, so no engine has to implement them.

Invariant: a pool holds states of one format, each at its rank. With a key function, no two states
of a rank have equal keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

import numpy as np

from flipsearch.formats import Format
from flipsearch.rings import Ring
from flipsearch.search.schedules import pick, pick_weighted
from flipsearch.transform.dimensions import matrix_format
from flipsearch.transform.reduce import reduce_terms
from flipsearch.transform.sandwich import sandwich
from flipsearch.walk.dependence import is_dependent
from flipsearch.walk.task import Words, pack, unpack

LEVEL_RATIO = 0.3
"""Probability of a level relative to that of the next lower one."""
SANDWICHES = 16
"""Largest number of sandwiches to try until one is ternary."""

State = TypeVar("State")


def key_of(state: Words) -> bytes:
    """Return bytes that are equal for two packed states exactly if they have the same terms."""
    rows = np.ascontiguousarray(state.reshape(len(state), -1))
    return rows[np.lexsort(rows.T[::-1])].tobytes()


def can_flip(state: Words, ring: Ring) -> bool:
    """Return whether two rows share a factor up to sign; none do in Strassen's scheme squared."""
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


class Pools(Generic[State]):
    """A limited number of states of each rank.

    Parameters
    ----------
    ring : Ring, optional
        With a ring, packed states that have a flip over it are drawn before all others.
    width : int
        Largest number of states at each rank.
    slack : int, optional
        Number of ranks to keep above the lowest; by default all.
    rank, key : functions
        Return the rank of a state, and bytes; only the first of several states with equal keys is
        kept. None for no keys.
    """

    def __init__(
        self,
        ring: Ring | None = None,
        *,
        width: int = 256,
        slack: int | None = None,
        rank: Callable[[Any], int] = len,
        key: Callable[[Any], bytes] | None = key_of,
    ) -> None:
        self.ring, self.width, self.slack, self.rank, self.key = ring, width, slack, rank, key
        self.levels: dict[int, list[State]] = {}
        self.mobile: dict[int, list[State]] = {}
        self._known: dict[int, set[bytes]] = {}

    @property
    def best_rank(self) -> int:
        """The lowest rank held, or a huge number for an empty pool."""
        return min(self.levels, default=1 << 30)

    def admit(self, state: Any, random: np.random.Generator | None = None) -> bool:
        """Keep a state; return False if it is known or its rank is too high.

        If its level is full, it replaces a random state, or the oldest state without `random`.
        """
        rank, best = self.rank(state), self.best_rank
        if self.slack is not None and rank > best + self.slack:
            return False
        known = self._known.setdefault(rank, set())
        if self.key is not None:
            if (key := self.key(state)) in known:
                return False
            known.add(key)
        level, mobile = self.levels.setdefault(rank, []), self.mobile.setdefault(rank, [])
        place = len(level)
        if place == self.width:
            place = 0 if random is None else int(random.integers(self.width))
            gone = level.pop(place)
            mobile[:] = [other for other in mobile if other is not gone]
            if self.key is not None:
                known.discard(self.key(gone))
        level.insert(len(level) if random is None else place, state)
        if self.ring is not None and can_flip(state, self.ring):
            mobile.append(state)
        if self.slack is not None and rank < best:
            for worse in [other for other in self.levels if other > rank + self.slack]:
                del self.levels[worse], self.mobile[worse], self._known[worse]
        return True

    def admit_all(self, states: Iterable[Any]) -> Pools[State]:
        """Keep several states in their order; return the pools."""
        for state in states:
            self.admit(state)
        return self

    def draw(
        self,
        random: np.random.Generator,
        ratio: float = LEVEL_RATIO,
        lowest: int = 4,
        *,
        by_rank: bool = False,
    ) -> State:
        """Draw a state from one of some lowest levels, with a flip if any state there has one.

        `ratio` is the probability of a level relative to that of the next lower level, or of the
        next lower rank if `by_rank` is set.
        """
        ranks = sorted(self.levels)
        if self.ring is not None:
            ranks = [rank for rank in ranks if self.mobile[rank]] or ranks[:1]
        ranks = ranks[:lowest]
        gaps = np.array(ranks) - ranks[0] if by_rank else np.arange(len(ranks))
        rank = pick_weighted(random, ranks, ratio**gaps)
        return pick(random, self.mobile[rank] or self.levels[rank])

    def state(self) -> dict[str, Any]:
        """Return the states by rank, for a checkpoint."""
        return {str(rank): list(states) for rank, states in sorted(self.levels.items())}

    def restore(self, state: Mapping[str, Any]) -> Pools[State]:
        """Restore the packed states that `state` returned; return the pools."""
        for level in (self.levels, self.mobile, self._known):
            level.clear()
        return self.admit_all(
            np.asarray(words, dtype=np.uint64) for states in state.values() for words in states
        )


def without_dependence(format_: Format, ring: Ring, state: Words) -> Words:
    """Return the state, or a state of lower rank if its products are linearly dependent."""
    if not is_dependent(format_, ring, state):
        return state
    reduced = reduce_terms(unpack(format_, ring, state))
    return pack(reduced) if reduced.rank < len(state) else state


def sandwiched(format_: Format, state: Words, random: np.random.Generator) -> Words:
    """Return a ZT state of a general format in another basis, or the state if none is found.

    One row or column is added to another or subtracted from it. Over ZT a walk refuses flips to
    coefficients outside {-1, 0, 1}, so another basis allows other flips. Over F2 and F3 the
    flip graph is the same in all bases.
    """
    scheme = unpack(format_, Ring.ZT, state)
    sides = matrix_format(scheme).sides
    for _ in range(SANDWICHES):
        bases = [np.eye(side, dtype=np.int64) for side in sides]
        basis = pick(random, bases)
        if len(basis) > 1:
            first, second = random.permutation(len(basis))[:2]
            basis[first, second] = 1 - 2 * int(random.integers(2))
            other = sandwich(scheme, *bases)
            if other.ring is Ring.ZT:
                return pack(other)
    return state
