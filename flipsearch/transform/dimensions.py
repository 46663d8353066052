"""Change the sizes of a scheme: project, extend, merge, fill in corners.

Extend, merge and complete rest on one operation, `assemble`. It embeds the terms of smaller
schemes into a larger format along increasing index maps, and appends naive products for the rest
of the target. Its result is therefore valid whenever the given schemes are.

A structured operand ties sizes together: the rows and columns of a triangular matrix, or both
outer sides of A times its transpose. Tied sizes change together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.formats import MatrixProduct
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme
from flipsearch.transform.reduce import reduced
from flipsearch.transform.terms import normal_terms

DIMENSIONS = "nmp"
Indices = Sequence[int]


@dataclass(frozen=True)
class Part:
    """A scheme, and the places of its rows, inner indices and columns in a larger format.

    A transposed part computes a block of (A B)^T = B^T A^T: its rows lie along the columns there.
    """

    scheme: Scheme
    rows: Indices
    inner: Indices
    columns: Indices
    transposed: bool = field(default=False, kw_only=True)


def matrix_format(scheme: Scheme) -> MatrixProduct:
    """Return the scheme's format; raises `UsageError` if it is no matrix product."""
    if not isinstance(scheme.format, MatrixProduct):
        raise UsageError(f"{scheme.format} is not a matrix product: it has no sides n, m, p")
    return scheme.format


def dimension_number(dimension: int | str) -> int:
    """Return 0, 1 or 2 for a dimension given as 0, 1, 2 or as ``n``, ``m``, ``p``."""
    if isinstance(dimension, str) and dimension in tuple(DIMENSIONS):
        return DIMENSIONS.index(dimension)
    if isinstance(dimension, int) and 0 <= dimension <= 2:
        return dimension
    raise UsageError(f"unknown dimension {dimension!r}: use 0, 1, 2 or n, m, p")


def tied_dimensions(format_: MatrixProduct, dimension: int | str) -> tuple[int, ...]:
    """Return the dimensions that change together with the given one, itself included."""
    left, right = format_.operands[0], format_.operands[1]
    ties = [
        {0, 1} if left != "g" or format_.corner else set(),
        {1, 2} if right not in "gt" or format_.corner else set(),
        {0, 2} if right == "t" else set(),
    ]
    found = {dimension_number(dimension)}
    for tie in (*ties, *ties):
        if found & tie:
            found |= tie
    return tuple(sorted(found))


def free_dimensions(format_: MatrixProduct) -> list[int]:
    """Return the least dimension of each class of tied dimensions."""
    return sorted({tied_dimensions(format_, d)[0] for d in range(3)})


def resized(
    format_: MatrixProduct, dimension: int | str, change: int, corner: str | None = None
) -> MatrixProduct:
    """Return the format with a dimension, and all tied to it, larger by `change`."""
    sides = list(format_.sides)
    for d in tied_dimensions(format_, dimension):
        sides[d] += change
    corner = format_.corner if corner is None else corner
    n, m, p = sides
    return MatrixProduct(n, m, p, format_.operands, corner)


def injection(
    small: MatrixProduct,
    large: MatrixProduct,
    rows: Indices,
    inner: Indices,
    columns: Indices,
    *,
    transposed: bool = False,
) -> tuple[tuple[IntArray, IntArray], ...]:
    """Map the coordinates of a small format to coordinates of a large one, for each slot.

    Raises `UsageError` if the maps do not fit the formats.

    Parameters
    ----------
    small, large : MatrixProduct
        An operand of `small` must not vanish in `large`; single entries may.
    rows, inner, columns : sequences of int
        All increasing, or all decreasing, which reverses a triangle; the index in `large` of each
        row, inner index and column of `small`.
    transposed : bool
        Whether the rows of `small` lie along the columns of `large`, and the reverse. The slots of
        the operands then change places.

    Returns
    -------
    three pairs of int64 arrays, shapes (d,)
        Coordinates in `large` and signs. The coordinate is -1 for an entry that is zero in
        `large`, and for an output that it does not compute.
    """
    limits = large.sides[::-1] if transposed else large.sides
    falling = any(a > b for indices in (rows, inner, columns) for a, b in pairwise(indices))
    for name, indices, side, limit in zip(
        DIMENSIONS, (rows, inner, columns), small.sides, limits, strict=True
    ):
        if len(indices) != side or any((a <= b) == falling for a, b in pairwise(indices)):
            way = "decreasing" if falling else "increasing"
            raise UsageError(f"{small} needs {side} {way} indices for {name} in {large}")
        if side and not 0 <= min(indices) <= max(indices) < limit:
            raise UsageError(f"indices for {name} of {small} lie outside {large}")
    maps = []
    for slot, (entry, there, axes) in enumerate(
        (
            (small.left.entry, large.left.entry, (rows, inner)),
            (small.right_entry, large.right_entry, (inner, columns)),
            (_output(small), _output(large), (rows, columns)),
        )
    ):
        if transposed:
            there = (large.right_entry, large.left.entry, _output(large))[slot]
        places = np.full(small.dimensions[slot], -1, dtype=np.int64)
        signs = np.ones_like(places)
        seen: dict[int, tuple[int, int]] = {}
        for i, j in np.ndindex(len(axes[0]), len(axes[1])):
            here = entry(i, j)
            if here is not None:
                pair = (axes[0][i], axes[1][j])
                found = there(*(pair[::-1] if transposed else pair)) or (-1, here[1])
                placed = found[0], here[1] * found[1]
                if seen.setdefault(here[0], placed) != placed:
                    raise UsageError(
                        f"the symmetry of {small} is not that of its place in {large}"
                    )
                places[here[0]], signs[here[0]] = placed
        if slot < 2 and len(places) and (places < 0).all():
            raise UsageError(f"an operand of {small} is zero in {large}")
        maps.append((places, signs))
    return tuple(maps)


