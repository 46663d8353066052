"""Strategy `symmetric` over F3 and ZT: square formats by orbits of the rotation of their indices.

Walks by rotated orbits (`flipsearch.walk.rotation`) begin over the integers, from the naive
scheme, with coefficients -1, 0, 1: there they come down from 125 to 75 of ``sw:5x5x5`` in a
second, where walks over F3 stay above 100. Over F3 the lowest of these are walked on from, in
pools by rank. What an attempt can reach is soon settled: one that has not gone lower for long
enough is given up for a new one, with pools of its own. A share of the tasks walks from the best
states without symmetry, because a symmetric scheme may have general neighbours of lower rank.
Sides with divisors have several groups, which take turns: small groups reach ranks that large ones
cannot.

Invariant: the strategy is a deterministic function of its seed and of the outcomes told, in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.formats import MatrixProduct
from flipsearch.rings import Ring
from flipsearch.search.levels import Archived, Pools
from flipsearch.search.pool import plain, task_seed
from flipsearch.walk.rotation.task import RotationTask, naive_orbits, orders
from flipsearch.walk.task import Policy, WalkOutcome, WalkTask

STEPS = 3_000_000
PLUS_AFTER = (1_000, 5_000, 20_000, 50_000, 200_000)
BANDS = (1, 2, 3)
"""Orbits above the best rank of a walk up to which a plus transition is made."""
BEGINNING = 30
"""Tasks of an attempt over the integers before the first over F3."""
PATIENCE = 60
"""Tasks of an attempt without a new lowest rank after which it is given up."""
AGAIN = 0.1
"""Share of the tasks over the integers that begin with the naive scheme again."""
WITHOUT, LONGER = 0.3, 3
"""Share of the tasks without symmetry, and how many times longer they are."""


class Sent(NamedTuple):
    """A task under way: its attempt, or -1 without symmetry; whether over the integers."""

    attempt: int
    integral: bool


@dataclass
class Attempt:
    """Pools of one order over the integers and over the search's ring, filled from the start."""

    number: int
    order: int
    integral: Pools
    pools: Pools
    asked: int = 0
    since: int = 0


