"""Strategy `pool`: levels of decreasing rank, each a pool of distinct states.

A task starts from a state drawn from one of the lowest levels and stops as soon as it is lower;
where it ends joins the pool of its rank. Levels near the best are chosen geometrically, states
that have a flip before those that have none, and the plus transitions change from task to task,
because no schedule is best everywhere.

Where a descent ends is largely settled by its first steps: two walks of 4x4x4 in three end within
ten million flips in Strassen's scheme squared, of rank 49, where no two rows share a factor and no
way leads on to 47. So a descent whose best states cannot be flipped is given up at once for a new
one from the start, and so is one that has not improved for long enough, measured by how long its
last improvement took. An archive keeps the best of all; one task in eight works on that. For the
same reason walks do not merge rows that agree in two factors as they arise: that descends sooner,
and to such ends more often.

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
LEVEL_RATIO = 0.3
"""A level is chosen this often compared with the one below it."""
SCHEDULES: tuple[tuple[int, int], ...] = ((2_000, 2), (5_000, 4), (20_000, 3), (50_000, 6))
"""Steps before a plus transition, and band, drawn evenly."""
STEPS = 10_000_000
PATIENCE = 20_000_000
"""Steps without improvement that end a descent, beside half of those it took to get there."""
ARCHIVE_TURN = 8
"""One task in so many works on the archive once there have been several descents."""


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
    keeps_outstanding = True

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
        self.starts = [pack(scheme) for scheme in starts or [naive_scheme(format_, ring)]]
        self._random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2**32,)))
        self._descent_of: dict[int, int] = {}
        self.archive = Pools(ring)
        self.pools = Pools(ring)
        self.descent = -1
        self._begin()

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

    def ask(self) -> WalkTask:
        """Return the next task."""
        number = self.asked
        self.asked += 1
        plus_after, band = SCHEDULES[int(self._random.integers(len(SCHEDULES)))]
        if self.descent and number % ARCHIVE_TURN == 0:
            pools = self.archive
        else:
            pools = self.pools
            self._descent_of[number] = self.descent
        start = pools.draw(self._random)
        goal = max(0, min(len(start) - 1, pools.best_rank + 2))
        policy = Policy(plus_after, band, stop_rank=goal, merge=False)
        seed = task_seed(self.seed, number)
        return WalkTask(self.format, self.ring, start, seed, self.steps, policy, number)

    def tell(self, outcome: WalkOutcome) -> bool:
        """Take in an outcome; return whether it lowered the best rank."""
        self.told += 1
        before = self.best_rank
        here = self._descent_of.pop(outcome.number, None) == self.descent
        if outcome.reason != "broken":
            lowest = self.pools.best_rank
            for state in (*outcome.best, outcome.final):
                if len(state) <= before + 2:
                    self.archive.admit(state)
                if here:
                    self.pools.admit(state)
            if here:
                self._steps += outcome.steps
                if self.pools.best_rank < lowest:
                    self._last_gain = self._steps
                if not self.pools.mobile[self.pools.best_rank] or (
                    self._steps > 3 * self._last_gain // 2 + PATIENCE
                ):
                    self._begin()
        return self.best_rank < before

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs: plain values and arrays."""
        return {
            "asked": self.asked,
            "told": self.told,
            "descent": self.descent,
            "steps": self._steps,
            "last_gain": self._last_gain,
            "pools": self.pools.state(),
            "archive": self.archive.state(),
            "random": plain(self._random.bit_generator.state),
            "descent_of": {str(number): d for number, d in self._descent_of.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned.

        Tasks asked and never told are forgotten, unless the state holds them under
        ``outstanding``: then they are expected.
        """
        outstanding = {int(task["number"]) for task in state.get("outstanding", ())}
        self.asked = int(state["asked"])
        self.told = self.asked - len(outstanding)
        self.descent, self._steps = int(state["descent"]), int(state["steps"])
        self._last_gain = int(state["last_gain"])
        self.pools = Pools.restored(self.ring, state["pools"])
        self.archive = Pools.restored(self.ring, state["archive"])
        self._random.bit_generator.state = state["random"]
        self._descent_of = {
            int(number): int(descent)
            for number, descent in state.get("descent_of", {}).items()
            if int(number) in outstanding
        }

    def _begin(self) -> None:
        """Begin a descent from the starts."""
        self.descent += 1
        self._steps = self._last_gain = 0
        self.pools = Pools(self.ring)
        for state in self.starts:
            self.pools.admit(state)
            self.archive.admit(state)


def plain(value: Any) -> Any:
    """Return nested dictionaries of a generator's state with plain integers."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return int(value) if isinstance(value, np.integer) else value
