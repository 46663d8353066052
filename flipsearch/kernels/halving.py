"""A matrix times its own transpose, by halving: two smaller ones and one general product.

C = A A^T with A split into two halves of rows is C11 = A1 A1^T, C22 = A2 A2^T and C12 = A1 A2^T.
The general product takes a fast scheme. The two others are halved again until they are small;
then only tiles on and above the diagonal are computed. The lower triangle is copied.
"""

from __future__ import annotations

from typing import Any

from flipsearch.kernels.builtin import strassen_algorithm
from flipsearch.kernels.runtime.algorithm import CLASSICAL
from flipsearch.kernels.runtime.driver import classical_triangle, multiply, multiply_gram

SMALLEST_HALF = 1024
"""A triangle is halved while the halves keep this many rows."""


def gram(a: Any, out: Any = None, threads: int | None = None) -> Any:
    """Return a @ a.T, a symmetric matrix.

    Parameters
    ----------
    a : matrix
        Of a type that `flipsearch.kernels.matmul` takes; complex matrices are not conjugated.
    out : array, optional
        Where to write; not overlapping `a`.
    threads : int, optional
        Threads to use; by default as many as numpy's BLAS would.

    Returns
    -------
    array
        Exactly symmetric. Small matrices are left to numpy.

    Raises
    ------
    ValueError
        `out` has another shape, overlaps `a` or is read-only, or `threads` is not positive.
    TypeError
        The product cannot be stored in `out`.
    """
    return multiply_gram(CLASSICAL, a, out, threads, upper=_upper)


def _upper(a: Any, c: Any, threads: int, element: Any) -> None:
    """Compute the upper triangle of c = a a^T."""
    half = len(a) // 2 // 8 * 8
    if half < SMALLEST_HALF:
        classical_triangle(a, c, threads, element)
        return
    multiply(strassen_algorithm(), a[:half], a[half:].T, c[:half, half:], threads)
    _upper(a[:half], c[:half, :half], threads, element)
    _upper(a[half:], c[half:, half:], threads, element)
