"""From two arrays to the products of a scheme: checks, choice of levels, threads, memory.

`multiply` is `numpy.matmul` for two matrices, by a scheme. It hands to numpy whatever the scheme
would not make faster (small or thin operands, other types, stacks of matrices), refuses an output
that overlaps an operand, and otherwise computes straight from the caller's strides.

Invariant: the result has numpy's shape and type; integers wrap as numpy's do; nothing but `out`
is written; the memory kept between calls is two packed blocks a thread (see `release`).
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from flipsearch.kernels.runtime.products import multiply_products, workspace

SMALLEST_SIDE = 48
SMALLEST_VOLUME = 96**3
"""Below these sides and m*k*n, numpy is called: the call itself would cost too much."""

SMALLEST_LEAF = 700
"""Another level is taken while the blocks' sides stay at or above this."""

REAL = {np.dtype(np.float32), np.dtype(np.float64)}
COMPLEX = {
    np.dtype(np.complex64): np.dtype(np.float32),
    np.dtype(np.complex128): np.dtype(np.float64),
}
INTEGER = {np.dtype(f"{kind}{size}") for kind in "iu" for size in (4, 8)}
COMPLEX_PRODUCT = (
    # three real products for one complex: factors over (real, imaginary), a row a product
    ((1, 0), (0, 1), (1, 1)),
    ((1, 0), (0, 1), (1, 1)),
    ((1, -1), (-1, -1), (0, 1)),
)

Term = tuple[int, int, int]  # coefficient, block row, block column


@dataclass(frozen=True)
class Algorithm:
    """A verified scheme as tables of integers.

    Parameters
    ----------
    sides : (n, m, p)
        Blocks of A are n x m, of B m x p, of C n x p.
    products : tuple
        For each product three tuples of terms (coefficient, row, column): combination of blocks
        of A, of B, and the blocks of C it is added to.
    denominators : tuple of int
        Product r is divided by the r-th.
    """

    sides: tuple[int, int, int]
    products: tuple[tuple[tuple[Term, ...], tuple[Term, ...], tuple[Term, ...]], ...]
    denominators: tuple[int, ...]

    @property
    def integral(self) -> bool:
        """Whether every coefficient is an integer, as wrapping integer matrices need."""
        return all(d == 1 for d in self.denominators)


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
        Anything `numpy.matmul` takes; matrices of float32, float64, complex64, complex128, int32,
        int64, uint32 or uint64 use the scheme when they are large enough. Any strides.
    out : array, optional
        Where to write; of the result's shape and type, not overlapping `a` or `b`.
    threads : int, optional
        Threads to use; by default as many as numpy's BLAS would.
    levels : int, optional
        Levels of recursion, 0 for the classical product; by default chosen by size.

    Raises
    ------
    ValueError
        Shapes do not fit, or `out` overlaps an operand.
    """
    a, b = np.asarray(a), np.asarray(b)
    if out is not None:
        check_output(out, a, b)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        return np.matmul(a, b, out=out)
    dtype = a.dtype if a.dtype == b.dtype else np.result_type(a, b)
    shape = (a.shape[0], a.shape[1], b.shape[1])
    if levels is None:
        levels = choose_levels(algorithm, shape, dtype)
        if levels < 0:
            return np.matmul(a, b, out=out)
    supported = dtype in REAL or dtype in COMPLEX or dtype in INTEGER
    if not supported or 0 in shape or (dtype in INTEGER and not algorithm.integral and levels):
        return np.matmul(a, b, out=out)
    result = out if out is not None else np.empty((shape[0], shape[2]), dtype)
    if result.dtype != dtype or not _addressable(result):
        np.copyto(result, multiply(algorithm, a, b, None, threads, levels), casting="same_kind")
        return result
    a, b = (x if x.dtype == dtype and _addressable(x) else x.astype(dtype) for x in (a, b))
    _run(algorithm, a, b, result, levels, threads or default_threads())
    return result


def check_output(out: Any, a: Any, b: Any) -> None:
    """Raise ValueError unless `out` is a writable array that overlaps neither operand."""
    if not isinstance(out, np.ndarray):
        raise ValueError("out must be a numpy array")
    if not out.flags.writeable:
        raise ValueError("out is read-only")
    for name, operand in (("a", a), ("b", b)):
        if np.may_share_memory(out, operand):
            try:
                overlap = np.shares_memory(out, operand, max_work=10_000)
            except np.exceptions.TooHardError:
                overlap = True
            if overlap:
                raise ValueError(f"out overlaps {name}: give it memory of its own")
    if out.ndim == 2 and a.ndim == 2 and b.ndim == 2:
        expected = (a.shape[0], b.shape[1])
        if out.shape != expected:
            raise ValueError(f"out has shape {out.shape}; the product has shape {expected}")


def choose_levels(algorithm: Algorithm, shape: tuple[int, int, int], dtype: Any) -> int:
    """Return how many levels to take, 0 for the classical product, -1 for numpy's."""
    m, k, n = shape
    if min(shape) < SMALLEST_SIDE or m * k * n < SMALLEST_VOLUME:
        return -1
    if np.dtype(dtype) in INTEGER and not algorithm.integral:
        return 0
    levels = 0
    while (
        max(algorithm.sides) > 1
        and levels < 3
        and min(
            side // block ** (levels + 1)
            for side, block in zip(shape, algorithm.sides, strict=True)
        )
        >= SMALLEST_LEAF
    ):
        levels += 1
    return levels


