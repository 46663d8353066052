"""Pools of states by rank, from which strategies draw where to walk next.

Two moves that are made between walks follow: reduction by any linear dependence, and sandwiching.
Both are rare, and exact on schemes; no engine has to know them.

Invariant: a pool holds states of one format, each at its rank; with a key, no two with equal keys.
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
"""How often a level is drawn from, compared with the next lower one."""
SANDWICHES = 16
"""Sandwiches tried until one is ternary."""

State = TypeVar("State")


def key_of(state: Words) -> bytes:
    """Return bytes that two packed states share exactly when they have the same terms."""
    rows = np.ascontiguousarray(state.reshape(len(state), -1))
    return rows[np.lexsort(rows.T[::-1])].tobytes()


def can_flip(state: Words, ring: Ring) -> bool:
    """Whether two rows share a factor up to sign: in Strassen's scheme squared none do."""
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
    """States by rank, at most so many of each.

    Parameters
    ----------
    ring : Ring, optional
        With a ring, packed states that have a flip over it are drawn before all others.
    width : int
        States kept at each rank.
    slack : int, optional
        Ranks kept above the lowest; all by default.
    rank : function
        From a state to its rank.
    key : function, optional
        From a state to bytes; of states with equal keys the first is kept.
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
        """The lowest rank held; a huge one when the pool is empty."""
        return min(self.levels, default=1 << 30)

    def admit(self, state: Any, random: np.random.Generator | None = None) -> bool:
        """Keep a state; return False if it is known or too high.

        Where its level is full, it takes the place of a random state, or of the oldest one
        without `random`.
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
        """Keep several states, in their order; return this."""
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
        """Return a state of one of the lowest levels, of those that have a flip if any has.

        Parameters
        ----------
        random : Generator
        ratio : float
            How often a level is drawn from, compared with the next lower one, or with the next
            lower rank if `by_rank`.
        lowest : int
            Levels that are drawn from.
        by_rank : bool
        """
        ranks = sorted(self.levels)
        if self.ring is not None:
            ranks = [rank for rank in ranks if self.mobile[rank]] or ranks[:1]
        ranks = ranks[:lowest]
        gaps = np.array(ranks) - ranks[0] if by_rank else np.arange(len(ranks))
        rank = pick_weighted(random, ranks, ratio**gaps)
        return pick(random, self.mobile[rank] or self.levels[rank])

    def state(self) -> dict[str, Any]:
        """Return the states by rank, as a checkpoint keeps them."""
        return {str(rank): list(states) for rank, states in sorted(self.levels.items())}

    def restore(self, state: Mapping[str, Any]) -> Pools[State]:
        """Go back to packed states that `state` returned; return this."""
        for level in (self.levels, self.mobile, self._known):
            level.clear()
        return self.admit_all(
            np.asarray(words, dtype=np.uint64) for states in state.values() for words in states
        )


def without_dependence(format_: Format, ring: Ring, state: Words) -> Words:
    """Return the state, or one of lower rank if its products are linearly dependent."""
    if not is_dependent(format_, ring, state):
        return state
    reduced = reduce_terms(unpack(format_, ring, state))
    return pack(reduced) if reduced.rank < len(state) else state


def sandwiched(format_: Format, state: Words, random: np.random.Generator) -> Words:
    """Return a ZT state of a general format in another basis, or itself where none is found.

    One row or column is added to another, or subtracted from it. Over ZT a walk refuses flips to
    coefficients outside {-1, 0, 1}, so that another basis has other ways on. Over F2 and F3 the
    flip graph looks alike in all bases.
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
