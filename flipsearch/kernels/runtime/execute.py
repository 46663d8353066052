"""Products carried out: threads, memory and the type to compute in.

Invariant: nothing but the result is written; the memory kept between calls is two packed blocks a
thread (see `release`); numpy's BLAS has as many threads after a call as before it.
"""

from __future__ import annotations

import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np

from flipsearch.algebra.cores import available_cores
from flipsearch.kernels.runtime.algorithm import COMPLEX, Algorithm, block_sides, tables
from flipsearch.kernels.runtime.operands import flat_view
from flipsearch.kernels.runtime.panels import PAIRS, REALS
from flipsearch.kernels.runtime.products import multiply_products, workspace

BOUNDED_VOLUME = 300**3
"""From this m*k*n on, integers are scanned for a bound that allows float64."""

EXACT = 2.0**53 * (1 - 2.0**-40)
"""Bounds below this, themselves rounded, are below 2^53."""

REAL = {np.dtype(np.float32), np.dtype(np.float64)}
INTEGER = {np.dtype(f"{kind}{size}") for kind in "iu" for size in (4, 8)}
BITS = np.dtype(np.uint64)
"""Element to compute in over F2: squares of bits (see `microkernel`)."""

SUPPORTED = REAL | INTEGER | set(COMPLEX)
"""Types whose matrices are multiplied here and not by numpy."""


def default_threads() -> int:
    """Return the number of threads numpy's BLAS uses, else of the cores this process may use."""
    library = blas_library()
    return int(library.get_num_threads()) if library else available_cores()


@lru_cache(maxsize=1)
def blas_library() -> Any:
    """Return threadpoolctl's handle of numpy's BLAS, or None if it was not found."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    return next((x for x in found if "numpy" in x.filepath), found[0] if found else None)


_limits: list[int] = []  # threads of BLAS before each call that limits them; the first is theirs
_limits_lock = threading.Lock()


def on_threads(threads: int | None, call: Any, *operands: Any) -> Any:
    """Return ``call(*operands)`` with numpy's BLAS limited to so many threads meanwhile.

    BLAS has one number for the whole process. Of calls that overlap in time, the last to end
    restores the number that the first one found.
    """
    library = blas_library()
    if threads is None or not library or library.get_num_threads() == threads:
        return call(*operands)
    with _limits_lock:
        _limits.append(int(library.get_num_threads()))
        library.set_num_threads(threads)
    try:
        return call(*operands)
    finally:
        with _limits_lock:
            former = _limits.pop()
            if not _limits:
                library.set_num_threads(former)


def check_threads(threads: int | None) -> None:
    """Raise ValueError unless `threads` is None or a positive number."""
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads!r}: at least 1 is needed")


def sensible_threads(threads: int, shape: tuple[int, int, int]) -> int:
    """Return how many of `threads` a product of that size can keep busy."""
    return max(1, min(threads, shape[0] * shape[1] * shape[2] // 200**3))


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
        Compute only the tiles on and above the diagonal; for 0 levels.
    """
    signed = np.dtype(f"i{c.itemsize}") if c.dtype.kind == "u" and element != BITS else c.dtype
    stored = COMPLEX.get(c.dtype, signed)
    parts = PAIRS if c.dtype in COMPLEX else REALS
    flattened = tables(algorithm, levels, element, swapped)
    shape = (a.shape[0], a.shape[1], b.shape[1])
    blocks = block_sides(algorithm, shape[::-1] if swapped else shape, levels)
    blocks = blocks[::-1] if swapped else blocks
    left, right, out = (flat_view(x, stored, x is c) for x in (a, b, c))

    def work(part: tuple[int, int]) -> None:
        memory = _borrow(element)
        try:
            multiply_products(
                left, right, out, flattened, shape, blocks, part, memory, parts, upper
            )
        finally:
            _memory.setdefault(element, []).append(memory)

    share_rows(work, blocks[0], threads, upper)


def share_rows(
    work: Any, rows: int, threads: int, upper: bool = False, smallest: int = 32
) -> None:
    """Call ``work((first, last))`` for parts of so many rows, at once on some threads.

    Parts have at least `smallest` rows. With `upper` they share a triangle, where later rows
    have less work.
    """
    pieces = max(1, min(threads, rows // smallest))
    cuts = [rows * piece // pieces for piece in range(pieces + 1)]
    if upper:
        cuts = [round(rows * (1 - (1 - x / pieces) ** 0.5)) for x in range(pieces + 1)]
    parts = list(itertools.pairwise(cuts))
    futures = [_helpers().submit(work, part) for part in parts[1:]]
    try:
        work(parts[0])
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
            _executors[os.getpid()] = ThreadPoolExecutor(available_cores(), "kernel")
        return _executors[os.getpid()]
