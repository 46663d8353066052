"""Strategy `diagonal`: a triangular matrix times a symmetric one, modulo the diagonal, over F3.

Descents by walks modulo diagonal terms (`flipsearch.walk.diagonal`), each from the naive scheme,
task after task from where the last one stopped. Of ``us:4x4x4`` a descent comes to rank 29 or 30
in half a second and stays there; one in some hundreds comes to 28. So descents are short and many:
one whose last task has not come lower is given up.

Invariant: the strategy is a deterministic function of its seed and of the outcomes told, in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.formats import MatrixProduct
from flipsearch.rings import Ring
from flipsearch.search.descent import naive_start
from flipsearch.search.levels import Archived, Pools
from flipsearch.search.pool import plain, task_seed
from flipsearch.walk.diagonal.task import DiagonalTask, diagonal
from flipsearch.walk.task import Policy, WalkOutcome, WalkTask, Words

STEPS = 3_000_000
SCHEDULES = ((5_000, 3), (50_000, 3), (100_000, 8))
"""Steps before a plus transition, and band: one for each descent."""


class Descent(NamedTuple):
    """Where a descent is, the lowest rank it has had, and its schedule."""

    at: Words
    lowest: int
    schedule: int


class DiagonalStrategy(Archived):
    """Ask for walks modulo diagonal terms, and tell their outcomes.

    Parameters
    ----------
    format_ : MatrixProduct
        ``us:n x n x n``, n from 2 to 5.
    ring : Ring
        F3.
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

    name = "diagonal"
    keeps_outstanding = True

    def __init__(
        self,
        format_: MatrixProduct,
        ring: Ring = Ring.F3,
        seed: int = 0,
        target: int = 0,
        steps: int = STEPS,
    ) -> None:
        diagonal(format_, ring)
        self.format, self.ring, self.seed = format_, ring, seed
        self.target, self.steps = target, steps
        self.asked = self.told = 0
        self._random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2**32,)))
        self._naive = naive_start(format_, ring)
        self.archive = Pools(ring)
        self.archive.admit(self._naive)
        self._waiting: list[Descent] = []
        self._sent: dict[int, Descent] = {}

    def samples(self) -> list[WalkTask]:
        """Return a task of each sort that this strategy asks for, for compiling ahead."""
        return [DiagonalTask(self.format, self.ring, self._naive, 1, 1)]

    def ask(self) -> WalkTask:
        """Return the next walk, of the descent that has waited longest or of a new one."""
        number = self.asked
        self.asked += 1
        if self._waiting:
            descent = self._waiting.pop(0)
        else:
            schedule = int(self._random.integers(len(SCHEDULES)))
            descent = Descent(self._naive, len(self._naive), schedule)
        self._sent[number] = descent
        policy = Policy(*SCHEDULES[descent.schedule], self.target, plus_since="lower")
        seed = task_seed(self.seed, number)
        return DiagonalTask(self.format, self.ring, descent.at, seed, self.steps, policy, number)

    def tell(self, outcome: WalkOutcome) -> bool:
        """Take an outcome; return whether it lowered the best rank.

        Outcomes of tasks asked before the last `restore` are ignored.
        """
        descent = self._sent.pop(outcome.number, None)
        if descent is None:
            return False
        self.told += 1
        if outcome.reason == "broken":
            return False
        before = self.best_rank
        for state in outcome.best:
            self.archive.admit(state)
        if outcome.rank < descent.lowest:
            self._waiting.append(Descent(outcome.final, outcome.rank, descent.schedule))
        return self.best_rank < before

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs: JSON values and arrays."""
        return {
            "strategy": self.name,
            "format": str(self.format),
            "ring": str(self.ring),
            "seed": self.seed,
            "asked": self.asked,
            "told": self.told,
            "random": plain(self._random.bit_generator.state),
            "archive": self.archive.state(),
            "waiting": [descent._asdict() for descent in self._waiting],
            "sent": {str(number): descent._asdict() for number, descent in self._sent.items()},
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
        mine = {"strategy": self.name, "format": str(self.format), "ring": str(self.ring)}
        if any(state.get(key) != value for key, value in (mine | {"seed": self.seed}).items()):
            raise UsageError("the saved state is not of this diagonal run: use the same options")
        outstanding = {int(task["number"]) for task in state.get("outstanding", ())}
        self.asked = int(state["asked"])
        self.told = self.asked - len(outstanding)
        self._random.bit_generator.state = state["random"]
        self.archive = Pools.restored(self.ring, state["archive"])
        self._waiting = [_descent(saved) for saved in state["waiting"]]
        sent = {int(number): _descent(saved) for number, saved in state["sent"].items()}
        self._sent = {number: sent[number] for number in sent if number in outstanding}


def _descent(saved: Mapping[str, Any]) -> Descent:
    at = np.asarray(saved["at"], dtype=np.uint64)
    return Descent(at, int(saved["lowest"]), int(saved["schedule"]))
