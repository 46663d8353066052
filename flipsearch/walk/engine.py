"""Carry out walks of every kind and check their outcomes; no other module does either.

Invariant: an outcome of `walk` or `check` with another reason than ``broken`` is plausible. Its
numbers do not contradict its task, and each of its states is a scheme as far as random points show
(`flipsearch.walk.guard`). Schemes that enter the catalogue are proved exactly.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import Any

import numpy as np

from flipsearch.formats import Format
from flipsearch.rings import Ring
from flipsearch.walk import guard
from flipsearch.walk.kinds import kind_of
from flipsearch.walk.task import WalkOutcome, WalkTask, Words

logger = logging.getLogger("flipsearch.walk")

REASONS = frozenset(("budget", "reached", "stuck", "broken"))
LARGEST_HISTORY = 1024


def walk(task: WalkTask) -> WalkOutcome:
    """Carry out a walk of any kind; the same task gives the same outcome, bit for bit.

    Its reason is ``broken`` if the identity fails at random points. Its states must then not be
    used, and the task can be replayed to find the cause. Raises `UsageError` if the kind does not
    follow the task's policy, or does not take its format, ring or start; `TypeError` if the task
    belongs to no registered kind.
    """
    kind = kind_of(task)
    kind.refuse(task.policy)
    return check(task, kind.run(task), task.seed)


def reference(task: WalkTask) -> WalkOutcome:
    """Carry out a walk of any kind by its plain engine, about a thousand times slower."""
    kind = kind_of(task)
    kind.refuse(task.policy)
    return kind.reference(task)


def warm_up(format_: Format, ring: Ring, state: Words) -> float:
    """Compile plain walks from a state, or load them from disk; return the seconds."""
    started = time.perf_counter()
    walk(WalkTask(format_, ring, state, 1, 1))
    return time.perf_counter() - started


def check(task: WalkTask, outcome: WalkOutcome, seed: int) -> WalkOutcome:
    """Return an outcome of a task, with the reason ``broken`` if it cannot belong to the task.

    It may come from any executor. The 64 bits of `seed` give the random points; they are secret if
    the outcome comes from a remote worker.
    """
    complaint = flaw(task, outcome, seed)
    if complaint is None:
        return outcome
    logger.error("walk %d is broken: %s; replay its task", task.number, complaint)
    return replace(outcome, reason="broken")


def flaw(task: WalkTask, outcome: WalkOutcome, seed: int) -> str | None:
    """Return the reason why an outcome cannot belong to its task, or None; see `check`."""
    kind = kind_of(task)
    if type(outcome) is not kind.outcome or outcome.number != task.number:
        return "it is the outcome of another task"
    if outcome.reason not in REASONS:
        return "it stopped for no known reason"
    counts = (outcome.steps, outcome.flips, outcome.reductions, outcome.escapes)
    if not all(map(_is_count, counts)):
        return "its counters are not counts"
    if outcome.steps > task.steps or outcome.flips > outcome.steps:
        return "it claims more steps or flips than asked"
    if (complaint := _flaw_of_history(task, outcome.history)) is not None:
        return complaint
    if not 1 <= len(outcome.best) <= task.policy.collect:
        return "it names no best state, or too many"
    if len({len(state) for state in outcome.best}) != 1:
        return "its best states differ in rank"
    if outcome.reason == "broken":
        return None
    if outcome.rank > task.rank:
        return "it is worse than its start"
    states = (*outcome.best, outcome.final)
    for state, parts in zip(states, kind.states(outcome), strict=True):
        if kind.parts and not np.array_equal(state, kind.written(task, parts)):
            return "a state differs from the sum of its parts"
        if (complaint := guard.flaw(task.format, task.ring, state, seed)) is not None:
            return complaint
    return None


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _flaw_of_history(task: WalkTask, history: Any) -> str | None:
    if type(history) is not tuple or len(history) > LARGEST_HISTORY:
        return "its history is too long"
    step, rank = -1, task.rank
    for entry in history:
        if type(entry) is not tuple or len(entry) != 2 or not all(map(_is_count, entry)):
            return "its history is not made of steps and ranks"
        if not (step < entry[0] <= task.steps and entry[1] < rank):
            return "its history is no descent"
        step, rank = entry
    return None
