"""Share the yardstick of the host and the output, one JSON object a line, among benchmarks.

`dgemm_gflops` stands first in each timing benchmark; it makes figures from different hosts
comparable. Timings are medians; where two things are compared they alternate in one process.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits


def benchmark_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with ``--json``, to which a benchmark adds its own options."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    return parser


def emit(as_json: bool, name: str, value: float | int | None, unit: str, **keys: Any) -> None:
    """Print one figure: a JSON object on a line, or aligned text for people.

    Parameters
    ----------
    as_json : bool
        Whether to print JSON.
    name, value, unit
        The figure; a float is rounded to 6 significant digits.
    **keys
        Its identification: ring, format, rank, dtype, size, threads, device...
    """
    if isinstance(value, float):
        value = float(f"{value:.6g}")
    if as_json:
        print(json.dumps({"name": name, "value": value, "unit": unit, **keys}), flush=True)
        return
    described = "  ".join(f"{key}={item}" for key, item in keys.items())
    print(f"{name:24} {value!s:>12} {unit:12} {described}", flush=True)


def dgemm_gflops(size: int = 2048, repetitions: int = 5) -> float:
    """Return the median rate of numpy's float64 product on one thread, in GF/s.

    Parameters
    ----------
    size : int
        Side of the square matrices.
    repetitions : int
        Timed products, after one that is not timed.
    """
    generator = np.random.default_rng(0)
    a, b = generator.random((size, size)), generator.random((size, size))
    out = np.zeros((size, size))
    with threadpool_limits(limits=1, user_api="blas"):
        np.matmul(a, b, out=out)
        seconds = [seconds_of(lambda: np.matmul(a, b, out=out)) for _ in range(repetitions)]
    return 2e-9 * size**3 / statistics.median(seconds)


def emit_dgemm(as_json: bool) -> None:
    """Print the host's yardstick: float64, one thread, 2048."""
    emit(as_json, "dgemm_gflops", dgemm_gflops(), "GF/s", dtype="float64", size=2048, threads=1)


def seconds_of(call: Callable[[], Any]) -> float:
    """Return the wall time of one call, in seconds."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def alternate(
    first: Callable[[], Any], second: Callable[[], Any], pairs: int
) -> tuple[list[float], list[float]]:
    """Time two calls alternately, each once unmeasured before; return both lists of seconds."""
    first()
    second()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(pairs):
        times[0].append(seconds_of(first))
        times[1].append(seconds_of(second))
    return times


def ratio(reference: Sequence[float], ours: Sequence[float]) -> float:
    """Return the median over pairs of reference time / our time: above 1 is faster."""
    return statistics.median(r / o for r, o in zip(reference, ours, strict=True))


def integers(text: str) -> list[int]:
    """Parse ``2048,4096`` as an argparse type."""
    return [int(part) for part in text.split(",")]
