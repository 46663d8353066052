"""Products of matrices over F2 and F3, with the entries packed as bits.

Over F2 a processor with an instruction for it multiplies squares of 8 x 8 bits, by the loops that
serve every other type (`products`). Elsewhere, and over F3, sums of rows are looked up (`lookup`).

A packed matrix over F2 is an array of uint64, a row of words for each row: bit j of word w is
the entry in column 64 w + j.

Invariant: nothing but `out` is written; results are exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flipsearch.kernels.runtime.algorithm import (
    FIELD_PRICES,
    Algorithm,
    best_levels,
    block_sides,
    tables,
)
from flipsearch.kernels.runtime.compiled import HAS_COMPILER
from flipsearch.kernels.runtime.driver import check_levels
from flipsearch.kernels.runtime.execute import (
    BITS,
    check_threads,
    default_threads,
    on_threads,
    run,
    sensible_threads,
    share_rows,
)
from flipsearch.kernels.runtime.lookup import (
    PLANES,
    WORDS,
    multiply_by_tables,
    reduce_modulo_3,
    table_workspace,
)
from flipsearch.kernels.runtime.microkernel import MULTIPLIES_SQUARES
from flipsearch.kernels.runtime.operands import (
    check_exact_output,
    check_output,
    integer_matrices,
    integer_matrix,
    kept_in,
)
from flipsearch.kernels.runtime.squares import bytes_to_squares, to_bytes, to_rows, to_squares


def pack_bits(matrix: Any) -> Any:
    """Return a matrix of integers modulo 2 as rows of words.

    Parameters
    ----------
    matrix : integer or bool matrix, shape (M, N)

    Returns
    -------
    uint64 array, shape (M, ceil(N / 64))
        Bit j of word w of a row is the entry in column 64 w + j; missing columns are 0.
    """
    return _packed(integer_matrix(matrix), 2, 1)[:, :, 0, 0]


def unpack_bits(words: Any, columns: int) -> Any:
    """Return the first columns of rows of words, as uint8 zeros and ones."""
    octets = np.ascontiguousarray(words).view(np.uint8)
    return np.unpackbits(octets, axis=1, count=columns, bitorder="little")


def multiply_bits(
    algorithm: Algorithm,
    a: Any,
    b: Any,
    out: Any = None,
    threads: int | None = None,
    levels: int | None = None,
) -> Any:
    """Return the product over F2 of two packed matrices.

    Parameters
    ----------
    algorithm : Algorithm
        A scheme over F2.
    a : uint64 array, shape (M, ceil(K / 64))
        See `pack_bits`. Bits beyond column K count for nothing.
    b : uint64 array, shape (K, W)
    out : uint64 array, shape (M, W), optional
        Where to write.
    threads, levels
        See `multiply`.

    Returns
    -------
    uint64 array, shape (M, W)

    Raises
    ------
    TypeError
        An operand or `out` is no matrix of uint64.
    ValueError
        Shapes do not fit, `out` is read-only, `threads` or `levels` is out of range.
    """
    check_levels(algorithm, levels)
    check_threads(threads)
    a, b = np.asarray(a), np.asarray(b)
    for x in (a, b) if out is None else (a, b, out):
        if getattr(x, "dtype", None) != BITS or x.ndim != 2:
            raise TypeError("packed matrices are arrays of uint64 with two axes: see pack_bits")
    if a.shape[1] != -(-b.shape[0] // 64):
        raise ValueError(f"{a.shape[1]} words a row of a do not fit the {b.shape[0]} rows of b")
    if out is not None:
        check_output(out, a, b)
    result = np.empty((a.shape[0], b.shape[1]), BITS) if out is None else out
    if 0 in (*a.shape, *b.shape):
        result[...] = 0
    elif not HAS_COMPILER:
        columns = 64 * b.shape[1]
        bits = _plainly(unpack_bits(a, b.shape[0]), unpack_bits(b, columns), 2)
        result[...] = pack_bits(bits)
    elif MULTIPLIES_SQUARES:
        left, right = (np.empty((-(-len(x) // 8), 8 * x.shape[1]), BITS) for x in (a, b))
        to_squares(a, left, False)
        to_squares(b, right, True)
        size = (len(a), len(b), 64 * b.shape[1])
        to_rows(_by_squares(algorithm, left, right, size, threads, levels), result)
    else:
        words = -(-b.shape[1] // WORDS[1]) * WORDS[1]
        right = np.zeros((b.shape[0], words), BITS)
        right[:, : b.shape[1]] = b
        left = np.ascontiguousarray(a)[:, :, None, None]
        right = right.reshape(b.shape[0], -1, 1, WORDS[1])
        product = _by_tables(algorithm, left, right, threads, levels)
        result[...] = product.reshape(a.shape[0], words)[:, : b.shape[1]]
    return result


def multiply_residues(
    algorithm: Algorithm,
    a: Any,
    b: Any,
    out: Any = None,
    threads: int | None = None,
    levels: int | None = None,
) -> Any:
    """Return the product modulo 2 or 3 of two matrices of integers.

    Parameters
    ----------
    algorithm : Algorithm
        A scheme over F2 or F3.
    a, b : integer or bool matrices, shapes (M, K) and (K, N)
    out : array, optional
        Where to write, of any type that holds uint8.
    threads, levels
        See `multiply_bits`.

    Returns
    -------
    uint8 array, shape (M, N)
        Entries in [0, p); of type bool if both operands are and p is 2.

    Raises
    ------
    TypeError
        An operand is no matrix of integers, or `out` cannot hold the product.
    ValueError
        See `multiply_bits`.
    """
    check_levels(algorithm, levels)
    check_threads(threads)
    p = algorithm.modulus
    a, b = integer_matrices(a, b)
    dtype = np.dtype(bool if p == 2 and a.dtype == b.dtype == bool else np.uint8)
    check_exact_output(out, a, b, dtype)
    columns = b.shape[1]
    if 0 in (*a.shape, columns):
        product = np.zeros((a.shape[0], columns), np.uint8)
    elif not HAS_COMPILER:
        product = _plainly(a % p, b % p, p)
    elif p == 2 and MULTIPLIES_SQUARES:
        product = _bytes_by_squares(algorithm, a, b, threads, levels)
    elif p == 2:
        bits = multiply_bits(algorithm, pack_bits(a), pack_bits(b), None, threads, levels)
        product = unpack_bits(bits, columns)
    else:
        left, right = _packed(a, 3, 1), _packed(b, 3, WORDS[2])
        c = _by_tables(algorithm, left, right, threads, levels)
        product, minus = (unpack_bits(c[:, :, x].reshape(len(a), -1), columns) for x in (0, 1))
        product += minus
        product += minus
    return kept_in(out, product.view(dtype))


def field_levels(
    algorithm: Algorithm, shape: tuple[int, int, int], threads: int
) -> tuple[int, float]:
    """Return the levels of least modelled time for matrices of a size, and that time in seconds.

    Parameters
    ----------
    algorithm : Algorithm
        Over F2 or F3.
    shape : (m, k, n)
        Sides of the operands in entries.
    threads : int
        Threads to use.
    """
    m, k, n = (-(-side // 8) for side in shape)
    prices = FIELD_PRICES[algorithm.modulus, algorithm.modulus == 2 and MULTIPLIES_SQUARES]
    return best_levels(algorithm, (m, k, n), threads, 8, prices)


def _by_squares(
    algorithm: Algorithm,
    left: Any,
    right: Any,
    size: tuple[int, int, int],
    threads: int | None,
    levels: int | None,
) -> Any:
    """Return the product of matrices of squares; `size` has the sides of the bits' matrices."""
    out = np.empty((len(left), right.shape[1]), BITS)
    wanted = sensible_threads(threads or default_threads(), (len(left), *right.shape))
    if levels is None:
        levels = field_levels(algorithm, size, wanted)[0]
    run(algorithm, left[:, : len(right)], right, out, levels, wanted, BITS)
    return out


