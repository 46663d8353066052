# mypy: allow-untyped-defs
"""Row operations over F3 on two bit planes, compiled: the counterpart of `packed2`.

An entry 1 sets its bit in plane 0, an entry 2 = -1 in plane 1; both planes set never happens. The
layout is that of `packed2` with two planes: shape (2, S, m, 8), strips of 512 columns. Adding two
vectors takes seven word operations, negating one swaps its planes.

Invariant: every function means what its namesake in `packed2` means, mod 3.
"""

from __future__ import annotations

import numpy as np

from flipsearch.algebra.jit import njit
from flipsearch.lift.packed2 import BLOCK, leading_columns, lowest_bit

__all__ = [
    "TABLE_WORDS",
    "combine",
    "combine_strips",
    "factor_block",
    "gather_multipliers",
    "leading_columns",
    "mask_rows",
    "subtract_block",
]

_SIZE = 81
_GROUPS = 16
TABLE_WORDS = _GROUPS * _SIZE * 16

_0 = np.uint64(0)
_1 = np.uint64(1)
_2 = np.uint64(2)
_3 = np.uint64(3)
_4 = np.uint64(4)
_6 = np.uint64(6)
_7 = np.uint64(7)
_8 = np.uint64(8)
_9 = np.uint64(9)
_15 = np.uint64(15)
_16 = np.uint64(16)
_63 = np.uint64(63)
_64 = np.uint64(64)


def _table_entry_of_nibbles() -> np.ndarray:
    """Map (four plane-0 bits | four plane-1 bits << 4) to the number with those base-3 digits."""
    entries = np.zeros(256, dtype=np.uint64)
    for bits in range(256):
        digits = [(bits >> t & 1) + 2 * (bits >> (t + 4) & 1) for t in range(4)]
        entries[bits] = sum(digit % 3 * 3**t for t, digit in enumerate(digits)) * 16
    return entries


_ENTRY = _table_entry_of_nibbles()


@njit(inline="always")
def _add(ap, am, bp, bm):
    """Return the planes of the sum of two vectors mod 3."""
    both = (ap | bm) ^ (am | bp)
    return (am | bm) ^ both, (ap | bp) ^ both


@njit
def _count(word):
    """Return the number of set bits of a word."""
    word -= (word >> _1) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + ((word >> _2) & np.uint64(0x3333333333333333))
    word = (word + (word >> _4)) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@njit
def _digit(rows, i, column):
    """Return the entry 0, 1 or 2 of a row kept word after word."""
    word, bit = column >> _6, column & _63
    return ((rows[0, i, word] >> bit) & _1) + _2 * ((rows[1, i, word] >> bit) & _1)


@njit
def _subtract_row(rows, i, j, digit, start):
    """Subtract `digit` times row j from row i, from word `start` on."""
    for word in range(start, np.uint64(rows.shape[2])):
        bp, bm = rows[0, j, word], rows[1, j, word]
        if digit == _1:
            bp, bm = bm, bp
        rows[0, i, word], rows[1, i, word] = _add(rows[0, i, word], rows[1, i, word], bp, bm)


@njit
def factor_block(rows, right, pivots, chosen, combination):
    """See `packed2.factor_block`; rows (2, c, W), right residues 0..2, combination (2, BLOCK)."""
    words = np.uint64(rows.shape[2])
    k = 0
    for i in range(rows.shape[1]):
        cp, cm = _0, _0
        for j in range(k):
            column = np.uint64(pivots[j])
            digit = _digit(rows, i, column)
            if digit:
                _subtract_row(rows, i, j, digit, column >> _6)
                right[i] = (right[i] + (np.int8(3) - np.int8(digit)) * right[j]) % 3
                bp, bm = combination[0, j], combination[1, j]
                if digit == _1:
                    bp, bm = bm, bp
                cp, cm = _add(cp, cm, bp, bm)
        first = _0
        while first < words and rows[0, i, first] | rows[1, i, first] == _0:
            first += _1
        if first == words:
            if right[i]:
                return k, i + 1, i
            continue
        lead = first * _64 + lowest_bit(rows[0, i, first] | rows[1, i, first])
        pivots[k] = np.int64(lead)
        chosen[k] = i
        bp, bm = _add(cp, cm, _1 << np.uint64(k), _0)
        negate = _digit(rows, i, lead) != _1
        if negate:
            bp, bm = bm, bp
        combination[0, k], combination[1, k] = bp, bm
        for word in range(words):
            xp, xm = rows[0, i, word], rows[1, i, word]
            if negate:
                xp, xm = xm, xp
            rows[0, k, word], rows[1, k, word] = xp, xm
        right[k] = (3 - right[i]) % 3 if negate else right[i]
        for j in range(k):
            digit = _digit(rows, j, lead)
            if digit:
                _subtract_row(rows, j, k, digit, lead >> _6)
                right[j] = (right[j] + (np.int8(3) - np.int8(digit)) * right[k]) % 3
                bp, bm = combination[0, k], combination[1, k]
                if digit == _1:
                    bp, bm = bm, bp
                combination[0, j], combination[1, j] = _add(
                    combination[0, j], combination[1, j], bp, bm
                )
        k += 1
        if k == BLOCK:
            return k, i + 1, -1
    return k, rows.shape[1], -1


