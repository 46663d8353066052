"""Find schemes over Q by numerical optimisation and rounding (strategy `numerical`).

Each attempt (`flipsearch.numerical.attempt`) begins at random numbers and ends at an exact scheme,
at a local minimum, at norms that grow without bound, or at a solution that was not made rational.
Attempts are independent. A task carries one on for a fraction of a second; an attempt that has not
ended waits for its next task.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from flipsearch.catalogue.lower import lower_bound
from flipsearch.errors import UsageError
from flipsearch.formats import Format
from flipsearch.numerical.attempt import BLOCK, Stage, from_words, growth, width
from flipsearch.numerical.problem import refuse_too_large
from flipsearch.numerical.rounding import quadratic_field
from flipsearch.numerical.task import NumericalOutcome, NumericalTask
from flipsearch.numerical.unknowns import unknowns_of
from flipsearch.rings import Ring
from flipsearch.search.ladder import naive_start
from flipsearch.search.pools import Pools
from flipsearch.search.strategy import Setting, Strategy
from flipsearch.walk.task import Policy, WalkOutcome, WalkTask, Words

TASK_SECONDS = 0.2
RATE = 1e10
"""Floating-point operations a second of a Cholesky factorisation on a slow core."""
MOST_MOVES = 64
WORDS = {
    Stage.EXACT: "exact",
    Stage.STUCK: "at a local minimum",
    Stage.DIVERGING: "diverging",
    Stage.IRRATIONAL: "converged, not rational",
}


class NumericalStrategy(Strategy):
    """Attempt after attempt from random numbers over Q, at one rank, the target.

    `symmetry` is as in `flipsearch.numerical.symmetry.group`. Raises `UsageError` if there is no
    target, it is below a lower bound, the symmetry does not fix the format, or the normal matrix
    does not fit the machine's memory.
    """

    name = "numerical"
    options = frozenset({"format", "target", "symmetry"})
    rings = (Ring.Q,)

    def __init__(
        self,
        format_: Format,
        ring: Ring = Ring.Q,
        seed: int = 0,
        target: int = 0,
        symmetry: str = "",
    ) -> None:
        super().__init__(format_, ring, seed, target)
        if not target:
            raise UsageError("--strategy numerical looks for one rank: give it by --target")
        bound = lower_bound(format_, ring)
        if bound is not None and target < bound.rank:
            raise UsageError(
                f"target {target} is no rank of {format_} over {ring}: {bound.rank} is a lower "
                f"bound ({bound.source})"
            )
        self.symmetry, self.policy = symmetry, Policy(stop_rank=target)
        self._naive = naive_start(format_, ring)
        self.archive = Pools[Words]().admit_all([self._naive])
        unknowns = len(unknowns_of(format_, target, symmetry, seed % 2**32))
        refuse_too_large(format_, unknowns)
        operations = BLOCK * max(unknowns, 1) ** 3 / 3
        self.moves = int(np.clip(TASK_SECONDS * RATE / operations, 1, MOST_MOVES))
        self._waiting: list[Words] = []
        self._ends: Counter[str] = Counter()
        self._grown = self._field = ""

    @classmethod
    def make(cls, setting: Setting) -> Strategy:
        """Make the strategy for a user's settings."""
        assert setting.format is not None
        return cls(setting.format, setting.ring, setting.seed, setting.target, setting.symmetry)

    def samples(self) -> list[WalkTask]:
        """Return a task of one move."""
        return [self._task(0, 0, 1, self._blank(0))]

    def choose(self, number: int, seed: int) -> tuple[WalkTask, int]:
        """Return the next moves of the attempt that waited longest, or of a new one; its seed."""
        if self._waiting:
            attempt = self._waiting.pop(0)
            return self._task(number, seed, self.moves, attempt), int(attempt[-1, 0])
        return self._task(number, seed, self.moves, self._blank(seed)), seed % 2**32

    def _task(self, number: int, seed: int, moves: int, attempt: Words) -> NumericalTask:
        return NumericalTask(
            *(self.format, self.ring, self._naive, seed, moves, self.policy, number),
            *(attempt, self.symmetry),
        )

    def _blank(self, seed: int) -> Words:
        """Return an attempt without rows, of the width for a task's seed."""
        unknowns = unknowns_of(self.format, self.target, self.symmetry, seed % 2**32)
        return np.zeros((0, width(len(unknowns))), dtype=np.uint64)

    def learn(self, sent: int, outcome: WalkOutcome | None) -> None:
        """Keep an exact scheme, count an attempt that has ended, or let it wait for more moves."""
        if not isinstance(outcome, NumericalOutcome):
            return
        words = outcome.final_attempt
        if words.shape[0] == 0 or words[-1, 0] != sent:  # of another attempt
            return
        stage = Stage.of(words)
        if outcome.rank < len(self._naive):
            self.archive.admit_all(outcome.best)
        elif not stage.is_end:
            self._waiting.append(words)
            return
        self._ends[stage.name] += 1
        if stage is Stage.DIVERGING and not self._grown:
            self._grown = growth(from_words(words, 0))
        if stage is Stage.IRRATIONAL and not self._field:
            unknowns = unknowns_of(self.format, self.target, self.symmetry, int(words[-1, 0]))
            found = quadratic_field(from_words(words, len(unknowns)).values)
            self._field = "" if found is None else f"Q(sqrt({found}))"

    def notes(self) -> list[str]:
        """Return how many attempts ended in which way, and the growth of diverging ones."""
        ends = [f"{self._ends[s.name]} {word}" for s, word in WORDS.items() if self._ends[s.name]]
        lines = [f"{sum(self._ends.values())} attempts: {', '.join(ends)}"] if ends else []
        if self._field:
            lines.append(f"a solution that was not made rational is over {self._field}")
        if self._grown:
            lines.append(f"border rank <= {self.target}, it seems: {self._grown}")
        return lines

    def identity(self) -> dict[str, Any]:
        """Return the values in which a saved state must agree."""
        return {**super().identity(), "target": self.target, "symmetry": self.symmetry}

    def memory(self) -> dict[str, Any]:
        """Return the archive, the waiting attempts and the counts."""
        return {
            "archive": self.archive.state(),
            "waiting": list(self._waiting),
            "ends": dict(self._ends),
            "grown": self._grown,
            "field": self._field,
        }

    def remember(self, state: Mapping[str, Any]) -> None:
        """Restore the state that `memory` returned."""
        self.archive.restore(state["archive"])
        self._waiting = [np.asarray(words, dtype=np.uint64) for words in state["waiting"]]
        self._ends = Counter({name: int(count) for name, count in state["ends"].items()})
        self._grown, self._field = str(state["grown"]), str(state["field"])
