"""Walks that misbehave, for tests: importable by worker processes."""

from __future__ import annotations

import dataclasses
import os
import time
from dataclasses import dataclass
from pathlib import Path

from flipsearch.errors import UsageError
from flipsearch.walk import cpu
from flipsearch.walk.task import WalkOutcome, WalkTask


def stand_still(task: WalkTask) -> WalkOutcome:
    """Walk nowhere; change the start in place, as a kernel may."""
    best = task.start.copy()
    task.start[:] = 0
    return WalkOutcome(task.number, (best,), best, (), 0, 0, 0, 0, "budget")


def refuse_odd(task: WalkTask) -> WalkOutcome:
    """Raise for odd task numbers."""
    if task.number % 2:
        raise UsageError(f"number {task.number} is odd")
    return stand_still(task)


@dataclass(frozen=True)
class Once:
    """Misbehave the first time a task of these numbers is walked anywhere, then walk.

    Parameters
    ----------
    folder : str
        Where marks of first times are left.
    how : str
        wrong, poor, other, malformed, hang, die or raise.
    numbers : tuple of int
    always : bool
        Every time instead.
    """

    folder: str
    how: str
    numbers: tuple[int, ...]
    always: bool = False

    def __call__(self, task: WalkTask) -> WalkOutcome:
        mark = Path(self.folder) / str(task.number)
        if task.number not in self.numbers or (mark.exists() and not self.always):
            return cpu.walk(task)
        mark.touch()
        if self.how == "hang":
            time.sleep(3600)
        if self.how == "die":
            os._exit(1)
        if self.how == "raise":
            raise MemoryError("this node is out of memory")
        outcome = cpu.walk(task)
        if self.how == "wrong":  # one coefficient
            state = outcome.best[0].copy()
            state[0, 0, 0] ^= 1 if state[0, 0, 0] != 1 else 2
            return dataclasses.replace(outcome, best=(state,))
        if self.how == "poor":  # too good to be true: a product left out
            return dataclasses.replace(outcome, best=(outcome.best[0][1:].copy(),))
        if self.how == "other":
            return dataclasses.replace(outcome, flips=2**62)
        return dataclasses.replace(outcome, reason="because")
