# mypy: allow-untyped-defs
"""Compute with packed rows over F2 and F3: the compiled loops of `flipsearch.algebra.elimination`.

A matrix of m rows is stored in strips of 512 columns, as 64-bit words of shape (planes, S, m, 8).
Column c of row i is bit c % 64 of word ``[plane, c // 512, i, c // 64 % 8]``. Over F2 there is one
plane. Over F3 there are two: an entry 1 sets its bit in plane 0, an entry 2 in plane 1. A strip of
all rows is contiguous. Subtracting a block of 64 pivot rows from every row therefore reads memory
once, with the tables of row combinations (the method of four Russians, Arlazarov et al. 1970) in
the first-level cache.

Invariant: at most one of the two bits of an entry is set.
"""

from __future__ import annotations

import numpy as np

from flipsearch.algebra.jit import njit
from flipsearch.algebra.planes import add_split_modulo_3 as add
from flipsearch.algebra.words import popcount, trailing_zeros

BLOCK = 64
"""Number of pivot rows to subtract at a time: one word of multipliers for each row and plane."""

_GROUP2, _SIZE2, _GROUPS2 = np.uint64(5), 32, 13  # F2: tables of 2^5 combinations, 13 of them
_SIZE3, _GROUPS3 = 81, 16  # F3: tables of 3^4 combinations, 16 of them
TABLE_WORDS = max(_GROUPS2 * _SIZE2 * 8, _GROUPS3 * _SIZE3 * 16)
"""Number of scratch words for `subtract_block`."""

_0, _1, _2, _3, _4, _5, _6, _7, _8, _9 = map(np.uint64, range(10))
_15, _16, _63, _64 = map(np.uint64, (15, 16, 63, 64))


def _table_entry_of_nibbles() -> np.ndarray:
    """Map (four plane-0 bits | four plane-1 bits << 4) to the number with those base-3 digits."""
    entries = np.zeros(256, dtype=np.uint64)
    for bits in range(256):
        digits = [(bits >> t & 1) + 2 * (bits >> (t + 4) & 1) for t in range(4)]
        entries[bits] = sum(digit % 3 * 3**t for t, digit in enumerate(digits)) * 16
    return entries


_ENTRY = _table_entry_of_nibbles()


@njit
def leading_columns(matrix, active, lead, columns):
    """Move `lead[i]` of every active row i right to its first nonzero column, or to `columns`.

    The matrix has shape (planes, S, m, 8). `lead`, int64 of shape (m,), holds a column at or left
    of the first nonzero one; overwritten.
    """
    planes = np.uint64(matrix.shape[0])
    words = np.uint64(matrix.shape[1]) * _8
    for index in range(active.size):
        row = active[index]
        word = np.uint64(lead[row]) >> _6
        found = columns
        while word < words:
            bits = _0
            for plane in range(planes):
                bits |= matrix[plane, word >> _3, row, word & _7]
            if bits != _0:
                found = np.int64(word * _64 + trailing_zeros(bits))
                break
            word += _1
        lead[row] = found


@njit
def _digit(rows, i, column):
    """Return the entry 0, 1 or 2 of a row with contiguous words."""
    word, bit = column >> _6, column & _63
    digit = (rows[0, i, word] >> bit) & _1
    if rows.shape[0] == 2:
        digit += _2 * ((rows[1, i, word] >> bit) & _1)
    return digit


@njit
def _subtract_row(rows, i, j, digit, start):
    """Subtract `digit` times row j from row i, from word `start` on."""
    if rows.shape[0] == 1:
        for word in range(start, np.uint64(rows.shape[2])):
            rows[0, i, word] ^= rows[0, j, word]
        return
    for word in range(start, np.uint64(rows.shape[2])):
        p, m = rows[0, j, word], rows[1, j, word]
        if digit == _1:
            p, m = m, p
        rows[0, i, word], rows[1, i, word] = add(rows[0, i, word], rows[1, i, word], p, m)


@njit
def _negate_row(rows, i):
    """Swap the planes of a row over F3."""
    for word in range(rows.shape[2]):
        rows[0, i, word], rows[1, i, word] = rows[1, i, word], rows[0, i, word]


