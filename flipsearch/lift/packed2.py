# mypy: allow-untyped-defs
"""Bit-packed row operations over F2, compiled: the hot loops of the elimination.

A matrix of m rows is kept in strips of 512 columns: an array of shape (1, S, m, 8) of 64-bit
words, column c of row i in bit c % 64 of word ``[0, c // 512, i, c // 64 % 8]``. A strip of all
rows is contiguous, so that subtracting a block of 64 pivot rows from every row streams through
memory once, with the tables of row combinations (the method of four Russians, Arlazarov et al.
1970) in the first-level cache.

Invariant: every function that `flipsearch.lift.elimination` uses has a counterpart of the same
name and meaning in `packed3`; both are tested against galois.
"""

from __future__ import annotations

import numpy as np

from flipsearch.algebra.jit import njit

BLOCK = 64
"""Pivot rows that are subtracted at a time: one word of multipliers a row."""

_GROUP = np.uint64(5)
_SIZE = 1 << 5
_GROUPS = 13
TABLE_WORDS = _GROUPS * _SIZE * 8

_0 = np.uint64(0)
_1 = np.uint64(1)
_2 = np.uint64(2)
_3 = np.uint64(3)
_4 = np.uint64(4)
_5 = np.uint64(5)
_6 = np.uint64(6)
_7 = np.uint64(7)
_8 = np.uint64(8)
_9 = np.uint64(9)
_63 = np.uint64(63)
_64 = np.uint64(64)


@njit
def fold(word):
    """Return the parity of a 64-bit word."""
    for shift in (32, 16, 8, 4, 2, 1):
        word ^= word >> np.uint64(shift)
    return word & _1


@njit
def lowest_bit(word):
    """Return the index of the lowest set bit of a nonzero word."""
    index = _0
    for shift in (32, 16, 8, 4, 2, 1):
        width = np.uint64(shift)
        if word & ((_1 << width) - _1) == _0:
            word >>= width
            index += width
    return index


