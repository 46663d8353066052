"""Sums of packed vectors against sums of lists of integers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flipsearch.algebra import planes
from flipsearch.algebra.jit import njit

vectors = st.lists(st.integers(-1, 1), min_size=64, max_size=64)


@njit(cache=False)
def modulo_3(a, b, c, d):
    return planes.add_modulo_3(a, b, c, d)


@njit(cache=False)
def split_modulo_3(a, b, c, d):
    return planes.add_split_modulo_3(a, b, c, d)


@njit(cache=False)
def ternary(a, b, c, d):
    return planes.add_ternary(a, b, c, d)


@njit(cache=False)
def leaves(a, b, c, d):
    return planes.leaves_ternary(a, b, c, d)


def word(bits):
    return np.uint64(sum(1 << k for k, bit in enumerate(bits) if bit))


def signed(vector):
    return word(x != 0 for x in vector), word(x < 0 for x in vector)


def split(vector):
    return word(x > 0 for x in vector), word(x < 0 for x in vector)


@pytest.mark.parametrize(("pack", "add"), [(signed, modulo_3), (split, split_modulo_3)])
@given(vectors, vectors)
def test_sum_modulo_3(pack, add, x, y):
    total = [(a + b + 1) % 3 - 1 for a, b in zip(x, y, strict=True)]
    assert add(*pack(x), *pack(y)) == pack(total)


@given(vectors, vectors)
def test_where_sum_and_difference_leave_the_ternary_integers(x, y):
    total = [abs(a + b) > 1 for a, b in zip(x, y, strict=True)]
    difference = [abs(a - b) > 1 for a, b in zip(x, y, strict=True)]
    assert leaves(*signed(x), *signed(y)) == (word(total), word(difference))


@given(vectors, vectors)
def test_ternary_sum(x, y):
    y = [0 if abs(a + b) > 1 else b for a, b in zip(x, y, strict=True)]
    total = [a + b for a, b in zip(x, y, strict=True)]
    assert ternary(*signed(x), *signed(y)) == signed(total)
