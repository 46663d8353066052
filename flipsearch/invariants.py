"""Invariants: what does not change when a scheme is sandwiched or its factors are permuted.

Two schemes with different invariants are not equivalent; equal invariants prove nothing. The
*type* counts terms by the ranks of their three factors as matrices; the *flip structure* counts,
for each factor position, how many terms share a factor (up to a scalar), which is where flips
happen. Both as in Kauers and Moosbauer, "Flip graphs for matrix multiplication" (2022), and
Heule, Kauers and Seidl, "New ways to multiply 3x3 matrices" (2021).

Invariant: exact ranks, over F2, F3 or Q as the scheme's ring says.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from flipsearch.algebra.exact import rank
from flipsearch.formats import MatrixProduct
from flipsearch.rings import IntArray
from flipsearch.scheme import Scheme

Ranks = tuple[int, int, int]


@dataclass(frozen=True)
class Invariants:
    """What sandwiching leaves alone.

    Parameters
    ----------
    types : tuple of ((rank U, rank V, rank W), count)
        Terms by the ranks of their factors, sorted.
    shared : three tuples of int
        For U, V, W: sizes of the groups of terms with that factor in common, largest first,
        groups of one left out.
    flips : int
        Ordered pairs of terms that share a factor: where a flip applies.
    """

    types: tuple[tuple[Ranks, int], ...]
    shared: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    flips: int

    @property
    def type_polynomial(self) -> str:
        """The type as written in the literature: ``4XY^2Z + 3XYZ``."""
        parts = []
        for ranks, count in sorted(self.types, key=lambda item: (-sum(item[0]), item[0])):
            powers = (
                name if rank == 1 else f"{name}^{rank}"
                for name, rank in zip("XYZ", ranks, strict=True)
                if rank
            )
            parts.append(("" if count == 1 else str(count)) + ("".join(powers) or "1"))
        return " + ".join(parts)

    @property
    def unordered(self) -> tuple[tuple[tuple[Ranks, int], ...], tuple[tuple[int, ...], ...]]:
        """The same with the three positions forgotten: for formats whose sides permute."""
        types: Counter[Ranks] = Counter()
        for (a, b, c), count in self.types:
            x, y, z = sorted((a, b, c))
            types[x, y, z] += count
        return tuple(sorted(types.items())), tuple(sorted(self.shared))

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "type": self.type_polynomial,
            "shared_u": list(self.shared[0]),
            "shared_v": list(self.shared[1]),
            "shared_w": list(self.shared[2]),
            "flips": self.flips,
        }


def invariants(scheme: Scheme) -> Invariants:
    """Return the invariants of a scheme; structured factors count as full matrices.

    Cost: three small eliminations a term; a fraction of a second at rank 343.
    """
    p = scheme.ring.characteristic
    ranks = []
    shared = []
    flips = 0
    for slot, factor in enumerate(scheme.factors):
        matrices = as_matrices(scheme, slot)
        ranks.append([rank(matrix, p) for matrix in matrices])
        sizes = Counter(map(_direction(p), factor.tolist())).values()
        shared.append(tuple(sorted((size for size in sizes if size > 1), reverse=True)))
        flips += sum(size * (size - 1) for size in sizes)
    types = Counter(zip(*ranks, strict=True))
    items = tuple(sorted(((a, b, c), count) for (a, b, c), count in types.items()))
    return Invariants(items, (shared[0], shared[1], shared[2]), flips)


def as_matrices(scheme: Scheme, slot: int) -> IntArray:
    """Return the factors of one slot as matrices, shape (R, rows, columns).

    W of a general format is p x n. Parameters of structured operands are spread over the matrix
    with their signs; packed outputs fill the upper triangle.
    """
    form, factor = scheme.format, scheme.factors[slot]
    if not isinstance(form, MatrixProduct):
        return factor[:, None, :]
    if slot == 2:
        matrices = np.zeros((len(factor), form.p, form.n), dtype=np.int64)
        for index in range(factor.shape[1]):
            i, k = form.output_position(index)
            matrices[:, k, i] = factor[:, index]
        return matrices
    layout = (form.left, form.right)[slot]
    matrices = np.zeros((len(factor), layout.rows, layout.columns), dtype=np.int64)
    for i in range(layout.rows):
        for j in range(layout.columns):
            entry = layout.entry(i, j)
            if entry is not None:
                matrices[:, i, j] = entry[1] * factor[:, entry[0]]
    return matrices


def _direction(p: int) -> Any:
    """Return a function from a factor to what names it up to a nonzero scalar."""

    def mod(row: list[int]) -> tuple[int, ...]:
        first = next((x % p for x in row if x % p), 1)
        inverse = pow(first, -1, p)
        return tuple(x * inverse % p for x in row)

    def rational(row: list[int]) -> tuple[Fraction, ...]:
        first = next((x for x in row if x), 1)
        return tuple(Fraction(x, first) for x in row)

    return mod if p else rational