def default_threads() -> int:
    """Return the number of threads numpy's BLAS uses, else of the cores this process may use."""
    try:
        return _blas_threads()
    except (ImportError, RuntimeError, StopIteration):
        available = getattr(os, "sched_getaffinity", None)
        return len(available(0)) if available else os.cpu_count() or 1


@lru_cache(maxsize=1)
def _blas_library() -> Any:
    from threadpoolctl import ThreadpoolController

    return next(
        library
        for library in ThreadpoolController().lib_controllers
        if library.user_api == "blas" and "numpy" in library.filepath
    )


def _blas_threads() -> int:
    return int(_blas_library().get_num_threads())


def _addressable(array: Any) -> bool:
    """Whether elements can be reached as offsets from one another, in native byte order."""
    return (
        array.flags.aligned
        and array.dtype.isnative
        and all(stride % array.itemsize == 0 for stride in array.strides)
    )


def _flat(array: Any, element: Any, writeable: bool) -> tuple[Any, int, int, int]:
    """Return a flat view of a matrix' memory, where (0, 0) lies in it, and both strides.

    Complex matrices become twice as many reals (`element`), unsigned integers signed ones.
    Operands are always read-only views, so that one compiled version serves all.
    """
    rows, columns = array.shape
    i, j = (length - 1 if stride < 0 else 0 for length, stride in zip(array.shape, array.strides, strict=True))
    steps = [stride // element.itemsize for stride in array.strides]
    per = array.itemsize // element.itemsize
    span = abs(steps[0]) * (rows - 1) + abs(steps[1]) * (columns - 1) + per
    corner = as_strided(array[i:, j:], (span // per or 1,), (array.itemsize,), writeable=writeable)
    flat = as_strided(corner.view(element), (span,), (element.itemsize,), writeable=writeable)
    return flat, -min(0, steps[0]) * (rows - 1) - min(0, steps[1]) * (columns - 1), *steps


@lru_cache(maxsize=32)
def _tables(algorithm: Algorithm, levels: int, dtype: Any, swapped: bool) -> Any:
    """Return the flattened tables of `levels` levels as arrays for `multiply_products`.

    `swapped` gives the transposed product: C^T = B^T A^T, for outputs in column order.
    """
    element = COMPLEX.get(dtype, dtype)
    factors: list[list[list[tuple[Any, int, int]]]] = [[[(1, 0, 0)]] for _ in range(3)]
    n, m, p = algorithm.sides
    for _ in range(levels):
        for slot, (rows, columns) in enumerate(((n, m), (m, p), (n, p))):
            scales = algorithm.denominators if slot == 2 else (1,) * len(algorithm.products)
            factors[slot] = [
                [
                    (c * (d if s == 1 else d / s), i * rows + y, j * columns + x)
                    for c, i, j in outer
                    for d, y, x in inner[slot]
                ]
                for outer in factors[slot]
                for inner, s in zip(algorithm.products, scales, strict=True)
            ]
    parts: list[list[list[tuple[Any, int, int, int]]]] = []
    for slot in range(3):
        components = COMPLEX_PRODUCT[slot] if dtype in COMPLEX else ((1,),)
        parts.append(
            [
                [(c * e, i, j, shift) for c, i, j in row for shift, e in enumerate(weights) if e]
                for row in factors[slot]
                for weights in components
            ]
        )
    if swapped:
        parts = [
            [[(c, j, i, shift) for c, i, j, shift in row] for row in parts[slot]]
            for slot in (1, 0, 2)
        ]
    tables = []
    for slot, part in enumerate(parts):
        starts = np.cumsum([0, *map(len, part)])
        rows_ = [row for terms in part for row in terms]
        i, j, shift = (np.array([row[x] for row in rows_], np.int64) for x in (1, 2, 3))
        arrays = [starts, i, j, np.array([row[0] for row in rows_]).astype(element), shift]
        if slot == 2:
            seen: set[tuple[int, ...]] = set()
            places = [row[1:] for row in rows_]
            first = []
            for place in places:
                first.append(place not in seen)
                seen.add(place)
            arrays.append(np.array(first))
        tables.append(tuple(arrays))
    return tuple(tables)


def _run(algorithm: Algorithm, a: Any, b: Any, c: Any, levels: int, threads: int) -> None:
    swapped = abs(c.strides[0]) < abs(c.strides[1])
    if swapped:
        a, b, c = b.T, a.T, c.T
    dtype = c.dtype if c.dtype.kind != "u" else np.dtype(f"i{c.itemsize}")
    element = COMPLEX.get(dtype, dtype)
    tables = _tables(algorithm, levels, dtype, swapped)
    sides = algorithm.sides if not swapped else algorithm.sides[::-1]
    shape = (a.shape[0], a.shape[1], b.shape[1])
    blocks = tuple(-(-size // side**levels) for size, side in zip(shape, sides, strict=True))
    flats = (_flat(a, element, False), _flat(b, element, False), _flat(c, element, True))
    parts = max(1, min(threads, blocks[0] // 32))
    cuts = [blocks[0] * part // parts for part in range(parts + 1)]

    def work(part: int) -> None:
        memory = _borrow(element)
        try:
            multiply_products(*flats, tables, shape, blocks, (cuts[part], cuts[part + 1]), memory)
        finally:
            _memory[element].append(memory)

    if parts == 1:
        work(0)
        return
    futures = [_pool().submit(work, part) for part in range(1, parts)]
    try:
        work(0)
    finally:
        for future in futures:
            future.result()


_memory: dict[Any, list[Any]] = {}
_lock = threading.Lock()
_executors: dict[int, ThreadPoolExecutor] = {}


def _borrow(element: Any) -> Any:
    try:
        return _memory.setdefault(element, []).pop()
    except IndexError:
        return workspace(element)


def release() -> None:
    """Give back the memory kept between calls: about 5 MB a thread and type of element."""
    _memory.clear()


def _pool() -> ThreadPoolExecutor:
    """Return this process's helper threads: a forked child makes its own."""
    with _lock:
        if os.getpid() not in _executors:
            _executors.clear()
            _executors[os.getpid()] = ThreadPoolExecutor(os.cpu_count() or 1, "kernel")
        return _executors[os.getpid()]
