"""The in-loop guard sees every single corrupted bit, and accepts valid states."""

import numpy as np
import pytest

from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme
from flipsearch.verify import is_valid
from flipsearch.walk import engine, guard
from flipsearch.walk.task import Policy, WalkTask, pack, unpack


@pytest.mark.parametrize("ring", [Ring.F2, Ring.F3, Ring.ZT])
@pytest.mark.parametrize("name", ["2x3x4", "ut:3x3x3"])
def test_valid_states_hold_and_corrupted_ones_do_not(ring, name):
    format_ = parse_format(name)
    start = pack(naive_scheme(format_, ring))
    state = engine.walk(WalkTask(format_, ring, start, 9, 5000, Policy(500, 3))).final
    rng = np.random.default_rng(0)
    caught = 0
    for seed in range(60):
        assert guard.holds(format_, ring, state, seed)
        wrong = state.copy()
        row, slot = rng.integers(len(state)), rng.integers(3)
        wrong[row, slot, 0] ^= np.uint64(1) << np.uint64(rng.integers(format_.dimensions[slot]))
        if not is_valid(unpack(format_, ring, wrong)):
            caught += 1
            assert not guard.holds(format_, ring, wrong, seed)
    assert caught > 40


def test_a_broken_start_is_reported():
    format_ = parse_format("2x2x2")
    start = pack(naive_scheme(format_, Ring.F2)).copy()
    start[0, 0, 0] ^= np.uint64(2)
    assert engine.walk(WalkTask(format_, Ring.F2, start, 1, 100)).reason == "broken"
