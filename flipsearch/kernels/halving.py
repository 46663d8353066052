"""Multiply a matrix by its own transpose, or by a triangular matrix, in half the time.

C = A A^T with A split into two halves of rows is C11 = A1 A1^T, C22 = A2 A2^T and C12 = A1 A2^T.
The general product takes a fast scheme. The two others are halved again until they are small; then
only tiles on and above the diagonal are computed. The lower triangle is copied.

A triangular matrix in n x n blocks has n (n + 1) / 2 that are not zero, and as many products; a
scheme of these alone is carried out as any other. Strassen's scheme multiplies large squares of
blocks off the diagonal.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import Any

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.kernels.builtin import strassen_algorithm
from flipsearch.kernels.runtime.algorithm import CLASSICAL, Algorithm
from flipsearch.kernels.runtime.driver import classical_triangle, multiply, multiply_gram

SMALLEST_HALF = 2048
"""A triangle is halved while the halves keep this many rows."""


BLOCKS, SMALLEST_BLOCK, SMALLEST_OF_SCHEME = 8, 256, 512
"""Most blocks along a side of a triangular matrix; their smallest side, and that in a scheme."""


def gram(a: Any, out: Any = None, threads: int | None = None, upper: bool = False) -> Any:
    """Return a @ a.T, a symmetric matrix; small matrices are left to numpy.

    Parameters
    ----------
    a : matrix
        Of a type that `flipsearch.kernels.matmul` takes; complex matrices are not conjugated.
    out, threads
        See `flipsearch.kernels.matmul`, also for errors.
    upper : bool
        Return the upper triangle only, with zeros below the diagonal; otherwise the result is
        exactly symmetric.
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
    is_large = blocks % 2 == 0 and len(triangular) // blocks >= SMALLEST_OF_SCHEME
    square = strassen_algorithm() if is_large else CLASSICAL
    return multiply(_triangular(letters, blocks, square), a, b, out, threads)


@lru_cache(maxsize=8 * BLOCKS)
def _triangular(letters: str, blocks: int, square: Algorithm) -> Algorithm:
    """Return the products of a triangular matrix in blocks, squares of them by a scheme."""
    is_left, is_upper = letters[1] == "g", "u" in letters
    side = square.sides[0]
    cells = list(itertools.product(range(side), repeat=3))
    diagonal = tuple(
        (((1, x, y),), ((1, y, z),), ((1, x, z),))
        for x, y, z in cells
        if len({x, y} if is_left else {y, z}) == 1 or (x < y if is_left else y < z) == is_upper
    )
    products: list[Any] = []
    for i, j in itertools.product(range(0, blocks, side), repeat=2):
        if i != j and (i < j) != is_upper:
            continue
        corners = ((i, j), (j, 0), (i, 0)) if is_left else ((0, i), (i, j), (0, j))
        products += [
            tuple(
                tuple((c, y + top, x + left) for c, y, x in terms)
                for terms, (top, left) in zip(product, corners, strict=True)
            )
            for product in (diagonal if i == j else square.products)
        ]
    sides = (blocks, blocks, side) if is_left else (side, blocks, blocks)
    return Algorithm(sides, tuple(products), (1,) * len(products), recursive=False)


def _upper(a: Any, c: Any, threads: int, element: Any) -> None:
    """Compute the upper triangle of c = a a^T."""
    half = len(a) // 2 // 8 * 8
    if half < SMALLEST_HALF:
        classical_triangle(a, c, threads, element)
        return
    multiply(strassen_algorithm(), a[:half], a[half:].T, c[:half, half:], threads)
    _upper(a[:half], c[:half, :half], threads, element)
    _upper(a[half:], c[half:, half:], threads, element)
