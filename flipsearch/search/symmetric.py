"""Strategy `symmetric` over F2: general square formats, first by orbits, then without symmetry.

Walks in the quotient by C3 or C3 x Z2 (`flipsearch.walk.quotient`) start from the naive symmetric
scheme, whose fixed cubes belong to a partition of the indices; the number of cubes decides which
ranks modulo 3 can be reached, so several partitions share the work. States near the best rank of
their partition are kept and walked from again. Low ranks need long walks and many of them: a walk
is a course of tasks, each from where the one before ended, that is over when several in a row
have brought no new best.

The groups are a ladder, C3 x Z2, C3 and none: the best states of each are walked from under the
next, because a symmetric scheme may have less symmetric neighbours of lower rank. Under C3 x Z2 a
walk falls from a plateau near the rank of the naive scheme into one of many basins and hardly
leaves it, so that courses are wanted that climb back far (Moosbauer and Poole set no limit but
n^3), and many of them; under C3 a walk moves in steps of 3 and small bands do.

Invariant: the strategy is a deterministic function of its seed and of the outcomes told, in order.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.formats import MatrixProduct
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.search.orbits import OrbitPool, Parts, Schedules, State, default_parts, loaded
from flipsearch.search.pool import plain, task_seed
from flipsearch.walk.quotient.task import (
    QuotientOutcome,
    QuotientTask,
    naive_orbits,
    with_images,
    write_out,
)
from flipsearch.walk.task import Policy, WalkOutcome, WalkTask, Words, unpack


class Course(NamedTuple):
    """A walk of several tasks: its partition and schedule, its best rank, tasks since that."""

    pool: int
    schedule: int
    best: int
    since: int


class SymmetricStrategy:
    """Ask for symmetric walks, and walks that go on without symmetry, and tell their outcomes.

    Parameters
    ----------
    format_ : MatrixProduct
        n x n x n, general, n from 2 to 8.
    seed : int
        The run's seed.
    target : int
        Walks stop at this rank.
    mirrored : bool
        Whether the group is C3 x Z2 instead of C3.
    parts : sequence of partitions, optional
        Sets of indices that give fixed cubes; default: `default_parts`.
    width : int
        States kept at each rank.
    slack : int
        Ranks kept above the best, in steps of an orbit (3 or 6).
    restart : float
        Share of the courses that start from the naive scheme again.
    without : float
        Share of the tasks that walk without symmetry.
    loosened : float
        Share of the courses that go on under C3 from states found under C3 x Z2.
    schedules : tuple of Schedule, optional
        Drawn evenly for each course; default: those of the course's group.
    """

    name = "symmetric"
    keeps_outstanding = True

    def __init__(
        self,
        format_: MatrixProduct,
        seed: int,
        target: int = 0,
        mirrored: bool = False,
        parts: Sequence[Parts] | None = None,
        width: int = 64,
        slack: int = 1,
        restart: float = 0.85,
        without: float = 0.1,
        loosened: float = 0.2,
        schedules: Schedules | None = None,
    ) -> None:
        if not format_.is_general or len(set(format_.sides)) != 1:
            raise UsageError(
                f"symmetric search over F2 takes n x n x n, not {format_}: structured square "
                "formats walk over F3 and ZT"
            )
        self.format, self.ring, self.seed = format_, Ring.F2, seed
        self.target, self.mirrored = target, mirrored
        self.width, self.slack, self.restart, self.without = width, slack, restart, without
        self.loosened = loosened if mirrored else 0.0
        self._given = schedules
        self.asked = self.told = 0
        self.best_rank = 1 << 30
        self._choice = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
        self._pending: dict[int, Course | None] = {}
        self._waiting: deque[tuple[Course, State]] = deque()
        self._found: list[Scheme] = []
        self._general: list[Words] = []
        self._naive: list[State] = []
        self.pools: list[OrbitPool] = []
        for partition in parts if parts is not None else default_parts(format_.n):
            orbits, cubes = naive_orbits(format_.n, partition, mirrored)
            self._naive.append((orbits, cubes))
            self.pools.append(OrbitPool(partition, mirrored))
        if mirrored:
            self.pools.append(OrbitPool((), False))
        for pool, (orbits, cubes) in zip(self.pools, self._naive, strict=False):
            self._keep(pool, orbits, cubes)
        self._found.clear()

    def samples(self) -> list[WalkTask]:
        """Return a task of each sort that this strategy asks for, for compiling ahead."""
        n, tasks = self.format.n, list[WalkTask]()
        for orbits, cubes in self._naive:
            written = write_out(orbits, cubes, n, self.mirrored)
            tasks.append(WalkTask(self.format, Ring.F2, written, 1, 1))
            groups = [(orbits, self.mirrored)]
            if self.mirrored:
                groups.append((with_images(orbits, n), False))
            tasks += [
                QuotientTask(self.format, Ring.F2, start, 1, 1, cubes=cubes, mirrored=mirrored)
                for start, mirrored in groups
            ]
        return tasks

    def ask(self) -> WalkTask:
        """Return the next walk: a `QuotientTask`, or now and then a plain `WalkTask`."""
        number = self.asked
        self.asked += 1
        seed = task_seed(self.seed, number)
        if self._general and self._choice.random() < self.without:
            start = self._general[int(self._choice.integers(len(self._general)))]
            self._pending[number] = None
            policy = Policy(50_000, 4, max(self.target, self.best_rank - 1))
            return WalkTask(self.format, Ring.F2, start, seed, 3_000_000, policy, number)
        course, (orbits, cubes) = self._waiting.popleft() if self._waiting else self._set_out()
        pool = self.pools[course.pool]
        pool.tasks += 1
        self._pending[number] = course
        steps, plus_after, band, largest_rank = (self._given or pool.schedules)[course.schedule]
        below = self.format.n**3 if pool.mirrored else course.best + band
        return QuotientTask(
            self.format,
            Ring.F2,
            orbits,
            seed,
            steps,
            Policy(plus_after, band, self.target, merge=False),
            number,
            cubes,
            pool.mirrored,
            plus_below=below,
            largest_rank=largest_rank,
        )

    @property
    def finished(self) -> bool:
        """Whether the target is reached."""
        return self.best_rank <= self.target

    @property
    def sizes(self) -> dict[int, int]:
        """Quotient states held, by rank."""
        sizes: Counter[int] = Counter()
        for pool in self.pools:
            sizes.update({rank: len(states) for rank, states in pool.levels.items()})
        return dict(sorted(sizes.items()))

    def best_states(self) -> list[Words]:
        """Return packed states of the lowest rank, orbits written out."""
        return list(self._general)

    def tell(self, outcome: WalkOutcome) -> bool:
        """Take an outcome; return whether it lowered the best rank.

        Outcomes of tasks asked before the last `restore` are ignored.
        """
        if outcome.number not in self._pending:
            return False
        course = self._pending.pop(outcome.number)
        self.told += 1
        before = self.best_rank
        if outcome.reason == "broken":
            return False
        if isinstance(outcome, QuotientOutcome) and course is not None:
            pool = self.pools[course.pool]
            self._keep(pool, outcome.best_orbits, outcome.best_cubes)
            self._keep(pool, outcome.final_orbits, outcome.final_cubes)
            lower = outcome.rank < course.best
            since = 0 if lower else course.since + 1
            if since < pool.patience and outcome.reason == "budget":
                on = course._replace(best=min(course.best, outcome.rank), since=since)
                self._waiting.append((on, (outcome.final_orbits, outcome.final_cubes)))
        else:
            for state in outcome.best:
                self._keep_general(state)
        return self.best_rank < before

    def found(self) -> list[Scheme]:
        """Return, once, the schemes of new best ranks since the last call."""
        schemes, self._found = self._found, []
        return schemes

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs: JSON values and arrays."""
        return {
            "strategy": "symmetric",
            "format": str(self.format),
            "seed": self.seed,
            "mirrored": self.mirrored,
            "asked": self.asked,
            "told": self.told,
            "pending": {
                str(number): None if course is None else list(course)
                for number, course in self._pending.items()
            },
            "waiting": [
                {"course": list(course), "orbits": orbits, "cubes": cubes}
                for course, (orbits, cubes) in self._waiting
            ],
            "best": self.best_rank,
            "choice": plain(self._choice.bit_generator.state),
            "general": list(self._general),
            "pools": [pool.state() for pool in self.pools],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a saved state.

        Tasks asked and never told are forgotten, unless the state holds them under
        ``outstanding``: then they are expected.

        Raises
        ------
        UsageError
            The state is of another strategy, format, seed or partition.
        """
        parts = [tuple(tuple(part) for part in pool["parts"]) for pool in state.get("pools", ())]
        same = (
            state.get("strategy") == "symmetric"
            and state.get("format") == str(self.format)
            and state.get("seed") == self.seed
            and state.get("mirrored") == self.mirrored
            and parts == [pool.parts for pool in self.pools]
        )
        if not same:
            raise UsageError("the saved state is not of this symmetric run: use the same options")
        outstanding = {int(task["number"]) for task in state.get("outstanding", ())}
        self.asked = int(state.get("asked", state["told"]))
        self.told = self.asked - len(outstanding)
        self.best_rank = int(state["best"])
        self._choice.bit_generator.state = state["choice"]
        self._pending = {
            int(number): None if course is None else Course(*map(int, course))
            for number, course in state.get("pending", {}).items()
            if int(number) in outstanding
        }
        self._waiting = deque(
            (Course(*map(int, item["course"])), loaded(item)) for item in state["waiting"]
        )
        self._general = [np.asarray(words, dtype=np.uint64) for words in state["general"]]
        for pool, saved in zip(self.pools, state["pools"], strict=True):
            pool.restore(saved)

    def _set_out(self) -> tuple[Course, State]:
        """Begin a course, from the naive scheme of a partition or from a low state of a pool.

        A partition's share halves with every orbit that its best rank is above the others'.
        """
        loosened = self.loosened and self._choice.random() < self.loosened
        index = len(self.pools) - 1
        if not loosened:
            best = np.array([pool.best / pool.orbit for pool in self.pools[: len(self._naive)]])
            shares = 0.5 ** (best - best.min())
            index = int(self._choice.choice(len(shares), p=shares / shares.sum()))
        pool = self.pools[index]
        if loosened or self._choice.random() >= self.restart:
            start = pool.draw(self._choice)
        else:
            start = self._naive[index]
        schedule = int(self._choice.integers(len(self._given or pool.schedules)))
        return Course(index, schedule, pool.rank(*start), 0), start

    def _keep(self, pool: OrbitPool, orbits: Words, cubes: Words) -> None:
        if not pool.add((orbits, cubes), self.width, self.slack, self._choice):
            return
        if pool.mirrored:
            self._keep(self.pools[-1], with_images(orbits, self.format.n), cubes)
        elif pool.rank(orbits, cubes) <= self.best_rank:
            self._keep_general(write_out(orbits, cubes, self.format.n, False))

    def _keep_general(self, state: Words) -> None:
        rank = len(state)
        if rank > self.best_rank:
            return
        if rank < self.best_rank:
            self.best_rank = rank
            self._general.clear()
            self._found.append(unpack(self.format, Ring.F2, state))
        if len(self._general) < self.width:
            self._general.append(state)
        else:
            self._general[int(self._choice.integers(self.width))] = state
