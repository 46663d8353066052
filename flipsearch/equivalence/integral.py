"""Decide equivalence over the integers through reduction mod 3.

Two schemes over ZT or Z are equivalent if sandwiches by unimodular integer matrices (determinant
1 or -1) and an order of the factors turn one into the other. Such a symmetry reduces to one mod 3.
`flipsearch.equivalence.least` lists the finitely many symmetries mod 3. Each of them maps terms to
terms with signs; other scalars do not occur, because u and v of the normal form are primitive.
The equations P U_r = e_r U'_s(r) Q and so on are then linear. They have one solution up to a
factor, because the factors of a valid scheme span all matrices. It is checked exactly.

Invariant: an answer is a proof. The answer is None if the group mod 3 is too large, or if terms
vanish or coincide mod 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from flipsearch.algebra.exact import determinant, relation_rows
from flipsearch.equivalence.groups import inverted
from flipsearch.equivalence.least import Least, Way, images, least
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme

_P = 3
_LARGEST_ENTRY = 1 << 20
Map = tuple[IntArray, IntArray, IntArray]


def least_mod_3(scheme: Scheme) -> Least | None:
    """Return the least image mod 3 of a scheme over ZT or Z, or None if terms coincide in it."""
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
    """Yield unimodular (P, Q, R) that turn one scheme into another, one for each symmetry mod 3.

    The least images of the two schemes are from `least_mod_3`.
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
    """Return ternary matrices that reduce to the given ones up to sign and solve the equations."""
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
    return all(abs(determinant(matrix)) == 1 for matrix in found)


def _solved(start: Way, end: Way) -> Map | None:
    """Return the unimodular (P, Q, R) with P start = end Q and so on, or None."""
    sizes = [start[0].shape[1], start[1].shape[1], start[2].shape[1]]
    offsets = [0, sizes[0] ** 2, sizes[0] ** 2 + sizes[1] ** 2]
    unknowns = offsets[2] + sizes[2] ** 2
    blocks = []
    for slot in range(3):
        left, right = slot, (slot + 1) % 3
        (n, m), x, y = (sizes[left], sizes[right]), start[slot], end[slot]
        block = np.zeros((len(x), n, m, unknowns), dtype=np.int64)
        for i in range(n):
            for j in range(m):
                of_left = offsets[left] + i * n + np.arange(n)
                of_right = offsets[right] + j + m * np.arange(m)
                block[:, i, j, of_left] += x[:, :, j]
                block[:, i, j, of_right] -= y[:, i, :]
        blocks.append(block.reshape(-1, unknowns))
    found = relation_rows(np.concatenate(blocks).T)
    if len(found) != 1:
        return None
    (entries,) = found
    kind: Any = np.int64 if max(map(abs, entries)) <= _LARGEST_ENTRY else object
    P, Q, R = (
        np.array(entries[at : at + size**2], dtype=kind).reshape(size, size)
        for at, size in zip(offsets, sizes, strict=True)
    )
    return (P, Q, R) if _is_unimodular((P, Q, R)) and _turns((P, Q, R), start, end) else None
