"""Search triangular times symmetric products over F3 modulo the diagonal (strategy `diagonal`).

A descent walks modulo diagonal terms (`flipsearch.walk.diagonal`). It begins at the naive scheme,
and each task starts from the last state of the one before. For ``us:4x4x4`` a descent reaches rank
29 or 30 in half a second and stays there; one in some hundreds reaches 28. Descents are therefore
many and short: a descent is given up after a task without a lower rank.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from flipsearch.formats import Format
from flipsearch.rings import Ring
from flipsearch.search.ladder import naive_start
from flipsearch.search.pools import Pools
from flipsearch.search.schedules import Schedule
from flipsearch.search.strategy import Strategy
from flipsearch.walk.diagonal.task import DiagonalTask, diagonal
from flipsearch.walk.task import Policy, WalkOutcome, WalkTask, Words

STEPS = 3_000_000
SCHEDULES = (Schedule(STEPS, 5_000, 3), Schedule(STEPS, 50_000, 3), Schedule(STEPS, 100_000, 8))
"""Schedules, one of which is drawn for each descent."""


class Descent(NamedTuple):
    """The present state of a descent, its lowest rank until now, and its schedule."""

    at: Words
    lowest: int
    schedule: int


class DiagonalStrategy(Strategy):
    """Walk modulo diagonal terms, in many short descents of tasks of so many steps.

    Takes ``us:n x n x n``, n from 2 to 5, over F3; raises `UsageError` for others.
    """

    name = "diagonal"

    def __init__(
        self,
        format_: Format,
        ring: Ring = Ring.F3,
        seed: int = 0,
        target: int = 0,
        steps: int = STEPS,
    ) -> None:
        diagonal(format_, ring)
        super().__init__(format_, ring, seed, target)
        self.steps = steps
        self._naive = naive_start(format_, ring)
        self.archive = Pools[Words](ring).admit_all([self._naive])
        self._waiting: list[Descent] = []

    def samples(self) -> list[WalkTask]:
        """Return a task from the naive scheme."""
        return [DiagonalTask(self.format, self.ring, self._naive, 1, 1)]

    def choose(self, number: int, seed: int) -> tuple[WalkTask, Descent]:
        """Return the next walk of the descent that has waited longest, or of a new descent."""
        if self._waiting:
            descent = self._waiting.pop(0)
        else:
            schedule = int(self.random.integers(len(SCHEDULES)))
            descent = Descent(self._naive, len(self._naive), schedule)
        _, plus_after, band, _ = SCHEDULES[descent.schedule]
        policy = Policy(plus_after, band, self.target, plus_since="lower")
        task = DiagonalTask(self.format, self.ring, descent.at, seed, self.steps, policy, number)
        return task, descent

    def learn(self, sent: Descent, outcome: WalkOutcome | None) -> None:
        """Keep the best states, and continue the descent if its rank is lower."""
        if outcome is None:
            return
        self.archive.admit_all(outcome.best)
        if outcome.rank < sent.lowest:
            self._waiting.append(Descent(outcome.final, outcome.rank, sent.schedule))

    def memory(self) -> dict[str, Any]:
        """Return the archive and the waiting descents."""
        return {"archive": self.archive.state(), "waiting": list(self._waiting)}

    def remember(self, state: Mapping[str, Any]) -> None:
        """Restore the state that `memory` returned."""
        self.archive.restore(state["archive"])
        self._waiting = [self.sent_of(saved) for saved in state["waiting"]]

    def sent_of(self, saved: Any) -> Descent:
        """Return a descent from a list in a checkpoint, or a dictionary in older ones."""
        at, lowest, schedule = saved.values() if isinstance(saved, Mapping) else saved
        return Descent(np.asarray(at, dtype=np.uint64), int(lowest), int(schedule))
