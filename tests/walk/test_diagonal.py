"""Walks modulo diagonal terms: against a plain engine on tuples, and by their invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_same_outcome import assert_same

from flipsearch.errors import UsageError
from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.rings import Ring
from flipsearch.search.ladder import naive_start
from flipsearch.verify import is_valid
from flipsearch.walk import engine
from flipsearch.walk.diagonal.task import (
    DiagonalTask,
    completed,
    diagonal,
    without,
)
from flipsearch.walk.task import Policy, WalkTask, Words, pack, unpack


def task(
    name: str,
    seed: int,
    steps: int,
    after: int = 40,
    start: Words | None = None,
    merge: bool = True,
) -> WalkTask:
    format_ = parse_format(name)
    if start is None:
        start = naive_start(format_, Ring.F3)
    policy = Policy(after, 3, merge=merge, plus_since="lower")
    return DiagonalTask(format_, Ring.F3, start, seed, steps, policy, 7)


@pytest.mark.parametrize("name", ["us:2x2x2", "us:3x3x3", "us:4x4x4", "us:5x5x5"])
@pytest.mark.parametrize("seed", [1, 2**64 - 5])
@pytest.mark.parametrize("merge", [True, False])
def test_the_plain_engine_walks_alike(name: str, seed: int, merge: bool) -> None:
    one = task(name, seed, 2_000, merge=merge)
    outcome = engine.walk(one)
    assert_same(outcome, engine.reference(one))
    assert outcome.escapes > 0
    assert name == "us:2x2x2" or outcome.reductions > 0


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["us:2x2x2", "us:3x3x3", "us:4x4x4", "us:5x5x5"]),
    st.integers(0, 2**64 - 1),
    st.integers(1, 100),
)
def test_every_state_is_a_scheme(name: str, seed: int, after: int) -> None:
    one = task(name, seed, 3_000, after)
    outcome = engine.walk(one)
    assert outcome.reason == "budget"
    for state in (*outcome.best, outcome.final):
        assert is_valid(unpack(one.format, Ring.F3, state))
    ranks = [rank for _, rank in outcome.history]
    assert ranks == sorted(ranks, reverse=True)
    assert outcome.rank == (ranks or [one.rank])[-1] == len(outcome.best[0])
    again = task(name, seed, 3_000, after, outcome.final)
    assert is_valid(unpack(one.format, Ring.F3, engine.walk(again).final))


@pytest.mark.parametrize(("n", "pairs"), [(2, 2), (3, 5), (4, 9), (5, 14)])
def test_the_pairs_are_the_entries_of_the_rows_before_the_last(n: int, pairs: int) -> None:
    format_ = parse_format(f"us:{n}x{n}x{n}")
    assert isinstance(format_, MatrixProduct)
    free = diagonal(format_)
    assert len(free.pairs) == pairs == n * (n + 1) // 2 - 1
    for slot in range(2):
        assert len({pair[slot] for pair in free.pairs}) == pairs
    for a, c in free.pairs:
        assert format_.left.position(a) == format_.output_position(c)
    assert len(free.kept[1]) == n * (n - 1) // 2
    walked = without(free, unpack(format_, Ring.F3, naive_start(format_, Ring.F3)))
    assert walked.rank == sum((n - i) * (n - 1) for i in range(n - 1))


def test_any_scheme_can_be_the_start() -> None:
    """What a general walk leaves has neither free terms nor a last row of its own."""
    format_ = parse_format("us:4x4x4")
    mixed = engine.walk(
        WalkTask(format_, Ring.F3, naive_start(format_, Ring.F3), 3, 40_000, Policy(0, 0))
    ).final
    free, scheme = diagonal(format_), unpack(format_, Ring.F3, mixed)
    whole = completed(free, without(free, scheme))
    assert is_valid(whole)
    outcome = engine.walk(task("us:4x4x4", 5, 20_000, start=pack(whole)))
    assert is_valid(unpack(format_, Ring.F3, outcome.best[0]))
    assert outcome.rank <= whole.rank


def test_it_reaches_low_ranks_and_stops_there() -> None:
    one = task("us:3x3x3", 1, 2_000_000, after=2_000)
    stopped = engine.walk(
        DiagonalTask(
            one.format, one.ring, one.start, 1, one.steps, Policy(2_000, 3, 14, plus_since="lower")
        )
    )
    assert (stopped.rank, stopped.reason) == (14, "reached")
    assert stopped.steps < one.steps
    np.testing.assert_array_equal(stopped.best[0], stopped.final)


def test_what_has_no_such_walk_is_refused() -> None:
    for name in ("4x4x4", "ug:3x3x3", "ss:3x3x3", "us:6x6x6"):
        with pytest.raises(UsageError, match="take us:n x n x n, n from 2 to 5"):
            diagonal(parse_format(name))
    for ring in (Ring.F2, Ring.ZT):
        with pytest.raises(UsageError, match="run over F3"):
            diagonal(parse_format("us:3x3x3"), ring)


def test_more_terms_than_there_is_room_for_are_refused() -> None:
    format_ = parse_format("us:5x5x5")
    risen = naive_start(format_, Ring.F3)
    seed = 1
    while len(risen) < 90:
        risen = engine.walk(
            WalkTask(format_, Ring.F3, risen, seed, 200, Policy(2, 100, merge=False))
        ).final
        seed += 1
    with pytest.raises(UsageError, match="63 at most: start from a scheme of lower rank"):
        engine.walk(task("us:5x5x5", 1, 100, start=risen))