def _output(format_: MatrixProduct) -> Callable[[int, int], tuple[int, int] | None]:
    """Return the function from (i, k) to the coordinate of the output and its sign 1, or None."""

    def entry(i: int, k: int) -> tuple[int, int] | None:
        place = format_.output_index(i, k)
        return None if place is None else (place, 1)

    return entry


def assemble(format_: MatrixProduct, ring: Ring, parts: Sequence[Part]) -> Scheme:
    """Embed schemes into a format and add naive products for the rest of its target.

    The parts are valid schemes over the ring and their places. They may overlap: naive products
    subtract the terms of the target that are then computed twice. Terms that agree in two factors
    are merged. Raises `UsageError` if a part does not fit into the format, `FormatError` if the
    rest has a coefficient outside the ring.
    """
    p = ring.characteristic
    rest: dict[tuple[int, int, int], int] = {
        (a, b, c): value for a, b, c, value in format_.target.tolist()
    }
    pieces: list[list[IntArray]] = [[], [], [], []]
    for part in parts:
        if part.scheme.ring is not ring:
            raise UsageError(f"{part.scheme!r} is not over {ring}: map it with over() first")
        where = part.rows, part.inner, part.columns
        small = matrix_format(part.scheme)
        maps = injection(small, format_, *where, transposed=part.transposed)
        order = (1, 0, 2) if part.transposed else (0, 1, 2)
        for entry in part.scheme.format.target.tolist():
            a, b, c = (int(maps[slot][0][entry[slot]]) for slot in order)
            if min(a, b, c) >= 0:
                sign = math.prod(int(maps[slot][1][entry[slot]]) for slot in range(3))
                rest[a, b, c] = rest.get((a, b, c), 0) - sign * entry[3]
        for slot, source in enumerate(order):
            places, signs = maps[source]
            large = np.zeros((part.scheme.rank, format_.dimensions[slot]), dtype=np.int64)
            kept = places >= 0
            # a general block on a symmetric diagonal has two coordinates for one place
            here = part.scheme.factors[source][:, kept] * signs[kept]
            np.add.at(large.T, places[kept], here.T)
            pieces[slot].append(ring.balanced(large))
        pieces[3].append(part.scheme.denominators)
    naive = [(key, value) for key, value in sorted(rest.items()) if (value % p if p else value)]
    for slot in range(3):
        rows = np.zeros((len(naive), format_.dimensions[slot]), dtype=np.int64)
        for r, (key, value) in enumerate(naive):
            rows[r, key[slot]] = value if slot == 2 else 1
        pieces[slot].append(ring.balanced(rows))
    pieces[3].append(np.ones(len(naive), dtype=np.int64))
    u, v, w, denominators = (np.concatenate(piece) for piece in pieces)
    scheme = Scheme(format_, ring, u, v, w, denominators)
    return reduced(format_, ring, normal_terms(scheme))


def project(scheme: Scheme, dimension: int | str, index: int) -> Scheme:
    """Delete one index of a dimension and of all dimensions tied to it.

    The dimension is 0, 1, 2 or ``n``, ``m``, ``p``. Variables with that index become zero. Zero
    terms are dropped, and terms that agree in two factors are merged until none do. A corner
    suffix goes if its corner does. Raises `UsageError` if the side is 1 already, or the index is
    outside.
    """
    format_ = matrix_format(scheme)
    tied = tied_dimensions(format_, dimension)
    side = format_.sides[tied[0]]
    if side == 1 or not 0 <= index < side:
        raise UsageError(f"cannot delete index {index} of a side {side} of {format_}")
    corner = format_.corner
    if corner:
        first = corner in "ac" and index != 0
        last = corner in "bc" and index != side - 1
        corner = {(1, 1): "c", (1, 0): "a", (0, 1): "b", (0, 0): ""}[int(first), int(last)]
    small = resized(format_, dimension, -1, corner)
    kept = [
        [i for i in range(s) if d not in tied or i != index] for d, s in enumerate(format_.sides)
    ]
    maps = injection(small, format_, *kept)
    u, v, w = (
        matrix[:, places] * signs * (places >= 0)
        for matrix, (places, signs) in zip(scheme.factors, maps, strict=True)
    )
    cut = Scheme(small, scheme.ring, u, v, w, scheme.denominators)
    return reduced(small, scheme.ring, normal_terms(cut))


