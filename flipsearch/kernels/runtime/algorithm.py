"""Hold a scheme as tables, flattened over levels, and model the cost of its products.

Invariant: the tables hold exactly the scheme's rationals (a quotient is rounded once, when the
element type is floating point). The model depends on sizes and type alone: equal calls give equal
results.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from flipsearch.kernels.runtime.microkernel import TILE_ROWS, tile_columns
from flipsearch.kernels.runtime.products import COLUMNS, DEPTH

COMPLEX: dict[Any, Any] = {
    np.dtype(np.complex64): np.dtype(np.float32),
    np.dtype(np.complex128): np.dtype(np.float64),
}

Term = tuple[int, int, int]  # coefficient, block row, block column

Prices = tuple[float, float, float, float]

PRICES: Prices = (0.036, 0.5, 1.2, 1.2)
"""Nanoseconds for float64: a multiply-add in registers; an element of a block packed, left and
right; an element of a tile added to C. Measured on one core of a Zen 4 server; only their
proportions matter."""

FIELD_PRICES = {
    (2, True): (0.047, 1.2, 1.0, 1.2),
    (2, False): (0.105, 4.0, 4.0, 4.0),
    (3, False): (0.4, 4.5, 4.5, 4.5),
}
"""The same over a field for elements of 8 x 8 entries, by characteristic and whether squares are
multiplied in registers; measured on one core of a Zen 4 server."""

DEEPEST, LEAST_GAIN = 3, 1.01
"""Most levels ever chosen unasked; each has to save so much, since each costs accuracy."""


@dataclass(frozen=True, eq=False)
class Algorithm:
    """A verified scheme as tables of integers, equal only to itself: plans go by identity.

    Parameters
    ----------
    sides : (n, m, p)
        Blocks of A are n x m, of B m x p, of C n x p.
    products : tuple
        For each product three tuples of terms (coefficient, row, column): combination of blocks of
        A, of B, and the blocks of C it is added to.
    denominators : tuple of int
        Product r is divided by the r-th.
    recursive : bool
        Whether the products of blocks can be formed by the scheme again: not for structured
        operands, whose combinations have no structure.
    modulus : int
        2 or 3 for a scheme over that field, whose coefficients are 1 and -1; else 0.
    """

    sides: tuple[int, int, int]
    products: tuple[tuple[tuple[Term, ...], tuple[Term, ...], tuple[Term, ...]], ...]
    denominators: tuple[int, ...]
    recursive: bool = True
    modulus: int = 0

    @cached_property
    def complete(self) -> bool:
        """Return whether every block of C is computed."""
        reached = {(i, j) for _, _, out in self.products for _, i, j in out}
        return len(reached) == self.sides[0] * self.sides[2]

    @cached_property
    def integral(self) -> bool:
        """Return whether every coefficient is an integer, as wrapping integer matrices need."""
        return all(d == 1 for d in self.denominators)

    @cached_property
    def terms(self) -> tuple[int, int, int]:
        """Numbers of terms on the sides of A, B and C."""
        left, right, out = (sum(len(row[slot]) for row in self.products) for slot in range(3))
        return left, right, out

    @cached_property
    def growth(self) -> float:
        """Largest factor by which one level enlarges sums of products (emax)."""
        totals: dict[tuple[int, int], float] = {}
        for (left, right, out), d in zip(self.products, self.denominators, strict=True):
            size = sum(abs(t[0]) for t in left) * sum(abs(t[0]) for t in right)
            for c, i, j in out:
                totals[i, j] = totals.get((i, j), 0.0) + abs(c) * size / d
        return max(totals.values(), default=1.0)


CLASSICAL = Algorithm((1, 1, 1), ((((1, 0, 0),), ((1, 0, 0),), ((1, 0, 0),)),), (1,))
"""The product itself, as a scheme of one product."""


def block_sides(
    algorithm: Algorithm, shape: tuple[int, int, int], levels: int
) -> tuple[int, int, int]:
    """Return the sides of the leaf blocks, rounded up."""
    m, k, n = (-(-size // side**levels) for size, side in zip(shape, algorithm.sides, strict=True))
    return m, k, n


def modelled_seconds(
    algorithm: Algorithm,
    shape: tuple[int, int, int],
    levels: int,
    threads: int,
    itemsize: int,
    prices: Prices = PRICES,
) -> float:
    """Return the modelled time of a product of floats of that size, in seconds.

    The model is the sum of its parts: multiply-adds, packing (the left blocks once for each
    packed right block, the right ones in every thread) and additions to C (once for each step
    along the depth). `docs/kernels.md` compares it with measurements.
    """
    m, k, n = block_sides(algorithm, shape, levels)
    columns = tile_columns(itemsize)
    rows, wide = -(-m // TILE_ROWS) * TILE_ROWS, -(-n // columns) * columns
    left, right, out = (count**levels for count in algorithm.terms)
    multiply, pack_left, pack_right, unpack = prices
    nanoseconds = (
        multiply * len(algorithm.products) ** levels * rows * k * wide
        + pack_left * left * m * k * -(-n // COLUMNS)
        + pack_right * right * k * n * threads
        + unpack * out * m * n * -(-k // DEPTH)
    )
    return nanoseconds * 1e-9 * (itemsize / 8) / threads + 3e-5


def best_levels(
    algorithm: Algorithm,
    shape: tuple[int, int, int],
    threads: int,
    itemsize: int,
    prices: Prices = PRICES,
) -> tuple[int, float]:
    """Return the number of levels that pays most by modelled time, and that time in seconds."""
    deepest = 0
    while (
        deepest < (DEEPEST if algorithm.recursive else 1)
        and max(algorithm.sides) > 1
        and min(block_sides(algorithm, shape, deepest + 1)) >= 128
    ):
        deepest += 1
    return min(
        (
            (levels, modelled_seconds(algorithm, shape, levels, threads, itemsize, prices))
            for levels in range(deepest + 1)
        ),
        key=lambda choice: choice[1] * LEAST_GAIN ** choice[0],
    )


@lru_cache(maxsize=32)
def tables(algorithm: Algorithm, levels: int, element: Any, swapped: bool) -> Any:
    """Return the flattened tables of `levels` levels as arrays for `multiply_products`.

    `element` is the type of the coefficients: float32, float64, int32 or int64. If `swapped`, they
    are those of the transposed product, C^T = B^T A^T, for outputs in column order.
    """
    n, m, p = algorithm.sides
    factors: list[list[list[tuple[Any, int, int]]]] = []
    for slot, (rows, columns) in enumerate(((n, m), (m, p), (n, p))):
        scales = algorithm.denominators if slot == 2 else (1,) * len(algorithm.products)
        factor: list[list[tuple[Any, int, int]]] = [[(1, 0, 0)]]
        for _ in range(levels):
            factor = [
                [
                    (c * (d if s == 1 else d / s), i * rows + y, j * columns + x)
                    for c, i, j in outer
                    for d, y, x in inner[slot]
                ]
                for outer in factor
                for inner, s in zip(algorithm.products, scales, strict=True)
            ]
        factors.append(factor)
    if swapped:
        factors = [[[(c, j, i) for c, i, j in row] for row in factors[s]] for s in (1, 0, 2)]
    arrays = []
    useful = [product for product in zip(*factors, strict=True) if all(product)]
    for slot, factor in enumerate(map(list, zip(*useful, strict=True))):
        rows_ = [term for terms in factor for term in terms]
        starts = np.cumsum([0, *map(len, factor)])
        i, j = (np.array([term[x] for term in rows_], np.int64) for x in (1, 2))
        table: list[Any] = [starts, i, j, np.array([term[0] for term in rows_]).astype(element)]
        if slot == 2:
            seen: set[tuple[int, int]] = set()
            first = np.zeros(len(rows_), dtype=bool)
            for place, term in enumerate(rows_):
                first[place] = term[1:] not in seen
                seen.add(term[1:])
            table.append(first)
        arrays.append(tuple(table))
    return tuple(arrays)
