"""Build products whose blocks have different sizes, such as 7x8x8 by blocks of 4 and 3 rows.

A term of the outer scheme multiplies a sum of blocks of A by a sum of blocks of B, and adds the
result to blocks of C. If all its blocks of A, or all its blocks of C, have the fewer rows, the
term needs only so many rows; the same for columns and inner indices. So it costs the rank of a
smaller inner product (Drevet, Islam and Schost 2011, "Optimization techniques for small matrix
multiplication"). With Strassen's scheme 7x8x8 takes three products 3x4x4 and four 4x4x4.

Invariant: a result satisfies its Brent equations if the given schemes do: what a term leaves out
of a block is multiplied by zero, or not part of the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from flipsearch.errors import UsageError
from flipsearch.formats import MatrixProduct
from flipsearch.rings import IntArray
from flipsearch.scheme import Scheme
from flipsearch.transform.dimensions import matrix_format
from flipsearch.transform.kronecker import checked_product
from flipsearch.transform.reduce import reduced
from flipsearch.transform.serendipity import SchemeTable, Sides
from flipsearch.transform.terms import normal_terms

BoolArray = npt.NDArray[np.bool_]
Sizes = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
"""Sizes of the blocks along n, m and p."""


def involved(scheme: Scheme) -> list[tuple[BoolArray, BoolArray]]:
    """Return which indices of n, m and p each term has, in the two factors that have them.

    The arrays have shape (R, side); along n they are of the first and the third factor.
    """
    n, m, p = matrix_format(scheme).sides
    u = scheme.u.reshape(-1, n, m) != 0
    v = scheme.v.reshape(-1, m, p) != 0
    w = scheme.w.reshape(-1, p, n) != 0
    return [(u.any(2), w.any(1)), (u.any(1), v.any(2)), (v.any(1), w.any(2))]


def term_sides(scheme: Scheme, sizes: Sizes) -> IntArray:
    """Return the sides of the inner product that each term needs, shape (R, 3)."""
    found = []
    for (one, two), blocks in zip(involved(scheme), sizes, strict=True):
        largest = [(np.array(blocks) * places).max(axis=1) for places in (one, two)]
        found.append(np.minimum(*largest))
    return np.stack(found, axis=1)


def uneven_product(scheme: Scheme, sizes: Sizes, scheme_of: SchemeTable) -> Scheme:
    """Return the product of a scheme for a general format with inner products of several sizes.

    `sizes` are those of the blocks, at least 1. ``scheme_of(n, m, p)`` is a scheme for these sides
    over the same ring. Raises `UsageError` if the sizes do not fit the scheme, or an inner scheme
    is of other sides or another ring; `FormatError` if a coefficient reaches 2^62.
    """
    outer = matrix_format(scheme)
    if not outer.is_general or tuple(map(len, sizes)) != outer.sides or min(map(min, sizes)) < 1:
        raise UsageError(f"{sizes} are no sizes of blocks for {outer}")
    target = MatrixProduct(sum(sizes[0]), sum(sizes[1]), sum(sizes[2]))
    slots = ((scheme.u, 0, 1), (scheme.v, 1, 2), (scheme.w, 2, 0))
    pieces: list[list[IntArray]] = [[], [], [], []]
    for row, needed in enumerate(term_sides(scheme, sizes)):
        sides: Sides = int(needed[0]), int(needed[1]), int(needed[2])
        block = scheme_of(*sides)
        if block.ring is not scheme.ring or matrix_format(block).sides != sides:
            raise UsageError(f"{block!r} is not a scheme for {sides} over {scheme.ring}")
        for piece, (factor, d, e), inner in zip(pieces, slots, block.factors, strict=False):
            form = factor[row].reshape(outer.sides[d], outer.sides[e])
            inside = inner.reshape(-1, sides[d], sides[e])
            piece.append(_placed(form, inside, sizes[d], sizes[e]))
        pieces[3].append(scheme.denominators[row] * block.denominators)
    u, v, w, denominators = (np.concatenate(rows) for rows in pieces)
    result = Scheme(target, scheme.ring, u, v, w, denominators)
    return reduced(target, scheme.ring, normal_terms(result))


def _placed(
    form: IntArray, inside: IntArray, high: Sequence[int], wide: Sequence[int]
) -> IntArray:
    """Return forms in a matrix of blocks: those inside, cut to a block, times its coefficient."""
    tops, lefts = ([0, *accumulate(sizes)] for sizes in (high, wide))
    placed = np.zeros((len(inside), tops[-1], lefts[-1]), dtype=np.int64)
    for i, j in zip(*np.nonzero(form), strict=True):
        cut = inside[:, : high[i], : wide[j]]
        rows = slice(tops[i], tops[i] + cut.shape[1])
        columns = slice(lefts[j], lefts[j] + cut.shape[2])
        placed[:, rows, columns] = checked_product(cut, form[i, j])
    return placed.reshape(len(inside), -1)
