"""Search general square formats over F2 by orbits, then without symmetry (strategy `cyclic`).

Walks in the quotient by C3 or C3 x Z2 (`flipsearch.walk.quotient`) start from the naive symmetric
scheme, whose fixed cubes belong to a partition of the indices. The number of cubes determines the
reachable ranks modulo 3, so several partitions share the work. States near the best rank of
their partition are kept as further starts. Low ranks need many long walks. A walk is therefore a
course of tasks, each from the end of the one before, which ends after several tasks in succession
without a new best.

The groups form a ladder: C3 x Z2, C3 and none. The best states of each group are starts under the
next, because a symmetric scheme may have less symmetric neighbours of lower rank. Under C3 x Z2 a
walk falls from a plateau near the rank of the naive scheme into one of many basins and hardly
leaves it. Courses there must climb back far (Moosbauer and Poole set only the limit n^3), and many
are needed. Under C3 a walk moves in steps of 3, and small bands suffice.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.formats import Format, MatrixProduct
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.search.pools import Pools
from flipsearch.search.schedules import Schedule, pick, pick_weighted
from flipsearch.search.strategy import Setting, Strategy
from flipsearch.walk.quotient.task import (
    QuotientOutcome,
    QuotientTask,
    naive_orbits,
    with_images,
    write_out,
)
from flipsearch.walk.task import Policy, WalkOutcome, WalkTask, Words, unpack

Parts = tuple[tuple[int, ...], ...]
STEPS = 256
"""Largest number of steps of a task under C3, per square of the naive rank.

