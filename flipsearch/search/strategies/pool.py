"""Strategy `pool`: descents up ladders of formats, each through pools of decreasing rank.

A task starts from a state drawn from one of the lowest levels of a descent and stops as soon as it
is lower; its last state joins the pool of its rank. Levels near the best are chosen geometrically,
states that have a flip before those that have none, and the plus transitions change from task to
task.

Descents are short and many. One that has not improved for long enough, measured by the steps its
last improvement took, climbs to the next format of its ladder; on the last format it is given up
for a new one (see `flipsearch.search.ladder`). Several descents go on at once, a few tasks each,
which keeps a thousand workers from crowding one of them. An archive keeps the best states found
for the format itself, from the naive scheme on; one task in eight works on that. Walks over F2 do
not merge rows that agree in two factors (see `Policy`); over all rings the best states are checked
between tasks for any linear dependence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.formats import Format, MatrixProduct
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
"""Tasks that a descent has under way at most, before another begins."""
ARCHIVE_TURN = 8
"""One task in so many works on the archive."""
CARRIED = 4
"""Best states of a rung that are extended to the next."""


class Sent(NamedTuple):
    """Where a task under way belongs; descent and rung are -1 where it works on the archive."""

    descent: int
    rung: int
    on_top: int
    schedule: int
    rank: int


class PoolStrategy(Strategy):
    """Descend from formats of small sides to the format itself, in many short ways.

    Parameters
    ----------
    format_, ring, seed, target
        See `Strategy`.
    starts : sequence of Scheme, optional
        Schemes over the ring where every descent begins; by default it climbs a ladder.
    steps : int
        Steps of a task.
    """

    name = "pool"
    options = frozenset({"format", "target", "start"})

    def __init__(
        self,
        format_: Format,
        ring: Ring,
        seed: int = 0,
        starts: Sequence[Scheme] = (),
        target: int = 0,
        steps: int = STEPS,
    ) -> None:
        super().__init__(format_, ring, seed, target)
        if steps < 1:
            raise UsageError("a task has at least one step")
        for scheme in starts:
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
        if not all(0 < len(state) <= LARGEST_RANK for state in self.starts):
            raise UsageError(
                f"a search for {format_} has to start from 1 to {LARGEST_RANK} products"
            )
        self._descents: list[Descent] = []
        self._rungs: dict[str, Pools[Words]] = {}
        self._bandit = Bandit(len(SCHEDULES))
        self.archive = Pools[Words](ring).admit_all(self.starts)

    @classmethod
    def make(cls, setting: Setting) -> Strategy:
        """Return the strategy for what a user asks, its starts fitted to the format."""
        format_ = setting.format
        assert format_ is not None
        starts = [
            fitted(scheme.over(setting.ring), format_)
            if isinstance(format_, MatrixProduct)
            else scheme.over(setting.ring)
            for scheme in setting.starts
        ]
        return cls(format_, setting.ring, setting.seed, starts, setting.target)

    @property
    def climbing(self) -> str:  # type: ignore[override]
        """The rungs below the format itself that descents are on, with their best ranks."""
        rungs = {str(d.format): d.pools.best_rank for d in self._descents if not d.on_top}
        return " ".join(f"{name}:{rank}" for name, rank in rungs.items())

    def samples(self) -> list[WalkTask]:
        """Return a task from the start, and one of a ladder's first rung."""
        starts = [(self.format, self.starts[0])]
        if self.grows:
            format_ = draw_ladder(self.format, np.random.default_rng(0))[0][0]
            starts.append((format_, naive_start(format_, self.ring)))
        return [WalkTask(format_, self.ring, start, 1, 1) for format_, start in starts]

    def choose(self, number: int, seed: int) -> tuple[WalkTask, Sent]:
        """Return a task on the archive, or on the descent with the fewest tasks under way."""
        schedule = self._bandit.draw(self.random)
        _, plus_after, band, _ = SCHEDULES[schedule]
        if number % ARCHIVE_TURN == 0:
            place, rung, on_top = -1, -1, True
            format_, pools, steps = self.format, self.archive, self.steps
        else:
            descent = self._next_descent()
            descent.waiting += 1
            place, rung, on_top = descent.number, descent.rung, descent.on_top
            format_, pools = descent.format, descent.pools
            steps = max(1, min(self.steps, descent.patience // WIDTH))
        start = pools.draw(self.random)
        if place < 0 and self._may_sandwich and self.random.integers(2):
            start = sandwiched(self.format, start, self.random)
        goal = max(0, min(len(start) - 1, pools.best_rank + 2))
        policy = Policy(plus_after, band, stop_rank=goal, merge=self.ring is not Ring.F2)
        task = WalkTask(format_, self.ring, start, seed, steps, policy, number)
        return task, Sent(place, rung, on_top, schedule, len(start))

    def learn(self, sent: Sent, outcome: WalkOutcome | None) -> None:
        """Put the states of an outcome into the pools of its descent and into the archive."""
        before = self.best_rank
        descent = next((d for d in self._descents if d.number == sent.descent), None)
        if descent is not None:
            descent.waiting -= 1
        if outcome is None:
            return
        self._bandit.learn(sent.schedule, outcome.rank < sent.rank)
        states = [*outcome.best, outcome.final]
        if sent.on_top and outcome.rank <= before:
            states.append(without_dependence(self.format, self.ring, outcome.best[-1]))
        if descent is not None and descent.rung == sent.rung:
            descent.take(states, outcome.steps)
            if descent.is_over and sent.on_top:
                self._descents.remove(descent)
            elif descent.is_over:
                descent.climb(self._carried(descent))
        if sent.on_top:
            self.archive.admit_all(state for state in states if len(state) <= before + 2)

    def memory(self) -> dict[str, Any]:
        """Return the descents, the best of their rungs, the archive and the schedules' success."""
        return {
            "begun": self.begun,
            "descents": [descent.state() for descent in self._descents],
            "rungs": {name: pools.state() for name, pools in self._rungs.items()},
            "archive": self.archive.state(),
            "tried": self._bandit.tried.tolist(),
            "gained": self._bandit.gained.tolist(),
        }

    def remember(self, state: Mapping[str, Any]) -> None:
        """Take back what `memory` returned."""
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
        """Return a `Sent` from its list."""
        return Sent(*map(int, saved))

    def _carried(self, descent: Descent) -> list[Words]:
        """Return the states a descent climbs with: its best, or better ones of descents before."""
        pools = self._rungs.setdefault(str(descent.format), Pools(self.ring))
        rank = descent.pools.best_rank
        best = descent.pools.levels[rank][-CARRIED:]
        if pools.best_rank < rank:
            return [pick(self.random, pools.levels[pools.best_rank])]
        if pools.levels and rank < pools.best_rank:
            pools = self._rungs[str(descent.format)] = Pools(self.ring)
        pools.admit_all(best)
        return best

    def _next_descent(self) -> Descent:
        """Return the descent with the fewest tasks under way, a new one if all have enough."""
        descent = min(self._descents, key=lambda d: d.waiting, default=None)
        if descent is None or descent.waiting >= WIDTH:
            ladder = draw_ladder(self.format, self.random) if self.grows else [(self.format, 0)]
            alone = len(ladder) == 1
            starts = self.starts if alone else [naive_start(ladder[0][0], self.ring)]
            pools = Pools[Words](self.ring).admit_all(starts)
            descent = Descent(self.begun, self.ring, ladder, pools)
            self.begun += 1
            self._descents.append(descent)
        return descent
