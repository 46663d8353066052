# mypy: allow-untyped-defs
"""Matrices modulo p through exact float64 products.

Residues are balanced, |x| <= p/2: a sum of d products stays below 2^53 for d up to
2^53 / (p/2)^2. The common side is cut into pieces of that length, divided by the scheme's growth
for each level, and sums are reduced between pieces only.

Invariant: every float64 number is an integer below 2^53 in absolute value; results are in [0, p).
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
from flipsearch.kernels.runtime.operands import has_own_product
from flipsearch.kernels.runtime.tuning import choose_levels

LARGEST_MODULUS = 2**26
_EXACT = 2**53


def matmul_mod(a: Any, b: Any, modulus: int, threads: int | None = None) -> Any:
    """Return the product of two integer matrices modulo p.

    Parameters
    ----------
    a, b : integer matrices, shapes (M, K) and (K, N)
        Any integers that int64 holds.
    modulus : int
        p, from 2 to 2^26; need not be prime.
    threads : int, optional
        Threads to use; by default as many as numpy's BLAS would.

    Returns
    -------
    int64 array, shape (M, N)
        Entries in [0, p).

    Raises
    ------
    UsageError
        The modulus is no integer or out of range, or the operands are not integer matrices.
    ValueError
        Shapes do not fit, or `threads` is not positive.
    """
    try:
        modulus = operator.index(modulus)
    except TypeError:
        raise UsageError(f"modulus {modulus!r} is not an integer") from None
    check_threads(threads)
    if not 2 <= modulus <= LARGEST_MODULUS:
        raise UsageError(f"modulus {modulus} is out of range: 2 to 2^26")
    if has_own_product(a) or has_own_product(b):
        raise UsageError("matmul_mod takes plain arrays: give it x.view(numpy.ndarray)")
    operands = [np.asarray(x) for x in (a, b)]
    if any(x.ndim != 2 or x.dtype.kind not in "iub" for x in operands):
        raise UsageError("matmul_mod takes two matrices of integers")
    if any(x.dtype == np.uint64 for x in operands):
        operands = [x % np.uint64(modulus) if x.dtype == np.uint64 else x for x in operands]
    left, right = (_balanced(np.ascontiguousarray(x, np.int64), modulus) for x in operands)
    if left.shape[1] != right.shape[0]:
        raise ValueError(f"shapes {left.shape} and {right.shape} do not multiply")
    shape = (left.shape[0], left.shape[1], right.shape[1])
    algorithm = strassen_algorithm()
    levels = choose_levels(algorithm, shape, left.dtype, threads or default_threads())
    half = modulus // 2
    longest = _EXACT // max(1, half * half)
    while levels > 0 and longest / algorithm.growth**levels < min(shape[1], 512):
        levels -= 1
    longest = max(1, int(longest / algorithm.growth ** max(0, levels)) - 1)
    total = np.zeros((shape[0], shape[2]))
    for start in range(0, shape[1], longest):
        pair = left[:, start : start + longest], right[start : start + longest]
        if levels < 0:  # not left to `multiply`: levels it chose for a piece might round
            part = on_threads(threads, np.matmul, *pair)
        else:
            part = multiply(algorithm, *pair, threads=threads, levels=levels)
        _add_reduced(total, part, float(modulus))
    return _canonical(total, modulus)


@njit
def _balanced(matrix: Any, modulus: Any) -> Any:
    """Return the residues of least absolute value as float64."""
    out = np.empty(matrix.shape)
    half = modulus // 2
    for i in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            residue = matrix[i, j] % modulus
            out[i, j] = residue - modulus if residue > half else residue
    return out


@njit
def _add_reduced(total: Any, part: Any, modulus: Any) -> None:
    """Add `part` to `total` and reduce to at most modulus in absolute value."""
    inverse = 1.0 / modulus
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            reduced = part[i, j] - modulus * np.rint(part[i, j] * inverse)
            value = total[i, j] + reduced
            total[i, j] = value - modulus * np.rint(value * inverse)


@njit
def _canonical(total: Any, modulus: Any) -> Any:
    """Return the residues in [0, modulus) as int64."""
    out = np.empty(total.shape, np.int64)
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            out[i, j] = np.int64(total[i, j]) % modulus
    return out
