"""A matrix times its own transpose, by halving: two smaller ones and one general product.

C = A A^T with A split into two halves of rows is C11 = A1 A1^T, C22 = A2 A2^T and C12 = A1 A2^T.
The general product takes a fast scheme; the two others are halved again until they are small, and
then only tiles on and above the diagonal are computed. The lower triangle is copied.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flipsearch.kernels.builtin import strassen_algorithm
from flipsearch.kernels.runtime.algorithm import CLASSICAL
from flipsearch.kernels.runtime.driver import has_overflown, multiply
from flipsearch.kernels.runtime.execute import (
    SUPPORTED,
    check_threads,
    default_threads,
    element_of_sums,
    on_threads,
    run,
    sensible_threads,
)
from flipsearch.kernels.runtime.operands import (
    addressable,
    check_output,
    check_type,
    flat_view,
    has_own_product,
)
from flipsearch.kernels.runtime.products import mirror
from flipsearch.kernels.runtime.tuning import choose_levels

SMALLEST_HALF = 1024
"""A triangle is halved while the halves keep this many rows."""

SMALLEST = 128**3
"""Below this many products of elements numpy is called."""


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
    check_threads(threads)
    if has_own_product(a) or has_own_product(out):
        return on_threads(threads, np.matmul, a, a.T, out)
    a = np.asarray(a)
    if out is not None:
        check_output(out, a, a.T)
    if a.ndim != 2 or a.dtype not in SUPPORTED or a.size * len(a) < SMALLEST:
        return on_threads(threads, np.matmul, a, a.T, out)
    size = len(a)
    wanted = threads or default_threads()
    shape = (size, a.shape[1], size)
    if choose_levels(CLASSICAL, shape, a.dtype, wanted, half=True) < 0:
        return on_threads(threads, np.matmul, a, a.T, out)
    threads = sensible_threads(wanted, shape)
    result = out if out is not None else np.empty((size, size), a.dtype)
    if result.dtype != a.dtype or not addressable(result):
        check_type(result, a.dtype)
        result[...] = gram(a, None, threads)
        return result
    a = a if addressable(a) else a.copy()
    into = result if abs(result.strides[0]) >= abs(result.strides[1]) else result.T
    element = element_of_sums(CLASSICAL, a, a.T, 0)
    _upper(a, into, threads, element)
    mirror(*flat_view(into, into.dtype, True), size)
    if has_overflown(result):
        return on_threads(threads, np.matmul, a, a.T, result)
    return result


def _upper(a: Any, c: Any, threads: int, element: Any) -> None:
    """Compute the upper triangle of c = a a^T."""
    size = len(a)
    half = size // 2 // 8 * 8
    if half < SMALLEST_HALF:
        run(CLASSICAL, a, a.T, c, 0, threads, element, upper=True)
        return
    multiply(strassen_algorithm(), a[:half], a[half:].T, c[:half, half:], threads)
    _upper(a[:half], c[:half, :half], threads, element)
    _upper(a[half:], c[half:, half:], threads, element)
