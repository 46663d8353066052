"""Walks that misbehave, for tests: importable by worker processes."""

from __future__ import annotations

import dataclasses
import os
import time
from dataclasses import dataclass
from pathlib import Path

from flipsearch.errors import UsageError
from flipsearch.walk import engine
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
class Odd:
    """Misbehave the first time certain tasks are walked anywhere, then walk.

    Parameters
    ----------
    folder : str
        Where marks of first times are left.
    how : dict of int to str
        By task number: wrong, poor, other, malformed, hang, die or raise; with ``always`` before
        it, every time.
    """

    folder: str
    how: dict[int, str]

    def __call__(self, task: WalkTask) -> WalkOutcome:
        kind = self.how.get(task.number, "")
        mark = Path(self.folder) / str(task.number)
        if not kind or (mark.exists() and not kind.startswith("always ")):
            return engine.walk(task)
        mark.touch()
        kind = kind.removeprefix("always ")
        if kind == "hang":
            time.sleep(3600)
        if kind == "die":
            os._exit(1)
        if kind == "raise":
            raise MemoryError("this node is out of memory")
        outcome = engine.walk(task)
        if kind == "wrong":  # one coefficient
            state = outcome.best[0].copy()
            state[0, 0, 0] ^= 1 if state[0, 0, 0] != 1 else 2
            return dataclasses.replace(outcome, best=(state,))
        if kind == "poor":  # too good to be true: a product left out
            return dataclasses.replace(outcome, best=(outcome.best[0][1:].copy(),))
        if kind == "other":
            return dataclasses.replace(outcome, flips=2**62)
        return dataclasses.replace(outcome, reason="because")
