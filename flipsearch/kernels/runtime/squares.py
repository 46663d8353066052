# mypy: allow-untyped-defs
"""Rearrange rows of bits or bytes as matrices of squares of 8 x 8 bits, and back.

Rows of bits are words of 64 columns: bit j of word w is column 64 w + j. In rows of bytes a word
has 8 columns, the first one lowest. `microkernel` says how a square lies in its word.

Invariant: rows below the last one count as zero; `to_rows` undoes `to_squares`, and
`to_bytes` undoes `bytes_to_squares`.
"""

from __future__ import annotations

import numpy as np

from flipsearch.kernels.runtime.compiled import compiled, inlined


@inlined
def _exchange(x, apart, shift, mask):
    """Exchange upper parts of words' fields with lower parts of the words `apart` later."""
    for i in range(8):
        if not i & apart:
            change = ((x[i] >> np.uint64(shift)) ^ x[i + apart]) & np.uint64(mask)
            x[i] ^= change << np.uint64(shift)
            x[i + apart] ^= change


@inlined
def _transpose_bytes(x):
    """Transpose the 8 x 8 bytes of eight words in place."""
    _exchange(x, 4, 32, 0x00000000FFFFFFFF)
    _exchange(x, 2, 16, 0x0000FFFF0000FFFF)
    _exchange(x, 1, 8, 0x00FF00FF00FF00FF)


@inlined
def _with_bytes_reversed(word):
    """Return a word with its eight bytes in reversed order."""
    bytes_ = np.uint64(0x00FF00FF00FF00FF)
    word = (word >> np.uint64(8)) & bytes_ | (word & bytes_) << np.uint64(8)
    pairs = np.uint64(0x0000FFFF0000FFFF)
    word = (word >> np.uint64(16)) & pairs | (word & pairs) << np.uint64(16)
    return (word >> np.uint64(32)) | (word << np.uint64(32))


@inlined
def _turn_to_the_right(x):
    """Turn eight squares, rows in order, into right ones in place: columns in reversed order."""
    for i in range(8):
        change = (x[i] ^ (x[i] >> np.uint64(7))) & np.uint64(0x00AA00AA00AA00AA)
        word = x[i] ^ change ^ (change << np.uint64(7))
        change = (word ^ (word >> np.uint64(14))) & np.uint64(0x0000CCCC0000CCCC)
        word ^= change ^ (change << np.uint64(14))
        change = (word ^ (word >> np.uint64(28))) & np.uint64(0x00000000F0F0F0F0)
        word ^= change ^ (change << np.uint64(28))
        x[i] = _with_bytes_reversed(word)


@compiled
def to_squares(rows, squares, is_right):
    """Fill a matrix of squares from M rows of 64 W bits, of the right operand or the left one.

    `rows` is uint64 of shape (M, W), and `squares`, overwritten, of shape (at least M / 8, 8 W).
    """
    eight = np.zeros(8, np.uint64)
    for i in range(squares.shape[0]):
        last = rows.shape[0] - 1 - 8 * i
        for w in range(rows.shape[1]):
            for y in range(8):
                eight[y] = rows[8 * i + y, w] if y <= last else np.uint64(0)
            _transpose_bytes(eight)
            if is_right:
                _turn_to_the_right(eight)
            for y in range(8):
                squares[i, 8 * w + y] = eight[y]


@compiled
def to_rows(squares, rows):
    """Fill rows of words from a matrix of squares; shapes as in `to_squares`."""
    eight = np.zeros(8, np.uint64)
    for i in range((rows.shape[0] + 7) // 8):
        for w in range(rows.shape[1]):
            for y in range(8):
                eight[y] = squares[i, 8 * w + y]
            _transpose_bytes(eight)
            for y in range(min(8, rows.shape[0] - 8 * i)):
                rows[8 * i + y, w] = eight[y]


@compiled
def bytes_to_squares(rows, squares, is_right):
    """Fill a matrix of squares from rows of bytes, of which the lowest bits count.

    Parameters
    ----------
    rows : uint64 array, shape (M, W)
        M rows of 8 W bytes.
    squares : uint64 array of zeros, shape (M / 8 rounded up, W)
    is_right : bool
        Whether it will be the right operand of a product.
    """
    ones, gather = np.uint64(0x0101010101010101), np.uint64(0x0102040810204080)
    words = rows.shape[1]
    for i in range(squares.shape[0]):
        for y in range(min(8, rows.shape[0] - 8 * i)):
            if is_right:
                for w in range(words):
                    squares[i, w] |= (rows[8 * i + y, w] & ones) << np.uint64(y)
            else:  # the product's top byte has the lowest bits of the eight bytes
                for w in range(words):
                    bits = (rows[8 * i + y, w] & ones) * gather >> np.uint64(56)
                    squares[i, w] |= bits << np.uint64(8 * y)
        if is_right:
            for w in range(words):
                squares[i, w] = _with_bytes_reversed(squares[i, w])


@compiled
def to_bytes(squares, rows):
    """Fill rows of bytes, zeros and ones, from a matrix of squares; shapes as above."""
    ones, spread = np.uint64(0x0101010101010101), np.uint64(0x0002040810204081)
    for i in range(squares.shape[0]):
        for y in range(min(8, rows.shape[0] - 8 * i)):
            for w in range(rows.shape[1]):
                bits = squares[i, w] >> np.uint64(8 * y)
                low = (bits & np.uint64(127)) * spread & ones  # bit j to byte j, without carries
                rows[8 * i + y, w] = low | (bits & np.uint64(128)) << np.uint64(49)
