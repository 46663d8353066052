"""From two arrays to the products of a scheme: checks, choice of levels, threads, memory.

`multiply` is `numpy.matmul` by a scheme. It calls numpy where the scheme would not be faster
(small or thin operands), for vectors and other types, for classes with arithmetic of their own,
and again when a result is not finite. Matrices of a stack share one plan, and threads share the
stack. It computes straight from the caller's strides, and as numpy does it writes an output that
overlaps an operand last.

Invariant: the result has numpy's shape and type; integers wrap as numpy's do; nothing but `out`
is written; the memory kept between calls is two packed blocks a thread (see `release`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from flipsearch.kernels.runtime.algorithm import CLASSICAL, COMPLEX, Algorithm
from flipsearch.kernels.runtime.compiled import HAS_COMPILER
from flipsearch.kernels.runtime.execute import (
    INTEGER,
    SUPPORTED,
    check_threads,
    default_threads,
    element_of_sums,
    on_threads,
    run,
    sensible_threads,
    share_rows,
)
from flipsearch.kernels.runtime.operands import (
    addressable,
    check_output,
    check_type,
    flat_view,
    has_own_product,
    is_half,
    kept_in,
    may_overlap,
)
from flipsearch.kernels.runtime.products import mirror
from flipsearch.kernels.runtime.tuning import choose_levels, predicted_ratio

ndarray, numpy_matmul = np.ndarray, np.matmul

TINY = 36**4
"""Operands whose numbers of elements multiply to less go to numpy without further thought."""

SMALLEST_VOLUME, SMALLEST_INTEGER_VOLUME, SMALLEST_SIDE = 100**3, 36**3, 8
"""Below this m*k*n (numpy's integer products are slow) or side, numpy is called."""


def multiply(
    algorithm: Algorithm,
    a: Any,
    b: Any,
    out: Any = None,
    threads: int | None = None,
    levels: int | None = None,
) -> Any:
    """Return the matrix product of two arrays.

    Parameters
    ----------
    algorithm : Algorithm
        The scheme to use.
    a, b : array-like
        Anything `numpy.matmul` takes; matrices and stacks of float16, bfloat16 (with sums in
        float32), float32, float64, complex64, complex128, int32, int64, uint32 or uint64 use the
        scheme when they are large enough. Any strides.
    out : array, optional
        Where to write; of the result's shape and type.
    threads : int, optional
        Threads to use; by default as many as numpy's BLAS would.
    levels : int, optional
        Levels of recursion, 0 for the classical product; by default chosen by size and type.

    Raises
    ------
    ValueError
        Shapes do not fit, `out` is read-only, `threads` or `levels` is out of range.
    TypeError
        The product cannot be stored in `out`.
    RuntimeError
        `levels` is given under NUMBA_DISABLE_JIT.
    """
    return _product(algorithm, a, b, out, threads, levels, None)


def multiply_gram(
    algorithm: Algorithm,
    a: Any,
    out: Any = None,
    threads: int | None = None,
    levels: int | None = None,
    upper: Any = None,
    mirrored: bool = True,
) -> Any:
    """Return the product of a matrix and its own transpose, a symmetric matrix.

    With levels above 0 the scheme (of blocks times transposed blocks) computes the blocks on and
    above the diagonal; with 0 levels ``upper(a, c, threads, element)`` computes the entries on
    and above it, by default classically, tile by tile. The rest is their mirror image, or, unless
    `mirrored`, left undefined. Other parameters and errors as in `multiply`.
    """
    if not has_own_product(a):
        a = np.asarray(a)
    return _product(algorithm, a, a.T, out, threads, levels, upper or classical_triangle, mirrored)


def classical_triangle(a: Any, c: Any, threads: int, element: Any) -> None:
    """Compute the tiles of c = a a^T on and above the diagonal."""
    run(CLASSICAL, a, a.T, c, 0, threads, element, upper=True)


def _product(
    algorithm: Algorithm,
    a: Any,
    b: Any,
    out: Any,
    threads: Any,
    levels: Any,
    upper: Any,
    mirrored: bool = True,
) -> Any:
    """Return a b; with `upper` given b is a^T."""
    check_levels(algorithm, levels)
    check_threads(threads)
    if has_own_product(a) or has_own_product(b) or has_own_product(out):
        return on_threads(threads, numpy_matmul, a, b, out)
    a, b = np.asarray(a), np.asarray(b)
    if out is not None:
        check_output(out, a, b)
    dtype = a.dtype if a.dtype is b.dtype else np.result_type(a, b)
    if upper is None and max(a.ndim, b.ndim) > 2 and min(a.ndim, b.ndim) > 1:
        return _stack(algorithm, a, b, out, threads, levels, dtype)
    if is_half(dtype) and a.ndim == b.ndim == 2 and a.size * b.size >= TINY:
        wide = _product(
            algorithm, a.astype(np.float32), b.astype(np.float32), None, threads, levels, upper
        )
        if out is not None:
            check_type(out, dtype)
        return kept_in(out, wide.astype(dtype))
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0] or dtype not in SUPPORTED:
        return on_threads(threads, numpy_matmul, a, b, out)
    shape = (a.shape[0], a.shape[1], b.shape[1])
    if 0 in shape or (levels is None and _is_small(shape, dtype)):
        return on_threads(threads, numpy_matmul, a, b, out)
    wanted = threads or default_threads()
    algorithm = _usable(algorithm, dtype)
    if levels is None:
        levels = choose_levels(algorithm, shape, dtype, wanted, upper is not None)
        if levels < 0:
            return on_threads(threads, numpy_matmul, a, b, out)
    threads = sensible_threads(wanted, shape)
    result = out if out is not None else np.empty((shape[0], shape[2]), dtype)
    if result.dtype != dtype or not addressable(result) or may_overlap(result, a, b):
        check_type(result, dtype)
        return kept_in(result, _product(algorithm, a, b, None, threads, levels, upper))
    a, b = (x if x.dtype == dtype and addressable(x) else x.astype(dtype) for x in (a, b))
    turned = abs(result.strides[0]) < abs(result.strides[1])
    if upper is not None and (not levels or algorithm is CLASSICAL):
        levels, algorithm = 0, CLASSICAL
    element = element_of_sums(algorithm, a, b, levels)
    into = result.T if turned else result
    if upper is not None and not levels:
        upper(a, into, threads, element)
    elif upper is not None:
        run(algorithm, a, b, into, levels, threads, element)
    else:
        if levels and not algorithm.complete:
            result[...] = 0
        operands = (b.T, a.T) if turned else (a, b)
        run(algorithm, *operands, into, levels, threads, element, swapped=turned)
    if upper is not None and mirrored:
        mirror(*flat_view(into, into.dtype, True), len(into))
    if (levels or dtype in COMPLEX or upper) and has_overflown(result):
        return on_threads(threads, numpy_matmul, a, b, result)
    return result


