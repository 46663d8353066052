"""Structured products for every n by three indices at a time.

Three indices i < j < k share six products a_ik b_kj with different index pairs. With s the sum of
a_ij, a_jk and a_ki, two products of s and differences of b_jk, b_ki and b_ij bring all six, and in
the upper half one product brings the three that are left. What else these bring has two factors on
one pair of indices. For ``sw`` and ``ww`` it is a_ij (form of j in B) c_ij, b_ij (form in A) c_ij
and the sum over i of a_ij b_ij (form of j in C), which the first of these take along. So ``ww``
takes 2 C(n,3) + 4 C(n,2) + 2n products, ``sw`` one less. In the upper half there are three a pair:
``wt`` takes C(n,3) + 3 C(n,2) + n products, ``kt`` C(n,3) + 3 C(n,2) - 4 (n >= 3).
``docs/structured.md`` has the equations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations, permutations

import numpy as np

from flipsearch.constructors.skew import checked, entries
from flipsearch.formats import Format, MatrixProduct
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme
from flipsearch.transform.reduce import reduce_terms

Sparse = Mapping[int, int]


def triple_scheme(format_: Format) -> Scheme:
    """Return a scheme for ``sw``, ``ww``, ``kt`` or ``wt`` n x n x n.

    It is over ZT, Z or Q: taking out dependent products may bring denominators. Raises
    `UsageError` if the format is another.
    """
    form = checked(format_, ("sw", "ww", "kt", "wt"))
    scheme = _upper_half(form) if form.is_gram else _everything(form)
    if form.operands in ("kt", "sw"):  # two products of ``kt``, one of ``sw`` are redundant
        scheme = reduce_terms(scheme.over(Ring.Q), "pairs")
    return scheme.over(scheme.natural_ring)


def _everything(format_: MatrixProduct) -> Scheme:
    """Return the scheme for ``sw`` or ``ww``."""
    n, sign = format_.n, 1 if format_.operands[0] == "s" else -1
    A, B = entries(format_.left), entries(format_.right)
    C = np.eye(n * n, dtype=np.int64).reshape(n, n, n * n).swapaxes(0, 1)
    own_a, own_b, own_c = (np.einsum("iix->ix", forms) for forms in (A, B, C))
    sum_a, sum_b = A.sum(axis=1) - own_a, B.sum(axis=1) - own_b
    terms: list[tuple[IntArray, IntArray, IntArray]] = []
    for i, j, k in combinations(range(n), 3):
        s = A[i, j] + A[j, k] + A[k, i]
        outputs = {}
        for a, b, c in ((i, j, k), (j, k, i), (k, i, j)):
            # b_bc, across from a, enters the outputs ab, ac and, by b_ij - b_jk, bc and cb
            outputs[a] = C[b, c] - C[a, b] + sign * (C[a, c] - C[c, b])
        if sign < 0:
            outputs = {a: -form for a, form in outputs.items()}
        terms.append((s, B[j, k] - B[i, j], outputs[i]))
        terms.append((s, B[k, i] - B[i, j], outputs[j]))
    of_b = own_b + sign * sum_b
    of_c = sign * (C.sum(axis=0) - own_c) - own_c
    spare = 3 + 2 * sign - sign * (n - 2)
    for i, j in permutations(range(n), 2):
        terms.append((A[i, j], of_b[j] - sign * B[i, j], C[i, j] + of_c[j]))
        own = own_a[i] - sum_a[i] - sign * sum_a[j] + spare * A[i, j]
        terms.append((own, B[i, j], C[i, j]))
    for j in range(n):
        terms.append((-sign * sum_a[j], of_b[j], of_c[j]))
        terms.append((own_a[j], own_b[j], own_c[j]))
    alive = [term for term in terms if all(factor.any() for factor in term)]
    u, v, w = (np.array(factor) for factor in zip(*alive, strict=True))
    return Scheme(format_, Ring.Z, u, v, w)


def _upper_half(format_: MatrixProduct) -> Scheme:
    """Return the scheme for ``kt`` or ``wt``."""
    rest = {(a, b, c): value for a, b, c, value in format_.target.tolist()}
    terms: list[tuple[Sparse, Sparse, Sparse]] = []
    for triple in combinations(range(format_.n), 3):
        term = _half(format_, triple, rest)
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
    return Scheme(format_, Ring.Z, *factors)


def _half(
    format_: MatrixProduct, triple: tuple[int, ...], rest: Mapping[tuple[int, int, int], int]
) -> tuple[Sparse, Sparse, Sparse]:
    """Return the product that brings the terms of a triple in the upper half of the output."""
    i, j, k = triple
    a, b = (
        {edge: int(layout.table[0][edge]) for edge in combinations(triple, 2)}
        for layout in (format_.left, format_.right)
    )
    outputs = {}
    for row, inner, column in ((i, j, k), (i, k, j), (j, i, k)):
        x, y = a[min(row, inner), max(row, inner)], b[min(inner, column), max(inner, column)]
        c = format_.output_index(row, column)
        assert c is not None
        outputs[c] = rest[x, y, c]
    return {a[i, j]: 1, a[i, k]: 1}, {b[j, k]: 1, b[i, k]: 1}, outputs


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
