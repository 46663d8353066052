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
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np

from flipsearch.kernels.runtime.algorithm import (
    CLASSICAL,
    COMPLEX,
    Algorithm,
    best_levels,
    block_sides,
    modelled_seconds,
    tables,
)
from flipsearch.kernels.runtime.operands import addressable, check_output, flat_view
from flipsearch.kernels.runtime.products import mirror, multiply_products, workspace

TINY, TINY_FLOATING = 2_500_000, 200_000_000
"""Operands whose numbers of elements multiply to less go to numpy without further thought."""

SMALLEST_VOLUME, SMALLEST_INTEGER_VOLUME, SMALLEST_SIDE = 120**3, 48**3, 8
"""Below this m*k*n (numpy's integer products are slow) or side, numpy is called likewise."""

MARGIN = 0.95
"""Our modelled time must be below this much of numpy's."""

BOUNDED_VOLUME = 300**3
"""From this m*k*n on, integers are scanned for a bound that allows float64."""

EXACT = 2.0**53

REAL = {np.dtype(np.float32), np.dtype(np.float64)}
INTEGER = {np.dtype(f"{kind}{size}") for kind in "iu" for size in (4, 8)}


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
        Levels of recursion, 0 for the classical product; by default chosen by size and type.

    Raises
    ------
    ValueError
        Shapes do not fit, or `out` overlaps an operand.
    """
    if (
        type(a) is np.ndarray is type(b)
        and levels is None
        and (a.size * b.size < TINY or (a.size * b.size < TINY_FLOATING and a.dtype.kind in "fc"))
    ):
        if out is None:
            return np.matmul(a, b)
        if not (np.may_share_memory(out, a) or np.may_share_memory(out, b)):
            return np.matmul(a, b, out=out)
    a, b = np.asarray(a), np.asarray(b)
    check_levels(algorithm, levels)
    if out is not None:
        check_output(out, a, b)
    dtype = a.dtype if a.dtype == b.dtype else np.result_type(a, b)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0] or not supported(dtype):
        return np.matmul(a, b, out=out)
    shape = (a.shape[0], a.shape[1], b.shape[1])
    if levels is None and _is_small(shape, dtype):
        return np.matmul(a, b, out=out)
    threads = threads or default_threads()
    threads = max(1, min(threads, shape[0] * shape[1] * shape[2] // 200**3))
    if dtype in INTEGER and not algorithm.integral:
        algorithm = CLASSICAL
    if levels is None:
        levels = choose_levels(algorithm, shape, dtype, threads)
    if levels < 0 or 0 in shape:
        return np.matmul(a, b, out=out)
    result = out if out is not None else np.empty((shape[0], shape[2]), dtype)
    if result.dtype != dtype or not addressable(result):
        if not np.can_cast(dtype, result.dtype, "same_kind"):
            raise TypeError(f"out is {result.dtype}; the product is {dtype}")
        result[...] = multiply(algorithm, a, b, None, threads, levels)
        return result
    a, b = (x if x.dtype == dtype and addressable(x) else x.astype(dtype) for x in (a, b))
    element = element_of_sums(algorithm, a, b, levels)
    if levels and not algorithm.complete:
        result[...] = 0
    if abs(result.strides[0]) < abs(result.strides[1]):
        run(algorithm, b.T, a.T, result.T, levels, threads, element, swapped=True)
    else:
        run(algorithm, a, b, result, levels, threads, element)
    return result


def multiply_gram(
    algorithm: Algorithm,
    a: Any,
    out: Any = None,
    threads: int | None = None,
    levels: int | None = None,
) -> Any:
    """Return the product of a matrix and its own transpose, a symmetric matrix.

    With levels above 0 the scheme (of blocks times transposed blocks) computes the blocks on and
    above the diagonal; with 0 the tiles on and above it are computed classically. The rest is
    their mirror image. Parameters as in `multiply`.
    """
    a = np.asarray(a)
    check_levels(algorithm, levels)
    if out is not None:
        check_output(out, a, a.T)
    if a.ndim != 2 or not supported(a.dtype):
        return np.matmul(a, a.T, out=out)
    shape = (a.shape[0], a.shape[1], a.shape[0])
    if levels is None and _is_small(shape, a.dtype):
        return np.matmul(a, a.T, out=out)
    threads = threads or default_threads()
    threads = max(1, min(threads, shape[0] * shape[1] * shape[2] // 200**3))
    if levels is None:
        levels = choose_levels(algorithm, shape, a.dtype, threads, half=True)
    if levels < 0 or 0 in shape:
        return np.matmul(a, a.T, out=out)
    if levels and a.dtype in INTEGER and not algorithm.integral:
        levels = 0
    result = out if out is not None else np.empty((shape[0], shape[0]), a.dtype)
    if result.dtype != a.dtype or not addressable(result):
        if not np.can_cast(a.dtype, result.dtype, "same_kind"):
            raise TypeError(f"out is {result.dtype}; the product is {a.dtype}")
        result[...] = multiply_gram(algorithm, a, None, threads, levels)
        return result
    a = a if addressable(a) else a.copy()
    scheme = algorithm if levels else CLASSICAL
    element = element_of_sums(scheme, a, a.T, levels)
    into = result if abs(result.strides[0]) >= abs(result.strides[1]) else result.T
    run(scheme, a, a.T, into, levels, threads, element, upper=not levels)
    mirror(*flat_view(into, into.dtype, True), len(into))
    return result


def supported(dtype: Any) -> bool:
    """Whether matrices of this type are multiplied here and not by numpy."""
    return dtype in REAL or dtype in COMPLEX or dtype in INTEGER


def check_levels(algorithm: Algorithm, levels: int | None) -> None:
    """Raise ValueError unless `levels` is None or a number of levels the scheme can take."""
    most = 8 if algorithm.recursive else 1
    if levels is not None and not 0 <= levels <= most:
        raise ValueError(f"levels is {levels!r}: this scheme takes 0 to {most}")


def _is_small(shape: tuple[int, int, int], dtype: Any) -> bool:
    """Whether numpy is called without asking how fast it is."""
    smallest = SMALLEST_INTEGER_VOLUME if dtype in INTEGER else SMALLEST_VOLUME
    return shape[0] * shape[1] * shape[2] < smallest or min(shape) < SMALLEST_SIDE


def choose_levels(
    algorithm: Algorithm, shape: tuple[int, int, int], dtype: Any, threads: int, half: bool = False
) -> int:
    """Return how many levels to take, 0 for the classical product, -1 for numpy's.

    The levels are those of least modelled time; numpy is called when that time, scaled to this
    host, exceeds numpy's. With `half` only the upper triangle of the result is wanted.
    """
    element = COMPLEX.get(dtype, dtype)
    work = 3 if dtype in COMPLEX else 1
    levels, modelled = best_levels(algorithm, shape, threads, element.itemsize)
    if half:
        classical = modelled_seconds(CLASSICAL, shape, 0, threads, element.itemsize) * 0.55
        levels, modelled = (0, classical) if classical < modelled else (levels, modelled)
    m, k, n = shape
    scale, numpy_step = host_speed(dtype)
    numpy_seconds = m * k * n * numpy_step / threads * (0.55 if half else 1.0)
    return levels if modelled * work * scale < MARGIN * numpy_seconds else -1


@lru_cache(maxsize=16)
def host_speed(dtype: Any) -> tuple[float, float]:
    """Return (our time / modelled time, numpy's seconds a multiply-add) for a type on this host.

    Measured once a process and type, in a few milliseconds (after compiling): the best of three,
    in CPU time of this thread, so that other programs do not decide.
    """
    size = 96 if dtype in INTEGER else 512
    a, b = np.ones((size, size), dtype), np.ones((size, size), dtype)
    out = np.zeros((size, size), dtype)
    element = element_of_sums(CLASSICAL, a, b, 0)

    def best(call: Any) -> float:
        seconds = []
        for _ in range(4):
            start = time.thread_time()
            call()
            seconds.append(time.thread_time() - start)
        return min(seconds[1:])

    ours = best(lambda: run(CLASSICAL, a, b, out, 0, 1, element))
    library = _blas_library()
    threads = library.get_num_threads() if library else 1
    try:
        if library:
            library.set_num_threads(1)
        numpys = best(lambda: np.matmul(a, b, out=out))
    finally:
        if library:
            library.set_num_threads(threads)
    itemsize = COMPLEX.get(dtype, dtype).itemsize
    work = 3 if dtype in COMPLEX else 1
    modelled = modelled_seconds(CLASSICAL, (size,) * 3, 0, 1, itemsize) * work
    return max(0.5, ours / modelled), numpys / size**3


def default_threads() -> int:
    """Return the number of threads numpy's BLAS uses, else of the cores this process may use."""
    library = _blas_library()
    if library:
        return int(library.get_num_threads())
    available = getattr(os, "sched_getaffinity", None)
    return len(available(0)) if available else os.cpu_count() or 1


@lru_cache(maxsize=1)
def _blas_library() -> Any:
    """Return threadpoolctl's handle of numpy's BLAS, or None if it is not installed or found."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    found = [x for x in ThreadpoolController().lib_controllers if x.user_api == "blas"]
    return next((x for x in found if "numpy" in x.filepath), found[0] if found else None)


def element_of_sums(algorithm: Algorithm, a: Any, b: Any, levels: int) -> Any:
    """Return the type to compute in: float64 for integers that are small enough, else their own.

    Every partial sum is an integer of at most K max|a| max|b| emax^levels: below 2^53 float64
    is exact, and at least as fast as integers in every vector unit.
    """
    dtype = a.dtype
    if dtype not in INTEGER:
        return COMPLEX.get(dtype, dtype)
    own = np.dtype(f"i{dtype.itemsize}")
    if dtype.itemsize < 8 or a.shape[0] * a.shape[1] * b.shape[1] < BOUNDED_VOLUME:
        return own
    bound = a.shape[1] * algorithm.growth**levels
    for operand in (a, b):
        bound *= max(1.0, float(operand.max()), -float(operand.min()))
    return np.dtype(np.float64) if bound < EXACT else own


def run(
    algorithm: Algorithm,
    a: Any,
    b: Any,
    c: Any,
    levels: int,
    threads: int,
    element: Any,
    swapped: bool = False,
    upper: bool = False,
) -> None:
    """Compute c = a b, operands and result as they lie in memory, on some threads.

    Parameters
    ----------
    a, b, c : matrices
        Of one type, addressable; none empty. `c` is overwritten.
    element : dtype
        To compute in.
    swapped : bool
        The operands are the transposed ones, in exchanged order.
    upper : bool
        Compute only what lies on and above the diagonal, in whole tiles; for 0 levels.
    """
    stored = COMPLEX.get(c.dtype, np.dtype(f"i{c.itemsize}") if c.dtype.kind == "u" else c.dtype)
    parts = 2 if c.dtype in COMPLEX else 1
    flattened = tables(algorithm, levels, element, swapped)
    shape = (a.shape[0], a.shape[1], b.shape[1])
    blocks = block_sides(algorithm, shape[::-1] if swapped else shape, levels)
    blocks = blocks[::-1] if swapped else blocks
    left, right, out = (flat_view(x, stored, x is c) for x in (a, b, c))
    pieces = max(1, min(threads, blocks[0] // 32))
    cuts = [blocks[0] * piece // pieces for piece in range(pieces + 1)]
    if upper:
        cuts = [round(blocks[0] * (1 - (1 - x / pieces) ** 0.5)) for x in range(pieces + 1)]

    def work(piece: int) -> None:
        memory = _borrow(element)
        try:
            part = (cuts[piece], cuts[piece + 1])
            multiply_products(
                left, right, out, flattened, shape, blocks, part, memory, parts, upper
            )
        finally:
            _memory.setdefault(element, []).append(memory)

    futures = [_helpers().submit(work, piece) for piece in range(1, pieces)]
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


def _helpers() -> ThreadPoolExecutor:
    """Return this process's helper threads: a forked child makes its own."""
    with _lock:
        if os.getpid() not in _executors:
            _executors.clear()
            _executors[os.getpid()] = ThreadPoolExecutor(os.cpu_count() or 1, "kernel")
        return _executors[os.getpid()]
