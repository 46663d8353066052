"""Exact verification: schemes a second, over a mixed set of formats up to 8x8x8.

The set is made here, from Strassen's scheme by products and direct sums, with changes of basis, so
that densities and ranks are like those of found schemes: 1,000 schemes over F2, F3, ZT, Z and Q,
sides 2 to 8. Targets are computed before the clock starts, once a format, as in an import. The
target: all of them in 10 s.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.common import benchmark_parser, emit, emit_dgemm
from flipsearch import paranoid
from flipsearch.files import read_many, to_bytes
from flipsearch.formats import MatrixProduct
from flipsearch.kernels.builtin import strassen
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, rational_scheme
from flipsearch.transform import merge, product
from flipsearch.verify import verify


def of_sides(n: int, m: int, p: int, known: dict[tuple[int, int, int], Scheme]) -> Scheme:
    """Return a scheme over ZT of these sides, by halving into products with Strassen's."""
    sides = (n, m, p)
    if sides not in known:
        if all(side % 2 == 0 for side in sides):
            known[sides] = product(of_sides(n // 2, m // 2, p // 2, known), strassen())
        elif max(sides) == 1:
            known[sides] = rational_scheme(MatrixProduct(1, 1, 1), [[1]], [[1]], [[1]])
        else:
            at = max(range(3), key=lambda k: (sides[k] % 2, sides[k]) if sides[k] > 1 else (-1, 0))
            rest, one = list(sides), list(sides)
            rest[at], one[at] = sides[at] - 1, 1
            parts = (of_sides(*side, known) for side in (rest, one))
            known[sides] = merge(*parts, at)
    return known[sides]


def changed(scheme: Scheme, generator: np.random.Generator) -> Scheme:
    """Return the scheme in another basis: two row additions in each of A, B and C."""
    form = scheme.format
    assert isinstance(form, MatrixProduct)
    shapes = ((form.n, form.m), (form.m, form.p), (form.p, form.n))
    factors = [
        matrix.reshape(-1, *shape).copy()
        for matrix, shape in zip(scheme.factors, shapes, strict=True)
    ]
    u, v, w = factors
    for left, right, side in 2 * ((u, w, form.n), (v, u, form.m), (w, v, form.p)):
        if side > 1:
            i, j = generator.choice(side, 2, replace=False)
            left[:, i, :] += left[:, j, :]
            right[:, :, j] -= right[:, :, i]
    rows = [scheme.ring.balanced(matrix.reshape(scheme.rank, -1)) for matrix in factors]
    return Scheme(form, scheme.ring, rows[0], rows[1], rows[2], scheme.denominators)


def mixed_set(count: int, seed: int = 0) -> list[Scheme]:
    """Return `count` valid schemes of mixed formats, sides 2 to 8, over all rings."""
    generator = np.random.default_rng(seed)
    known: dict[tuple[int, int, int], Scheme] = {}
    rings = (Ring.F2, Ring.F3, Ring.ZT, Ring.Z, Ring.Q)
    schemes = []
    for number in range(count):
        n, m, p = (8, 8, 8) if number % 50 == 0 else map(int, generator.integers(2, 9, 3))
        base = of_sides(n, m, p, known)
        ring = rings[number % len(rings)]
        scheme = base.over(ring)
        if ring is Ring.Q:
            below = generator.integers(1, 4, base.rank)
            scheme = Scheme(
                base.format, ring, base.u, base.v, base.w * below[:, None], denominators=below
            )
        schemes.append(scheme if ring is Ring.ZT else changed(scheme, generator))
    return schemes


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--count", type=int, default=1000, help="schemes in the set")
    parser.add_argument("--repeat", type=int, default=3, help="times; the median is given")
    arguments = parser.parse_args()
    emit_dgemm(arguments.json)
    schemes = mixed_set(arguments.count)
    for scheme in schemes:
        _ = scheme.format.target
    keys = {"ring": "mixed", "format": "2..8", "schemes": len(schemes), "threads": 1}
    times = []
    for _ in range(arguments.repeat):
        start = time.perf_counter()
        for scheme in schemes:
            verify(scheme)
        times.append(time.perf_counter() - start)
    seconds = float(np.median(times))
    emit(arguments.json, "schemes_per_second", len(schemes) / seconds, "schemes/s", **keys)
    emit(arguments.json, "seconds_to_verify", seconds, "s", **keys)
    for ring in (Ring.F2, Ring.ZT):
        eight = of_sides(8, 8, 8, {}).over(ring)
        verify(eight)
        start = time.perf_counter()
        for _ in range(20):
            verify(eight)
        rate = 20 / (time.perf_counter() - start)
        emit(arguments.json, "schemes_per_second", rate, "schemes/s",
             ring=str(ring), format="8x8x8", rank=eight.rank, threads=1)  # fmt: skip
    few = schemes[: min(100, len(schemes))]
    texts = [to_bytes(scheme, "json").decode() for scheme in few]
    start = time.perf_counter()
    for text in texts:
        paranoid.check_text(text)
    rate = len(few) / (time.perf_counter() - start)
    emit(arguments.json, "schemes_per_second", rate, "schemes/s",
         ring="mixed", format="2..8", checker="paranoid", schemes=len(few), threads=1)  # fmt: skip
    read_rate(arguments.json, schemes)


def read_rate(as_json: bool, schemes: list[Scheme], megabytes: int = 20) -> None:
    """Print how fast a JSON collection is read and verified, by number of processes."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "collection.json"
        body = b",\n".join(to_bytes(scheme, "json") for scheme in schemes)
        copies = max(1, megabytes * 1_000_000 // len(body))
        path.write_bytes(b"[" + b",".join([body] * copies) + b"]")
        size = path.stat().st_size / 1e6
        for workers in (1, 2):
            start = time.perf_counter()
            reads = 0
            for read in read_many([path], workers=workers):
                assert read.scheme is not None, read.reason
                reads += 1
            seconds = time.perf_counter() - start
            keys = {"collection_mb": round(size), "processes": workers, "schemes": reads}
            emit(as_json, "read_megabytes_per_second", size / seconds, "MB/s", **keys)
            emit(as_json, "schemes_per_second", reads / seconds, "schemes/s", **keys)


if __name__ == "__main__":
    main()
