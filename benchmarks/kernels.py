"""Kernels against numpy on the same threads: float64, float32, complex128, integers, A times A^T.

Each figure is the median over alternating pairs (at least five) of numpy's time over ours, with
`out=` given and touched on both sides and numpy's BLAS limited to as many threads. All figures
are of `flipsearch.kernels.matmul` and `gram` as a user calls them; `--leaf` adds the ratio of our
classical product alone, which tells the leaf's share from the scheme's, and
`--small` runs small and thin shapes of every type instead, where numpy is often called.

    python -m benchmarks.kernels --json            # all figures: 8 to 10 minutes
    python -m benchmarks.kernels --quick           # sides up to 4096: 1.5 minutes
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.common import benchmark_parser, emit, emit_dgemm, integers
from flipsearch.kernels import gram, matmul
from flipsearch.kernels.runtime.tuning import REST
from flipsearch.kernels.timing import operands

FIGURES = (
    # dtype, (m, k, n), threads, kind, ratio to reach
    ("float64", (2048, 2048, 2048), 1, "general", 1.00),
    ("float64", (4096, 4096, 4096), 1, "general", 1.10),
    ("float64", (4096, 4096, 4096), 2, "general", 1.05),
    ("float64", (8192, 8192, 8192), 1, "general", 1.20),
    ("float64", (8192, 8192, 8192), 2, "general", 1.12),
    ("float64", (8192, 2048, 8192), 1, "general", 1.10),
    ("float32", (4096, 4096, 4096), 1, "general", 1.07),
    ("float32", (8192, 8192, 8192), 1, "general", 1.17),
    ("complex128", (4096, 4096, 4096), 1, "general", 1.30),
    ("int64", (1024, 1024, 1024), 1, "bounded", 80.0),
    ("int64", (1024, 1024, 1024), 1, "wrapping", 15.0),
    ("float64", (4096, 4096, 4096), 1, "gram", 1.05),
    ("float64", (8192, 8192, 8192), 1, "gram", 1.10),
)

DTYPES = ("float64", "float32", "complex128", "complex64", "int64", "int32")
SMALL = (8, 16, 32, 64, 100, 128, 150, 192, 256, 300, 384, 512, 777, 1024, 1500, 2048)
THIN = (
    (2000, 64, 2000), (64, 2000, 2000), (2000, 2000, 64), (4096, 16, 4096), (4096, 4096, 16),
    (300, 3000, 300), (3000, 128, 300), (1, 3000, 3000), (3000, 3000, 1),
)  # fmt: skip
QUICK = 2
"""Pairs a figure with `--quick`, which leaves out sides above 4096."""


def pair(
    dtype: str, shape: tuple[int, int, int], threads: int | None, kind: str, levels: int | None
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return numpy's call and ours on the same operands, outputs touched, both called before.

    The calls before are on a part of the operands: they start threads, allocate work space and
    load code, and spare large products a first run.
    """
    a, b = operands(shape, dtype)
    if kind == "wrapping":
        information = np.iinfo(dtype)
        generator = np.random.default_rng(0)
        a, b = (
            generator.integers(information.min, information.max, x.shape, dtype=x.dtype)
            for x in (a, b)
        )
    side = shape[0] if kind == "gram" else shape[2]
    theirs, ours = (np.full((shape[0], side), 1, dtype) for _ in range(2))
    part = slice(0, 600)
    if kind == "gram":
        numpys, own = partial(np.matmul, a, a.T, out=theirs), partial(gram, a, ours, threads)
        gram(a[part, part], None, threads)
        np.matmul(a[part, part], a[part, part].T)
    else:
        numpys = partial(np.matmul, a, b, out=theirs)
        own = partial(matmul, a, b, ours, threads=threads, levels=levels)
        matmul(a[part, part], b[part, part], None, threads, levels)
        np.matmul(a[part, part], b[part, part])
    return numpys, own


