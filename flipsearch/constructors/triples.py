"""Structured products for every n by three indices at a time: n^3/3 + O(n^2) multiplications.

Where A and B have one parameter for each two indices, three indices i < j < k share six products
of entries with different index pairs. Two multiplications bring them all, and one brings the three
of the upper half: the factors are sums over the three pairs. What else these bring has two of its
three factors on one pair. There is one multiplication for each such two, five for each pair of
indices and one for each index, three of the upper half. So ``sw`` and ``ww`` take
2 C(n,3) + 5 C(n,2) + n, ``wt`` C(n,3) + 3 C(n,2) + n and ``kt`` C(n,3) + 3 C(n,2) - 4 (n >= 4).
Searches find less for n <= 5, and little or nothing less beyond.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.formats import Format, MatrixProduct
from flipsearch.formats.layout import Layout
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.transform.reduce import reduce_terms

Sparse = Mapping[int, int]
TWO = ((1, 0), (0, 1), (-1, -1))
"""Right factors of two products over three pairs: any two pairs have independent columns."""


def triple_scheme(format_: Format) -> Scheme:
    """Return a scheme for ``sw``, ``ww``, ``kt`` or ``wt`` n x n x n.

    Parameters
    ----------
    format_ : MatrixProduct
        Symmetric or skew operands, with or without a diagonal.

    Returns
    -------
    Scheme
        Over ZT or Z.

    Raises
    ------
    UsageError
        The format is another.
    """
    pairs = ("sw", "ww", "kt", "wt")
    if not isinstance(format_, MatrixProduct) or format_.operands not in pairs or format_.corner:
        raise UsageError(
            f"{format_} has no such construction: use {', '.join(pairs)} of n x n x n"
        )
    rest = {(a, b, c): value for a, b, c, value in format_.target.tolist()}
    terms: list[tuple[Sparse, Sparse, Sparse]] = []
    for triple in combinations(range(format_.n), 3):
        for term in (
            _half(format_, triple, rest) if format_.is_gram else _full(format_, triple, rest)
        ):
            terms.append(term)
            for a, x in term[0].items():
                for b, y in term[1].items():
                    for c, z in term[2].items():
                        rest[a, b, c] = rest.get((a, b, c), 0) - x * y * z
    terms += _by_pairs(format_, rest)
    factors = []
    for slot, size in enumerate(format_.dimensions):
        rows = np.zeros((len(terms), size), dtype=np.int64)
        for r, term in enumerate(terms):
            rows[r, list(term[slot])] = list(term[slot].values())
        factors.append(rows)
    scheme = Scheme(format_, Ring.Z, *factors)
    if format_.operands == "kt":  # two of its products with the first and the last indices depend
        scheme = reduce_terms(scheme, "pairs")
    return scheme.over(scheme.natural_ring)


def _full(
    format_: MatrixProduct, triple: tuple[int, ...], rest: Mapping[tuple[int, int, int], int]
) -> list[tuple[Sparse, Sparse, Sparse]]:
    """Return two products that bring all terms of a triple with three different pairs."""
    i, j, k = triple
    edges = ((j, k), (i, k), (i, j))
    a, b = (
        [_parameter(layout, edge) for edge in edges] for layout in (format_.left, format_.right)
    )
    outputs: tuple[dict[int, int], ...] = ({}, {})
    for third, (row, column) in enumerate(edges):
        e, f = (g for g in range(3) if g != third)
        determinant = TWO[f][0] * TWO[e][1] - TWO[f][1] * TWO[e][0]
        for c in (format_.output_index(row, column), format_.output_index(column, row)):
            assert c is not None
            x, y = rest.get((a[e], b[f], c), 0), rest.get((a[f], b[e], c), 0)
            outputs[0][c] = (TWO[e][1] * x - TWO[f][1] * y) * determinant
            outputs[1][c] = (TWO[f][0] * y - TWO[e][0] * x) * determinant
    left = dict.fromkeys(a, 1)
    return [(left, {b[e]: TWO[e][t] for e in range(3)}, outputs[t]) for t in range(2)]


def _half(
    format_: MatrixProduct, triple: tuple[int, ...], rest: Mapping[tuple[int, int, int], int]
) -> list[tuple[Sparse, Sparse, Sparse]]:
    """Return the product that brings the terms of a triple in the upper half of the output."""
    i, j, k = triple
    a, b = (
        {edge: _parameter(layout, edge) for edge in combinations(triple, 2)}
        for layout in (format_.left, format_.right)
    )
    outputs = {}
    for row, inner, column in ((i, j, k), (i, k, j), (j, i, k)):
        x, y = a[min(row, inner), max(row, inner)], b[min(inner, column), max(inner, column)]
        c = format_.output_index(row, column)
        assert c is not None
        outputs[c] = rest[x, y, c]
    return [({a[i, j]: 1, a[i, k]: 1}, {b[j, k]: 1, b[i, k]: 1}, outputs)]


def _by_pairs(
    format_: MatrixProduct, rest: Mapping[tuple[int, int, int], int]
) -> list[tuple[Sparse, Sparse, Sparse]]:
    """Return one product for each two factors that lie on one pair of indices."""
    groups: tuple[defaultdict[tuple[int, int], dict[int, int]], ...] = tuple(
        defaultdict(dict) for _ in range(3)
    )
    for (a, b, c), value in rest.items():
        if value:
            places = [
                sorted(position)
                for position in (
                    format_.left.position(a),
                    format_.right.position(b),
                    format_.output_position(c),
                )
            ]
            if places[0] == places[1]:
                groups[2][a, b][c] = value
            elif places[0] == places[2]:
                groups[1][a, c][b] = value
            else:
                assert places[1] == places[2]
                groups[0][b, c][a] = value
    return [
        *(({a: 1}, {b: 1}, w) for (a, b), w in groups[2].items()),
        *(({a: 1}, v, {c: 1}) for (a, c), v in groups[1].items()),
        *((u, {b: 1}, {c: 1}) for (b, c), u in groups[0].items()),
    ]


def _parameter(layout: Layout, edge: tuple[int, int]) -> int:
    entry = layout.entry(*edge)
    assert entry is not None
    return entry[0]
