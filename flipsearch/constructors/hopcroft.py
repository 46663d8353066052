"""Products n x 2 x p by ceil((3 n p + max(n, p)) / 2) multiplications over Z, Q and F2.

The rank is that of Hopcroft and Kerr 1971, "On minimizing the number of multiplications necessary
for matrix multiplication"; the construction is another. Let p >= n, the rows of the first matrix
be x_1, ..., x_n, the columns of the second y_1, ..., y_p, all of two entries.

Strassen's seven products are three *cells* and one more. A cell (u, y) is the product of a
combination u of rows and a column by two products, each of a linear form in u and one in y. The
two forms in u are points of a projective line. Over F2 it has three, (1, 0), (0, 1) and (1, 1),
two of which are the *colour* of a cell. A *pair* of two cells (u, y) and (v, z) of different
colours is one product more and the cell (v - u, y + z) of the third colour. It gives u z and v y.

Each column j gets a cell of its own, with a combination u_j of the rows. In a graph on the columns
in which each has n - 1 neighbours, every edge (i, j) costs three products and gives u_i y_j and
u_j y_i: a pair if the colours differ. If they are the same, some b of another colour is next to
both. Then the third cell of (b, j) makes a pair with i, which gives u_i (y_b + y_j) and
(u_j - u_b) y_i (a detour that the notes of solven-eu/matmulcatalog describe; arXiv 2606.13408,
2026). So column j knows u_i of each neighbour i and its own u_j, which give its n
entries if they are a basis. These are 2 p + 3 p (n - 1) / 2 products; if p (n - 1) is odd, one
column lacks a neighbour and finds an entry by two products.

The columns lie on a circle, and neighbours are close: u_j and those of its neighbours are n
successive vectors. So any n successive ones must be a basis of the integers. The first n are the
units, followed by the columns of a matrix U of n rows and p - n columns:

    U(n, r) = I, ..., I, U(r, n mod r) transposed, from the top down,

as in Euclid's algorithm. All minors that matter are 1: those of the first s rows and columns, of
the last s rows and columns, and of any r successive rows. Each is one of the same three kinds of a
smaller U. If n is even, the last neighbour is n/2 steps ahead or behind, by a matching of the
columns. Where they have none, because the steps make several odd circles, it is a little farther
away, and entries of U are changed until the vectors are bases. If n divides p, all circles have n
columns, the vectors are units, and the scheme is ternary.

Invariant: a scheme made here satisfies its Brent equations; `flipsearch.constructors` proves it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from math import gcd

import numpy as np

from flipsearch.algebra.draws import plain_draw
from flipsearch.algebra.exact import determinant, inverse
from flipsearch.constructors.constructor import Constructor
from flipsearch.formats import Format, MatrixProduct
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme
from flipsearch.transform.symmetry import oriented

Point = tuple[int, int]

COLOURS: tuple[tuple[Point, Point], ...] = (((1, 0), (0, 1)), ((0, 1), (1, 1)), ((1, 0), (1, 1)))
"""Pairs of points, any two with one point in common; between points determinants are 1 and -1."""
NOISE = 50
"""One in so many changes of an entry is kept though it makes vectors dependent."""


@dataclass(frozen=True)
class Arrangement:
    """Columns with their combinations of rows, neighbours and colours.

    Parameters
    ----------
    vectors : int64 array, shape (columns, n)
    neighbours : list of lists
    colours : list of int
    """

    vectors: IntArray
    neighbours: list[list[int]]
    colours: list[int]

    def bridge(self, i: int, j: int) -> int | None:
        """Return a column of another colour that is next to both, or None."""
        both = (b for b in self.neighbours[i] if b in self.neighbours[j])
        return next((b for b in both if self.colours[b] != self.colours[i]), None)


@dataclass(frozen=True)
class _Cell:
    """A product u y, and the combination of products that each of its two points stands for."""

    u: IntArray
    y: IntArray
    parts: dict[Point, IntArray]

    @property
    def value(self) -> IntArray:
        first, second = self.parts.values()
        return first + second


class _Products:
    """Products of linear forms in the two matrices; combinations of them have one entry each."""

    def __init__(self, rank: int) -> None:
        self.units = iter(np.eye(rank, dtype=np.int64))
        self.factors: list[tuple[IntArray, IntArray]] = []

    def add(self, first: IntArray, second: IntArray) -> IntArray:
        """Return the unit that stands for a new product."""
        self.factors.append((first, second))
        return next(self.units)

    def cell(self, u: IntArray, y: IntArray, points: tuple[Point, Point]) -> _Cell:
        """Return the cell (u, y), by two products."""
        parts = {}
        for point, other in (points, points[::-1]):
            form = np.array([other[1], -other[0]]) * _determinant(point, other)
            parts[point] = self.add(np.outer(u, point), np.outer(form, y))
        return _Cell(u, y, parts)

    def pair(self, one: _Cell, two: _Cell) -> tuple[IntArray, IntArray, _Cell]:
        """Return u z, v y and the third cell of the cells (u, y) and (v, z), by three products."""
        (a,) = one.parts.keys() & two.parts.keys()
        (b,), (c,) = one.parts.keys() - {a}, two.parts.keys() - {a}
        g, h = _determinant(a, c) * np.array(b), _determinant(b, a) * np.array(c)
        sign = _determinant(g, h)
        first, second = sign * np.array([h[1], -h[0]]), sign * np.array([-g[1], g[0]])
        u, v, total = one.u, two.u, one.y + two.y
        both = self.add(
            np.outer(u, g) + np.outer(v, h), np.outer(first, two.y) + np.outer(second, one.y)
        )
        left = self.add(np.outer(v - u, g), np.outer(first, total))
        right = self.add(np.outer(u - v, h), np.outer(second, total))
        third = _Cell(v - u, total, {b: left, c: -right})
        return (
            both + right + two.parts[c] - one.parts[a],
            both + left + one.parts[b] - two.parts[a],
            third,
        )


def rank(format_: Format, ring: Ring) -> int | None:
    """Return the number of products, or None where the construction does not apply."""
    if not isinstance(format_, MatrixProduct) or not format_.is_general:
        return None
    least, n, p = sorted(format_.sides)
    possible = ring in (Ring.F2, Ring.Z, Ring.Q) or (ring is Ring.ZT and p % n == 0)
    return (3 * n * p + p + 1) // 2 if least == 2 and possible else None


def build(format_: Format, ring: Ring) -> Scheme:
    """Return the scheme for sides of which the least is 2; see `rank`."""
    assert isinstance(format_, MatrixProduct)
    _, n, p = sorted(format_.sides)
    columns = np.eye(p, dtype=np.int64)
    found = _Products((3 * n * p + p + 1) // 2)
    weights = np.zeros((p, n, (3 * n * p + p + 1) // 2), dtype=np.int64)
    for circle in np.split(np.arange(p), range(n, p - n + 1, n)):  # n columns, the last < 2 n
        weights[circle] = entries(circular(n, len(circle)), columns[circle], found)
    u, v = (
        np.array(factor).reshape(len(factor), -1) for factor in zip(*found.factors, strict=True)
    )
    w = weights.reshape(p * n, -1).T
    if ring is Ring.F2:
        u, v, w = u % 2, v % 2, w % 2
    return oriented(Scheme(MatrixProduct(n, 2, p), ring, u, v, w), format_.sides)


def entries(arranged: Arrangement, columns: IntArray, found: _Products) -> IntArray:
    """Return the result's entries in some columns as combinations of products, which it adds.

    Parameters
    ----------
    arranged : Arrangement
    columns : int64 array, shape (columns, p)
        Units: which columns of the second matrix they are.
    found : _Products

    Returns
    -------
    int64 array, shape (columns, n, products)
    """
    vectors, near, colours = arranged.vectors, arranged.neighbours, arranged.colours
    cells = [
        found.cell(u, y, COLOURS[colour])
        for u, y, colour in zip(vectors, columns, colours, strict=True)
    ]
    values = {(j, j): cell.value for j, cell in enumerate(cells)}  # (i, j): u_i y_j
    thirds: dict[tuple[int, int], _Cell] = {}
    edges = [(i, j) for j in range(len(near)) for i in near[j] if i < j]
    for i, j in sorted(edges, key=lambda edge: colours[edge[0]] == colours[edge[1]]):
        b = arranged.bridge(i, j)
        if colours[i] != colours[j]:
            values[i, j], values[j, i], thirds[i, j] = found.pair(cells[i], cells[j])
        else:
            assert b is not None
            third = thirds[min(b, j), max(b, j)]
            mine, others, _ = found.pair(cells[i], third)
            values[i, j] = mine - values[i, b]
            values[j, i] = (others if b < j else -others) + values[b, i]
    rows = []
    for j, column in enumerate(columns):
        basis = _basis(arranged, j)
        known = [values[i, j] for i in (j, *near[j])]
        if len(known) < len(basis):
            known.append(found.cell(basis[-1], column, COLOURS[0]).value)
        rows.append(np.array(inverse(basis.tolist())).astype(np.int64) @ np.array(known))
    return np.array(rows)


def _determinant(one: Point | IntArray, two: Point | IntArray) -> int:
    return int(one[0] * two[1] - one[1] * two[0])


def _basis(arranged: Arrangement, column: int) -> IntArray:
    """Return the vectors of a column and its neighbours, with a unit if they are one too few."""
    vectors = arranged.vectors[[column, *arranged.neighbours[column]]]
    n = vectors.shape[1]
    if len(vectors) == n:
        return vectors
    longer = [np.concatenate([vectors, unit[None]]) for unit in np.eye(n, dtype=np.int64)]
    return next((basis for basis in longer if abs(determinant(basis)) == 1), longer[0])


def circular(n: int, p: int) -> Arrangement:
    """Return an arrangement on a circle, n <= p < 2 n."""
    extra, reach = p - n, (n - 1) // 2
    vectors = np.concatenate([np.eye(n, dtype=np.int64), euclidean(n, extra).T])
    near = [[(j + d) % p for d in range(-reach, reach + 1) if d] for j in range(p)]
    if not extra:
        near = [[i for i in range(n) if i != j] for j in range(n)]
    elif n % 2 == 0:
        step = n // 2
        while (p // gcd(p, step)) % 2 and gcd(p, step) > 1:
            step += 1
        for start in range(gcd(p, step)):
            places = [(start + k * step) % p for k in range(p // gcd(p, step))]
            for i, j in zip(places[::2], places[1::2], strict=False):
                near[i].append(j)
                near[j].append(i)
    colours: list[int] = []
    for j, neighbours in enumerate(near):
        costs = [0, 0, 0]
        for i in neighbours:
            if i < j:  # columns next to each other must differ, to be bridges
                costs[colours[i]] += p if (j - i) % p in (1, p - 1) else 1
        colours.append(costs.index(min(costs)))
    arranged = Arrangement(vectors, near, colours)
    draws, bad = _draws(n), _dependent(arranged)
    while bad:
        entry = n + next(draws) % extra, next(draws) % n
        before, vectors[entry] = vectors[entry], next(draws) % 3 - 1
        after = _dependent(arranged)
        if after <= bad or next(draws) % NOISE == 0:
            bad = after
        else:
            vectors[entry] = before
    return arranged


def _dependent(arranged: Arrangement) -> int:
    """Return how many columns' vectors are no basis of the integers."""
    bases = np.array([_basis(arranged, j) for j in range(len(arranged.vectors))])
    return int((np.rint(np.abs(np.linalg.det(bases))) != 1).sum())


def euclidean(n: int, r: int) -> IntArray:
    """Return U(n, r), of entries 0 and 1, shape (n, r), r <= n."""
    if r == 0:
        return np.zeros((n, 0), dtype=np.int64)
    blocks = [np.eye(r, dtype=np.int64)] * (n // r)
    return np.concatenate([*blocks, euclidean(r, n % r).T])


def _draws(seed: int) -> Iterator[int]:
    """Yield 64 random bits after another; recipes need the same ones everywhere and always."""
    return (plain_draw(seed, number) for number in count())


HOPCROFT = Constructor(
    "Hopcroft and Kerr's rank: a side of 2, over Z, Q or F2, over ZT if n divides p", rank, build
)