Walks of 5x5x5 that reach 93 do so within 40 million steps. Most others stay at 99 or 102.
"""
BOUNDED = Schedule(20_000_000, 15_000, 24, 2)
OTHERS = Schedule(20_000_000, 50_000, 24, 3), Schedule(20_000_000, 10_000, 12)
SCHEDULES = (*3 * (Schedule(20_000_000, 5_000, 24, 2), BOUNDED), *OTHERS)
"""Schedules under C3. Factors of matrix rank 1 and 2 reach 93 most often."""
LOOSENED_SCHEDULES = (BOUNDED, BOUNDED, *OTHERS)
"""Schedules under C3 from states found under C3 x Z2."""
MIRRORED_SCHEDULES = (
    Schedule(20_000_000, 20_000, 30, 3),
    Schedule(20_000_000, 40_000, 72, 3),
    Schedule(20_000_000, 80_000, 30, 3),
    Schedule(20_000_000, 150_000, 30, 3),
)
"""Schedules under C3 x Z2; with factors of matrix rank 1 and 2 only, 6x6x6 stays at 165."""
GENERAL = Schedule(3_000_000, 50_000, 4)
"""Schedule without symmetry."""
PATIENCE, MIRRORED_PATIENCE = 5, 8
"""Number of tasks without a new best that end a course."""


def default_parts(n: int) -> tuple[Parts, ...]:
    """Return the partitions of 0 .. n - 1 into mirrored pairs, and into neighbours for even n.

    Moosbauer and Poole used {0, 4} {1, 3} {2} for 5 and {0, 1} {2, 3} {4, 5} for 6.
    """
    mirrored: Parts = tuple(
        (i, n - 1 - i) if i != n - 1 - i else (i,) for i in range((n + 1) // 2)
    )
    neighbours: Parts = tuple((i, i + 1) for i in range(0, n, 2))
    return (mirrored,) if n % 2 or n == 2 else (mirrored, neighbours)


class State(NamedTuple):
    """A symmetric scheme: one triple an orbit, shape (G, 3, 1), and fixed cubes, shape (C,)."""

    orbits: Words
    cubes: Words


class Course(NamedTuple):
    """A walk of several tasks: its group, schedule, best rank, and number of tasks since then."""

    group: int
    schedule: int
    best: int
    since: int


@dataclass
class Group:
    """A group of symmetries and a partition of the indices, with their states by rank.

    States up to `slack` orbits above the best rank are kept.
    """

    parts: Parts
    mirrored: bool
    width: int = 64
    slack: int = 1
    tasks: int = 0
    pools: Pools[State] = field(init=False)

    def __post_init__(self) -> None:
        slack = self.slack * self.orbit
        self.pools = Pools(width=self.width, slack=slack, rank=self.rank, key=None)

    @property
    def orbit(self) -> int:
        """The number of terms of an orbit."""
        return 6 if self.mirrored else 3

    def rank(self, state: State) -> int:
        """Return the number of terms of a state."""
        return len(state.orbits) * self.orbit + len(state.cubes)

    @property
    def patience(self) -> int:
        """The number of tasks without a new best that end a course."""
        return MIRRORED_PATIENCE if self.mirrored else PATIENCE

    @property
    def schedules(self) -> tuple[Schedule, ...]:
        """The schedules of courses under the group."""
        if self.mirrored:
            return MIRRORED_SCHEDULES
        return SCHEDULES if self.parts else LOOSENED_SCHEDULES


class CyclicStrategy(Strategy):
    """Walk by orbits under C3 or C3 x Z2, and from the best states without symmetry.

    Takes general formats n x n x n, n from 2 to 8. Schedules are drawn uniformly for each course,
    by default from those of its group.

    Parameters
    ----------
    parts : sequence of partitions, optional
        Sets of indices that give fixed cubes; by default `default_parts`.
    width, slack : int
        Largest number of states at each rank, and the height above the best rank up to which
        states are kept, in orbits.
    restart, without, loosened : float
        Shares of the courses that start from the naive scheme, of the tasks without symmetry, and
        of the courses under C3 that start from states found under C3 x Z2.
    """

    name = "cyclic"
    formerly = "symmetric"
    options = frozenset({"format", "target", "mirrored"})

    def __init__(
        self,
        format_: Format,
        seed: int,
        target: int = 0,
        mirrored: bool = False,
        parts: Sequence[Parts] | None = None,
        width: int = 64,
        slack: int = 1,
        restart: float = 0.85,
        without: float = 0.1,
        loosened: float = 0.2,
        schedules: tuple[Schedule, ...] | None = None,
    ) -> None:
        square = isinstance(format_, MatrixProduct) and len(set(format_.sides)) == 1
        if not (square and format_.is_general):
            raise UsageError(
                f"symmetric search over F2 takes n x n x n, not {format_}: structured square "
                "formats walk over F3 and ZT"
            )
        super().__init__(format_, Ring.F2, seed, target, stream=0)
        self.n, self.mirrored = round(format_.dimensions[0] ** 0.5), mirrored
        self.restart, self.without = restart, without
        self.loosened = loosened if mirrored else 0.0
        self._given = schedules
        self._waiting: deque[tuple[Course, State]] = deque()
        self._found: list[Scheme] = []
        self.archive = Pools(width=width, slack=0, key=None)
        partitions = parts if parts is not None else default_parts(self.n)
        self._naive = [State(*naive_orbits(self.n, part, mirrored)) for part in partitions]
        self.groups = [Group(part, mirrored, width, slack) for part in partitions]
        if mirrored:
            self.groups.append(Group((), False, width, slack))
        for group, state in zip(self.groups, self._naive, strict=False):
            self._keep(group, state)
        self._found.clear()

    @classmethod
    def make(cls, setting: Setting) -> Strategy:
        """Make the strategy for a user's settings."""
        if setting.ring is not Ring.F2:
            raise UsageError(f"cyclic searches run over F2, not {setting.ring}")
        assert setting.format is not None
        return cls(setting.format, setting.seed, setting.target, setting.mirrored)

    def samples(self) -> list[WalkTask]:
        """Return walks under each group, and walks without symmetry, from the naive schemes."""
        tasks: list[WalkTask] = []
        for orbits, cubes in self._naive:
            written = write_out(orbits, cubes, self.n, self.mirrored)
            tasks.append(WalkTask(self.format, Ring.F2, written, 1, 1))
            groups = [(orbits, self.mirrored)]
            if self.mirrored:
                groups.append((with_images(orbits, self.n), False))
            tasks += [
                QuotientTask(self.format, Ring.F2, start, 1, 1, cubes=cubes, mirrored=mirrored)
                for start, mirrored in groups
            ]
        return tasks

    def choose(self, number: int, seed: int) -> tuple[WalkTask, Course | None]:
        """Return the next walk: a `QuotientTask`, or for a share of tasks a plain `WalkTask`."""
        if self.best_states() and self.random.random() < self.without:
            start = pick(self.random, self.best_states())
            steps, plus_after, band, _ = GENERAL
            policy = Policy(plus_after, band, max(self.target, self.best_rank - 1))
            return WalkTask(self.format, Ring.F2, start, seed, steps, policy, number), None
        course, state = self._waiting.popleft() if self._waiting else self._set_out()
        group = self.groups[course.group]
        group.tasks += 1
        steps, plus_after, band, largest = (self._given or group.schedules)[course.schedule]
        if not self.mirrored:
            steps = min(steps, STEPS * self.n**6)
        task = QuotientTask(
            *(self.format, Ring.F2, state.orbits, seed, steps),
            *(Policy(plus_after, band, self.target, merge=False), number),
            *(state.cubes, group.mirrored),
            plus_below=self.n**3 if group.mirrored else course.best + band,
            largest_rank=largest,
        )
        return task, course

    def learn(self, sent: Course | None, outcome: WalkOutcome | None) -> None:
        """Keep the states of an outcome, and continue its course within its patience."""
        if isinstance(outcome, QuotientOutcome) and sent is not None:
            group = self.groups[sent.group]
            final = State(outcome.final_orbits, outcome.final_cubes)
            self._keep(group, State(outcome.best_orbits, outcome.best_cubes))
            self._keep(group, final)
            since = 0 if outcome.rank < sent.best else sent.since + 1
            if since < group.patience and outcome.reason == "budget":
                best = min(sent.best, outcome.rank)
                self._waiting.append((sent._replace(best=best, since=since), final))
        elif outcome is not None:
            for state in outcome.best:
                self._keep_general(state)

    @property
    def sizes(self) -> dict[int, int]:
        """The number of symmetric states held, by rank."""
        sizes: Counter[int] = Counter()
        for group in self.groups:
            sizes.update({rank: len(states) for rank, states in group.pools.levels.items()})
        return dict(sorted(sizes.items()))

    def found(self) -> list[Scheme]:
        """Return the schemes of new best ranks since the last call."""
        schemes, self._found = self._found, []
        return schemes

    def identity(self) -> dict[str, Any]:
        """Return the values in which a saved state must agree with this strategy."""
        return {**super().identity(), "mirrored": self.mirrored}

    def memory(self) -> dict[str, Any]:
        """Return the states of all groups, and the waiting courses."""
        return {
            "waiting": [
                {"course": list(course), **state._asdict()} for course, state in self._waiting
            ],
            "general": self.best_states(),
            "pools": [
                {
                    "parts": [list(part) for part in group.parts],
                    "tasks": group.tasks,
                    "states": [
                        state._asdict()
                        for _, states in sorted(group.pools.levels.items())
                        for state in states
                    ],
                }
                for group in self.groups
            ],
        }

    def remember(self, state: Mapping[str, Any]) -> None:
        """Restore what `memory` returned; raises `UsageError` if it has other partitions."""
        parts = [tuple(tuple(part) for part in saved["parts"]) for saved in state["pools"]]
        if parts != [group.parts for group in self.groups]:
            raise UsageError("the saved state is of other partitions: use the same options")
        self._waiting = deque(
            (self.sent_of(saved["course"]), _state(saved)) for saved in state["waiting"]
        )
        self.archive.restore({"": state["general"]})
        for group, saved in zip(self.groups, state["pools"], strict=True):
            fresh = Group(group.parts, group.mirrored, group.width, group.slack)
            group.tasks, group.pools = int(saved["tasks"]), fresh.pools
            group.pools.admit_all(map(_state, saved["states"]))

    def sent_of(self, saved: Any) -> Any:
        """Return a course from a list in a checkpoint."""
        return None if saved is None else Course(*map(int, saved))

    def _set_out(self) -> tuple[Course, State]:
        """Begin a course from the naive scheme of a partition or from a low state of a group.

        The share of a partition halves with every orbit between its best rank and the lowest.
        """
        loosened = self.loosened and self.random.random() < self.loosened
        index = len(self.groups) - 1
        if not loosened:
            groups = self.groups[: len(self._naive)]
            best = np.array([group.pools.best_rank / group.orbit for group in groups])
            index = pick_weighted(self.random, range(len(best)), 0.5 ** (best - best.min()))
        group = self.groups[index]
        if loosened or self.random.random() >= self.restart:
            start = group.pools.draw(self.random, 0.5, len(group.pools.levels))
        else:
            start = self._naive[index]
        schedule = int(self.random.integers(len(self._given or group.schedules)))
        return Course(index, schedule, group.rank(start), 0), start

    def _keep(self, group: Group, state: State) -> None:
        """Keep a symmetric state, and its image under the next smaller group."""
        if not group.pools.admit(state, self.random):
            return
        if group.mirrored:
            images = State(with_images(state.orbits, self.n), state.cubes)
            self._keep(self.groups[-1], images)
        elif group.rank(state) <= self.best_rank:
            self._keep_general(write_out(*state, self.n, False))

    def _keep_general(self, state: Words) -> None:
        """Keep a state without symmetry if no known state has a lower rank."""
        if len(state) < self.best_rank:
            self._found.append(unpack(self.format, Ring.F2, state))
        self.archive.admit(state, self.random)


def _state(saved: Mapping[str, Any]) -> State:
    orbits, cubes = (np.asarray(saved[key], dtype=np.uint64) for key in ("orbits", "cubes"))
    return State(orbits, cubes)