@njit
def leading_columns(matrix, active, lead, columns):
    """Move `lead[i]` of every active row i right to its first nonzero column, or to `columns`.

    Parameters
    ----------
    matrix : uint64 array, shape (planes, S, m, 8)
    active : int64 array
        Rows to look at.
    lead : int64 array, shape (m,)
        A column at or left of the first nonzero one; overwritten.
    columns : int
        Number of columns.
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
                found = np.int64(word * _64 + lowest_bit(bits))
                break
            word += _1
        lead[row] = found


@njit
def factor_block(rows, right, pivots, chosen, combination):
    """Reduce candidate rows among themselves until `BLOCK` of them are independent.

    Parameters
    ----------
    rows : uint64 array, shape (1, c, W)
        Candidates, word after word; on return the first k are the pivot rows, each with a one in
        its own pivot column and zeros in the others'.
    right : int8 array, shape (c,)
        Right sides, carried along.
    pivots, chosen : int64 arrays, shape (BLOCK,)
        On return the pivot columns, and which candidates became pivot rows.
    combination : uint64 array, shape (1, BLOCK)
        On return row j's combination of the k candidates as they came.

    Returns
    -------
    k, scanned, bad : int
        Pivot rows found, candidates used up, and the candidate that reduced to zero with a
        nonzero right side (-1 if none).
    """
    words = np.uint64(rows.shape[2])
    k = 0
    for i in range(rows.shape[1]):
        combined = _0
        for j in range(k):
            column = np.uint64(pivots[j])
            if (rows[0, i, column >> _6] >> (column & _63)) & _1:
                for word in range(column >> _6, words):
                    rows[0, i, word] ^= rows[0, j, word]
                right[i] ^= right[j]
                combined ^= combination[0, j]
        first = _0
        while first < words and rows[0, i, first] == _0:
            first += _1
        if first == words:
            if right[i]:
                return k, i + 1, i
            continue
        pivots[k] = np.int64(first * _64 + lowest_bit(rows[0, i, first]))
        chosen[k] = i
        combination[0, k] = combined ^ (_1 << np.uint64(k))
        if i != k:
            for word in range(words):
                rows[0, k, word] = rows[0, i, word]
            right[k] = right[i]
        column = np.uint64(pivots[k])
        for j in range(k):
            if (rows[0, j, column >> _6] >> (column & _63)) & _1:
                for word in range(column >> _6, words):
                    rows[0, j, word] ^= rows[0, k, word]
                right[j] ^= right[k]
                combination[0, j] ^= combination[0, k]
        k += 1
        if k == BLOCK:
            return k, i + 1, -1
    return k, rows.shape[1], -1


@njit
def gather_multipliers(matrix, active, pivots, multipliers):
    """Set ``multipliers[0, i]`` to the bits of active row i at the pivot columns."""
    count = np.uint64(pivots.size)
    multipliers[:] = _0
    for t in range(count):
        column = np.uint64(pivots[t])
        strip, word, bit = column >> _9, (column >> _6) & _7, column & _63
        for index in range(active.size):
            value = (matrix[0, strip, active[index], word] >> bit) & _1
            multipliers[0, index] |= value << t


@njit
def subtract_block(matrix, active, multipliers, block, first, tables):
    """Subtract the combinations of pivot rows that clear the pivot columns, from strip `first` on.

    Parameters
    ----------
    matrix : uint64 array, shape (1, S, m, 8)
    active : int64 array, shape (n,)
        The rows to reduce.
    multipliers : uint64 array, shape (1, n)
        Their entries at the pivot columns.
    block : uint64 array, shape (1, S, k, 8)
        Pivot rows.
    first : int
        First strip where a pivot row is not zero.
    tables : uint64 array, shape (TABLE_WORDS,)
        Scratch.
    """
    strips = np.uint64(matrix.shape[1])
    height = np.uint64(matrix.shape[2])
    k = np.uint64(block.shape[2])
    groups = (k + _GROUP - _1) // _GROUP
    words = matrix.reshape(-1)
    source = block.reshape(-1)
    low = np.uint64(_SIZE - 1)
    for strip in range(np.uint64(first), strips):
        for group in range(groups):
            base = group * np.uint64(_SIZE * 8)
            for word in range(_8):
                tables[base + word] = _0
            for t in range(_GROUP):
                row = group * _GROUP + t
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
            # eight named words, loaded before and stored after: the compiler makes vectors of them
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
                bits >>= _GROUP
                base += np.uint64(_SIZE * 8)
            words[at], words[at + _1] = t0, t1
            words[at + _2], words[at + _3] = t2, t3
            words[at + _4], words[at + _5] = t4, t5
            words[at + _6], words[at + _7] = t6, t7


@njit
def combine(rows, vector, out):
    """Subtract from ``out[i]`` the product of packed row i and a packed vector.

    Parameters
    ----------
    rows : uint64 array, shape (1, k, n)
    vector : uint64 array, shape (1, n)
    out : int8 array, shape (k,)
        Residues 0, 1; overwritten.
    """
    for i in range(rows.shape[1]):
        total = _0
        for word in range(rows.shape[2]):
            total ^= rows[0, i, word] & vector[0, word]
        out[i] ^= np.int8(fold(total))


@njit
def combine_strips(block, vector, out):
    """As `combine`, the rows in strips: `block` (1, S, k, 8), `vector` (1, S, 8)."""
    for i in range(block.shape[2]):
        total = _0
        for strip in range(block.shape[1]):
            for word in range(8):
                total ^= block[0, strip, i, word] & vector[0, strip, word]
        out[i] ^= np.int8(fold(total))


@njit
def mask_rows(left, left_index, right, right_index, out):
    """Set row i of `out` to the entrywise product of a row of `left` and a row of `right`.

    Parameters
    ----------
    left, right, out : uint64 arrays, shapes (1, S, *, 8)
    left_index, right_index : int64 arrays, shape (m,)
    """
    for strip in range(out.shape[1]):
        for i in range(out.shape[2]):
            a, b = left_index[i], right_index[i]
            for word in range(8):
                out[0, strip, i, word] = left[0, strip, a, word] & right[0, strip, b, word]
