"""What crosses between a driver and workers elsewhere, and why the driver need not trust it.

A worker packs the outcomes of several walks into plain tuples of integers and one flat array of
words. A state equal to the start or to one already packed is not sent again. The driver rebuilds
every outcome from the task it still has: numbers are checked against the task, states against
format and ring, and the identity of each new state is evaluated at random points the worker
cannot know (`flipsearch.walk.guard`).

Invariant: what `open_answer` makes of what `seal` made of an outcome equals that outcome; anything
else that arrives is an `AnswerError`, and nothing of it reaches a strategy. What is stored is
proved once more, exactly, by the catalogue.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flipsearch.errors import FlipsearchError
from flipsearch.formats import Format
from flipsearch.rings import Ring
from flipsearch.walk import guard
from flipsearch.walk.quotient import QuotientOutcome, QuotientTask, write_out
from flipsearch.walk.task import LARGEST_RANK, WalkOutcome, WalkTask, Words, words_of

REASONS = frozenset(("budget", "reached", "stuck", "broken"))
LARGEST_HISTORY = 1024
Record = tuple[Any, ...]
"""reason, (steps, flips, reductions, escapes), history, places of best, place of final, shapes."""


class AnswerError(FlipsearchError):
    """A worker's answer that is not the outcome of its task."""


class WalkFailedError(FlipsearchError):
    """A task raised the same error wherever it was sent."""


@dataclass(frozen=True)
class Rejection:
    """An answer that was not accepted: the task's number, the reason, the worker's host."""

    number: int
    reason: str
    worker: str


def seal(task: WalkTask, outcome: WalkOutcome) -> tuple[Record, list[Words]]:
    """Return an outcome as plain values and the states that the driver does not have.

    Parameters
    ----------
    task : WalkTask
    outcome : WalkOutcome

    Returns
    -------
    record : tuple
        Strings and integers only.
    states : list of uint64 arrays
        Each state once; place 0 stands for the start and is not sent.
    """
    known, states = [_parts(task)], list[tuple[Words, ...]]()

    def place(parts: tuple[Words, ...]) -> int:
        for at, other in enumerate(known):
            if all(np.array_equal(a, b) for a, b in zip(parts, other, strict=True)):
                return at
        known.append(parts)
        states.append(parts)
        return len(known) - 1

    if isinstance(outcome, QuotientOutcome):
        best = [place((outcome.best_orbits, outcome.best_cubes))]
        final = place((outcome.final_orbits, outcome.final_cubes))
    else:
        best = [place((state,)) for state in outcome.best]
        final = place((outcome.final,))
    counts = (outcome.steps, outcome.flips, outcome.reductions, outcome.escapes)
    sizes = tuple(tuple(len(part) for part in parts) for parts in states)
    record = (outcome.reason, counts, outcome.history, tuple(best), final, sizes)
    return record, [part for parts in states for part in parts]


def seal_many(
    tasks: Sequence[WalkTask], outcomes: Sequence[WalkOutcome]
) -> tuple[list[Record], Words]:
    """Return the records of several outcomes and all their states in one flat array."""
    records, words = [], [np.zeros(0, np.uint64)]
    for task, outcome in zip(tasks, outcomes, strict=True):
        record, states = seal(task, outcome)
        records.append(record)
        words += [state.reshape(-1) for state in states]
    return records, np.concatenate(words)


def words_needed(task: WalkTask, record: Any) -> int:
    """Return how many words of the flat array belong to a record.

    Raises
    ------
    AnswerError
        The record does not say.
    """
    _require(type(record) is tuple and len(record) == 6, "its record has not six fields")
    sizes = record[5]
    widths = _widths(task)
    _require(type(sizes) is tuple and len(sizes) <= task.policy.collect + 1, "too many states")
    total = 0
    for state in sizes:
        _require(type(state) is tuple and len(state) == len(widths), "a state has other parts")
        for count, width in zip(state, widths, strict=True):
            _require(type(count) is int and 0 <= count <= 2 * LARGEST_RANK, "a state is too long")
            total += count * width
    return total


