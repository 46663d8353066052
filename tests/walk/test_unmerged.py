"""Rows that agree in two factors and are left unmerged: over F3, twice a factor is minus it."""

import numpy as np
import pytest

from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.verify import is_valid
from flipsearch.walk import engine
from flipsearch.walk.task import Policy, WalkTask, pack, unpack


@pytest.mark.parametrize("ring", [Ring.F2, Ring.F3, Ring.ZT])
@pytest.mark.parametrize("slot", [0, 1, 2])
def test_flips_between_rows_that_agree_in_two_factors(ring: Ring, slot: int) -> None:
    format_ = parse_format("1x2x2")
    naive = naive_scheme(format_, ring)
    factors = [np.concatenate([factor, factor[:1]]) for factor in naive.factors]
    part = np.zeros_like(factors[slot][0])
    part[-1] = 1
    factors[slot][0] = ring.balanced(factors[slot][0] - part)
    factors[slot][-1] = part
    start = Scheme(format_, ring, *factors)
    assert is_valid(start)
    policy = Policy(plus_after=50, band=4, merge=False)
    for seed in range(20):
        task = WalkTask(format_, ring, pack(start), seed, 150, policy)
        outcome, expected = engine.walk(task), engine.reference(task)
        assert outcome.reason != "broken"
        assert is_valid(unpack(format_, ring, outcome.final))
        assert np.array_equal(outcome.final, expected.final)
        assert outcome.flips == expected.flips
        assert outcome.history == expected.history