def _bytes_by_squares(
    algorithm: Algorithm, a: Any, b: Any, threads: int | None, levels: int | None
) -> Any:
    """Return the product of matrices of integers modulo 2 as bytes."""
    size = (*a.shape, b.shape[1])
    rows = [_as_bytes(x) for x in (a, b)]
    left, right = (np.zeros((-(-len(x) // 8), x.shape[1]), BITS) for x in rows)
    bytes_to_squares(rows[0], left, False)
    bytes_to_squares(rows[1], right, True)
    product = np.empty((size[0], 8 * right.shape[1]), np.uint8)
    to_bytes(_by_squares(algorithm, left, right, size, threads, levels), product.view(BITS))
    return np.ascontiguousarray(product[:, : size[2]])


def _as_bytes(matrix: Any) -> Any:
    """Return rows of bytes with the entries' lowest bits, eight in a word, zeros at the end."""
    is_wide = matrix.itemsize > 1
    rows = (matrix & matrix.dtype.type(1)).astype(np.uint8) if is_wide else matrix.view(np.uint8)
    if rows.shape[1] % 8:
        rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 8)))
    return np.ascontiguousarray(rows).view(BITS)


def _by_tables(
    algorithm: Algorithm, a: Any, b: Any, threads: int | None, levels: int | None
) -> Any:
    """Return the product of matrices in planes, as `lookup.multiply_by_tables` takes them."""
    planes = PLANES[algorithm.modulus]
    sides = (len(a), a.shape[1], b.shape[1])
    strip = 64 * b.shape[3]
    size = (len(a), len(b), strip * b.shape[1])
    wanted = sensible_threads(threads or default_threads(), (size[0] // 8, size[1] // 8, size[2]))
    if levels is None:
        levels = field_levels(algorithm, size, wanted)[0]
    c = np.empty((len(a), *b.shape[1:]), BITS)
    terms = tables(algorithm, levels, np.dtype(np.int64), swapped=False)
    blocks = block_sides(algorithm, sides, levels)

    def work(part: tuple[int, int]) -> None:
        memory = table_workspace(len(planes), part[1] - part[0], blocks[1])
        multiply_by_tables(planes, a, b, c, terms, blocks, part, memory)

    share_rows(work, blocks[0], wanted)
    return c


def _packed(matrix: Any, p: int, words: int) -> Any:
    """Return the planes of a matrix modulo p in strips: (rows, strips, planes, words)."""
    strips = -(-matrix.shape[1] // (64 * words))
    if p == 2:
        planes = [matrix if matrix.dtype == bool else (matrix & matrix.dtype.type(1))]
    else:
        residues = _residues(matrix)
        planes = [residues == 1, residues == 2]
    packed = np.zeros((len(matrix), strips, len(planes), words), BITS)
    for place, plane in enumerate(planes):
        row = np.zeros((len(matrix), 8 * strips * words), np.uint8)
        octets = np.packbits(plane, axis=1, bitorder="little")
        row[:, : octets.shape[1]] = octets
        packed[:, :, place] = row.view(BITS).reshape(len(matrix), strips, words)
    return packed


def _residues(matrix: Any) -> Any:
    """Return the entries modulo 3 as bytes."""
    if matrix.dtype == bool:
        return matrix
    if matrix.dtype.kind == "u" and matrix.itemsize == 8:
        matrix = matrix % np.uint64(3)
    entries = np.ascontiguousarray(matrix)
    kind = entries.dtype if entries.itemsize == 1 else np.dtype(np.int64)
    residues = np.empty(entries.shape, np.uint8)
    offset = 129 if kind.kind == "i" else 0  # a multiple of 3
    reduce_modulo_3(entries.astype(kind, copy=False).ravel(), residues.ravel(), offset)
    return residues


def _plainly(a: Any, b: Any, p: int) -> Any:
    """Return a b modulo p by numpy's BLAS, exact for residues and sides below 2^51."""
    product = on_threads(None, np.matmul, a.astype(float), b.astype(float))
    return (product % p).astype(np.uint8)
