"""Search square formats over F3 and ZT by orbits of rotated indices (strategy `rotation`).

Walks by rotated orbits (`flipsearch.walk.rotation`) begin over the integers, from the naive
scheme, with coefficients -1, 0, 1. There they descend from 125 to 75 for ``sw:5x5x5`` in a second,
while walks over F3 stay above 100. Walks over F3 then start from the lowest states found, in pools
by rank. The beginning soon determines how low an attempt can go. An attempt is given up after too
many tasks without a lower rank, and a new one begins with empty pools. A share of the tasks walks
from the best states without symmetry, because a symmetric scheme may have general neighbours of
lower rank. Sides with divisors have several groups, which take turns, because small groups reach
ranks that large groups cannot reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from flipsearch.errors import UsageError
from flipsearch.formats import MatrixProduct
from flipsearch.rings import Ring
from flipsearch.search.pools import Pools
from flipsearch.search.schedules import pick
from flipsearch.search.strategy import Setting, Strategy
from flipsearch.walk.rotation.task import RotationTask, naive_orbits, orders
from flipsearch.walk.task import Policy, WalkOutcome, WalkTask, Words

STEPS = 3_000_000
PLUS_AFTER = (1_000, 5_000, 20_000, 50_000, 200_000)
BANDS = (1, 2, 3)
"""Largest heights of plus transitions above the best rank of a walk, in orbits."""
BEGINNING = 30
"""Number of tasks of an attempt over the integers before the first task over F3."""
PATIENCE = 60
"""Number of tasks without a new lowest rank after which an attempt is given up."""
AGAIN = 0.1
"""Share of the tasks over the integers that begin at the naive scheme."""
WITHOUT, LONGER = 0.3, 3
"""Share of the tasks without symmetry, and the ratio of their length to that of others."""


class Sent(NamedTuple):
    """A task in progress: its attempt (-1 without symmetry); whether it is integral."""

    attempt: int
    integral: bool


@dataclass
class Attempt:
    """The pools of one attempt over the integers and over the search's ring, for one order."""

    number: int
    order: int
    integral: Pools[Words]
    pools: Pools[Words]
    asked: int = 0
    since: int = 0


class RotationStrategy(Strategy):
    """Walk by rotated orbits, and for a share of tasks without symmetry, so many steps a task.

    Takes n x n x n, n from 2 to 8, invariant under rotated indices (`flipsearch.walk.rotation`),
    over F3 and ZT; raises `UsageError` for others.
    """

    name = "rotation"

    def __init__(
        self, format_: MatrixProduct, ring: Ring, seed: int, target: int = 0, steps: int = STEPS
    ) -> None:
        self.orders = orders(format_, ring)
        super().__init__(format_, ring, seed, target)
        self.steps = steps
        self._naive = {order: naive_orbits(format_, order) for order in self.orders}
        self.archive = Pools[Words](ring).admit_all([self._naive[self.orders[0]]])
        self._attempt = self._begin(0)

    @classmethod
    def make(cls, setting: Setting) -> Strategy:
        """Make the strategy for a user's settings."""
        if setting.mirrored:
            raise UsageError("--mirrored goes with --ring F2 and n x n x n")
        return super().make(setting)

    def samples(self) -> list[WalkTask]:
        """Return walks by each group, over each ring, and a walk without symmetry."""
        tasks: list[WalkTask] = []
        for order, start in self._naive.items():
            values = self.format, self.ring, start, 1, 1
            tasks.append(WalkTask(*values))
            for integral in {True, self.ring is Ring.ZT}:
                tasks.append(RotationTask(*values, order=order, integral=integral))
        return tasks

    def choose(self, number: int, seed: int) -> tuple[WalkTask, Sent]:
        """Return the next walk: a `RotationTask`, or for a share of tasks a plain `WalkTask`."""
        random = self.random
        plus_after, band = pick(random, PLUS_AFTER), pick(random, BANDS)
        if self.best_rank < self.format.naive_rank and random.random() < WITHOUT:
            start = self.archive.draw(random)
            goal = max(self.target, min(len(start) - 1, self.best_rank + 2))
            policy = Policy(plus_after, band + 1, goal)
            steps = LONGER * self.steps
            task = WalkTask(self.format, self.ring, start, seed, steps, policy, number)
            return task, Sent(-1, False)
        if self._attempt.since >= PATIENCE:
            self._attempt = self._begin(self._attempt.number + 1)
        attempt = self._attempt
        order = attempt.order
        integral = self.ring is Ring.ZT or attempt.asked < BEGINNING
        attempt.asked += 1
        pools = attempt.integral if integral else attempt.pools
        start = pools.draw(random)
        if integral and random.random() < AGAIN:
            start = self._naive[order]
        goal = max(self.target, min(len(start) - order, pools.best_rank))
        policy = Policy(plus_after, band * order, goal, merge=False, plus_since="lower")
        values = self.format, self.ring, start, seed, self.steps, policy, number
        task = RotationTask(*values, order=order, integral=integral)
        return task, Sent(attempt.number, integral)

    def learn(self, sent: Sent, outcome: WalkOutcome | None) -> None:
        """Keep the states of an outcome, and count the attempt's tasks without a lower rank."""
        if outcome is None:
            return
        states = [*outcome.best]
        if len(outcome.final) == outcome.rank:
            states.append(outcome.final)
        self.archive.admit_all(states)
        attempt = self._attempt
        if sent.attempt == attempt.number:
            lower = outcome.rank < attempt.pools.best_rank
            beginning = attempt.asked <= BEGINNING
            attempt.since = 0 if lower or beginning else attempt.since + 1
            attempt.pools.admit_all(states)
            if sent.integral:  # over ZT these are the same pools
                attempt.integral.admit_all(states)

    def memory(self) -> dict[str, Any]:
        """Return the archive and the present attempt."""
        attempt = self._attempt
        return {
            "archive": self.archive.state(),
            "attempt": [attempt.number, attempt.order, attempt.asked, attempt.since],
            "integral": {} if self.ring is Ring.ZT else attempt.integral.state(),
            "pools": attempt.pools.state(),
        }

    def remember(self, state: Mapping[str, Any]) -> None:
        """Restore the state that `memory` returned."""
        self.archive.restore(state["archive"])
        number, order, asked, since = map(int, state["attempt"])
        pools = Pools[Words](self.ring).restore(state["pools"])
        integral = pools
        if self.ring is not Ring.ZT:
            integral = Pools[Words](Ring.ZT).restore(state["integral"])
        self._attempt = Attempt(number, order, integral, pools, asked, since)

    def sent_of(self, saved: Any) -> Sent:
        """Return a `Sent` from a list in a checkpoint."""
        return Sent(int(saved[0]), bool(saved[1]))

    def _begin(self, number: int) -> Attempt:
        """Return a new attempt at the naive scheme, by the group whose turn it is."""
        order = self.orders[number % len(self.orders)]
        pools = Pools[Words](self.ring).admit_all([self._naive[order]])
        integral = pools
        if self.ring is not Ring.ZT:
            integral = Pools[Words](Ring.ZT).admit_all([self._naive[order]])
        return Attempt(number, order, integral, pools)
