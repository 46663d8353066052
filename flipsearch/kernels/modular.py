# mypy: allow-untyped-defs
"""Multiply matrices modulo p: bit by bit over F2 and F3, else through exact products of floats.

Residues are balanced, |x| <= p/2: a sum of d products stays below 2^53 (2^24 for float32) for d up
to 2^53 / (p/2)^2. The common side is cut into pieces of that length, divided by the scheme's
growth for each level, and sums are reduced between pieces only. If the pieces would be short, the
left matrix is split into digits, and there is a product for each.

Invariant: every float is an integer below 2^53 (2^24) in absolute value; results are in [0, p).
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from flipsearch.algebra.jit import njit
from flipsearch.errors import UsageError
from flipsearch.kernels.builtin import strassen_algorithm
from flipsearch.kernels.runtime.driver import multiply
from flipsearch.kernels.runtime.execute import check_threads, default_threads, on_threads
from flipsearch.kernels.runtime.fields import multiply_bits, multiply_residues
from flipsearch.kernels.runtime.operands import check_exact_output, integer_matrices, kept_in
from flipsearch.kernels.runtime.tuning import choose_levels
from flipsearch.rings import Ring

LARGEST_MODULUS = 2**31
_EXACT = {np.dtype(np.float32): 2**24, np.dtype(np.float64): 2**53}
SHORTEST = {np.dtype(np.float32): 512, np.dtype(np.float64): 256}
"""By type: pieces of the common side are at least so long, or as long as the side."""


def matmul_gf2(
    a: Any, b: Any, out: Any = None, threads: int | None = None, levels: int | None = None
) -> Any:
    """Return the product of two matrices over F2, by Strassen's scheme where it is faster.

    `a` and `b` are integer or bool matrices of shapes (M, K) and (K, N); integers count modulo 2.
    The product holds zeros and ones of type uint8, or bool if both operands are. Options and
    errors are those of `flipsearch.kernels.runtime.fields.multiply_residues`.
    """
    return multiply_residues(strassen_algorithm(Ring.F2), a, b, out, threads, levels)


def matmul_bits(
    a: Any, b: Any, out: Any = None, threads: int | None = None, levels: int | None = None
) -> Any:
    """Return the product of two packed matrices over F2 (see `pack_bits`), packed.

    Parameters and errors as in `flipsearch.kernels.runtime.fields.multiply_bits`.
    """
    return multiply_bits(strassen_algorithm(Ring.F2), a, b, out, threads, levels)


def matmul_mod(a: Any, b: Any, modulus: int, out: Any = None, threads: int | None = None) -> Any:
    """Return the product of two integer matrices modulo p.

    Parameters
    ----------
    a, b : integer matrices, shapes (M, K) and (K, N)
        Any integers that int64 or uint64 holds.
    modulus : int
        p, from 2 to 2^31; need not be prime.
    out : array, optional
        Where to write, of int64 or objects.
    threads : int, optional
        Threads to use; by default as many as numpy's BLAS would.

    Returns
    -------
    int64 array, shape (M, N)
        Entries in [0, p).

    Raises
    ------
    UsageError
        The modulus is no integer or out of range.
    TypeError, ValueError
        As `flipsearch.kernels.matmul_exact` raises them.
    """
    try:
        modulus = operator.index(modulus)
    except TypeError:
        raise UsageError(f"modulus {modulus!r} is not an integer") from None
    check_threads(threads)
    if not 2 <= modulus <= LARGEST_MODULUS:
        raise UsageError(f"modulus {modulus} is out of range: 2 to 2^31")
    operands = integer_matrices(a, b)
    check_exact_output(out, *operands, np.dtype(np.int64))
    if modulus <= 3:
        algorithm = strassen_algorithm(Ring.F2 if modulus == 2 else Ring.F3)
        residues = multiply_residues(algorithm, *operands, None, threads)
        return kept_in(out, residues.astype(np.int64))
    words = (x % np.uint64(modulus) if x.dtype == np.uint64 else x for x in operands)
    left, right = (balanced(np.ascontiguousarray(x, np.int64), modulus) for x in words)
    product = product_modulo(left, right, modulus, threads)
    residues = product.view(np.int64)  # in the same memory
    _make_canonical(product, residues, modulus)
    return kept_in(out, residues)


def product_modulo(left: Any, right: Any, modulus: int, threads: int | None) -> Any:
    """Return a product modulo p <= 2^31 as floats of at most p in absolute value.

    The operands are float64 matrices of integers of at most p/2 + 1 in absolute value.
    """
    half, depth = modulus // 2 + 1, left.shape[1]
    dtype: Any = np.dtype(np.float32)
    if _EXACT[dtype] // half**2 < min(depth, SHORTEST[dtype]):
        dtype = np.dtype(np.float64)
    digits, bits, largest = 1, 0, half
    while _EXACT[dtype] // (largest * half) < min(depth, SHORTEST[dtype]):
        digits += 1
        bits = -(-half.bit_length() // digits)
        largest = max(2 ** (bits - 1), (half >> bits * (digits - 1)) + 1)
    longest = _EXACT[dtype] // (largest * half)
    algorithm = strassen_algorithm()
    shape = (left.shape[0], depth, right.shape[1])
    levels = choose_levels(algorithm, shape, dtype, threads or default_threads())
    while levels > 0 and longest / algorithm.growth**levels < min(depth, 512):
        levels -= 1
    longest = max(1, int(longest / algorithm.growth ** max(0, levels)) - 1)
    right = right.astype(dtype, copy=False)
    total: Any = None
    for digit in range(digits - 1, -1, -1):
        scale = 2.0 ** (bits * digit)
        top = np.rint(left / scale) if digit else left
        left = left - top * scale if digit else left
        top = top.astype(dtype, copy=False)
        for start in range(0, depth, longest):
            pair = top[:, start : start + longest], right[start : start + longest]
            if levels < 0:  # not left to `multiply`: levels it chose for a piece might round
                part = on_threads(threads, np.matmul, *pair)
            else:
                part = multiply(algorithm, *pair, threads=threads, levels=levels)
            shift = 2.0**bits if start == 0 else 1.0
            if total is None:
                total, shift = part.astype(np.float64, copy=False), 0.0
            _add_reduced(total, shift, part, float(modulus))
    return np.zeros(shape[::2]) if total is None else total


def balanced(matrix: Any, modulus: int) -> Any:
    """Return residues of an int64 matrix, at most p/2 + 1 in absolute value, as float64."""
    out = np.empty(matrix.shape)
    if not _reduced_as_floats(matrix, float(modulus), out):
        _reduced_as_integers(matrix, modulus, out)
    return out


@njit
def _reduced_as_floats(matrix: Any, modulus: Any, out: Any) -> Any:
    """Set `out` to residues of least absolute value; False if an entry is 2^51 or more."""
    inverse = 1.0 / modulus
    largest = 0
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            largest |= matrix[i, j] ^ (matrix[i, j] >> 63)
            value = float(matrix[i, j])
            out[i, j] = value - modulus * np.rint(value * inverse)
    return largest < 2**51


@njit
def _reduced_as_integers(matrix: Any, modulus: Any, out: Any) -> None:
    """Set `out` to the residues of least absolute value."""
    half = modulus // 2
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            residue = matrix[i, j] % modulus
            out[i, j] = residue - modulus if residue > half else residue


@njit
def _add_reduced(total: Any, shift: Any, part: Any, modulus: Any) -> None:
    """Set total to shift * total + part, reduced to at most modulus in absolute value."""
    inverse = 1.0 / modulus
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            value = float(part[i, j])
            value -= modulus * np.rint(value * inverse)
            value += shift * total[i, j]
            total[i, j] = value - modulus * np.rint(value * inverse)


@njit
def _make_canonical(total: Any, out: Any, modulus: Any) -> None:
    """Set `out`, of int64, to the residues in [0, modulus)."""
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            value = np.int64(total[i, j])
            value += modulus if value < 0 else 0
            out[i, j] = value - modulus if value >= modulus else value
