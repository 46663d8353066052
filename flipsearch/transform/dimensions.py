"""Change the sizes of a scheme: project, extend, merge, fill in corners.

Extend, merge and complete rest on one operation, `assemble`. It embeds the terms of smaller
schemes into a larger format along increasing index maps, and appends naive products for the rest
of the target. Its result is therefore valid whenever the given schemes are.

A structured operand ties sizes together: the rows and columns of a triangular matrix, or both
outer sides of A times its transpose. Tied sizes change together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    """A scheme, and the places of its rows, inner indices and columns in a larger format."""

    scheme: Scheme
    rows: Indices
    inner: Indices
    columns: Indices


def matrix_format(scheme: Scheme) -> MatrixProduct:
    """Return the scheme's format if it is a matrix product.

    Raises
    ------
    UsageError
        The format is another bilinear map, which has no sides.
    """
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
    small: MatrixProduct, large: MatrixProduct, rows: Indices, inner: Indices, columns: Indices
) -> tuple[tuple[IntArray, IntArray], ...]:
    """Map the coordinates of a small format to coordinates of a large one, for each slot.

    Parameters
    ----------
    small, large : MatrixProduct
        An operand entry of `small` must be a nonzero entry of `large`.
    rows, inner, columns : sequences of int
        Increasing; the index in `large` of each row, inner index and column of `small`.

    Returns
    -------
    three pairs of int64 arrays, shapes (d,)
        Coordinates in `large` and signs. The coordinate is -1 for an output that `large` does
        not compute.

    Raises
    ------
    UsageError
        The maps do not fit the formats.
    """
    for name, indices, side, limit in zip(
        DIMENSIONS, (rows, inner, columns), small.sides, large.sides, strict=True
    ):
        if len(indices) != side or any(a >= b for a, b in pairwise(indices)):
            raise UsageError(f"{small} needs {side} increasing indices for {name} in {large}")
        if side and not 0 <= indices[0] <= indices[-1] < limit:
            raise UsageError(f"indices for {name} of {small} lie outside {large}")
    places = [np.full(d, -1, dtype=np.int64) for d in small.dimensions]
    signs = [np.ones(d, dtype=np.int64) for d in small.dimensions]

    def put(slot: int, here: tuple[int, int], there: tuple[int, int] | None) -> None:
        if there is None:
            raise UsageError(f"an entry of {small} is zero in {large}")
        found = there[0], here[1] * there[1]
        held = places[slot][here[0]], signs[slot][here[0]]
        if held[0] >= 0 and held != found:
            raise UsageError(f"the symmetry of {small} is not that of its place in {large}")
        places[slot][here[0]], signs[slot][here[0]] = found

    for i in range(small.n):
        for j in range(small.m):
            left = small.left.entry(i, j)
            if left is not None:
                put(0, left, large.left.entry(rows[i], inner[j]))
    for j in range(small.m):
        for k in range(small.p):
            right = small.right_entry(j, k)
            if right is not None:
                put(1, right, large.right_entry(inner[j], columns[k]))
    for i in range(small.n):
        for k in range(small.p):
            output = small.output_index(i, k)
            if output is not None:
                place = large.output_index(rows[i], columns[k])
                places[2][output] = -1 if place is None else place
    return tuple(zip(places, signs, strict=True))


def assemble(format_: MatrixProduct, ring: Ring, parts: Sequence[Part]) -> Scheme:
    """Embed schemes into a format and add naive products for the rest of its target.

    Parameters
    ----------
    format_ : MatrixProduct
        The format to compute.
    ring : Ring
        The ring of all the parts.
    parts : sequence of Part
        Valid schemes and their places. They may overlap: naive products subtract the terms of
        the target that are then computed twice.

    Returns
    -------
    Scheme
        Without zero terms, and with terms that agree in two factors merged.

    Raises
    ------
    UsageError
        A part does not fit into the format.
    FormatError
        The rest has a coefficient outside the ring.
    """
    p = ring.characteristic
    rest: dict[tuple[int, int, int], int] = {
        (a, b, c): value for a, b, c, value in format_.target.tolist()
    }
    pieces: list[list[IntArray]] = [[], [], [], []]
    for part in parts:
        if part.scheme.ring is not ring:
            raise UsageError(f"{part.scheme!r} is not over {ring}: map it with over() first")
        maps = injection(matrix_format(part.scheme), format_, part.rows, part.inner, part.columns)
        for a, b, c, value in part.scheme.format.target.tolist():
            key = tuple(int(places[x]) for (places, _), x in zip(maps, (a, b, c), strict=True))
            if -1 not in key:
                sign = int(maps[0][1][a] * maps[1][1][b] * maps[2][1][c])
                rest[key] = rest.get(key, 0) - sign * value  # type: ignore[index,arg-type]
        for slot, (places, signs) in enumerate(maps):
            large = np.zeros((part.scheme.rank, format_.dimensions[slot]), dtype=np.int64)
            kept = places >= 0
            # a general block on a symmetric diagonal has two coordinates for one place
            here = part.scheme.factors[slot][:, kept] * signs[kept]
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

    Variables with that index become zero. Zero terms are dropped, and terms that agree in two
    factors are merged until none do.

    Parameters
    ----------
    scheme : Scheme
        A scheme of a matrix product.
    dimension : int or str
        0, 1, 2 or ``n``, ``m``, ``p``.
    index : int
        From 0 to the side minus 1.

    Returns
    -------
    Scheme
        For the format with that side smaller by one. A corner suffix goes if its corner does.

    Raises
    ------
    UsageError
        The side is 1 already, or the index is outside.
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
    formats the dimension must be free: p of ``ug``, ``sg``, ``kg``, ``wg``; m of ``gt``.

    Returns
    -------
    Scheme
        Rank at most the sum of the two.

    Raises
    ------
    UsageError
        Operands, rings or the other two sides differ, or the dimension is not free.
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
