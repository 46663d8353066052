"""Time kernels against numpy fairly: same threads, warm, alternating, memory touched alike."""

from __future__ import annotations

import inspect
import statistics
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from flipsearch.errors import UsageError


@dataclass(frozen=True)
class Timing:
    """Median seconds of a kernel and of numpy on the same operands, and the median of ratios.

    `levels` are the kernel's, -1 where it called numpy itself.
    """

    shape: tuple[int, int, int]
    dtype: str
    threads: int
    kernel_seconds: float
    numpy_seconds: float
    ratio: float
    error: float
    levels: int

    def __str__(self) -> str:
        size = "x".join(map(str, self.shape))
        return (
            f"{size} {self.dtype}, {self.threads} thread{'s' * (self.threads > 1)}: "
            f"{self.kernel_seconds:.3f} s, numpy {self.numpy_seconds:.3f} s, "
            f"ratio {self.ratio:.2f}, {self._way()}"
        )

    def _way(self) -> str:
        if self.levels < 0:
            return "numpy called"
        slower = "; numpy is the better choice here" if self.ratio < 0.99 else ""
        return f"{self.levels} level{'s' * (self.levels != 1)}{slower}"


def operands(shape: tuple[int, int, int], dtype: npt.DTypeLike, seed: int = 0) -> tuple[Any, Any]:
    """Return random operands: uniform in [-1, 1), integers from -100 to 99."""
    generator = np.random.default_rng(seed)
    kind = np.dtype(dtype).kind
    m, k, n = shape

    def one(rows: int, columns: int) -> Any:
        if kind in "iu":
            low = 0 if kind == "u" else -100
            return generator.integers(low, 100, (rows, columns)).astype(dtype)
        matrix = generator.random((rows, columns)) * 2 - 1
        if kind == "c":
            matrix = matrix + 1j * (generator.random((rows, columns)) * 2 - 1)
        return matrix.astype(dtype)

    return one(m, k), one(k, n)


def chosen_levels(
    kernel: Any, shape: tuple[int, int, int], dtype: npt.DTypeLike, threads: int
) -> int:
    """Return how many levels a kernel module takes for a product unasked, -1 for numpy."""
    default = inspect.signature(kernel.matmul).parameters["levels"].default
    if default is not None:
        return int(default)
    half = kernel.FORMAT.partition(":")[0].endswith("t")
    return int(kernel.planned_levels(kernel.ALGORITHM, shape, np.dtype(dtype), threads, half))


def time_against_numpy(
    kernel: Any,
    size: int | tuple[int, int, int] = 2048,
    dtype: npt.DTypeLike = np.float64,
    threads: int | None = None,
    pairs: int = 5,
    levels: int | None = None,
) -> Timing:
    """Time a kernel module against numpy on the same random operands.

    Parameters
    ----------
    size : int or (m, k, n)
        Sides of the operands.
    threads : int, optional
        Threads for both; by default as many as numpy uses.
    pairs : int
        Timed pairs, in alternating order, after one of each that is not timed. On several threads
        the kernel waits for those of numpy's BLAS to go to sleep.
    levels : int, optional
        Levels of the kernel; by default its own choice.

    Returns
    -------
    Timing
        Medians, the median over pairs of numpy's time / kernel's time, the largest difference
        from numpy's result relative to its largest element, and the levels taken.
    """
    from flipsearch.kernels.runtime.execute import default_threads
    from flipsearch.kernels.runtime.tuning import REST

    shape = (size, size, size) if isinstance(size, int) else size
    multiply = kernel.matmul
    threads = threads or default_threads()
    taken = {"threads": threads} if levels is None else {"threads": threads, "levels": levels}
    levels = chosen_levels(kernel, shape, dtype, threads) if levels is None else levels
    a, b = operands(shape, dtype)
    layout = kernel.FORMAT.partition(":")[0]
    if layout.endswith("t"):
        if len(set(shape)) != 1:
            raise UsageError("a kernel for a matrix times its transpose is timed on squares")
        b = a.T

        def multiply(a: Any, _b: Any, **options: Any) -> Any:
            return kernel.matmul(a, **options)

    elif ":" in kernel.FORMAT:
        a, b = (_shaped(x, letter) for x, letter in zip((a, b), layout, strict=True))
    ours, theirs = (np.zeros((shape[0], shape[2]), dtype) for _ in range(2))
    with threadpool_limits(limits=threads, user_api="blas"):
        calls = (partial(multiply, a, b, out=ours, **taken), partial(np.matmul, a, b, out=theirs))
        for call in calls:
            call()
        seconds: tuple[list[float], list[float]] = ([], [])
        for pair in range(pairs):
            for which in (0, 1) if pair % 2 else (1, 0):
                time.sleep(REST * (threads > 1))
                start = time.perf_counter()
                calls[which]()
                seconds[which].append(time.perf_counter() - start)
    largest = float(np.abs(theirs).max(initial=0)) or 1.0
    difference = np.abs(ours.astype(complex) - theirs).max(initial=0) / largest
    return Timing(
        shape,
        np.dtype(dtype).name,
        threads,
        statistics.median(seconds[0]),
        statistics.median(seconds[1]),
        statistics.median(n / k for k, n in zip(*seconds, strict=True)),
        float(difference),
        levels,
    )


def _shaped(matrix: Any, letter: str) -> Any:
    """Return the operand with the zeros that its letter demands."""
    if letter == "u":
        return np.triu(matrix)
    return np.tril(matrix) if letter == "l" else matrix