def measure(
    as_json: bool,
    dtype: str,
    shape: tuple[int, int, int],
    threads: int,
    kind: str,
    pairs: int,
    levels: int | None = None,
    small: bool = False,
    **keys: Any,
) -> None:
    """Print one ratio, of wall times; `cpu_ratio` is the same of the process' CPU times."""
    volume = shape[0] * shape[1] * shape[2]
    calls = 4_000_000 // (1000 + volume // 16) + 1 if small else 1
    wall: list[float] = []
    cpu: list[float] = []
    seconds: list[float] = []
    with threadpool_limits(limits=threads, user_api="blas"):
        numpys, ours = pair(dtype, shape, None if small else threads, kind, levels)
        for _ in range(pairs):
            times = []
            for call in (numpys, ours):
                time.sleep(REST * (threads > 1))
                times.append(clocked(repeated(call, calls)))
            wall.append(times[0][0] / times[1][0])
            cpu.append(times[0][1] / max(1e-9, times[1][1]))
            seconds.append(times[1][0] / calls)
    size = shape[0] if len(set(shape)) == 1 else "x".join(map(str, shape))
    keys = {"dtype": dtype, "size": size, "threads": threads, "kind": kind, **keys}
    emit(
        as_json, "ratio_to_numpy", statistics.median(wall), "", **keys,
        lowest=round(min(wall), 3), highest=round(max(wall), 3),
        cpu_ratio=round(statistics.median(cpu), 3), pairs=pairs,
        seconds=float(f"{statistics.median(seconds):.4g}"),
    )  # fmt: skip


def clocked(call: Callable[[], Any]) -> tuple[float, float]:
    """Return wall and CPU seconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def repeated(call: Callable[[], Any], calls: int) -> Callable[[], Any]:
    """Return the call itself, or a loop of it where one is too short to time."""
    if calls == 1:
        return call

    def loop() -> None:
        for _ in range(calls):
            call()

    return loop


def main(argv: Sequence[str] | None = None) -> int:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--sizes", type=integers, help="largest sides to run, such as 2048,4096")
    parser.add_argument("--dtype", help="one type only")
    parser.add_argument("--kind", help="general, bounded, wrapping or gram only")
    parser.add_argument("--threads", type=integers, help="such as 1")
    parser.add_argument("--pairs", type=int, help="timed pairs a figure (default 5)")
    parser.add_argument("--quick", action="store_true", help="2 pairs, sides up to 4096")
    parser.add_argument("--leaf", action="store_true", help="also our classical product alone")
    parser.add_argument("--small", action="store_true", help="small and thin shapes instead")
    arguments = parser.parse_args(argv)
    pairs = arguments.pairs or (QUICK if arguments.quick else 5)
    emit_dgemm(arguments.json)
    if arguments.small:
        small_shapes(arguments, pairs)
        return 0
    for dtype, shape, threads, kind, reach in FIGURES:
        if (
            (arguments.sizes and max(shape) not in arguments.sizes)
            or (arguments.dtype and dtype != arguments.dtype)
            or (arguments.kind and kind != arguments.kind)
            or (arguments.threads and threads not in arguments.threads)
            or (arguments.quick and max(shape) > 4096)
        ):
            continue
        measure(arguments.json, dtype, shape, threads, kind, pairs, to_reach=reach)
        if arguments.leaf and kind != "gram":
            measure(arguments.json, dtype, shape, threads, kind, pairs, 0, leaf=True)
    return 0


def small_shapes(arguments: argparse.Namespace, pairs: int) -> None:
    """Print the ratios where calling numpy is often best: they should not be below 1."""
    for threads in arguments.threads or [1]:
        for dtype in [arguments.dtype] if arguments.dtype else DTYPES:
            for shape in [*((size,) * 3 for size in SMALL), *THIN]:
                if arguments.sizes and max(shape) not in arguments.sizes:
                    continue
                if dtype.startswith("int") and shape[0] * shape[1] * shape[2] > 520**3:
                    continue
                measure(arguments.json, dtype, shape, threads, "general", pairs, small=True)


if __name__ == "__main__":
    sys.exit(main())
