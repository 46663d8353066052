"""Products n x 2 x p by ceil((3 n p + max(n, p)) / 2) multiplications over Q, many over F2.

The rank is that of Hopcroft and Kerr 1971, "On minimizing the number of multiplications necessary
for matrix multiplication"; the construction is another. Let p >= n, the rows of the first matrix
be x_1, ..., x_n, the columns of the second y_1, ..., y_p, all of two entries.

Strassen's seven products are two cells and a pair. A *cell* is an entry x y found by two products,
each of a linear form in x and one in y. The two forms in x are points of a projective line. If two
cells (x, y) and (x', y') have one point in common, three more products, the *pair*, give x y' and
x' y. Here x and x' may be any combinations of the rows.

Each column j gets a cell of its own, with a combination u_j of the rows. In a graph on the columns
in which each has n - 1 neighbours, every edge (i, j) is a pair. So column j knows u_i of each
neighbour i and its own u_j, which give its n entries if they are independent. These are 2 p + 3 p
(n - 1) / 2 products; if p (n - 1) is odd, one column lacks a neighbour and finds an entry by two
products.

Over Q all cells share one point, and the other point is the column's colour: neighbours have
different ones. The columns lie on a circle, and neighbours are close: u_j and those of its
neighbours are n successive vectors. So any n successive ones must be independent. The first n are
the units, followed by the columns of a matrix U of n rows and p - n columns:

    U(n, r) = I, ..., I, U(r, n mod r) transposed, from the top down,

as in Euclid's algorithm. All minors that matter are 1: those of the first s rows and columns, of
the last s rows and columns, and of any r successive rows. Each is one of the same three kinds of a
smaller U. If n is even, the last neighbour is n/2 steps ahead or behind, by a matching of the
columns. Where they have none, because the steps make several odd circles, it is a little farther
away, and the entries of U are drawn until the vectors are independent.

Over F2 the line has three points, and so there are three cells, any two with a common point. The
graph must have three colours, of which each column has n - 1 others: n - 1 <= 2 p / 3. Vectors are
found by changing bits until all neighbourhoods are independent.

Invariant: a scheme made here satisfies its Brent equations; `flipsearch.constructors` proves it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd, lcm

import numpy as np

from flipsearch.algebra.draws import plain_draws
from flipsearch.algebra.exact import inverse
from flipsearch.constructors.constructor import Constructor
from flipsearch.formats import Format, MatrixProduct
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme
from flipsearch.transform.symmetry import oriented

Point = tuple[int, int]
Row = tuple[IntArray, IntArray, IntArray, int]
"""Forms in the two operands, the weights in the transposed result, and a denominator."""

THREE = (((1, 0), (0, 1)), ((0, 1), (1, 1)), ((1, 0), (1, 1)))
"""Three cells, any two with one point in common; between points the determinants are 1 and -1."""
NOISE = 50
"""One in so many changes of a bit is kept though it makes vectors dependent."""
CHANGES = 3000
"""Changes of bits after which another graph is drawn."""


@dataclass(frozen=True)
class Arrangement:
    """Columns with their combinations of rows, shape (columns, n), neighbours and cells."""

    vectors: IntArray
    neighbours: list[list[int]]
    colours: list[int]

    def cell(self, column: int) -> tuple[Point, Point]:
        """Return the two points of a column's cell."""
        colour = self.colours[column]
        return THREE[colour] if max(self.colours) < len(THREE) else ((0, 1), (1, colour))

    def common(self, one: int, two: int) -> Point:
        """Return the point that the cells of two neighbours have in common."""
        (point,) = set(self.cell(one)) & set(self.cell(two))
        return point