@njit
def factor_block(rows, right, pivots, chosen, combination):
    """Reduce candidate rows among themselves until `BLOCK` of them are independent.

    Parameters
    ----------
    rows : uint64 array, shape (planes, c, W)
        Candidates with contiguous words. On return the first k are the pivot rows, each with a one
        in its own pivot column and zeros in the other pivot columns.
    right : int8 array, shape (c,)
        Right sides, residues; the row operations are applied to them too.
    pivots, chosen : int64 arrays, shape (BLOCK,)
        On return the pivot columns, and the numbers of the candidates that became pivot rows.
    combination : uint64 array, shape (planes, BLOCK, 1)
        On return the combination of the k original candidates that gives each pivot row.

    Returns
    -------
    k, scanned, bad : int
        Number of pivot rows, number of candidates used, and the candidate that reduced to zero
        with a nonzero right side (-1 if there is none).
    """
    last = rows.shape[0] - 1
    p = np.int8(last + 2)
    words = np.uint64(rows.shape[2])
    k = 0
    for i in range(rows.shape[1]):
        combination[:, k] = _0
        for j in range(k):
            column = np.uint64(pivots[j])
            digit = _digit(rows, i, column)
            if digit:
                _subtract_row(rows, i, j, digit, column >> _6)
                _subtract_row(combination, k, j, digit, _0)
                right[i] = (right[i] + (p - np.int8(digit)) * right[j]) % p
        first = _0
        while first < words and rows[0, i, first] | rows[last, i, first] == _0:
            first += _1
        if first == words:
            if right[i]:
                return k, i + 1, i
            continue
        lead = first * _64 + trailing_zeros(rows[0, i, first] | rows[last, i, first])
        pivots[k] = np.int64(lead)
        chosen[k] = i
        combination[0, k, 0] |= _1 << np.uint64(k)
        right[k] = right[i]
        for word in range(words):
            for plane in range(last + 1):
                rows[plane, k, word] = rows[plane, i, word]
        if _digit(rows, k, lead) == _2:
            _negate_row(rows, k)
            _negate_row(combination, k)
            right[k] = (p - right[k]) % p
        for j in range(k):
            digit = _digit(rows, j, lead)
            if digit:
                _subtract_row(rows, j, k, digit, lead >> _6)
                _subtract_row(combination, j, k, digit, _0)
                right[j] = (right[j] + (p - np.int8(digit)) * right[k]) % p
        k += 1
        if k == BLOCK:
            return k, i + 1, -1
    return k, rows.shape[1], -1


@njit
def gather_multipliers(matrix, active, pivots, multipliers):
    """Set ``multipliers[:, i]`` (planes, n) to active row i's entries at the pivot columns."""
    count = np.uint64(pivots.size)
    multipliers[:] = _0
    for t in range(count):
        column = np.uint64(pivots[t])
        strip, word, bit = column >> _9, (column >> _6) & _7, column & _63
        for plane in range(matrix.shape[0]):
            for index in range(active.size):
                value = (matrix[plane, strip, active[index], word] >> bit) & _1
                multipliers[plane, index] |= value << t


@njit
def _subtract_block_modulo_2(matrix, active, multipliers, block, first, tables):
    """Subtract over F2: a table holds the combinations of five pivot rows, eight words each."""
    strips = np.uint64(matrix.shape[1])
    height = np.uint64(matrix.shape[2])
    k = np.uint64(block.shape[2])
    groups = (k + _GROUP2 - _1) // _GROUP2
    words = matrix.reshape(-1)
    source = block.reshape(-1)
    low = np.uint64(_SIZE2 - 1)
    for strip in range(np.uint64(first), strips):
        for group in range(groups):
            base = group * np.uint64(_SIZE2 * 8)
            for word in range(_8):
                tables[base + word] = _0
            for t in range(_GROUP2):
                row = group * _GROUP2 + t
                if row < k:
                    size = _8 << t
                    start = (strip * k + row) * _8
                    for j in range(size):
                        tables[base + size + j] = tables[base + j] ^ source[start + (j & (_7))]
        for index in range(np.uint64(active.size)):
            bits = multipliers[0, index]
            if bits == _0:
                continue
            at = (strip * height + np.uint64(active[index])) * _8
            # with eight named words, loaded before and stored after, the compiler uses vectors
            t0, t1, t2, t3 = words[at], words[at + _1], words[at + _2], words[at + _3]
            t4, t5, t6, t7 = words[at + _4], words[at + _5], words[at + _6], words[at + _7]
            base = _0
            while bits != _0:
                entry = base + (bits & low) * _8
                t0 ^= tables[entry]
                t1 ^= tables[entry + _1]
                t2 ^= tables[entry + _2]
                t3 ^= tables[entry + _3]
                t4 ^= tables[entry + _4]
                t5 ^= tables[entry + _5]
                t6 ^= tables[entry + _6]
                t7 ^= tables[entry + _7]
                bits >>= _GROUP2
                base += np.uint64(_SIZE2 * 8)
            words[at], words[at + _1] = t0, t1
            words[at + _2], words[at + _3] = t2, t3
            words[at + _4], words[at + _5] = t4, t5
            words[at + _6], words[at + _7] = t6, t7


