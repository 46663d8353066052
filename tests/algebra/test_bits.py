"""Bits in words, against their definition."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from flipsearch.algebra.bits import packed, unpacked


@given(arrays.arrays(np.bool_, st.tuples(st.integers(0, 3), st.integers(0, 200))))
def test_entry_e_is_bit_e_modulo_64_of_word_e_div_64(bits):
    words = packed(bits, 4)
    assert words.shape == (len(bits), 4)
    assert words.dtype == np.uint64
    for row, found in zip(bits, words, strict=True):
        expected = [
            sum(1 << e - 64 * t for e in np.flatnonzero(row).tolist() if e // 64 == t)
            for t in range(4)
        ]
        assert found.tolist() == expected


@given(
    arrays.arrays(np.bool_, st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(0, 140)))
)
def test_bits_come_back_from_any_rows(bits):
    assert (unpacked(packed(bits, 3), bits.shape[-1]) == bits).all()
    strided = np.repeat(packed(bits, 3), 2, axis=-1)[..., ::2]
    assert (unpacked(strided, bits.shape[-1]) == bits).all()
