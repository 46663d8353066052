"""Turn schemes into code: standalone numba modules for matrix products and bilinear maps."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from flipsearch.compiled import drop_stale
from flipsearch.kernels.builtin import strassen_algorithm
from flipsearch.kernels.checks import KernelError, check_source
from flipsearch.kernels.choice import (
    fastest_here,
    fastest_scheme,
    find_scheme,
    most_accurate,
    verdict,
)
from flipsearch.kernels.emit import emit_kernel, write_kernel
from flipsearch.kernels.halving import gram, matmul_triangular
from flipsearch.kernels.integers import matmul_exact
from flipsearch.kernels.load import import_kernel, load_kernel
from flipsearch.kernels.modular import matmul_bits, matmul_gf2, matmul_mod
from flipsearch.kernels.runtime.driver import TINY, multiply, ndarray, numpy_matmul
from flipsearch.kernels.runtime.execute import on_threads
from flipsearch.kernels.runtime.fields import pack_bits, unpack_bits
from flipsearch.kernels.runtime.tuning import numpy_below
from flipsearch.kernels.stability import Growth, error_bound, growth
from flipsearch.kernels.timing import Timing, time_against_numpy

__all__ = [
    "Growth",
    "KernelError",
    "Timing",
    "check_source",
    "emit_kernel",
    "error_bound",
    "fastest_here",
    "fastest_scheme",
    "find_scheme",
    "gram",
    "growth",
    "import_kernel",
    "load_kernel",
    "matmul",
    "matmul_bits",
    "matmul_exact",
    "matmul_gf2",
    "matmul_mod",
    "matmul_triangular",
    "most_accurate",
    "pack_bits",
    "time_against_numpy",
    "unpack_bits",
    "verdict",
    "write_kernel",
]

drop_stale(Path(__file__).parent / "runtime")


def matmul(
    a: Any,
    b: Any,
    out: Any = None,
    threads: int | None = None,
    levels: int | None = None,
    **options: Any,
) -> Any:
    """Return the matrix product of `a` and `b`, as `numpy.matmul` does, by Strassen's scheme.

    The number of levels, or whether to call numpy, is chosen by size and type. Parameters and
    errors as in `flipsearch.kernels.runtime.driver.multiply`; with other options of
    `numpy.matmul` (``axes``, ``dtype``, ``casting`` ...) numpy is called.

    Examples
    --------
    >>> matmul([[1, 2], [3, 4]], [[0, 1], [1, 0]]).tolist()
    [[2, 1], [4, 3]]
    """
    if options:
        if levels is not None:
            raise TypeError("levels does not go with options of numpy.matmul")
        return on_threads(threads, partial(numpy_matmul, **options), a, b, out)
    if threads is levels is None and type(a) is ndarray is type(b):
        work = a.size * b.size
        if work < TINY or work < numpy_below.get(a.dtype, 0):
            return numpy_matmul(a, b, out)
    return multiply(strassen_algorithm(), a, b, out, threads, levels)
