"""Strategy `pool`: levels of decreasing rank, each a pool of distinct states.

A task starts from a state drawn from one of the lowest levels and stops as soon as it is lower;
where it ends joins the pool of its rank. Levels near the best are chosen geometrically, so that
several starts stay alive; one task in sixteen starts again from the beginning, with plus
transitions and a band that change from task to task, because no schedule is best everywhere.

Invariant: a pool holds states of one rank, no two with the same terms; the strategy is a
deterministic function of its seed and of the outcomes it is told, in order. It has no clock, no
threads and no files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.formats import Format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.walk.task import Policy, WalkOutcome, WalkTask, Words, pack

POOL_SIZE = 256
RESTART = 16
"""One task in so many starts from the beginning."""
LEVEL_RATIO = 0.25
"""A level is chosen this often compared with the one below it."""
SCHEDULES: tuple[tuple[int, int], ...] = ((2_000, 2), (5_000, 4), (20_000, 3), (50_000, 6))
"""Steps before a plus transition, and band, drawn evenly."""
STEPS = 10_000_000


def task_seed(seed: int, number: int) -> int:
    """Return the 64-bit seed of task `number` of a run: each task can be replayed alone."""
    sequence = np.random.SeedSequence(seed, spawn_key=(number,))
    return int(sequence.generate_state(1, np.uint64)[0])


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


class PoolStrategy:
    """Ask for tasks, tell outcomes.

    Parameters
    ----------
    format_ : Format
    ring : Ring
        F2, F3 or ZT.
    seed : int
    starts : sequence of Scheme, optional
        Where to begin; the naive scheme by default.
    target : int
        Rank at which the search is over; 0: never.
    steps : int
        Steps of a task.
    """

    name = "pool"

    def __init__(
        self,
        format_: Format,
        ring: Ring,
        seed: int = 0,
        starts: Sequence[Scheme] = (),
        target: int = 0,
        steps: int = STEPS,
    ) -> None:
        if not ring.is_field_of_search:
            raise UsageError(f"searches run over F2, F3 and ZT, not over {ring}: lift afterwards")
        if steps < 1:
            raise UsageError("a task has at least one step")
        self.format, self.ring, self.seed = format_, ring, seed
        self.target, self.steps = target, steps
        self.asked = self.told = 0
        self.levels: dict[int, list[Words]] = {}
        self.mobile: dict[int, list[Words]] = {}
        self.known: dict[int, set[bytes]] = {}
        self.starts = [pack(scheme) for scheme in starts or [naive_scheme(format_, ring)]]
        for state in self.starts:
            self._admit(state)
        self._random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2**32,)))

    @property
    def best_rank(self) -> int:
        """The lowest rank in any pool."""
        return min(self.levels)

    @property
    def finished(self) -> bool:
        """Whether the target is reached."""
        return self.best_rank <= self.target

    @property
    def sizes(self) -> dict[int, int]:
        """Pool size by rank."""
        return {rank: len(states) for rank, states in sorted(self.levels.items())}

    def best_states(self) -> list[Words]:
        """Return the packed states of the lowest rank, in the order found."""
        return list(self.levels[self.best_rank])

    def ask(self) -> WalkTask:
        """Return the next task."""
        number = self.asked
        self.asked += 1
        plus_after, band = SCHEDULES[int(self._random.integers(len(SCHEDULES)))]
        if self._random.integers(RESTART) == 0:
            start = self.starts[int(self._random.integers(len(self.starts)))]
        else:
            ranks = [rank for rank in sorted(self.levels) if self.mobile[rank]][:4]
            ranks = ranks or [self.best_rank]
            weights = LEVEL_RATIO ** np.arange(len(ranks))
            rank = ranks[int(self._random.choice(len(ranks), p=weights / weights.sum()))]
            pool = self.mobile[rank] or self.levels[rank]
            start = pool[int(self._random.integers(len(pool)))]
        policy = Policy(plus_after, band, stop_rank=max(0, len(start) - 1))
        if len(start) > self.best_rank + 2:
            policy = Policy(plus_after, band, stop_rank=self.best_rank + 2)
        seed = task_seed(self.seed, number)
        return WalkTask(self.format, self.ring, start, seed, self.steps, policy, number)

    def tell(self, outcome: WalkOutcome) -> bool:
        """Take in an outcome; return whether it lowered the best rank."""
        self.told += 1
        before = self.best_rank
        if outcome.reason == "broken":
            return False
        for state in outcome.best:
            self._admit(state)
        self._admit(outcome.final)
        return self.best_rank < before

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs: plain values and arrays."""
        return {
            "asked": self.asked,
            "told": self.told,
            "levels": {str(rank): list(states) for rank, states in self.levels.items()},
            "random": _plain(self._random.bit_generator.state),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.asked, self.told = int(state["asked"]), int(state["told"])
        self.levels, self.mobile, self.known = {}, {}, {}
        for states in state["levels"].values():
            for words in states:
                self._admit(np.asarray(words, dtype=np.uint64))
        self._random.bit_generator.state = state["random"]

    def _admit(self, state: Words) -> None:
        """Put a state into its pool; a full pool forgets its oldest."""
        rank = len(state)
        pool, known = self.levels.setdefault(rank, []), self.known.setdefault(rank, set())
        mobile = self.mobile.setdefault(rank, [])
        key = key_of(state)
        if key in known:
            return
        known.add(key)
        pool.append(state)
        if can_flip(state, self.ring):
            mobile.append(state)
        if len(pool) > POOL_SIZE:
            oldest = pool.pop(0)
            known.discard(key_of(oldest))
            if mobile and mobile[0] is oldest:
                mobile.pop(0)


def _plain(value: Any) -> Any:
    """Return nested dictionaries of a generator's state with plain integers."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return int(value) if isinstance(value, np.integer) else value
