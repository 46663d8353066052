"""The remainder modulo powers of p against Python integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.formats import parse_format
from flipsearch.lift.trilinear import balanced, frame_of, product_modulo, remainder


@settings(max_examples=60, deadline=None)
@given(
    exponent=st.integers(1, 31),
    inner=st.integers(0, 300),
    extreme=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_products_are_exact_up_to_the_largest_modulus(exponent, inner, extreme, seed):
    modulus = 2**exponent if exponent % 2 else min(3 ** (exponent * 19 // 31), 2**31)
    generator = np.random.default_rng(seed)
    if extreme:
        A = np.full((2, inner), -(modulus // 2) + 1)
        B = np.full((inner, 2), modulus // 2)
    else:
        A = balanced(generator.integers(0, modulus, (2, inner)), modulus)
        B = balanced(generator.integers(0, modulus, (inner, 2)), modulus)
    expected = (A.astype(object) @ B.astype(object)) % modulus if inner else np.zeros((2, 2))
    assert (product_modulo(A, B, modulus) == expected).all()


@pytest.mark.parametrize("name", ["2x3x4", "4x2x3", "us:3x3x3", "gt:3x2x3"])
@pytest.mark.parametrize("modulus", [2, 9, 2**20, 3**19, 2**31, 3**20, 2**40, 3**39, 2**62])
def test_remainder_by_definition(name, modulus):
    format_ = parse_format(name)
    frame = frame_of(format_)
    assert frame.dimensions[0] == max(format_.dimensions)
    generator = np.random.default_rng(1)
    u, v, w = (generator.integers(0, modulus, (5, d)).astype(object) for d in format_.dimensions)
    expected = -np.einsum("ra,rb,rc->abc", u, v, w)
    for a, b, c, value in format_.target.tolist():
        expected[a, b, c] += value
    slots = [matrix.astype(np.int64) for matrix in (u, v, w)]
    found = remainder(frame, tuple(slots[slot] for slot in frame.order), modulus)
    turned = expected.transpose(frame.order).reshape(frame.dimensions[0], -1)
    assert (found == turned % modulus).all()
