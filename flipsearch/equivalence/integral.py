"""Equivalence over the integers, decided through reduction mod 3.

Two schemes over ZT or Z are equivalent if sandwiches by unimodular integer matrices (determinant
1 or -1) and an order of the factors turn one into the other. Such a symmetry reduces to one mod 3.
There are finitely many of those, `flipsearch.equivalence.least` lists them, and each says which
term goes to which, with which signs: u and v of the normal form are primitive, so no other
scalars occur. What is left is linear, P U_r = e_r U'_s(r) Q and so on, with one solution up to a
factor, because the factors of a valid scheme span all matrices. A solution is checked exactly.

Invariant: an answer is a proof; where the group mod 3 is too large, or terms vanish or coincide
mod 3, the answer is None.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from flipsearch.equivalence.groups import inverted
from flipsearch.equivalence.least import Least, Way, images, least
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme

_P = 3
_LARGEST_ENTRY = 1 << 20
Map = tuple[IntArray, IntArray, IntArray]


def least_mod_3(scheme: Scheme) -> Least | None:
    """Return the least image mod 3 of a scheme over ZT or Z, terms told apart by it, or None."""
    if scheme.ring not in (Ring.ZT, Ring.Z):
        return None
    form = scheme.canonical
    if max(int(np.abs(matrix).max(initial=0)) for matrix in form.factors) > _LARGEST_ENTRY:
        return None
    found = least(form, _P)
    if found is None or len(np.unique(found.terms)) < len(found.terms):
        return None
    return found


def symmetries(source: Least, target: Least) -> Iterator[Map]:
    """Yield the unimodular (P, Q, R) that turn one scheme into another, one for each mod 3.

    Parameters
    ----------
    source, target : Least
        Of the two schemes, from `least_mod_3`.
    """
    if source.sides != target.sides or not np.array_equal(source.terms, target.terms):
        return
    place, *mover = target.reached[0]
    aim = target.ways[place]
    keys, aim_signs = images(aim, mover, _P)
    aim_order = np.argsort(keys)
    back = [inverted(matrix[None], _P)[0] for matrix in mover]
    for place, *elements in source.reached:
        maps = [x @ y % _P for x, y in zip(back, elements, strict=True)]
        keys, signs = images(source.ways[place], elements, _P)
        order = np.argsort(keys)
        ratio = signs[:, order] * aim_signs[:, aim_order]
        u, v = ratio
        x, y, z = source.ways[place]
        start: Way = x[order], y[order], z[order]
        end: Way = (
            aim[0][aim_order] * u[:, None, None],
            aim[1][aim_order] * v[:, None, None],
            aim[2][aim_order] * (u * v)[:, None, None],
        )
        found = _lifted(maps, start, end) or _solved(start, end)
        if found is not None:
            yield found


def _lifted(maps: list[IntArray], start: Way, end: Way) -> Map | None:
    """Return the ternary matrices that reduce to the given ones, signs chosen, if they do it."""
    P, Q, R = (np.where(x == 2, -1, x) for x in maps)
    for q in (1, -1):
        for r in (1, -1):
            found = P, q * Q, r * R
            if _turns(found, start, end) and _is_unimodular(found):
                return found
    return None


def _turns(found: Map, start: Way, end: Way) -> bool:
    P, Q, R = found
    pairs = ((P, Q), (Q, R), (R, P))
    return all(
        np.array_equal(left @ x, y @ right)
        for (left, right), x, y in zip(pairs, start, end, strict=True)
    )


def _is_unimodular(found: Map) -> bool:
    return all(abs(_determinant(matrix)) == 1 for matrix in found)


def _determinant(matrix: IntArray) -> int:
    """Return the determinant, exactly."""
    rows = [[Fraction(x) for x in row] for row in matrix.tolist()]
    result = Fraction(1)
    for column in range(len(rows)):
        pivot = next((r for r in range(column, len(rows)) if rows[r][column]), None)
        if pivot is None:
            return 0
        if pivot != column:
            rows[column], rows[pivot] = rows[pivot], rows[column]
            result = -result
        result *= rows[column][column]
        for r in range(column + 1, len(rows)):
            factor = rows[r][column] / rows[column][column]
            rows[r] = [x - factor * y for x, y in zip(rows[r], rows[column], strict=True)]
    return int(result)


def _solved(start: Way, end: Way) -> Map | None:
    """Return unimodular (P, Q, R) with P start = end Q and so on, or None if there are none."""
    sizes = [start[0].shape[1], start[1].shape[1], start[2].shape[1]]
    offsets = [0, sizes[0] ** 2, sizes[0] ** 2 + sizes[1] ** 2]
    unknowns = offsets[2] + sizes[2] ** 2
    basis: dict[int, list[Fraction]] = {}
    for slot in range(3):
        left, right = slot, (slot + 1) % 3
        n, m = sizes[left], sizes[right]
        for x, y in zip(start[slot].tolist(), end[slot].tolist(), strict=True):
            for i in range(n):
                for j in range(m):
                    row = [Fraction(0)] * unknowns
                    for k in range(n):
                        row[offsets[left] + i * n + k] += x[k][j]
                    for k in range(m):
                        row[offsets[right] + k * m + j] -= y[i][k]
                    _include(basis, row)
            if len(basis) == unknowns:
                return None
    if len(basis) != unknowns - 1:
        return None
    free = next(k for k in range(unknowns) if k not in basis)
    solution = [Fraction(0)] * unknowns
    solution[free] = Fraction(1)
    for pivot in sorted(basis, reverse=True):
        row = basis[pivot]
        solution[pivot] = -sum(
            (row[k] * solution[k] for k in range(pivot + 1, unknowns)), Fraction(0)
        )
    scale = Fraction(math.lcm(*(x.denominator for x in solution)))
    whole = [int(x * scale) for x in solution]
    content = math.gcd(*whole)
    entries = [x // content for x in whole]
    kind: Any = np.int64 if max(map(abs, entries)) <= _LARGEST_ENTRY else object
    P, Q, R = (
        np.array(entries[at : at + size**2], dtype=kind).reshape(size, size)
        for at, size in zip(offsets, sizes, strict=True)
    )
    return (P, Q, R) if _is_unimodular((P, Q, R)) and _turns((P, Q, R), start, end) else None


def _include(basis: dict[int, list[Fraction]], row: list[Fraction]) -> None:
    """Reduce a row by the basis and add what is left; each row has a leading 1 at its key."""
    for column in range(len(row)):
        if not row[column]:
            continue
        if column not in basis:
            factor = row[column]
            basis[column] = [x / factor for x in row]
            return
        factor, known = row[column], basis[column]
        row = [x - factor * y if y else x for x, y in zip(row, known, strict=True)]
