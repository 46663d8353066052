"""Attempts: exact schemes from random starts, stages, storage, and the kind of walk."""

from __future__ import annotations

from dataclasses import fields, replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.executors.answers import open_answer, seal_many
from flipsearch.formats import Format, parse_format
from flipsearch.formats.named import named_format
from flipsearch.formats.sparse import sparse_tensor
from flipsearch.numerical import rounding
from flipsearch.numerical.attempt import Attempt, Search, Stage, from_words, growth, to_words
from flipsearch.numerical.problem import Problem
from flipsearch.numerical.task import NumericalTask
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme
from flipsearch.verify import verify
from flipsearch.walk import engine
from flipsearch.walk.task import Policy, pack, unpack


def ended(search: Search, moves: int = 3000) -> tuple[Attempt, object]:
    attempt, scheme = search.begun(), None
    for _ in range(moves):
        if attempt.stage.is_end:
            break
        attempt, scheme = search.moved(attempt)
    return attempt, scheme


@pytest.mark.parametrize(
    ("name", "rank", "symmetry"),
    [
        *(("2x2x2", 7, ""), ("2x2x2", 7, "C3"), ("2x2x3", 11, "")),
        *(("ss:2x2x2", 5, ""), ("st:3x3x3", 10, ""), ("quaternion", 8, "")),
        *(("complex:1x1x1", 3, ""), ("poly:2x2", 3, "Z2")),
    ],
)
def test_random_starts_become_exact_schemes(name: str, rank: int, symmetry: str) -> None:
    for seed in range(20):
        search = Search(named_format(name), rank, symmetry, seed)
        attempt, scheme = ended(search)
        if scheme is not None:
            break
    assert attempt.stage is Stage.EXACT
    assert scheme.rank == rank
    verify(scheme)


def bini() -> Format:
    """Return 2x2x2 with 5 of the 6 entries of A and B that Bini's partial product knows."""
    entries = [(0, 0, 0), (0, 1, 1), (1, 2, 0), (1, 3, 1), (2, 0, 2), (2, 1, 3)]
    return sparse_tensor("partial", [(*entry, 1) for entry in entries])


def test_border_rank_shows_as_entries_that_grow() -> None:
    """The partial product of rank 6 has border rank 5 (Bini, Capovani, Lotti, Romani 1979)."""
    stages = []
    for seed in range(6):
        attempt, scheme = ended(Search(bini(), 5, "", seed))
        assert scheme is None
        stages.append(attempt.stage)
        if attempt.stage is Stage.DIVERGING:
            assert "largest entry grows like residual^-" in growth(attempt)
            assert attempt.squares < attempt.early_squares
            assert attempt.largest > attempt.early_largest
    assert Stage.DIVERGING in stages
    assert set(stages) <= {Stage.DIVERGING, Stage.STUCK}


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), moves=st.integers(0, 120))
def test_a_stored_attempt_goes_on_as_if_it_had_not_stopped(seed: int, moves: int) -> None:
    search = Search(parse_format("2x2x2"), 7, "C3", seed)
    attempt = search.begun()
    for _ in range(moves):
        if not attempt.stage.is_end:
            attempt, _ = search.moved(attempt)
    words = to_words(attempt)
    again = from_words(words, len(search.unknowns))
    for each in fields(Attempt):
        np.testing.assert_array_equal(getattr(again, each.name), getattr(attempt, each.name))
    assert Stage.of(words) is attempt.stage
    if not attempt.stage.is_end:
        one, other = (to_words(search.moved(each)[0]) for each in (attempt, again))
        np.testing.assert_array_equal(one, other)


def task(steps: int, seed: int = 5) -> NumericalTask:
    format_ = parse_format("2x2x2")
    start = pack(naive_scheme(format_, Ring.Q))
    blank = np.zeros((0, 84), np.uint64)
    return NumericalTask(format_, Ring.Q, start, seed, steps, Policy(stop_rank=7), 3, blank, "")


def test_tasks_carry_an_attempt_on_to_an_exact_scheme() -> None:
    whole = engine.walk(task(500))
    assert (whole.reason, whole.rank) == ("reached", 7)
    verify(unpack(whole_format := parse_format("2x2x2"), Ring.Q, whole.best[0]))
    now, outcome = task(20), None
    while outcome is None or outcome.reason == "budget":
        outcome = engine.walk(now)
        now = replace(now, attempt=outcome.final_attempt, seed=outcome.steps)
    np.testing.assert_array_equal(outcome.best[0], whole.best[0])
    assert whole_format.naive_rank == len(now.start)


def test_the_reference_takes_the_same_first_moves() -> None:
    fast, plain = engine.walk(task(6)), engine.reference(task(6))
    n = 84
    one, other = (from_words(each.final_attempt, n) for each in (fast, plain))
    np.testing.assert_allclose(one.values, other.values, atol=1e-6)
    assert one.stage is other.stage


def test_an_outcome_passes_between_processes() -> None:
    asked = task(500)
    outcome = engine.walk(asked)
    records, words = seal_many([asked], [outcome])
    opened = open_answer(asked, records[0], words, 7)
    np.testing.assert_array_equal(opened.best[0], outcome.best[0])
    np.testing.assert_array_equal(opened.final_attempt, outcome.final_attempt)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), stage=st.sampled_from(Stage))
def test_words_of_a_stranger_break_nothing(seed: int, stage: Stage) -> None:
    random = np.random.default_rng(seed)
    words = random.integers(0, 2**64, size=(7, 84), dtype=np.uint64)
    words[:, ::5] = np.array([np.nan, np.inf, -0.0]).view(np.uint64)[seed % 3]
    words[-1, 0], words[-1, 1] = seed, np.array([float(stage)]).view(np.uint64)[0]
    assert from_words(words, 84).stage is Stage.of(words) is stage
    with np.errstate(all="ignore"):
        outcome = engine.walk(replace(task(3), attempt=words))
    assert outcome.rank == 8
    assert outcome.reason in ("budget", "stuck")


def test_fractions_are_read_and_wrong_ones_are_refused() -> None:
    scheme = naive_scheme("2x2x2", Ring.Q)
    problem = Problem(scheme.format, 8)
    entries = np.concatenate([m.reshape(-1) for m in scheme.factors]).astype(float)
    found = rounding.exact_scheme(problem, entries + 1e-11)
    assert found == scheme
    assert rounding.exact_scheme(problem, entries + 1e-3) is None
    assert rounding.exact_scheme(problem, np.where(entries == 1, 2.0, entries)) is None


def test_a_quadratic_field_is_recognised() -> None:
    root = float(np.sqrt(3))
    assert rounding.quadratic_field(np.array([1, 0.5, 2 * root / 3, root])) == 3
    assert rounding.quadratic_field(np.array([1, 0.5])) is None
    assert rounding.quadratic_field(np.array([root, np.sqrt(2)])) is None
    assert rounding.quadratic_field(np.array([np.pi])) is None
    assert Fraction(1, 2) == Fraction(0.5)
