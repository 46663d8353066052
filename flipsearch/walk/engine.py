"""Walks of every kind: carried out, and their outcomes checked, here alone.

Invariant: an outcome that `walk` or `check` returns with another reason than ``broken`` can be the
outcome of its task: its numbers do not contradict it, and each of its states is a scheme, as far
as random points tell (`flipsearch.walk.guard`). What enters the catalogue is proved exactly.
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

    Returns
    -------
    WalkOutcome
        With reason ``broken`` if the identity fails at random points; its states are then not to
        be used, and the task can be replayed to find out why.

    Raises
    ------
    UsageError
        The kind does not follow the task's policy, or does not take its format, ring or start.
    TypeError
        The task is of no registered kind.
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
    """Compile, or load from disk, what plain walks from a state need; return the seconds."""
    started = time.perf_counter()
    walk(WalkTask(format_, ring, state, 1, 1))
    return time.perf_counter() - started


def check(task: WalkTask, outcome: WalkOutcome, seed: int) -> WalkOutcome:
    """Return an outcome, with the reason ``broken`` if it cannot belong to its task.

    Parameters
    ----------
    task : WalkTask
        Of any kind.
    outcome : WalkOutcome
        From any executor.
    seed : int
        64 bits that give the random points; secret where the outcome comes from elsewhere.
    """
    complaint = flaw(task, outcome, seed)
    if complaint is None:
        return outcome
    logger.error("walk %d is broken: %s; replay its task", task.number, complaint)
    return replace(outcome, reason="broken")


def flaw(task: WalkTask, outcome: WalkOutcome, seed: int) -> str | None:
    """Return why an outcome cannot belong to its task, or None; parameters as for `check`."""
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
            return "a state is not what its parts give"
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
