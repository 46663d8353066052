"""Protect a scheme of a general format cheaply by checksum products.

For vectors x and y, x^T C y = (x^T A)(B y) is an inner product of m blocks. It costs m more
products and gives one more relation. The relation involves every product r of the scheme with x^T
W_r y not zero. f checksums with generic x and y let a scheme of rank R survive any f losses with R
+ m f workers; plain copies need R (f + 1). This is the checksum of Huang and Abraham (1984), with
each of its products on its own worker.

Genericity of given vectors is not assumed: the certificate of the union proves it or not.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from flipsearch.faults.union import FaultTolerantScheme, general, union_of
from flipsearch.formats import MatrixProduct
from flipsearch.rings import IntArray
from flipsearch.scheme import Scheme

Pair = tuple[Sequence[int], Sequence[int]]


def checksum_products(
    format_: MatrixProduct, x: Sequence[int], y: Sequence[int]
) -> tuple[IntArray, IntArray]:
    """Return the m products of x^T C y = sum_j (x^T A)_j (B y)_j of a general format n x m x p.

    The vectors hold n and p integers, the returned int64 arrays have shapes (m, nm) and (m, mp).
    """
    n, m, p = general(format_).sides
    u = np.zeros((m, n, m), dtype=np.int64)
    v = np.zeros((m, m, p), dtype=np.int64)
    for j in range(m):
        u[j, :, j] = x
        v[j, j, :] = y
    return u.reshape(m, -1), v.reshape(m, -1)


def with_checksums(
    scheme: Scheme, pairs: Sequence[Pair], label: str = "scheme"
) -> FaultTolerantScheme:
    """Add one checksum for each pair (x, y) to a scheme of a general format."""
    format_ = general(scheme.format)
    return union_of(
        format_,
        [scheme, *(checksum_products(format_, x, y) for x, y in pairs)],
        [label, *(f"checksum {i + 1}" for i in range(len(pairs)))],
        f"{label} with {len(pairs)} checksum{'s' if len(pairs) != 1 else ''}",
    )


def directions(length: int, largest: int) -> list[tuple[int, ...]]:
    """Return the primitive integer vectors with entries up to `largest`, up to sign."""
    found = []
    for vector in itertools.product(range(-largest, largest + 1), repeat=length):
        leading = next((entry for entry in vector if entry), 0)
        if leading > 0 and np.gcd.reduce(vector) == 1:
            found.append(vector)
    return found


def random_pairs(
    format_: MatrixProduct, count: int, largest: int, generator: np.random.Generator
) -> Iterator[list[Pair]]:
    """Yield random choices of `count` pairs with entries up to `largest`, without end."""
    n, _, p = format_.sides
    left, right = directions_up_to(n, largest), directions_up_to(p, largest)
    while True:
        yield [
            (left[generator.integers(len(left))], right[generator.integers(len(right))])
            for _ in range(count)
        ]


def improving_pairs(
    scheme: Scheme, count: int, largest: int, generator: np.random.Generator, label: str
) -> Iterator[FaultTolerantScheme]:
    """Yield unions with `count` checksums, each a small change of the best until now, without end.

    A union is better if its smallest fatal size is larger, or if it has fewer fatal sets of that
    size. A number of tries without progress lead to a new random choice.
    """
    format_ = general(scheme.format)
    fresh = random_pairs(format_, count, largest, generator)
    while True:
        best = next(fresh)
        union = with_checksums(scheme, best, label)
        yield union
        fatal, idle = union.certificate_until_fatal(count).counts, 0
        while idle < 25 * count * sum(format_.sides) and any(fatal):
            pairs = [tuple(map(list, pair)) for pair in best]
            vector = pairs[generator.integers(count)][generator.integers(2)]
            vector[generator.integers(len(vector))] = int(
                generator.integers(-largest, largest + 1)
            )
            idle += 1
            if math.gcd(*vector) != 1:
                continue
            union = with_checksums(scheme, pairs, label)  # type: ignore[arg-type]
            yield union
            counts = union.certificate_until_fatal(count).counts
            if counts <= fatal:
                idle = 0 if counts < fatal else idle
                best, fatal = pairs, counts  # type: ignore[assignment]


@lru_cache(maxsize=32)
def directions_up_to(length: int, largest: int) -> list[tuple[int, ...]]:
    """Return `directions`, or a sample of them if there are more than 50,000 vectors."""
    if (2 * largest + 1) ** length <= 50_000:
        return directions(length, largest)
    generator = np.random.default_rng(length * 100 + largest)
    sample = generator.integers(-largest, largest + 1, size=(20_000, length))
    return sorted({tuple(row) for row in sample.tolist() if math.gcd(*row) == 1})
