"""Room to rise: a walk may go up by its band and one more row, also where a block of 64 ends."""

import numpy as np
import pytest
from host_device import HostDevice, needs_compiler
from test_same_outcome import assert_same

from flipsearch.errors import UsageError
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme
from flipsearch.search.ladder import naive_start
from flipsearch.walk import engine
from flipsearch.walk.diagonal.task import DiagonalTask
from flipsearch.walk.gpu.batch import walk_many
from flipsearch.walk.quotient import task as quotient
from flipsearch.walk.rotation import task as rotation
from flipsearch.walk.task import LARGEST_RANK, Policy, WalkTask, pack

POLICY = Policy(plus_after=1, band=3, merge=False)
FULL = [("4x4x4", 64), ("4x4x8", 128), ("3x3x7", 63), ("4x5x6", 120), ("2x4x8", 64)]


def full(name, ring=Ring.F2, steps=8, policy=POLICY):
    format_ = parse_format(name)
    return WalkTask(format_, ring, pack(naive_scheme(format_, ring)), 11, steps, policy)


@pytest.mark.parametrize(("name", "rank"), FULL)
def test_every_engine_rises_from_a_full_block(name, rank):
    task = full(name)
    assert task.rank == rank
    assert task.capacity >= rank + POLICY.band + 1
    outcome = engine.walk(task)
    assert outcome.escapes >= 3
    assert len(outcome.final) == rank + 3
    assert_same(outcome, engine.reference(task))


@needs_compiler
@pytest.mark.parametrize("team", [1, 32])
@pytest.mark.parametrize("name", ["4x4x4", "4x4x8"])
def test_a_device_rises_from_a_full_block(name, team):
    task = full(name)
    assert_same(walk_many(HostDevice(), [task], team=team)[0], engine.walk(task))


def test_a_wide_band_is_reached():
    task = full("4x4x4", Ring.F2, 400, Policy(plus_after=1, band=80, merge=False))
    outcome = engine.walk(task)
    assert len(outcome.final) > 128
    assert outcome.escapes > 64


def test_orbits_rise_from_a_full_block():
    format_ = parse_format("6x6x6")
    orbits, cubes = quotient.naive_orbits(6, ((0, 5), (1, 4), (2, 3)), False)
    policy = Policy(plus_after=1, band=60, merge=False)
    task = quotient.QuotientTask(format_, Ring.F2, orbits, 1, 200, policy, cubes=cubes)
    assert task.capacity >= task.rank + policy.band + 1
    assert len(engine.walk(task).final) >= task.rank + 50
    skew = parse_format("gg:4x4x4")
    policy = Policy(plus_after=1, band=8, merge=False, plus_since="lower")
    start = rotation.naive_orbits(skew, 4)
    turned = rotation.RotationTask(skew, Ring.F3, start, 1, 60, policy, order=4)
    assert turned.rank == 64
    assert len(engine.walk(turned).final) == 72


def test_diagonal_walks_rise_within_their_sixty_four_rows():
    format_ = parse_format("us:5x5x5")
    policy = Policy(plus_after=1, band=8, merge=False, plus_since="lower")
    task = DiagonalTask(format_, Ring.F3, naive_start(format_, Ring.F3), 1, 200, policy)
    assert engine.walk(task).escapes > 5


def test_more_rows_than_any_walk_holds_are_refused():
    start = np.ones((LARGEST_RANK + 1, 3, 1), dtype=np.uint64)
    with pytest.raises(UsageError, match="4097 rows to walk on, 4096 at most"):
        engine.walk(WalkTask(parse_format("4x4x4"), Ring.F2, start, 1, 1))
