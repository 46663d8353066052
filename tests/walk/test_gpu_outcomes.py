"""The CUDA source, compiled for the host: the outcomes of the plain reference, bit for bit."""

import itertools

import numpy as np
import pytest
from host_device import COMPILER, HostDevice

from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme
from flipsearch.walk import cpu, reference
from flipsearch.walk.gpu_batch import walk_many
from flipsearch.walk.task import Policy, WalkTask, pack

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler")

RINGS = [Ring.F2, Ring.F3, Ring.ZT]
FIELDS = ("number", "reason", "steps", "flips", "reductions", "escapes", "history", "rank")


def assert_same(tasks, plain=reference.walk, team=None, walkers=None):
    for task, ours in zip(
        tasks, walk_many(HostDevice(), tasks, team=team, walkers=walkers), strict=True
    ):
        expected = plain(task)
        for name in FIELDS:
            assert getattr(ours, name) == getattr(expected, name), (name, task.number)
        assert len(ours.best) == len(expected.best)
        for mine, theirs in zip(
            (*ours.best, ours.final), (*expected.best, expected.final), strict=True
        ):
            assert mine.dtype == theirs.dtype
            assert np.array_equal(mine, theirs)


def tasks_from(name, ring, steps, policies, first_seed=0):
    start = pack(naive_scheme(parse_format(name), ring))
    return [
        WalkTask(parse_format(name), ring, start, first_seed + 7919 * k, steps, policy, k)
        for k, policy in enumerate(policies)
    ]


POLICIES = [
    Policy(plus_after, band, stop_rank, collect, every)
    for plus_after, band, stop_rank, (collect, every) in itertools.product(
        (0, 37, 200), (0, 3), (0, 7, 26), ((1, 1), (4, 1), (3, 50))
    )
]


@pytest.mark.parametrize("team", [1, 32])
@pytest.mark.parametrize("ring", RINGS)
@pytest.mark.parametrize("name", ["2x2x2", "2x2x3", "ss:2x2x2"])
def test_small_formats_and_every_policy(name, ring, team):
    assert_same(tasks_from(name, ring, 300, POLICIES), team=team)
