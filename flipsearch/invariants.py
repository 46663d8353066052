"""Compute invariants: quantities that sandwiches and permutations of the factors do not change.

Two schemes with different invariants are not equivalent; equal invariants prove nothing. The
*type* counts terms by the ranks of their three factors as matrices. The *flip structure* counts
the terms that share a factor up to a scalar, for each of U, V and W. Flips apply to such terms.
Both are defined in Kauers and Moosbauer, "Flip graphs for matrix multiplication" (2022), and
Heule, Kauers and Seidl, "New ways to multiply 3x3 matrices" (2021).

Invariant: ranks are exact, over F2 and F3 modulo 2 and 3, otherwise over Q.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from flipsearch.algebra.exact import rank
from flipsearch.formats import Layout, MatrixProduct
from flipsearch.normal import normal_rows
from flipsearch.rings import IntArray
from flipsearch.scheme import Scheme

Ranks = tuple[int, int, int]


@dataclass(frozen=True)
class Invariants:
    """The invariants of one scheme.

    Parameters
    ----------
    types : tuple of ((rank U, rank V, rank W), count)
        Number of terms for each triple of ranks of their factors, sorted.
    shared : three tuples of int
        For U, V and W the sizes of the groups of two or more terms that share this factor, largest
        first.
    flips : int
        Number of ordered pairs of terms that share a factor; a flip applies to each.
    """

    types: tuple[tuple[Ranks, int], ...]
    shared: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    flips: int

    @property
    def type_polynomial(self) -> str:
        """The type as the literature writes it, for instance ``4XY^2Z + 3XYZ``."""
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
        """Types and shared factors up to the order of U, V and W, for sides that permute."""
        types: Counter[Ranks] = Counter()
        for (a, b, c), count in self.types:
            x, y, z = sorted((a, b, c))
            types[x, y, z] += count
        return tuple(sorted(types.items())), tuple(sorted(self.shared))

    def to_dict(self) -> dict[str, Any]:
        """Return the invariants as JSON values."""
        return {
            "type": self.type_polynomial,
            "shared_u": list(self.shared[0]),
            "shared_v": list(self.shared[1]),
            "shared_w": list(self.shared[2]),
            "flips": self.flips,
        }


def invariants(scheme: Scheme) -> Invariants:
    """Return the invariants of a scheme; structured factors count as full matrices.

    The cost is three small eliminations a term, a fraction of a second at rank 343.
    """
    p = scheme.ring.characteristic
    ranks = []
    shared = []
    flips = 0
    for slot, factor in enumerate(scheme.factors):
        matrices = as_matrices(scheme, slot)
        ranks.append([rank(matrix, p) for matrix in matrices])
        lines = normal_rows(factor, scheme.ring)[1].tolist()
        sizes = Counter(map(tuple, lines)).values()
        shared.append(tuple(sorted((size for size in sizes if size > 1), reverse=True)))
        flips += sum(size * (size - 1) for size in sizes)
    types = Counter(zip(*ranks, strict=True))
    items = tuple(sorted(((a, b, c), count) for (a, b, c), count in types.items()))
    return Invariants(items, (shared[0], shared[1], shared[2]), flips)


def as_matrices(scheme: Scheme, slot: int) -> IntArray:
    """Return the factors of one slot as matrices, shape (R, rows, columns).

    W of a general format is p x n. Each parameter of a structured operand stands in all of its
    places with its sign; packed outputs fill the upper triangle.
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
    return spread((form.left, form.right)[slot], factor)


def spread(layout: Layout, parameters: IntArray) -> IntArray:
    """Return the operands with given parameters, from shape (R, d) to (R, rows, columns)."""
    shape = len(parameters), layout.rows, layout.columns
    matrices = np.zeros(shape, dtype=parameters.dtype)
    places, signs = layout.table
    i, j = np.nonzero(signs)
    matrices[:, i, j] = parameters[:, places[i, j]] * signs[i, j]
    return matrices