def _stack(
    algorithm: Algorithm, a: Any, b: Any, out: Any, threads: Any, levels: Any, dtype: Any
) -> Any:
    """Return the products of stacks of matrices; each thread takes its own matrices of them."""
    shape = (a.shape[-2], a.shape[-1], b.shape[-1])
    known = dtype in SUPPORTED or is_half(dtype)
    if not known or b.shape[-2] != shape[1] or 0 in (*a.shape, *b.shape):
        return on_threads(threads, numpy_matmul, a, b, out)
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    places = list(np.ndindex(stack))
    count, wanted = len(places), threads or default_threads()
    each = 1 if count >= wanted else wanted
    numpys = levels is None and planned_levels(algorithm, shape, dtype, each) < 0
    if numpys and not is_half(dtype):
        return on_threads(threads, numpy_matmul, a, b, out)
    fresh = out is None or may_overlap(out, a, b)
    result = np.empty((*stack, *shape[::2]), dtype) if fresh else out
    if out is not None:
        if out.shape != (*stack, *shape[::2]):
            raise ValueError(f"out has shape {out.shape}; the product has {(*stack, *shape[::2])}")
        check_type(out, dtype)
    pair = [np.broadcast_to(x, (*stack, *x.shape[-2:])) for x in (a, b)]

    def work(part: tuple[int, int]) -> None:
        for place in places[part[0] : part[1]]:
            left, right = (x[place] for x in pair)
            _product(algorithm, left, right, result[place], each, levels, None)

    share_rows(work, count, wanted if each == 1 else 1, smallest=1)
    return kept_in(out, result)


