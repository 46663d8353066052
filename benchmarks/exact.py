"""Exact kernels: over F2 and F3, modulo p, and integers that numpy wraps or is slow with.

Figures of one thread are CPU seconds of that thread, which other programs disturb less; where two
things are compared, in alternation, the ratio is the median over pairs. `galois` and numpy are
timed on fewer pairs where they take long.

    python -m benchmarks.exact --json          # all figures: about 3 minutes
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.common import benchmark_parser, emit, emit_dgemm, integers
from flipsearch.files import read_schemes
from flipsearch.kernels import matmul_bits, matmul_exact, matmul_gf2, matmul_mod, pack_bits
from flipsearch.kernels.builtin import strassen_algorithm
from flipsearch.kernels.plan import algorithm_of
from flipsearch.kernels.runtime import fields
from flipsearch.kernels.runtime.fields import multiply_bits, multiply_residues
from flipsearch.kernels.runtime.microkernel import MULTIPLIES_SQUARES, VECTOR_BYTES
from flipsearch.rings import Ring

SCHEMES = Path(__file__).resolve().parent.parent / "schemes"
MODULI = (3, 251, 65521, 2**20 - 3, 2**26 - 5, 2**31 - 1)


def cpu_seconds(call: Callable[[], Any]) -> float:
    """Return the CPU seconds that a call takes on this thread."""
    start = time.thread_time()
    call()
    return time.thread_time() - start


def timed(calls: Sequence[Callable[[], Any]], repetitions: int) -> list[list[float]]:
    """Return the CPU seconds of each call, in alternation, after one of each untimed."""
    for call in calls:
        call()
    rounds = [[cpu_seconds(call) for call in calls] for _ in range(repetitions)]
    return [list(column) for column in zip(*rounds, strict=True)]


def over_f2(as_json: bool, sizes: Sequence[int], repetitions: int) -> None:
    """Time packed products: by leaf, and by level of Strassen's scheme and one of rank 47."""
    (file,) = (SCHEMES / "4x4x4").glob("4x4x4_m47_F2_*")
    (read,) = read_schemes(file)
    strassen, rank47 = strassen_algorithm(Ring.F2), algorithm_of(read.scheme)
    ways = (("leaf", strassen, 0), ("Strassen", strassen, 1), ("Strassen", strassen, 2),
            ("4x4x4:47", rank47, 1))  # fmt: skip
    generator = np.random.default_rng(0)
    for size in sizes:
        a, b = (
            generator.integers(0, 2**64 - 1, (size, size // 64), dtype=np.uint64, endpoint=True)
            for _ in range(2)
        )
        out = np.zeros_like(a)
        for squares in (True, False) if MULTIPLIES_SQUARES else (False,):
            if size > 16384 and not squares:
                continue

            def call(algorithm: Any, levels: int) -> Callable[[], Any]:
                return lambda: multiply_bits(algorithm, a, b, out, 1, levels)  # noqa: B023

            with patch.object(fields, "MULTIPLIES_SQUARES", squares):
                columns = timed([call(way[1], way[2]) for way in ways], repetitions)
            for (name, _, levels), seconds in zip(ways, columns, strict=True):
                emit(
                    as_json, "gf2_milliseconds", 1e3 * statistics.median(seconds), "ms",
                    size=size, leaf="squares" if squares else "tables", scheme=name,
                    levels=levels, least=round(1e3 * min(seconds), 3),
                    ratio_to_leaf=round(
                        statistics.median(
                            x / y for x, y in zip(columns[0], seconds, strict=True)
                        ), 3,
                    ),
                )  # fmt: skip


def over_f3(as_json: bool, sizes: Sequence[int], repetitions: int) -> None:
    """Time products over F3 of int8 matrices, packing included."""
    algorithm = strassen_algorithm(Ring.F3)
    generator = np.random.default_rng(0)
    for size in sizes:
        a, b = (generator.integers(0, 3, (size, size), dtype=np.int8) for _ in range(2))
        calls = [
            lambda levels=levels: multiply_residues(algorithm, a, b, None, 1, levels)  # noqa: B023
            for levels in (0, 1)
        ]
        for levels, seconds in enumerate(timed(calls, repetitions)):
            emit(
                as_json, "gf3_milliseconds", 1e3 * statistics.median(seconds), "ms", size=size,
                levels=levels, least=round(1e3 * min(seconds), 3),
            )  # fmt: skip


def modulo(as_json: bool, size: int, repetitions: int) -> None:
    """Compare products modulo p with numpy's float64 product of the same size."""
    generator = np.random.default_rng(0)
    x = generator.random((size, size))
    out = np.zeros_like(x)
    for p in MODULI:
        a, b = (generator.integers(0, p, (size, size)) for _ in range(2))
        with_numpy = [lambda: np.matmul(x, x, out=out), lambda: matmul_mod(a, b, p, threads=1)]  # noqa: B023
        numpys, ours = timed(with_numpy, repetitions)
        ratio = statistics.median(n / o for n, o in zip(numpys, ours, strict=True))
        emit(
            as_json, "rate_to_dgemm", ratio, "", modulus=p, size=size,
            milliseconds=round(1e3 * statistics.median(ours), 2),
        )  # fmt: skip


def rivals(as_json: bool, size: int) -> None:
    """Compare with galois and numpy's integers, which take long: their second call counts."""
    generator = np.random.default_rng(0)
    cases: list[tuple[str, Callable[[], Any], Callable[[], Any]]] = []
    try:
        import galois
    except ImportError:
        pass
    else:
        for p, ours in ((2, matmul_gf2), (3, matmul_mod), (65521, matmul_mod)):
            field = galois.GF(p)
            a, b = (field.Random((size, size), seed=seed) for seed in (0, 1))
            plain = [x.view(np.ndarray) for x in (a, b)]
            more = () if p == 2 else (p,)
            cases.append(
                (f"galois.GF({p})", lambda a=a, b=b: a @ b,
                 lambda plain=plain, more=more, ours=ours: ours(*plain, *more, threads=1))
            )  # fmt: skip
    for dtype in (np.int8, np.int16):
        a, b = (generator.integers(-100, 100, (size, size)).astype(dtype) for _ in range(2))
        cases.append(
            (f"numpy {np.dtype(dtype)} as int64",
             lambda a=a, b=b: a.astype(np.int64) @ b.astype(np.int64),
             lambda a=a, b=b: matmul_exact(a, b, threads=1))
        )  # fmt: skip
    for bits in (128, 1024):
        side = size // 8
        wide = [
            np.array(
                [int.from_bytes(generator.bytes(bits // 8), "little") for _ in range(side**2)],
                object,
            ).reshape(side, side)
            for _ in range(2)
        ]
        cases.append(
            (f"numpy, {bits} bits, side {side}", lambda w=wide: w[0] @ w[1],
             lambda w=wide: matmul_exact(*w, threads=1))
        )  # fmt: skip
    for name, theirs, ours in cases:
        ours()
        theirs()
        mine = statistics.median(cpu_seconds(ours) for _ in range(5))
        its = cpu_seconds(theirs)
        emit(
            as_json, "times_as_fast", its / mine, "", rival=name, size=size,
            milliseconds=round(1e3 * mine, 3), rivals_milliseconds=round(1e3 * its, 1),
        )  # fmt: skip


def packing(as_json: bool, size: int, repetitions: int) -> None:
    """Time products of bool matrices, packing and unpacking included."""
    generator = np.random.default_rng(0)
    a, b = (generator.random((size, size)) < 0.5 for _ in range(2))
    words, others = pack_bits(a), pack_bits(b)
    calls = [lambda: matmul_gf2(a, b, None, 1), lambda: matmul_bits(words, others, None, 1)]
    for name, seconds in zip(("bool", "packed"), timed(calls, repetitions), strict=True):
        emit(
            as_json, "gf2_entry_milliseconds", 1e3 * statistics.median(seconds), "ms",
            size=size, operands=name, least=round(1e3 * min(seconds), 3),
        )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--sizes", type=integers, default=[1024, 4096, 8192, 16384])
    parser.add_argument("--pairs", type=int, default=7, help="timed rounds a figure (default 7)")
    parser.add_argument("--part", help="f2, f3, modulo, rivals or packing only")
    arguments = parser.parse_args(argv)
    emit_dgemm(arguments.json)
    emit(arguments.json, "vector_bits", 8 * VECTOR_BYTES, "bits", squares=MULTIPLIES_SQUARES)
    pairs, sizes = arguments.pairs, arguments.sizes
    parts: dict[str, Callable[[], None]] = {
        "f2": lambda: over_f2(arguments.json, sizes, pairs),
        "f3": lambda: over_f3(arguments.json, [x for x in sizes if x <= 8192], pairs),
        "modulo": lambda: modulo(arguments.json, 2048, pairs),
        "packing": lambda: packing(arguments.json, 4096, pairs),
        "rivals": lambda: rivals(arguments.json, 1024),
    }
    for name, part in parts.items():
        if arguments.part in (None, name):
            part()
    return 0


if __name__ == "__main__":
    sys.exit(main())
