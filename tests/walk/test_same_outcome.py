"""The numba engine and the plain reference: same task, bit-identical outcome."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme
from flipsearch.verify import verify
from flipsearch.walk import engine
from flipsearch.walk.task import Policy, WalkOutcome, WalkTask, pack, unpack

RINGS = [Ring.F2, Ring.F3, Ring.ZT]


def assert_same(ours: WalkOutcome, plain: WalkOutcome) -> None:
    for name in ("number", "reason", "steps", "flips", "reductions", "escapes", "history", "rank"):
        assert getattr(ours, name) == getattr(plain, name), name
    assert len(ours.best) == len(plain.best)
    for mine, theirs in zip((*ours.best, ours.final), (*plain.best, plain.final), strict=True):
        assert mine.dtype == theirs.dtype
        assert np.array_equal(mine, theirs)


def assert_walked_alike(task: WalkTask) -> None:
    ours = engine.walk(task)
    assert_same(ours, engine.reference(task))
    for state in (*ours.best, ours.final):
        verify(unpack(task.format, task.ring, state))


@pytest.mark.parametrize("ring", RINGS)
@settings(max_examples=12, deadline=None)
@given(
    name=st.sampled_from(["2x2x2", "1x2x3", "2x2x3", "2x3x3", "ss:2x2x2", "gt:3x3x3", "kg:3x3x3"]),
    seed=st.integers(0, 2**64 - 1),
    steps=st.integers(1, 1500),
    policy=st.builds(
        Policy,
        plus_after=st.sampled_from([0, 37, 200]),
        band=st.integers(0, 4),
        stop_rank=st.sampled_from([0, 7, 11, 26]),
        collect=st.sampled_from([1, 4]),
        collect_every=st.sampled_from([1, 50]),
        merge=st.booleans(),
    ),
)
def test_small_formats(ring, name, seed, steps, policy):
    start = pack(naive_scheme(parse_format(name), ring))
    assert_walked_alike(WalkTask(parse_format(name), ring, start, seed, steps, policy))


@pytest.mark.parametrize(
    ("ring", "name"), [("F2", "1x15x16"), ("F2", "5x5x5"), ("F3", "3x9x9"), ("ZT", "5x5x5")]
)
def test_other_widths_and_capacities(ring, name):
    format_, ring = parse_format(name), Ring(ring)
    start = pack(naive_scheme(format_, ring))
    policy = Policy(plus_after=100, band=2)  # 125 rows and 2 more fit 128: one walk to compile
    assert_walked_alike(WalkTask(format_, ring, start, 12345, 400, policy))


@pytest.mark.parametrize("ring", RINGS)
def test_a_walk_reaches_strassen_and_stops(ring):
    format_ = parse_format("2x2x2")
    start = pack(naive_scheme(format_, ring))
    outcome = engine.walk(WalkTask(format_, ring, start, 3, 10**7, Policy(5000, 2, 7)))
    assert outcome.reason == "reached"
    assert outcome.rank == 7
    assert outcome.history[-1] == (outcome.steps, 7)
    verify(unpack(format_, ring, outcome.best[0]))


def test_collecting_brings_back_distinct_states():
    format_ = parse_format("3x3x3")
    start = pack(naive_scheme(format_, Ring.F2))
    policy = Policy(plus_after=20_000, band=2, stop_rank=25, collect=8, collect_every=500)
    outcome = engine.walk(WalkTask(format_, Ring.F2, start, 5, 10**8, policy))
    assert outcome.rank <= 25
    assert len(outcome.best) == 8
    assert len({unpack(format_, Ring.F2, s).content_hash for s in outcome.best}) > 4


def test_stuck_again_and_again():
    # Strassen's scheme has no flip, and the way up from it leads straight back, time after time
    rows = [[1, 1, 15], [8, 15, 2], [2, 4, 1], [12, 3, 12], [15, 8, 4], [5, 10, 10], [13, 11, 14]]
    start = np.array(rows, dtype=np.uint64)[:, :, None]
    task = WalkTask(parse_format("2x2x2"), Ring.F2, start, 898, 2000, Policy(0, 0))
    assert engine.walk(task).reason == "stuck"
    assert engine.walk(task).escapes == 17
    assert_walked_alike(task)
