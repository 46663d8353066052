"""Kernels against numpy on the same threads: float64, float32, complex128, integers, A times A^T.

Each figure is the median over alternating pairs (at least five) of numpy's time over ours, with
`out=` given and touched on both sides and numpy's BLAS limited to as many threads. All figures
are of `flipsearch.kernels.matmul` and `gram` as a user calls them; `--leaf` adds what our
classical product alone reaches, so that the leaf's share and the scheme's can be told apart, and
`--small` where dispatching to numpy begins.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.common import alternate, benchmark_parser, emit, emit_dgemm, integers, ratio
from flipsearch.kernels import gram, matmul
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

SMALL = (2, 8, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024)


def pair(
    dtype: str, shape: tuple[int, int, int], threads: int, kind: str, levels: int | None
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return numpy's call and ours on the same operands, outputs touched."""
    a, b = operands(shape, dtype)
    if kind == "wrapping":
        information = np.iinfo(dtype)
        generator = np.random.default_rng(0)
        a, b = (
            generator.integers(information.min, information.max, x.shape, dtype=x.dtype)
            for x in (a, b)
        )
    side = shape[0] if kind == "gram" else shape[2]
    theirs, ours = (np.zeros((shape[0], side), dtype) for _ in range(2))
    if kind == "gram":
        return partial(np.matmul, a, a.T, out=theirs), partial(gram, a, ours, threads)
    return partial(np.matmul, a, b, out=theirs), partial(
        matmul, a, b, ours, threads=threads, levels=levels
    )


def measure(
    as_json: bool,
    dtype: str,
    shape: tuple[int, int, int],
    threads: int,
    kind: str,
    pairs: int,
    levels: int | None = None,
    **keys: Any,
) -> None:
    """Print one ratio."""
    calls = 1 if max(shape) > 256 else 2_000_000 // (2000 + shape[0] ** 3 // 8) + 1
    with threadpool_limits(limits=threads, user_api="blas"):
        numpys, ours = pair(dtype, shape, threads, kind, levels)
        times = alternate(repeated(numpys, calls), repeated(ours, calls), pairs)
    size = shape[0] if len(set(shape)) == 1 else "x".join(map(str, shape))
    keys = {"dtype": dtype, "size": size, "threads": threads, "kind": kind, **keys}
    spread = sorted(n / o for n, o in zip(*times, strict=True))
    emit(
        as_json, "ratio_to_numpy", ratio(*times), "", **keys,
        lowest=round(spread[0], 3), highest=round(spread[-1], 3),
        seconds=round(sorted(times[1])[pairs // 2] / calls, 7),
    )  # fmt: skip


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
    parser.add_argument("--pairs", type=int, default=5, help="timed pairs a figure")
    parser.add_argument("--leaf", action="store_true", help="also our classical product alone")
    parser.add_argument("--small", action="store_true", help="small sizes instead")
    arguments = parser.parse_args(argv)
    emit_dgemm(arguments.json)
    if arguments.small:
        for dtype in [arguments.dtype] if arguments.dtype else ["float64", "float32"]:
            for size in SMALL:
                measure(arguments.json, dtype, (size,) * 3, 1, "general", arguments.pairs)
        return 0
    for dtype, shape, threads, kind, reach in FIGURES:
        if (
            (arguments.sizes and max(shape) not in arguments.sizes)
            or (arguments.dtype and dtype != arguments.dtype)
            or (arguments.kind and kind != arguments.kind)
            or (arguments.threads and threads not in arguments.threads)
        ):
            continue
        measure(arguments.json, dtype, shape, threads, kind, arguments.pairs, to_reach=reach)
        if arguments.leaf and kind != "gram":
            measure(
                arguments.json, dtype, shape, threads, kind, arguments.pairs, 0, leaf=True
            )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