class RotationStrategy(Archived):
    """Ask for walks by rotated orbits, and walks without symmetry, and tell their outcomes.

    Parameters
    ----------
    format_ : MatrixProduct
        n x n x n, n from 2 to 8, fixed by rotating its indices: `flipsearch.walk.rotation`.
    ring : Ring
        F3 or ZT.
    seed : int
        The run's seed.
    target : int
        The search is over at this rank.
    steps : int
        Steps of a task.

    Raises
    ------
    UsageError
        The format or ring is not for such walks.
    """

    name = "symmetric"
    keeps_outstanding = True

    def __init__(
        self, format_: MatrixProduct, ring: Ring, seed: int, target: int = 0, steps: int = STEPS
    ) -> None:
        self.orders = orders(format_, ring)
        self.format, self.ring, self.seed = format_, ring, seed
        self.target, self.steps = target, steps
        self.asked = self.told = 0
        self._random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2**32,)))
        self._sent: dict[int, Sent] = {}
        self._naive = {order: naive_orbits(format_, order) for order in self.orders}
        self.archive = Pools(ring)
        self.archive.admit(self._naive[self.orders[0]])
        self._attempt = self._begin(0)

    def samples(self) -> list[WalkTask]:
        """Return a task of each sort that this strategy asks for, for compiling ahead."""
        tasks: list[WalkTask] = []
        for order, start in self._naive.items():
            tasks.append(WalkTask(self.format, self.ring, start, 1, 1))
            for integral in {True, self.ring is Ring.ZT}:
                tasks.append(
                    RotationTask(
                        self.format, self.ring, start, 1, 1, order=order, integral=integral
                    )
                )
        return tasks

    def ask(self) -> WalkTask:
        """Return the next walk: a `RotationTask`, or now and then a plain `WalkTask`."""
        number, random = self.asked, self._random
        self.asked += 1
        seed = task_seed(self.seed, number)
        plus_after = PLUS_AFTER[int(random.integers(len(PLUS_AFTER)))]
        band = BANDS[int(random.integers(len(BANDS)))]
        if self.best_rank < self.format.naive_rank and random.random() < WITHOUT:
            self._sent[number] = Sent(-1, False)
            start = self.archive.draw(random)
            goal = max(self.target, min(len(start) - 1, self.best_rank + 2))
            policy = Policy(plus_after, band + 1, goal)
            steps = LONGER * self.steps
            return WalkTask(self.format, self.ring, start, seed, steps, policy, number)
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
        self._sent[number] = Sent(attempt.number, integral)
        goal = max(self.target, min(len(start) - order, pools.best_rank))
        policy = Policy(plus_after, band * order, goal, merge=False, plus_since="lower")
        return RotationTask(
            *(self.format, self.ring, start, seed, self.steps, policy, number),
            order=order,
            integral=integral,
        )

    def tell(self, outcome: WalkOutcome) -> bool:
        """Take an outcome; return whether it lowered the best rank.

        Outcomes of tasks asked before the last `restore` are ignored.
        """
        sent = self._sent.pop(outcome.number, None)
        if sent is None:
            return False
        self.told += 1
        before = self.best_rank
        if outcome.reason == "broken":
            return False
        states = [*outcome.best]
        if len(outcome.final) == outcome.rank:
            states.append(outcome.final)
        for state in states:
            self.archive.admit(state)
        attempt = self._attempt
        if sent.attempt == attempt.number:
            lower = outcome.rank < attempt.pools.best_rank
            beginning = attempt.asked <= BEGINNING
            attempt.since = 0 if lower or beginning else attempt.since + 1
            for state in states:
                attempt.pools.admit(state)
                if sent.integral and self.ring is not Ring.ZT:
                    attempt.integral.admit(state)
        return self.best_rank < before

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs: JSON values and arrays."""
        attempt = self._attempt
        return {
            "strategy": "rotation",
            "format": str(self.format),
            "ring": str(self.ring),
            "seed": self.seed,
            "asked": self.asked,
            "told": self.told,
            "sent": {str(number): list(sent) for number, sent in self._sent.items()},
            "random": plain(self._random.bit_generator.state),
            "archive": self.archive.state(),
            "attempt": [attempt.number, attempt.order, attempt.asked, attempt.since],
            "integral": {} if self.ring is Ring.ZT else attempt.integral.state(),
            "pools": attempt.pools.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a saved state.

        Tasks asked and never told are forgotten, unless the state holds them under
        ``outstanding``: then they are expected.

        Raises
        ------
        UsageError
            The state is of another strategy, format, ring or seed.
        """
        mine = {"strategy": "rotation", "format": str(self.format), "ring": str(self.ring)}
        if any(state.get(key) != value for key, value in (mine | {"seed": self.seed}).items()):
            raise UsageError("the saved state is not of this symmetric run: use the same options")
        outstanding = {int(task["number"]) for task in state.get("outstanding", ())}
        self.asked = int(state["asked"])
        self.told = self.asked - len(outstanding)
        self._random.bit_generator.state = state["random"]
        self._sent = {
            int(number): Sent(int(sent[0]), bool(sent[1]))
            for number, sent in state["sent"].items()
            if int(number) in outstanding
        }
        self.archive = Pools.restored(self.ring, state["archive"])
        number, order, asked, since = map(int, state["attempt"])
        pools = Pools.restored(self.ring, state["pools"])
        integral = pools
        if self.ring is not Ring.ZT:
            integral = Pools.restored(Ring.ZT, state["integral"])
        self._attempt = Attempt(number, order, integral, pools, asked, since)

    def _begin(self, number: int) -> Attempt:
        """Return a new attempt, at the naive scheme, by the group whose turn it is."""
        order = self.orders[number % len(self.orders)]
        pools = Pools(self.ring)
        integral = pools if self.ring is Ring.ZT else Pools(Ring.ZT)
        for each in (pools, integral):
            each.admit(self._naive[order])  # a second time it changes nothing
        return Attempt(number, order, integral, pools)