def open_answer(task: WalkTask, record: Any, words: Any, seed: int) -> WalkOutcome:
    """Return the outcome that an answer describes, if it can be the outcome of its task.

    Parameters
    ----------
    task : WalkTask
        As it was sent.
    record, words
        What came back: believed in nothing.
    seed : int
        64 bits of the driver's own, for the random points.

    Raises
    ------
    AnswerError
        The answer is malformed, contradicts its task, or a state is no scheme.
    """
    needed = words_needed(task, record)
    _require(
        type(words) is np.ndarray and words.dtype == np.uint64 and words.shape == (needed,),
        "its states are not the words announced",
    )
    reason, counts, history, best, final, sizes = record
    _require(type(reason) is str and reason in REASONS, "it stopped for no known reason")
    _require(
        type(counts) is tuple and len(counts) == 4 and all(map(_is_count, counts)),
        "its counters are not counts",
    )
    steps, flips, reductions, escapes = counts
    _require(steps <= task.steps and flips <= steps, "it claims more steps or flips than asked")
    _check_history(task, history)
    states = [_parts(task)]
    offset = 0
    for state in sizes:
        parts = []
        for count, width in zip(state, _widths(task), strict=True):
            parts.append(words[offset : offset + count * width].copy())
            offset += count * width
        states.append(_shaped(task, parts))
    places = range(len(states))
    _require(
        type(best) is tuple and 1 <= len(best) <= task.policy.collect, "it names no best state"
    )
    _require(
        all(type(p) is int and p in places for p in (*best, final)), "it names a missing state"
    )
    used = {*best, final} - {0} if reason != "broken" else set()
    written = {p: _written(task, states[p]) for p in {*best, final}}
    for place in used:
        state = written[place]
        _check_state(task.format, task.ring, state)
        _require(guard.holds(task.format, task.ring, state, seed), "a state is no valid scheme")
    lowest = {len(written[p]) for p in best}
    _require(len(lowest) == 1, "its best states differ in rank")
    _require(reason == "broken" or max(lowest) <= task.rank, "it is worse than its start")
    common: dict[str, Any] = {
        "number": task.number,
        "best": tuple(written[p] for p in best),
        "final": written[final],
        "history": tuple(history),
        "steps": steps,
        "flips": flips,
        "reductions": reductions,
        "escapes": escapes,
        "reason": reason,
    }
    if not isinstance(task, QuotientTask):
        return WalkOutcome(**common)
    (best_orbits, best_cubes), (final_orbits, final_cubes) = states[best[0]], states[final]
    return QuotientOutcome(
        **common,
        best_orbits=best_orbits,
        best_cubes=best_cubes,
        final_orbits=final_orbits,
        final_cubes=final_cubes,
    )


def broken(task: WalkTask) -> WalkOutcome:
    """Return the outcome of a task that no worker could do: nothing walked, not to be used."""
    written = _written(task, _parts(task))
    common: dict[str, Any] = {"number": task.number, "best": (written,), "final": written}
    common |= {"history": (), "reason": "broken"}
    common |= dict.fromkeys(("steps", "flips", "reductions", "escapes"), 0)
    if not isinstance(task, QuotientTask):
        return WalkOutcome(**common)
    return QuotientOutcome(
        **common,
        best_orbits=task.start,
        best_cubes=task.cubes,
        final_orbits=task.start,
        final_cubes=task.cubes,
    )


def _require(condition: bool, complaint: str) -> None:
    if not condition:
        raise AnswerError(f"a worker's answer was rejected: {complaint}")


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _check_history(task: WalkTask, history: Any) -> None:
    _require(type(history) is tuple and len(history) <= LARGEST_HISTORY, "its history is too long")
    step, rank = -1, task.rank
    for entry in history:
        _require(
            type(entry) is tuple and len(entry) == 2 and all(map(_is_count, entry)),
            "its history is not made of steps and ranks",
        )
        _require(step < entry[0] <= task.steps and entry[1] < rank, "its history is no descent")
        step, rank = entry


def _parts(task: WalkTask) -> tuple[Words, ...]:
    return (task.start, task.cubes) if isinstance(task, QuotientTask) else (task.start,)


def _widths(task: WalkTask) -> tuple[int, ...]:
    return (3, 1) if isinstance(task, QuotientTask) else (3 * task.start.shape[2],)


def _shaped(task: WalkTask, parts: list[Words]) -> tuple[Words, ...]:
    if isinstance(task, QuotientTask):
        return parts[0].reshape(-1, 3, 1), parts[1]
    return (parts[0].reshape(-1, 3, task.start.shape[2]),)


def _written(task: WalkTask, parts: tuple[Words, ...]) -> Words:
    if isinstance(task, QuotientTask):
        side = round(task.format.dimensions[0] ** 0.5)
        return write_out(parts[0], parts[1], side, task.mirrored)
    return parts[0]


@functools.lru_cache(maxsize=256)
def _mask(format_: Format, ring: Ring) -> Words:
    """Return the words, shape (3, K), of the entries that factors have."""
    words = words_of(format_)
    mask = np.zeros((3, words * 64), dtype=bool)
    for slot, dimension in enumerate(format_.dimensions):
        mask[slot, :dimension] = True
    packed = np.packbits(mask, axis=1, bitorder="little").view("<u8").astype(np.uint64)
    return packed if ring is Ring.F2 else np.concatenate([packed, packed], axis=1)


def _check_state(format_: Format, ring: Ring, state: Words) -> None:
    mask = _mask(format_, ring)
    _require(state.shape[1:] == mask.shape, "a state has another width")
    _require(not (state & ~mask).any(), "a state has bits beyond its factors")
    if ring is Ring.F2:
        nonzeros = state
    else:
        words = mask.shape[1] // 2
        nonzeros = state[:, :, :words]
        _require(not (state[:, :, words:] & ~nonzeros).any(), "a state has signs of zeros")
    _require(bool(nonzeros.any(axis=2).all()), "a state has a zero factor")
