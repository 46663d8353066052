"""What workers answer is believed in nothing: only true outcomes of their tasks get through."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_contract import assert_same, tasks

from flipsearch.executors.answers import (
    AnswerError,
    broken,
    open_answer,
    seal_many,
    words_needed,
)
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.search.schedules import Schedule
from flipsearch.search.strategies.cyclic import CyclicStrategy
from flipsearch.walk import engine
from flipsearch.walk.task import Policy, WalkOutcome, WalkTask

SEED = 2**63 + 12345


def sealed(task: WalkTask) -> tuple[Any, Any]:
    records, words = seal_many([task], [engine.walk(task)])
    return records[0], words


def symmetric_task() -> WalkTask:
    strategy = CyclicStrategy(parse_format("3x3x3"), seed=1, schedules=(Schedule(5_000, 500, 6),))
    return strategy.ask()


@pytest.mark.parametrize("ring", [Ring.F2, Ring.F3, Ring.ZT])
def test_outcomes_survive_the_way(ring: Ring) -> None:
    several = [dataclasses.replace(task, steps=3_000) for task in tasks(5, ring)]
    several[1] = dataclasses.replace(several[1], policy=Policy(500, 4, 27, 3, 200))
    outcomes = [engine.walk(task) for task in several]
    records, words = seal_many(several, outcomes)
    for task, record, outcome in zip(several, records, outcomes, strict=True):
        count = words_needed(task, record)
        assert_same(open_answer(task, record, words[:count], SEED), outcome)
        words = words[count:]
    assert len(words) == 0


def test_symmetric_outcomes_survive_the_way() -> None:
    task = symmetric_task()
    record, words = sealed(task)
    assert_same(open_answer(task, record, words, SEED), engine.walk(task))


def test_a_state_the_driver_has_is_not_sent() -> None:
    task = dataclasses.replace(tasks(1)[0], steps=1)
    record, words = sealed(task)
    assert len(words) <= task.start.size
    assert record[3] == (0,)


TASK = dataclasses.replace(tasks(1)[0], steps=20_000)


@cache
def answer() -> tuple[Any, Any]:
    """Return the sealed answer to `TASK`; compiling what walks it takes time."""
    return sealed(TASK)


@settings(max_examples=300)
@given(st.data(), st.integers(0, 63))
def test_no_flipped_bit_gets_through(data: st.DataObject, bit: int) -> None:
    record, words = answer()
    wrong = words.copy()
    wrong[data.draw(st.integers(0, len(words) - 1))] ^= np.uint64(1 << bit)
    with pytest.raises(AnswerError):
        open_answer(TASK, record, wrong, SEED)


def changed(field: int, value: Any) -> Any:
    """Return the record of the answer with another value in a field."""
    record, _ = answer()
    return (*record[:field], value, *record[field + 1 :])


def opened(record: Any) -> WalkOutcome:
    _, words = answer()
    return open_answer(TASK, record, words[: words_needed(TASK, record)], SEED)


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=3),
    st.tuples(st.integers(-1, 9), st.integers(-1, 9)),
    st.just(((27,),) * 9),
)


def places() -> list[Any]:
    """Return the states that a record may name; the last is empty."""
    record, words = answer()
    return [TASK.start, *np.split(words.reshape(-1, 3, 1), np.cumsum([n for (n,) in record[5]]))]


@settings(max_examples=400)
@given(st.integers(0, 5), JUNK | st.integers(-1, 4))
@example(4, 0)
@example(0, "stuck")
def test_junk_in_a_record_is_an_answer_error_unless_it_may_be_true(field: int, junk: Any) -> None:
    record = changed(field, junk)
    names_a_state = field == 4 and type(junk) is int and 0 <= junk < len(places()) - 1
    if names_a_state or (field == 0 and junk in ("stuck", "broken")):
        outcome = opened(record)
        assert outcome.reason == (junk if field == 0 else answer()[0][0])
        np.testing.assert_array_equal(outcome.final, places()[record[4]])
        return
    with pytest.raises(AnswerError):
        opened(record)


@settings(max_examples=100)
@given(JUNK)
def test_junk_for_a_record_is_an_answer_error(junk: Any) -> None:
    with pytest.raises(AnswerError):
        words_needed(TASK, junk)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (0, "because"),
        (1, (20_001, 1, 0, 0)),
        (1, (10, 11, 0, 0)),
        (1, (10, -1, 0, 0)),
        (1, (10, 1.0, 0, 0)),
        (1, (np.uint64(3), 1, 0, 0)),
        (2, ((5, 28),)),
        (2, ((5, 26), (4, 25))),
        (3, ()),
        (3, (9,)),
        (3, (-1,)),
        (4, 7),
        (5, ((10**9,),)),
    ],
)
def test_claims_that_contradict_the_task(field: int, value: Any) -> None:
    with pytest.raises(AnswerError):
        opened(changed(field, value))


WRONG_WORDS: dict[str, Callable[[Any], Any]] = {
    "none": lambda words: None,
    "bytes": lambda words: b"",
    "signed": lambda words: words.astype(np.int64),
    "short": lambda words: words[:-1],
    "table": lambda words: words.reshape(-1, 3),
    "list": lambda words: words.tolist(),
}


@pytest.mark.parametrize("how", WRONG_WORDS)
def test_words_of_another_kind(how: str) -> None:
    record, words = answer()
    with pytest.raises(AnswerError):
        open_answer(TASK, record, WRONG_WORDS[how](words), SEED)


def test_a_task_given_up_says_so() -> None:
    for task in (TASK, symmetric_task()):
        outcome = broken(task)
        assert outcome.reason == "broken"
        assert outcome.number == task.number
        assert outcome.flips == 0
