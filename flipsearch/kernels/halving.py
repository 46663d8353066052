"""A matrix times its own transpose, and products with a triangular matrix, in half the time.

C = A A^T with A split into two halves of rows is C11 = A1 A1^T, C22 = A2 A2^T and C12 = A1 A2^T.
The general product takes a fast scheme. The two others are halved again until they are small;
then only tiles on and above the diagonal are computed. The lower triangle is copied.

A triangular matrix in n x n blocks has n (n + 1) / 2 that are not zero, and as many products; a
scheme of these alone is carried out as any other.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.kernels.builtin import strassen_algorithm
from flipsearch.kernels.runtime.algorithm import CLASSICAL, Algorithm
from flipsearch.kernels.runtime.driver import classical_triangle, multiply, multiply_gram

SMALLEST_HALF = 1024
"""A triangle is halved while the halves keep this many rows."""


BLOCKS, SMALLEST_BLOCK = 8, 256
"""Blocks along a side of a triangular matrix, at most, and their smallest side."""


def gram(a: Any, out: Any = None, threads: int | None = None, upper: bool = False) -> Any:
    """Return a @ a.T, a symmetric matrix.

    Parameters
    ----------
    a : matrix
        Of a type that `flipsearch.kernels.matmul` takes; complex matrices are not conjugated.
    out : array, optional
        Where to write; not overlapping `a`.
    threads : int, optional
        Threads to use; by default as many as numpy's BLAS would.
    upper : bool
        Return the upper triangle only, with zeros below the diagonal.

    Returns
    -------
    array
        Exactly symmetric, or upper triangular. Small matrices are left to numpy.

    Raises
    ------
    ValueError
        `out` has another shape, overlaps `a` or is read-only, or `threads` is not positive.
    TypeError
        The product cannot be stored in `out`.
    """
    result = multiply_gram(CLASSICAL, a, out, threads, upper=_upper, mirrored=not upper)
    if upper:
        for row in range(1, len(result)):
            result[row, :row] = 0
    return result


def matmul_triangular(
    a: Any, b: Any, letters: str = "ug", out: Any = None, threads: int | None = None
) -> Any:
    """Return the product of two matrices, one of which is square and triangular.

    Parameters
    ----------
    a, b : matrices
        Of types that `flipsearch.kernels.matmul` takes. The zeros of the triangular one have to
        be there.
    letters : str
        ``ug`` or ``lg`` if `a` is upper or lower triangular, ``gu`` or ``gl`` if `b` is.
    out, threads
        See `flipsearch.kernels.matmul`, also for errors.

    Raises
    ------
    UsageError
        Other letters, or the triangular matrix is not square.
    """
    if letters not in ("ug", "lg", "gu", "gl"):
        raise UsageError(f"letters is {letters!r}: choose ug, lg, gu or gl")
    triangular = a if letters[1] == "g" else b
    if np.ndim(triangular) != 2 or len(triangular) != triangular.shape[1]:
        raise UsageError(f"the operand named by {letters!r} has to be a square matrix")
    blocks = min(BLOCKS, max(1, len(triangular) // SMALLEST_BLOCK))
    return multiply(_triangular(letters, blocks), a, b, out, threads)


@lru_cache(maxsize=4 * BLOCKS)
def _triangular(letters: str, blocks: int) -> Algorithm:
    """Return the products of the blocks of a triangular matrix that are not zero."""
    is_left, is_upper = letters[1] == "g", "u" in letters
    kept = [(i, j) for i in range(blocks) for j in range(blocks) if i == j or (i < j) == is_upper]
    products = tuple(
        (((1, i, j),), ((1, j, 0),), ((1, i, 0),)) if is_left
        else (((1, 0, i),), ((1, i, j),), ((1, 0, j),))
        for i, j in kept
    )  # fmt: skip
    sides = (blocks, blocks, 1) if is_left else (1, blocks, blocks)
    return Algorithm(sides, products, (1,) * len(products), recursive=False)


def _upper(a: Any, c: Any, threads: int, element: Any) -> None:
    """Compute the upper triangle of c = a a^T."""
    half = len(a) // 2 // 8 * 8
    if half < SMALLEST_HALF:
        classical_triangle(a, c, threads, element)
        return
    multiply(strassen_algorithm(), a[:half], a[half:].T, c[:half, half:], threads)
    _upper(a[:half], c[:half, :half], threads, element)
    _upper(a[half:], c[half:, half:], threads, element)
