"""Descend in rank through pools while climbing ladders of formats (strategy `pool`).

A task starts from a state of one of the lowest levels of a descent and stops as soon as its rank
is lower. Its last state joins the pool of its rank. Levels near the best are drawn geometrically,
states with a flip before states without, and the plus transitions change from task to task.

Descents are many and short. A descent climbs to the next format of its ladder after too many steps
without an improvement, compared with the steps of its last improvement. On the last format it is
then given up for a new descent (see `flipsearch.search.ladder`). Several descents proceed at once
with a few tasks each, so a thousand workers do not share one descent. An archive keeps the best
states found for the format itself, including the naive scheme and the best stored schemes. One
task in eight works on the archive, every other one if it began with stored schemes. Only tasks on
descents judge schedules, because from the naive scheme every schedule leads lower. Walks over F2
do not merge rows that agree in two factors (see `Policy`). Over all rings the best states are
checked between tasks for linear dependence.

Of tensors a quarter of the descents over F3 begin over ZT, whose states are states over F3 too.
They continue over F3 where they end. Their schemes lift: of the schemes of quaternions of rank 8
hardly any other does, because over F3 the quaternions are the 2 x 2 matrices, of rank 7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.formats import Format, MatrixProduct
from flipsearch.formats.sparse import SparseTensor
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.search.edges import fitted
from flipsearch.search.ladder import Descent, draw_ladder, naive_start
from flipsearch.search.pools import Pools, sandwiched, without_dependence
from flipsearch.search.schedules import Bandit, Schedule, pick
from flipsearch.search.strategy import Setting, Strategy
from flipsearch.walk.task import LARGEST_RANK, Policy, WalkOutcome, WalkTask, Words, pack

STEPS = 10_000_000
SCHEDULES = [
    Schedule(STEPS, *numbers)
    for numbers in [
        *((1_000, 2), (2_000, 2), (5_000, 3), (10_000, 3)),
        *((20_000, 3), (50_000, 2), (100_000, 4)),
    ]
]
WIDTH = 4
"""Largest number of tasks in progress of a descent; then another descent begins."""
ARCHIVE_TURN = 8
"""One of this number of tasks works on the archive."""
HELD_TURN = 2
"""The same, if the archive begins with stored schemes."""
INTEGRAL_TURN = 4
"""One of this number of descents begins over ZT, of tensors over F3."""
CARRIED = 4
"""Number of best states of a rung to extend to the next."""


class Sent(NamedTuple):
    """The place of a task in progress; descent and rung are -1 for a task on the archive."""

    descent: int
    rung: int
    on_top: int
    schedule: int
    rank: int


class PoolStrategy(Strategy):
    """Climb from small formats to the format itself in many short descents.

    Parameters
    ----------
    starts : sequence of Scheme, optional
        Schemes over the ring at which every descent begins. By default a descent climbs a ladder.
    steps : int
        Largest number of steps of a task.
    held : sequence of Scheme, optional
        Schemes over the ring for the archive, on which every other task then works.
    """

    name = "pool"
    options = frozenset({"format", "target", "start", "fresh"})

    def __init__(
        self,
        format_: Format,
        ring: Ring,
        seed: int = 0,
        starts: Sequence[Scheme] = (),
        target: int = 0,
        steps: int = STEPS,
        held: Sequence[Scheme] = (),
    ) -> None:
        super().__init__(format_, ring, seed, target)
        if steps < 1:
            raise UsageError("a task has at least one step")
        for scheme in (*starts, *held):
            if scheme.format != format_:
                raise UsageError(
                    f"a scheme of {scheme.format} cannot start a search for {format_}"
                )
            if scheme.ring is not ring:
                raise UsageError(
                    f"a scheme over {scheme.ring} cannot start a search over {ring}: "
                    "map it with over()"
                )
        self.steps, self.begun, self.grows = steps, 0, not starts
        free = isinstance(format_, MatrixProduct) and format_.is_general
        self._may_sandwich = ring is Ring.ZT and free
        self.starts = [pack(scheme) for scheme in starts] or [naive_start(format_, ring)]
        self._integral = ring is Ring.F3 and self.grows and isinstance(format_, SparseTensor)
        if self._integral and np.abs(format_.naive_terms[:, 3]).max() > 1:
            self._integral = False  # ZT has no such value
        if not all(0 < len(state) <= LARGEST_RANK for state in self.starts):
            raise UsageError(
                f"a search for {format_} has to start from 1 to {LARGEST_RANK} products: start "
                "from a stored scheme with fewer by --from, or take a smaller format"
            )
        self._descents: list[Descent] = []
        self._rungs: dict[str, Pools[Words]] = {}
        self._bandit = Bandit(len(SCHEDULES))
        self._turn = HELD_TURN if held else ARCHIVE_TURN
        known = (pack(scheme) for scheme in held)
        self.archive = Pools[Words](ring).admit_all([*self.starts, *known])

    @classmethod
    def make(cls, setting: Setting) -> Strategy:
        """Make the strategy for a user's settings, with starts extended to the format."""
        format_ = setting.format
        assert format_ is not None

        def placed(scheme: Scheme) -> Scheme:
            return fitted(scheme.over(setting.ring), format_)

        starts, held = ([placed(s) for s in each] for each in (setting.starts, setting.held))
        return cls(format_, setting.ring, setting.seed, starts, setting.target, held=held)

    @property
    def climbing(self) -> str:  # type: ignore[override]
        """The present rungs of descents below the format itself, with their best ranks."""
        rungs = {str(d.format): d.pools.best_rank for d in self._descents if not d.on_top}
        return " ".join(f"{name}:{rank}" for name, rank in rungs.items())

    def samples(self) -> list[WalkTask]:
        """Return a task from the start, and a task of a ladder's first rung."""
        starts = [(self.format, self.starts[0])]
        if self.grows:
            format_ = draw_ladder(self.format, np.random.default_rng(0))[0][0]
            starts.append((format_, naive_start(format_, self.ring)))
        rings = [self.ring, Ring.ZT] if self._integral else [self.ring]
        return [
            WalkTask(format_, ring, start, 1, 1) for format_, start in starts for ring in rings
        ]

    def choose(self, number: int, seed: int) -> tuple[WalkTask, Sent]:
        """Return a task on the archive, or on the descent with the fewest tasks in progress."""
        schedule = self._bandit.draw(self.random)
        _, plus_after, band, _ = SCHEDULES[schedule]
        descent = self._next_descent()
        steps = max(1, min(self.steps, descent.patience // WIDTH))
        if number % self._turn == 0:
            place, rung, on_top, ring = -1, -1, True, self.ring
            format_, pools = self.format, self.archive
            if self._turn == HELD_TURN:
                steps = self.steps
        else:
            descent.waiting += 1
            place, rung, on_top = descent.number, descent.rung, descent.on_top
            format_, pools, ring = descent.format, descent.pools, descent.ring
        start = pools.draw(self.random)
        if place < 0 and self._may_sandwich and self.random.integers(2):
            start = sandwiched(self.format, start, self.random)
        goal = max(0, min(len(start) - 1, pools.best_rank + 2))
        policy = Policy(plus_after, band, stop_rank=goal, merge=self.ring is not Ring.F2)
        task = WalkTask(format_, ring, start, seed, steps, policy, number)
        return task, Sent(place, rung, on_top, schedule, len(start))

    def learn(self, sent: Sent, outcome: WalkOutcome | None) -> None:
        """Add the states of an outcome to the pools of its descent and to the archive."""
        before = self.best_rank
        descent = next((d for d in self._descents if d.number == sent.descent), None)
        if descent is not None:
            descent.waiting -= 1
        if outcome is None:
            return
        if sent.descent >= 0:
            self._bandit.learn(sent.schedule, outcome.rank < sent.rank)
        states = [*outcome.best, outcome.final]
        if sent.on_top and outcome.rank <= before:
            states.append(without_dependence(self.format, self.ring, outcome.best[-1]))
        if descent is not None and descent.rung == sent.rung:
            descent.take(states, outcome.steps)
            if descent.is_over and sent.on_top:
                if descent.ring is self.ring:
                    self._descents.remove(descent)
                descent.ring, descent.steps, descent.last_gain = self.ring, 0, 0
            elif descent.is_over:
                descent.climb(self._carried(descent))
        if sent.on_top:
            self.archive.admit_all(state for state in states if len(state) <= before + 2)

    def memory(self) -> dict[str, Any]:
        """Return descents, best states of rungs, the archive, and the success of schedules."""
        return {
            "begun": self.begun,
            "descents": [descent.state() for descent in self._descents],
            "rungs": {name: pools.state() for name, pools in self._rungs.items()},
            "archive": self.archive.state(),
            "tried": self._bandit.tried.tolist(),
            "gained": self._bandit.gained.tolist(),
        }

    def remember(self, state: Mapping[str, Any]) -> None:
        """Restore the state that `memory` returned."""
        self.begun = int(state["begun"])
        self.archive.restore(state["archive"])
        self._rungs = {
            name: Pools[Words](self.ring).restore(saved) for name, saved in state["rungs"].items()
        }
        self._bandit.tried, self._bandit.gained = map(np.array, (state["tried"], state["gained"]))
        self._descents = [
            Descent.restored(self.format, self.ring, saved) for saved in state["descents"]
        ]
        for descent in self._descents:
            descent.waiting = sum(sent.descent == descent.number for sent in self._sent.values())

    def sent_of(self, saved: Any) -> Sent:
        """Return a `Sent` from a list in a checkpoint."""
        return Sent(*map(int, saved))

    def _carried(self, descent: Descent) -> list[Words]:
        """Return the best states to climb with, of this descent or of an earlier one."""
        name = f"{descent.format}{'' if descent.ring is self.ring else f' over {descent.ring}'}"
        pools = self._rungs.setdefault(name, Pools(self.ring))
        rank = descent.pools.best_rank
        best = descent.pools.levels[rank][-CARRIED:]
        if pools.best_rank < rank:
            return [pick(self.random, pools.levels[pools.best_rank])]
        if pools.levels and rank < pools.best_rank:
            pools = self._rungs[name] = Pools(self.ring)
        pools.admit_all(best)
        return best

    def _next_descent(self) -> Descent:
        """Return the descent with the fewest tasks in progress; a new one if all have enough."""
        descent = min(self._descents, key=lambda d: d.waiting, default=None)
        if descent is None or descent.waiting >= WIDTH:
            ladder = draw_ladder(self.format, self.random) if self.grows else [(self.format, 0)]
            alone = len(ladder) == 1
            starts = self.starts if alone else [naive_start(ladder[0][0], self.ring)]
            pools = Pools[Words](self.ring).admit_all(starts)
            over_integers = self._integral and not self.random.integers(INTEGRAL_TURN)
            ring = Ring.ZT if over_integers else self.ring
            descent = Descent(self.begun, ring, ladder, pools)
            self.begun += 1
            self._descents.append(descent)
        return descent