def rank(format_: Format, ring: Ring) -> int | None:
    """Return the number of products, or None where the construction does not apply."""
    if not isinstance(format_, MatrixProduct) or not format_.is_general:
        return None
    least, n, p = sorted(format_.sides)
    spare = p - -(-p // 3) - (n - 1)
    possible = ring is Ring.Q or (ring is Ring.F2 and (spare > 0 or (spare == 0 and p % 3 < 2)))
    return (3 * n * p + p + 1) // 2 if least == 2 and possible else None


def build(format_: Format, ring: Ring) -> Scheme:
    """Return the scheme for sides of which the least is 2; see `rank`."""
    assert isinstance(format_, MatrixProduct)
    _, n, p = sorted(format_.sides)
    columns = np.eye(p, dtype=np.int64)
    if ring is Ring.F2:
        rows = products(tripartite(n, p), columns, 2)
    else:  # circles of n columns, the last of less than 2 n
        circles = np.split(columns, range(n, p - n + 1, n))
        rows = [row for each in circles for row in products(circular(n, len(each)), each)]
    u, v, w = (np.array([row[slot] for row in rows]).reshape(len(rows), -1) for slot in range(3))
    denominators = np.array([row[3] for row in rows])
    if ring is Ring.F2:
        u, v, w, denominators = u % 2, v % 2, w % 2, np.ones_like(denominators)
    return oriented(Scheme(MatrixProduct(n, 2, p), ring, u, v, w, denominators), format_.sides)


def products(arranged: Arrangement, columns: IntArray, characteristic: int = 0) -> list[Row]:
    """Return the products for some columns of the second matrix.

    `columns`, shape (columns, p), are units: which columns of the second matrix they are. The
    characteristic is that of the field in which vectors are independent.
    """
    n = arranged.vectors.shape[1]
    bases = [_basis(arranged, j, characteristic) for j in range(len(columns))]
    inverses = [np.array(inverse(basis.tolist(), characteristic)) for basis in bases]
    whole = lcm(*(int(entry.denominator) for found in inverses for entry in found.flat))

    def weights(j: int, place: int) -> IntArray:
        """Return what the combination at a place of column j adds to the result, times `whole`."""
        return np.outer(columns[j], (inverses[j][:, place] * whole).astype(np.int64))

    def of(j: int, i: int) -> IntArray:
        return weights(j, 1 + arranged.neighbours[j].index(i))

    rows: list[Row] = []
    for j, near in enumerate(arranged.neighbours):
        u, y, cell = arranged.vectors[j], columns[j], arranged.cell(j)
        for point, other in (cell, cell[::-1]):
            weight = weights(j, 0)
            for i in near:
                shared = arranged.common(i, j) == point
                weight = weight - of(i, j) if shared else weight + of(j, i)
            form = _vanishing(other) * _determinant(point, other)
            rows.append((np.outer(u, point), np.outer(form, y), weight, whole))
        if len(near) < n - 1:
            rows += [
                (np.outer(bases[j][-1], unit), np.outer(unit, y), weights(j, n - 1), whole)
                for unit in np.eye(2, dtype=np.int64)
            ]
        for i in near:
            if i < j:
                points = (set(arranged.cell(k)) - {arranged.common(i, j)} for k in (i, j))
                ends = [end for (end,) in points]
                one, two = (arranged.vectors[i], columns[i]), (u, y)
                forms = _pair(one, two, arranged.common(i, j), *ends)
                for (first, second, denominator), weight in zip(
                    forms, (of(j, i) + of(i, j), of(i, j), of(j, i)), strict=True
                ):
                    rows.append((first, second, weight, whole * denominator))
    return rows


def _pair(
    one: tuple[IntArray, IntArray], two: tuple[IntArray, IntArray], a: Point, b: Point, c: Point
) -> list[tuple[IntArray, IntArray, int]]:
    """Return the forms of the three products of a pair, with their denominators.

    `one` and `two` are (combination of rows, column); the first product serves both columns, then
    one each. a is the common point of the two cells, b the other of the first, c of the second.
    """
    (u, y), (v, z) = one, two
    g, h = _determinant(a, c) * np.array(b), _determinant(b, a) * np.array(c)
    determinant = _determinant(g, h)
    sign = 1 if determinant > 0 else -1
    first, second = sign * np.array([h[1], -h[0]]), sign * np.array([-g[1], g[0]])
    size = abs(determinant)
    return [
        (np.outer(u, g) + np.outer(v, h), np.outer(first, z) + np.outer(second, y), size),
        (np.outer(v - u, g), np.outer(first, y + z), size),
        (np.outer(u - v, h), np.outer(second, y + z), size),
    ]


def _determinant(one: Point | IntArray, two: Point | IntArray) -> int:
    return int(one[0] * two[1] - one[1] * two[0])


def _vanishing(point: Point) -> IntArray:
    """Return the linear form that is zero at a point."""
    return np.array([point[1], -point[0]])


def _basis(arranged: Arrangement, column: int, characteristic: int) -> IntArray:
    """Return the vectors of a column and its neighbours, with a unit if they are one too few."""
    found = arranged.vectors[[column, *arranged.neighbours[column]]]
    n = found.shape[1]
    if len(found) == n:
        return found
    longer = (np.concatenate([found, unit[None]]) for unit in np.eye(n, dtype=np.int64))
    return next(basis for basis in longer if inverse(basis.tolist(), characteristic) is not None)


def circular(n: int, p: int) -> Arrangement:
    """Return an arrangement on a circle, n <= p < 2 n, for products over Q."""
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
    draws = plain_draws(n, 0)  # recipes need the same ones everywhere and always
    while any(np.linalg.matrix_rank(vectors[[j, *near[j]]]) <= len(near[j]) for j in range(p)):
        vectors[n:] = [[next(draws) % 3 - 1 for _ in range(n)] for _ in range(extra)]
    colours: list[int] = []
    for neighbours in near:
        taken = {colours[i] for i in neighbours if i < len(colours)}
        colours.append(next(colour for colour in range(p) if colour not in taken))
    return Arrangement(vectors, near, colours)


def euclidean(n: int, r: int) -> IntArray:
    """Return U(n, r), of entries 0 and 1, shape (n, r), r <= n."""
    if r == 0:
        return np.zeros((n, 0), dtype=np.int64)
    blocks = [np.eye(r, dtype=np.int64)] * (n // r)
    return np.concatenate([*blocks, euclidean(r, n % r).T])


def tripartite(n: int, p: int) -> Arrangement:
    """Return an arrangement with three colours, for products over F2."""
    draws = plain_draws(0, 0)
    while True:
        near = _coloured_graph(n, p, draws)
        vectors = [next(draws) % (1 << n) for _ in range(p)]
        lack = [_lack(vectors, near, j) for j in range(p)] if near else []
        for _ in range(CHANGES if near else 0):
            if not any(lack):
                bits = [[word >> k & 1 for k in range(n)] for word in vectors]
                return Arrangement(np.array(bits), near, [j % 3 for j in range(p)])
            worst = [j for j in range(p) if lack[j]]
            j = worst[next(draws) % len(worst)]
            changed = [j, *near[j]][next(draws) % (1 + len(near[j]))]
            bit = 1 << next(draws) % n
            vectors[changed] ^= bit
            after = [_lack(vectors, near, k) for k in range(p)]
            if sum(after) <= sum(lack) or next(draws) % NOISE == 0:
                lack = after
            else:
                vectors[changed] ^= bit


def _coloured_graph(n: int, p: int, draws: Iterator[int]) -> list[list[int]]:
    """Return the neighbours of p columns, n - 1 each, or once n - 2; empty if the draw fails.

    The colour of a column is its number modulo 3. Those that lack most are served first.
    """
    near: list[list[int]] = [[] for _ in range(p)]
    lacking = [n - 1] * p
    lacking[0] -= p * (n - 1) % 2
    while any(lacking):
        ties = [next(draws) for _ in range(p)]
        column, *others = sorted(range(p), key=lambda k: (-lacking[k], ties[k]))
        free = [k for k in others if lacking[k] and k % 3 != column % 3 and k not in near[column]]
        if len(free) < lacking[column]:
            return []
        for k in free[: lacking[column]]:
            near[column].append(k)
            near[k].append(column)
            lacking[k] -= 1
        lacking[column] = 0
    return near


def _lack(vectors: list[int], near: list[list[int]], column: int) -> int:
    """Return how many of the vectors of a column and its neighbours depend on others over F2."""
    basis: list[int] = []
    for word in (vectors[k] for k in (column, *near[column])):
        for other in basis:
            word = min(word, word ^ other)
        if word:
            basis.append(word)
    return 1 + len(near[column]) - len(basis)


HOPCROFT = Constructor("Hopcroft and Kerr's rank: a side of 2, over Q or F2", rank, build)