def terms_left(scheme: Scheme, d: int) -> list[int]:
    """Return, for each index of side d, the terms that do not vanish when it is deleted."""
    n, m, p = matrix_format(scheme).sides
    shapes = ((n, m), (m, p), (p, n))
    counts = []
    for index in range((n, m, p)[d]):
        alive = np.ones(scheme.rank, dtype=bool)
        for slot, axis in ((d, 1), ((d + 2) % 3, 2)):
            grid = scheme.factors[slot].reshape(scheme.rank, *shapes[slot])
            alive &= np.delete(grid, index, axis=axis).any(axis=(1, 2))
        counts.append(int(alive.sum()))
    return counts


def extend(scheme: Scheme, dimension: int | str) -> Scheme:
    """Append one index to a dimension and to all dimensions tied to it, with naive products."""
    format_ = matrix_format(scheme)
    n, m, p = format_.sides
    large = resized(format_, dimension, 1)
    return assemble(large, scheme.ring, [Part(scheme, range(n), range(m), range(p))])


def merge(first: Scheme, second: Scheme, dimension: int | str) -> Scheme:
    """Add up two schemes along one dimension; the other two sides are equal.

    Along n or p the outputs stand side by side; along m the products are added. For structured
    formats the dimension must be free: p of ``ug``, ``sg``, ``kg``, ``wg``; m of ``gt``. The rank
    is at most the sum of the two. Raises `UsageError` if operands, rings or the other two sides
    differ, or the dimension is not free.
    """
    d = dimension_number(dimension)
    one, two = matrix_format(first), matrix_format(second)
    sides = [list(one.sides), list(two.sides)]
    for other in range(3):
        if other != d and sides[0][other] != sides[1][other]:
            raise UsageError(f"{one} and {two} differ in more than dimension {DIMENSIONS[d]}")
    if one.operands != two.operands or one.corner or two.corner:
        raise UsageError(f"{one} and {two} do not add up along a dimension")
    if len(tied_dimensions(one, d)) > 1:
        raise UsageError(f"{DIMENSIONS[d]} is tied to another dimension of {one}: use assemble()")
    total = list(one.sides)
    total[d] += two.sides[d]
    n, m, p = total
    format_ = MatrixProduct(n, m, p, one.operands)
    if one.is_general and first.ring is second.ring:
        return _stacked(first, second, format_, d)
    shifted = [
        range(one.sides[e], one.sides[e] + two.sides[e]) if e == d else range(two.sides[e])
        for e in range(3)
    ]
    n, m, p = one.sides
    parts = [Part(first, range(n), range(m), range(p)), Part(second, *shifted)]
    return assemble(format_, first.ring, parts)


def _stacked(first: Scheme, second: Scheme, format_: MatrixProduct, d: int) -> Scheme:
    """Return the direct sum of two general schemes along dimension d.

    No term of one merges with a term of the other: they share no coordinate in two of the slots.
    """
    factors = []
    for slot in range(3):
        shape = format_.sides[slot], format_.sides[(slot + 1) % 3]
        grid = np.zeros((first.rank + second.rank, *shape), dtype=np.int64)
        for number, scheme in enumerate((first, second)):
            sides = matrix_format(scheme).sides
            own = sides[slot], sides[(slot + 1) % 3]
            start = [number * (shape[axis] - own[axis]) for axis in range(2)]
            place = tuple(slice(start[axis], start[axis] + own[axis]) for axis in range(2))
            rows = slice(first.rank) if number == 0 else slice(first.rank, None)
            grid[(rows, *place)] = scheme.factors[slot].reshape(-1, *own)
        factors.append(grid.reshape(len(grid), -1))
    u, v, w = factors
    denominators = np.concatenate([first.denominators, second.denominators])
    return Scheme(format_, first.ring, u, v, w, denominators)


def complete(scheme: Scheme) -> Scheme:
    """Add naive products for the corners that the scheme's format leaves out.

    In block recursion these products are the calls that compute the corners.
    """
    format_ = matrix_format(scheme)
    n, m, p = format_.sides
    full = MatrixProduct(n, m, p, format_.operands)
    return assemble(full, scheme.ring, [Part(scheme, range(n), range(m), range(p))])
