"""The CUDA source, compiled for the host: the outcomes of the plain reference, bit for bit."""

import itertools

import numpy as np
import pytest
import test_same_outcome
from host_device import COMPILER, HostDevice

from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme
from flipsearch.walk import engine
from flipsearch.walk.gpu.batch import walk_many
from flipsearch.walk.task import Policy, WalkTask, pack

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler")

RINGS = [Ring.F2, Ring.F3, Ring.ZT]


def assert_same(tasks, plain=engine.reference, team=None, walkers=None):
    for task, ours in zip(
        tasks, walk_many(HostDevice(), tasks, team=team, walkers=walkers), strict=True
    ):
        test_same_outcome.assert_same(ours, plain(task))


def tasks_from(name, ring, steps, policies, first_seed=0):
    start = pack(naive_scheme(parse_format(name), ring))
    return [
        WalkTask(parse_format(name), ring, start, first_seed + 7919 * k, steps, policy, k)
        for k, policy in enumerate(policies)
    ]


POLICIES = [
    Policy(plus_after, band, stop_rank, collect, every, merge)
    for plus_after, band, stop_rank, (collect, every), merge in itertools.product(
        (0, 37, 200), (0, 3), (0, 7, 26), ((1, 1), (4, 1), (3, 50)), (False, True)
    )
]


@pytest.mark.parametrize("team", [1, 32])
@pytest.mark.parametrize("ring", RINGS)
@pytest.mark.parametrize("name", ["2x2x2", "2x2x3", "ss:2x2x2"])
def test_small_formats_and_every_policy(name, ring, team):
    assert_same(tasks_from(name, ring, 300, POLICIES), team=team)


@pytest.mark.parametrize("team", [1, 32])
@pytest.mark.parametrize(
    ("name", "ring"),
    [
        ("3x3x3", Ring.F2),
        ("4x4x4", Ring.F2),  # two rows in a word
        ("4x4x4", Ring.ZT),  # two planes in a word
        ("4x4x4", Ring.F3),
        ("3x4x5", Ring.ZT),  # one word a plane
        ("5x5x5", Ring.F2),
        ("3x5x7", Ring.F2),  # two words a plane
        ("3x5x7", Ring.ZT),
    ],
)
def test_larger_formats(name, ring, team):
    policies = [Policy(300, 3, 1000, 5, 200), Policy(150, 4), Policy(0), Policy(400, 2, 40, 2, 9)]
    policies += [Policy(90, 4, 1000, 5, 200, False), Policy(0, merge=False)]
    assert_same(tasks_from(name, ring, 3000, policies), engine.walk, team)


@pytest.mark.parametrize(
    ("name", "ring"), [("1x9x10", "F2"), ("1x15x16", "F2"), ("1x9x10", "F3"), ("1x13x15", "ZT")]
)
def test_wide_factors(name, ring):
    policies = [Policy(20, 3), Policy(30, 2, 1000, 2, 25)]
    assert_same(tasks_from(name, Ring(ring), 60, policies))


@pytest.mark.parametrize("ring", RINGS)
def test_many_rows_in_a_warp(ring):
    assert_same(tasks_from("5x6x7", ring, 12, [Policy(5, 3), Policy(4, 3)]))


def test_the_plain_reference_agrees_on_larger_formats():
    for name, ring in (("4x4x4", Ring.F2), ("3x4x5", Ring.ZT), ("3x5x7", Ring.F3)):
        assert_same(tasks_from(name, ring, 150, [Policy(40, 3), Policy(60, 2, 1000, 2, 30)]))


@pytest.mark.parametrize("ring", RINGS)
@pytest.mark.parametrize("team", [1, 32])
def test_starts_that_are_not_reduced(ring, team):
    format_ = parse_format("2x2x2")
    start = pack(naive_scheme(format_, ring))
    one = start[3:4]
    opposite, zero = one.copy(), one.copy()
    zero[:, 1] = 0
    if ring is not Ring.F2:
        opposite[:, 0, 1] ^= opposite[:, 0, 0]
    nothing = {Ring.F2: (one, one), Ring.F3: (one, one, one), Ring.ZT: (opposite, one)}[ring]
    starts = [np.concatenate((zero, start, zero)), np.concatenate((*nothing, start))]
    tasks = [
        WalkTask(format_, ring, words, seed, 400, Policy(50, 2), 10 * k + seed)
        for k, words in enumerate(starts)
        for seed in range(5)
    ]
    assert_same(tasks, team=team)


@pytest.mark.parametrize("team", [1, 32])
def test_stuck(team):
    tasks = tasks_from("1x1x1", Ring.ZT, 100, [Policy(10, 2)])
    assert walk_many(HostDevice(), tasks, team=team)[0].reason == "stuck"
    assert_same(tasks, team=team)


@pytest.mark.parametrize("team", [1, 32])
def test_stuck_again_and_again(team):
    # Strassen's scheme has no flip, and the way up from it leads straight back, time after time
    rows = [[1, 1, 15], [8, 15, 2], [2, 4, 1], [12, 3, 12], [15, 8, 4], [5, 10, 10], [13, 11, 14]]
    start = np.array(rows, dtype=np.uint64)[:, :, None]
    task = WalkTask(parse_format("2x2x2"), Ring.F2, start, 898, 2000, Policy(0, 0))
    outcome = walk_many(HostDevice(), [task], team=team)[0]
    assert (outcome.reason, outcome.escapes) == ("stuck", 17)
    assert_same([task], team=team)
