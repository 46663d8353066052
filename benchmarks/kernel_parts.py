"""Time each part of a kernel's product alone, and compare the sum with the whole.

Parts of a float64 product on one thread, at 0, 1 and 2 levels of Strassen's scheme: packing the
combinations of A and of B, multiplying tiles in registers (which are written to one cached row),
adding tiles to C (the time that multiplying takes longer then). CPU seconds of the thread,
medians. First the host's rates: dgemm, a copy and a sum of two matrices in memory.
"""

# ruff: noqa: B023

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba import njit
from threadpoolctl import threadpool_limits

from benchmarks.common import benchmark_parser, emit, emit_dgemm, integers
from flipsearch.kernels.builtin import strassen_algorithm
from flipsearch.kernels.runtime.algorithm import block_sides, modelled_seconds, tables
from flipsearch.kernels.runtime.driver import multiply
from flipsearch.kernels.runtime.microkernel import TILE_ROWS, columns_of
from flipsearch.kernels.runtime.operands import flat_view
from flipsearch.kernels.runtime.panels import LEFT, REALS, RIGHT, corners_of, pack
from flipsearch.kernels.runtime.products import (
    COLUMNS,
    DEPTH,
    ROWS,
    multiply_panels,
    piece,
    workspace,
)

PARTS = ("pack_right", "pack_left", "multiply", "unpack")
NOWHERE = np.zeros(1, np.int64)
CACHED = (np.array([0, 1]), NOWHERE, NOWHERE, np.ones(1), np.ones(1, np.bool_))
"""Terms of a product that is written to one row."""


@njit(nogil=True)
def one_part(wanted, a, b, c, terms, shape, blocks, memory):  # type: ignore[no-untyped-def]
    """Run the loops of `multiply_products`, but one part of their body only."""
    left_terms, right_terms, out_terms = terms
    packed_left, packed_right, scratch, tile = memory
    right = (b[0], b[1], b[3], b[2])
    right_turned = (right_terms[0], right_terms[2], right_terms[1], right_terms[3])
    left_sides = (shape[0], shape[1], blocks[0], blocks[1])
    right_sides = (shape[2], shape[1], blocks[2], blocks[1])
    out_sides = (shape[0], shape[2], blocks[0], blocks[2])
    left_corners = corners_of(a, left_sides, left_terms)
    right_corners = corners_of(right, right_sides, right_turned)
    corners = corners_of(c, out_sides, out_terms)
    cached = (c[0], 0, 0, c[3])
    wide = piece(blocks[2], COLUMNS, np.int64(columns_of(tile)))
    tall = piece(blocks[0], ROWS, TILE_ROWS)
    deep = piece(blocks[1], DEPTH, 1)
    for product in range(len(left_terms[0]) - 1):
        for jc in range(0, blocks[2], wide):
            width = min(wide, blocks[2] - jc)
            for pc in range(0, blocks[1], deep):
                depth = min(deep, blocks[1] - pc)
                if wanted == 0:
                    pack(
                        RIGHT, packed_right, 0, scratch, right, right_sides, right_turned,
                        right_corners, product, (jc, pc), (width, depth), REALS,
                    )  # fmt: skip
                    continue
                for ic in range(0, blocks[0], tall):
                    height = min(tall, blocks[0] - ic)
                    if wanted == 1:
                        pack(
                            LEFT, packed_left, 0, scratch, a, left_sides, left_terms,
                            left_corners, product, (ic, pc), (height, depth), REALS,
                        )  # fmt: skip
                    elif wanted == 2:
                        multiply_panels(
                            (packed_left, packed_right), (0, 0), tile, cached, out_sides, CACHED,
                            NOWHERE, 0, (ic, jc), (height, width, depth), REALS, True,
                            False,
                        )  # fmt: skip
                    else:
                        multiply_panels(
                            (packed_left, packed_right), (0, 0), tile, c, out_sides, out_terms,
                            corners, product, (ic, jc), (height, width, depth), REALS, pc == 0,
                            False,
                        )  # fmt: skip


def seconds(call: Callable[[], Any], repetitions: int) -> float:
    """Return the median CPU time of the calling thread, after one call that is not timed."""
    call()
    times = []
    for _ in range(repetitions):
        start = time.thread_time()
        call()
        times.append(time.thread_time() - start)
    return statistics.median(times)


def main(argv: Sequence[str] | None = None) -> int:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--sizes", type=integers, default=[4096])
    parser.add_argument("--levels", type=integers, default=[0, 1, 2])
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args(argv)
    emit_dgemm(arguments.json)
    algorithm = strassen_algorithm()
    for size in arguments.sizes:
        generator = np.random.default_rng(0)
        a, b = generator.random((size, size)), generator.random((size, size))
        c = np.zeros((size, size))
        with threadpool_limits(1, "blas"):
            numpys = seconds(lambda: np.matmul(a, b, out=c), arguments.repetitions)
        emit(arguments.json, "numpy_seconds", numpys, "s", size=size)
        copied = seconds(lambda: np.copyto(c, a), arguments.repetitions)
        added = seconds(lambda: np.add(a, b, out=c), arguments.repetitions)
        emit(arguments.json, "copy_bandwidth", 16e-9 * size**2 / copied, "GB/s", size=size)
        emit(arguments.json, "sum_bandwidth", 24e-9 * size**2 / added, "GB/s", size=size)
        shape = (size, size, size)
        element = np.dtype(float)
        views = (flat_view(a, element, False), flat_view(b, element, False))
        out = flat_view(c, element, True)
        for levels in arguments.levels:
            flattened = tables(algorithm, levels, element, False)
            blocks = block_sides(algorithm, shape, levels)
            memory = workspace(element)
            total = spent = 0.0
            for wanted, part in enumerate(PARTS):
                before, spent = (
                    spent,
                    seconds(
                        lambda: one_part(
                            wanted,
                            *views,
                            out,
                            flattened,
                            shape,
                            blocks,
                            memory,
                        ),
                        arguments.repetitions,
                    ),
                )
                alone = spent - before if part == "unpack" else spent
                total += alone
                emit(arguments.json, f"{part}_seconds", alone, "s", size=size, levels=levels)
            whole = seconds(
                lambda: multiply(algorithm, a, b, c, 1, levels),
                arguments.repetitions,
            )
            model = modelled_seconds(algorithm, shape, levels, 1, 8)
            emit(
                arguments.json, "whole_seconds", whole, "s", size=size, levels=levels,
                sum_of_parts=round(total, 4), modelled=round(model, 4),
            )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