@njit
def _subtract_block_modulo_3(matrix, active, multipliers, block, first, tables):
    """Subtract over F3: a table holds the negated combinations of four pivot rows.

    An entry has eight words of plane 0 and then eight of plane 1.
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
            base = group * np.uint64(_SIZE3 * 16)
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
                        p, m = add(
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
                # with named words, loaded before and stored after, the compiler uses vectors
                p0, p1, p2, p3 = words[at], words[at + _1], words[at + _2], words[at + _3]
                m0, m1 = words[other], words[other + _1]
                m2, m3 = words[other + _2], words[other + _3]
                left, right = plus, minus
                base = half * _4
                while left | right:
                    entry = base + _ENTRY[(left & _15) | ((right & _15) << _4)]
                    last = entry + _8
                    p0, m0 = add(p0, m0, tables[entry], tables[last])
                    p1, m1 = add(p1, m1, tables[entry + _1], tables[last + _1])
                    p2, m2 = add(p2, m2, tables[entry + _2], tables[last + _2])
                    p3, m3 = add(p3, m3, tables[entry + _3], tables[last + _3])
                    left >>= _4
                    right >>= _4
                    base += np.uint64(_SIZE3 * 16)
                words[at], words[at + _1], words[at + _2], words[at + _3] = p0, p1, p2, p3
                words[other], words[other + _1] = m0, m1
                words[other + _2], words[other + _3] = m2, m3


@njit
def subtract_block(matrix, active, multipliers, block, first, tables):
    """Subtract the combinations of pivot rows that clear the pivot columns, from strip `first` on.

    Parameters
    ----------
    matrix : uint64 array, shape (planes, S, m, 8)
    active : int64 array, shape (n,)
        The rows to reduce.
    multipliers : uint64 array, shape (planes, n)
        Their entries at the pivot columns.
    block : uint64 array, shape (planes, S, k, 8)
        Pivot rows.
    first : int
        First strip in which a pivot row is not zero.
    tables : uint64 array, shape (TABLE_WORDS,)
        Scratch memory.
    """
    if matrix.shape[0] == 1:
        _subtract_block_modulo_2(matrix, active, multipliers, block, first, tables)
    else:
        _subtract_block_modulo_3(matrix, active, multipliers, block, first, tables)


@njit(inline="always")
def _product(p, m, x, y):
    """Return the sum of entrywise products of two words over F3, as a signed integer."""
    return np.int64(popcount((p & x) | (m & y))) - np.int64(popcount((p & y) | (m & x)))


@njit
def combine(rows, vector, out):
    """Subtract from ``out[i]`` the product of packed row i and a packed vector.

    The rows have shape (planes, k, n), the vector (planes, n). `out`, int8 of shape (k,), holds
    residues 0..p-1; overwritten.
    """
    last = rows.shape[0] - 1
    for i in range(rows.shape[1]):
        total = np.int64(out[i])
        if last:
            for word in range(rows.shape[2]):
                total -= _product(
                    rows[0, i, word], rows[1, i, word], vector[0, word], vector[1, word]
                )
        else:
            parity = _0
            for word in range(rows.shape[2]):
                parity ^= rows[0, i, word] & vector[0, word]
            total += np.int64(popcount(parity))
        out[i] = np.int8(total % (last + 2))


@njit
def combine_strips(block, vector, out):
    """Do as `combine` with rows in strips: `block` (planes, S, k, 8), `vector` (planes, S, 8)."""
    last = block.shape[0] - 1
    for i in range(block.shape[2]):
        total = np.int64(out[i])
        parity = _0
        for strip in range(block.shape[1]):
            for word in range(8):
                p, x = block[0, strip, i, word], vector[0, strip, word]
                if last:
                    total -= _product(p, block[1, strip, i, word], x, vector[1, strip, word])
                else:
                    parity ^= p & x
        out[i] = np.int8((total + np.int64(popcount(parity))) % (last + 2))


@njit
def mask_rows(left, left_index, right, right_index, out):
    """Set row i of `out` to the entrywise product of a row of `left` and a row of `right`.

    The uint64 arrays have shapes (planes, S, *, 8), the int64 indices shape (m,).
    """
    for strip in range(out.shape[1]):
        for i in range(out.shape[2]):
            a, b = left_index[i], right_index[i]
            for word in range(8):
                p, x = left[0, strip, a, word], right[0, strip, b, word]
                if out.shape[0] == 1:
                    out[0, strip, i, word] = p & x
                else:
                    m, y = left[1, strip, a, word], right[1, strip, b, word]
                    out[0, strip, i, word] = (p & x) | (m & y)
                    out[1, strip, i, word] = (p & y) | (m & x)