def plan_of(
    algorithm: Algorithm,
    shape: tuple[int, int, int],
    dtype: Any = "float64",
    threads: int | None = None,
    half: bool = False,
) -> str:
    """Say which way a product of matrices takes, and why.

    Parameters
    ----------
    algorithm : Algorithm
        The scheme to use.
    shape : (m, k, n)
        Sides of the operands.
    dtype : dtype
        Type of the operands.
    threads : int, optional
        Threads to use; by default as many as numpy's BLAS would.
    half : bool
        Whether the product is that of a matrix and its own transpose.
    """
    dtype, threads = np.dtype(dtype), threads or default_threads()
    title = f"{'x'.join(map(str, shape))} {dtype} on {threads} thread{'s' * (threads > 1)}"
    if dtype not in SUPPORTED:
        return f"{title}: numpy, which alone multiplies this type"
    if 0 in shape or _is_small(shape, dtype):
        return f"{title}: numpy, since the matrices are small"
    if not HAS_COMPILER:
        return f"{title}: numpy, since NUMBA_DISABLE_JIT is set"
    levels = planned_levels(algorithm, shape, dtype, threads, half)
    ratio = predicted_ratio(_usable(algorithm, dtype), shape, dtype, threads, half)
    way = "numpy" if levels < 0 else f"{levels} level{'s' * (levels != 1)} of the scheme"
    return f"{title}: {way}; the kernel's predicted speed is {ratio:.2f} of numpy's"


def planned_levels(
    algorithm: Algorithm, shape: tuple[int, int, int], dtype: Any, threads: int, half: bool = False
) -> int:
    """Return how many levels `multiply` takes unasked, -1 where it calls numpy."""
    if dtype not in SUPPORTED or 0 in shape or _is_small(shape, dtype):
        return -1
    return choose_levels(_usable(algorithm, dtype), shape, dtype, threads, half)


def _usable(algorithm: Algorithm, dtype: Any) -> Algorithm:
    """Return the algorithm, or the classical one for integers where it has denominators."""
    return CLASSICAL if dtype in INTEGER and not algorithm.integral else algorithm


def has_overflown(result: Any) -> bool:
    """Whether a result of floats holds infinities or NaNs, which the classical one may not hold.

    A scheme adds blocks before it multiplies: huge entries may overflow, and infinities spread.
    """
    with np.errstate(all="ignore"):
        return result.dtype.kind in "fc" and not np.isfinite(result.sum())


def check_levels(algorithm: Algorithm, levels: int | None) -> None:
    """Raise ValueError unless `levels` is None or a number of levels the scheme can take."""
    most = 8 if algorithm.recursive else 1
    if levels is not None and not 0 <= levels <= most:
        raise ValueError(f"levels is {levels!r}: this scheme takes 0 to {most}")
    if levels is not None and not HAS_COMPILER:
        raise RuntimeError("levels needs numba's compiler: unset NUMBA_DISABLE_JIT")


def _is_small(shape: tuple[int, int, int], dtype: Any) -> bool:
    """Whether numpy is called without asking how fast it is."""
    smallest = SMALLEST_INTEGER_VOLUME if dtype in INTEGER else SMALLEST_VOLUME
    return shape[0] * shape[1] * shape[2] < smallest or min(shape) < SMALLEST_SIDE
