"""Bit operations against their plain counterparts."""

from itertools import islice

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from flipsearch.algebra.draws import draw, next_draw, plain_draw, plain_draws
from flipsearch.algebra.words import (
    kth_set_bit,
    leading_zeros,
    opaque,
    pointer_to,
    popcount,
    trailing_zeros,
)

words = st.integers(0, 2**64 - 1)


@njit
def _popcount(word):
    return popcount(word)


@njit
def _kth(word, k):
    return kth_set_bit(word, k)


@njit
def _zeros(word):
    return leading_zeros(word), trailing_zeros(word)


@njit
def _opaque(word):
    return opaque(word)


@njit
def _double_through_pointer(array, count):
    pointer = pointer_to(array)
    for place in range(count):
        pointer[place] += pointer[place]


@njit
def _draw(seed, counter):
    return draw(seed, counter)


@njit
def _next_draw(state):
    return next_draw(state)


@given(words)
def test_popcount(word):
    assert _popcount(np.uint64(word)) == word.bit_count()


@given(words)
def test_zeros_around_the_set_bits(word):
    lowest = (word & -word).bit_length() - 1 if word else 64
    assert _zeros(np.uint64(word)) == (64 - word.bit_length(), lowest)


@given(words.filter(bool))
def test_every_set_bit_in_order(word):
    bits = [b for b in range(64) if word >> b & 1]
    assert [_kth(np.uint64(word), np.uint64(k)) for k in range(len(bits))] == bits


@given(words)
def test_an_opaque_word_is_unchanged(word):
    assert _opaque(np.uint64(word)) == word


def test_a_pointer_reads_and_writes_its_array():
    for dtype in (np.uint64, np.uint16):
        array = np.arange(5, dtype=dtype)
        _double_through_pointer(array, 3)
        assert array.tolist() == [0, 2, 4, 3, 4]


@given(words, st.integers(0, 2**40))
def test_draw(seed, counter):
    assert _draw(np.uint64(seed), np.uint64(counter)) == plain_draw(seed, counter)


@given(words)
def test_draws_one_after_another(seed):
    state = np.array([seed], dtype=np.uint64)
    expected = [plain_draw(seed, k) for k in (1, 2, 3)]
    assert [_next_draw(state) for _ in range(3)] == expected
    assert list(islice(plain_draws(seed), 3)) == expected


def test_draw_is_splitmix64():
    # first outputs of SplitMix64 from state 0, as published with the generator
    expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [_draw(np.uint64(0), np.uint64(k)) for k in (1, 2, 3)] == expected
    assert [plain_draw(0, k) for k in (1, 2, 3)] == expected
