"""Send outcomes from remote workers to a driver that does not trust them.

A worker packs the outcomes of several walks into plain tuples of integers and one flat array of
words. It sends each state once and never sends the start. The driver rebuilds every outcome from
its own copy of the task. It checks numbers against the task, states against format and ring, and
the identity of each state at random points that the worker cannot know
(`flipsearch.walk.engine`).

Invariant: `open_answer` returns the outcome that `seal` packed. Any other answer raises an
`AnswerError`, and no part of it reaches a strategy. The catalogue proves each scheme once more,
exactly, before it stores it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from flipsearch.errors import FlipsearchError
from flipsearch.walk.engine import flaw
from flipsearch.walk.kinds import kind_of
from flipsearch.walk.task import LARGEST_RANK, WalkOutcome, WalkTask, Words

Record = tuple[Any, ...]
"""reason, (steps, flips, reductions, escapes), history, places of best, place of final, shapes."""


class AnswerError(FlipsearchError):
    """A worker's answer is not the outcome of its task."""


class WalkFailedError(FlipsearchError):
    """A task raised an error on every worker that it was sent to."""


def seal(task: WalkTask, outcome: WalkOutcome) -> tuple[Record, list[Words]]:
    """Pack an outcome as plain values and the states that the driver does not have.

    The states stand in the list once each, from place 1 on. Place 0 stands for the start, which is
    not sent.
    """
    kind = kind_of(task)
    known = [kind.start(task)]
    places = []
    for parts in kind.states(outcome):
        found = (
            at
            for at, other in enumerate(known)
            if all(np.array_equal(a, b) for a, b in zip(parts, other, strict=True))
        )
        places.append(next(found, len(known)))
        if places[-1] == len(known):
            known.append(parts)
    counts = (outcome.steps, outcome.flips, outcome.reductions, outcome.escapes)
    sizes = tuple(tuple(len(part) for part in parts) for parts in known[1:])
    *best, final = places
    record = (outcome.reason, counts, outcome.history, tuple(best), final, sizes)
    return record, [part for parts in known[1:] for part in parts]


def seal_many(
    tasks: Sequence[WalkTask], outcomes: Sequence[WalkOutcome]
) -> tuple[list[Record], Words]:
    """Pack several outcomes as records, and all their states as one flat array."""
    records, words = [], [np.zeros(0, np.uint64)]
    for task, outcome in zip(tasks, outcomes, strict=True):
        record, states = seal(task, outcome)
        records.append(record)
        words += [state.reshape(-1) for state in states]
    return records, np.concatenate(words)


def words_needed(task: WalkTask, record: Any) -> int:
    """Return the number of words of the flat array that belong to a record.

    Raises `AnswerError` if the record is malformed.
    """
    _require(type(record) is tuple and len(record) == 6, "its record has not six fields")
    sizes = record[5]
    widths = [math.prod(part.shape[1:]) for part in kind_of(task).start(task)]
    _require(type(sizes) is tuple and len(sizes) <= task.policy.collect + 1, "too many states")
    total = 0
    for state in sizes:
        _require(type(state) is tuple and len(state) == len(widths), "a state has other parts")
        for count, width in zip(state, widths, strict=True):
            _require(type(count) is int and 0 <= count <= 2 * LARGEST_RANK, "a state is too long")
            total += count * width
    return total


def open_answer(task: WalkTask, record: Any, words: Any, seed: int) -> WalkOutcome:
    """Rebuild an outcome from a worker's answer, which may be anything, and check it.

    The task is the driver's own; `seed` is a secret of 64 bits, from which the random points are
    drawn. Raises `AnswerError` if the answer is malformed or contradicts its task, or a state is
    no scheme.
    """
    needed = words_needed(task, record)
    _require(
        type(words) is np.ndarray and words.dtype == np.uint64 and words.shape == (needed,),
        "its states are not the words announced",
    )
    reason, counts, history, best, final, sizes = record
    _require(type(reason) is str, "it stopped for no known reason")
    _require(type(counts) is tuple and len(counts) == 4, "its counters are not counts")
    _require(type(best) is tuple and len(best) > 0, "it names no best state")
    places = (*best, final)
    _require(
        all(type(p) is int and 0 <= p <= len(sizes) for p in places), "it names a missing state"
    )
    kind, offset = kind_of(task), 0
    states = [kind.start(task)]
    for state in sizes:
        parts = []
        for count, like in zip(state, states[0], strict=True):
            end = offset + count * math.prod(like.shape[1:])
            parts.append(words[offset:end].reshape(count, *like.shape[1:]).copy())
            offset = end
        states.append(tuple(parts))
    names = ("steps", "flips", "reductions", "escapes")
    numbers = dict(zip(names, counts, strict=True)) | {"history": history, "reason": reason}
    outcome = kind.make(task, [states[place] for place in places], **numbers)
    complaint = flaw(task, outcome, seed)
    _require(complaint is None, str(complaint))
    return outcome


def broken(task: WalkTask) -> WalkOutcome:
    """Return a placeholder outcome, without steps, for a task that no worker could carry out."""
    kind = kind_of(task)
    numbers = dict.fromkeys(("steps", "flips", "reductions", "escapes"), 0)
    return kind.make(task, [kind.start(task)] * 2, history=(), reason="broken", **numbers)


def _require(condition: bool, complaint: str) -> None:
    if not condition:
        raise AnswerError(f"a worker's answer was rejected: {complaint}")