@njit
def gather_multipliers(matrix, active, pivots, multipliers):
    """See `packed2.gather_multipliers`; multipliers (2, n)."""
    count = np.uint64(pivots.size)
    multipliers[:] = _0
    for t in range(count):
        column = np.uint64(pivots[t])
        strip, word, bit = column >> _9, (column >> _6) & _7, column & _63
        for plane in range(2):
            for index in range(active.size):
                value = (matrix[plane, strip, active[index], word] >> bit) & _1
                multipliers[plane, index] |= value << t


@njit
def subtract_block(matrix, active, multipliers, block, first, tables):
    """See `packed2.subtract_block`; two planes everywhere.

    A table holds the negated combinations of four pivot rows, an entry eight words of plane 0 and
    then eight of plane 1.
    """
    strips = np.uint64(matrix.shape[1])
    height = np.uint64(matrix.shape[2])
    k = np.uint64(block.shape[2])
    groups = (k + _4 - _1) // _4
    plane = strips * height * _8
    block_plane = strips * k * _8
    words = matrix.reshape(-1)
    source = block.reshape(-1)
    for strip in range(np.uint64(first), strips):
        for group in range(groups):
            base = group * np.uint64(_SIZE * 16)
            for word in range(_16):
                tables[base + word] = _0
            size = _16
            for t in range(_4):
                row = group * _4 + t
                if row >= k:
                    break
                start = (strip * k + row) * _8
                for j in range(_0, _2 * size, _16):
                    for word in range(_8):
                        here = base + j + word
                        p, m = _add(
                            tables[here],
                            tables[here + _8],
                            source[block_plane + start + word],
                            source[start + word],
                        )
                        tables[here + size], tables[here + size + _8] = p, m
                size *= _3
        for index in range(np.uint64(active.size)):
            plus, minus = multipliers[0, index], multipliers[1, index]
            if plus | minus == _0:
                continue
            start = (strip * height + np.uint64(active[index])) * _8
            for half in range(_2):
                at = start + half * _4
                other = plane + at
                # named words, loaded before and stored after: the compiler makes vectors of them
                p0, p1, p2, p3 = words[at], words[at + _1], words[at + _2], words[at + _3]
                m0, m1 = words[other], words[other + _1]
                m2, m3 = words[other + _2], words[other + _3]
                left, right = plus, minus
                base = half * _4
                while left | right:
                    entry = base + _ENTRY[(left & _15) | ((right & _15) << _4)]
                    last = entry + _8
                    p0, m0 = _add(p0, m0, tables[entry], tables[last])
                    p1, m1 = _add(p1, m1, tables[entry + _1], tables[last + _1])
                    p2, m2 = _add(p2, m2, tables[entry + _2], tables[last + _2])
                    p3, m3 = _add(p3, m3, tables[entry + _3], tables[last + _3])
                    left >>= _4
                    right >>= _4
                    base += np.uint64(_SIZE * 16)
                words[at], words[at + _1], words[at + _2], words[at + _3] = p0, p1, p2, p3
                words[other], words[other + _1] = m0, m1
                words[other + _2], words[other + _3] = m2, m3


@njit
def combine(rows, vector, out):
    """See `packed2.combine`; rows (2, k, n), vector (2, n), residues 0, 1, 2."""
    for i in range(rows.shape[1]):
        total = np.int64(out[i])
        for word in range(rows.shape[2]):
            p, m = rows[0, i, word], rows[1, i, word]
            x, y = vector[0, word], vector[1, word]
            total += np.int64(_count((p & y) | (m & x))) - np.int64(_count((p & x) | (m & y)))
        out[i] = np.int8(total % 3)


@njit
def combine_strips(block, vector, out):
    """See `packed2.combine_strips`; block (2, S, k, 8), vector (2, S, 8)."""
    for i in range(block.shape[2]):
        total = np.int64(out[i])
        for strip in range(block.shape[1]):
            for word in range(8):
                p, m = block[0, strip, i, word], block[1, strip, i, word]
                x, y = vector[0, strip, word], vector[1, strip, word]
                total += np.int64(_count((p & y) | (m & x))) - np.int64(_count((p & x) | (m & y)))
        out[i] = np.int8(total % 3)


@njit
def mask_rows(left, left_index, right, right_index, out):
    """See `packed2.mask_rows`: the entrywise product mod 3."""
    for strip in range(out.shape[1]):
        for i in range(out.shape[2]):
            a, b = left_index[i], right_index[i]
            for word in range(8):
                p, m = left[0, strip, a, word], left[1, strip, a, word]
                x, y = right[0, strip, b, word], right[1, strip, b, word]
                out[0, strip, i, word] = (p & x) | (m & y)
                out[1, strip, i, word] = (p & y) | (m & x)
