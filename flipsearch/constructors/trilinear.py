"""Trilinear aggregation: nearly square formats from side 8 on, by N^3/3 + 3 N^2 + ... products.

One product of three sums holds three wanted products of entries,

    (a_ij + a_jk + a_ki) (b_jk + b_ki + b_ij) (c_ki + c_ij + c_jk)
        = a_ij b_jk c_ki + a_jk b_ki c_ij + a_ki b_ij c_jk + 24 unwanted ones

(Pan 1978, "Strassen's algorithm is not optimal"; 1982, "Trilinear aggregating with implicit
canceling"; Schwartz and Zwecher, arXiv 2508.01748). Ranks, completion, edges and centre are from
Khoruzhii, Serafin, Gelss and Pokutta, "Local improvements to trilinear aggregation"
(github.com/khoruzhii/lita, September 2026).

Each matrix has the blocks X_0, X_1 over X_2, X_3 of side m, with X_1 and X_3 negated. Index i has
the weight w_i. Products within X_0 and within X_3 aggregate as above, in a third of the triples
(i, j, k). All other products of blocks aggregate in all triples, in

    A_2[j,k] + A_1[k,i] - A_0[i,j]  by  B_2[i,j] + B_1[j,k] - B_0[k,i]  and so on for C,

and in their mirror images, with 0 and 3, 1 and 2 exchanged and a minus. Unwanted products of three
different cells cancel. The others have two factors at one cell, and their third sums over a free
index. If all rows and columns of the whole matrix have weighted sum 0, they are at each cell

    H_0(C) (A_0 + A_1) (B_0 + B_2) - H_3(C) (A_2 + A_3) (B_1 + B_3)

and rotations, where H_x[i,j] adds row sum j and column sum i of block x, and products A_x B_y C_z
times the sum of the weights. Seven products (`_correction`) are enough for both.

The sums stay 0, and products of matrices stay the same, if rows and columns are shifted: X_0 by
c_j - r_i, X_1 by d_j + r_i, X_2 by -c_j, X_3 by -d_j. Some c and d make one form g of all diagonal
entries of X_0 and X_3 but the last. Let the weights be 1 but for the last, and their sum 2.

- An *edge* is a pair of indices below the last. It needs 24 products instead of 16 + 2 * 7.
- A *vertex* is an index below the last. It needs 6, whose third factors are sums over all edges.
- The last index needs 28 with each other one.
- At the *centre* all indices are the last. It needs nine, if c there is such that g cancels.

Squares of even side N have m = N/2 + 1. Shifts r make 3 N + 7 products vanish, and the products of
(0, 1, k) and of the mirror image of (1, k, 0) merge. Each side may be N + 1 instead: one column
more closes the rows of one matrix, whose r is then 0. The columns of the next one keep a *defect*,
which costs 2 products a cell off the diagonal. Squares of side N + 1 are those of the paper. Or
one side is N - 1: two rows are equal then, and 3 N / 2 products more vanish.

Invariant: a scheme made here satisfies its Brent equations; `flipsearch.constructors` proves it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from flipsearch.constructors.constructor import Constructor
from flipsearch.formats import Format, MatrixProduct
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme
from flipsearch.transform.reduce import reduced
from flipsearch.transform.symmetry import oriented
from flipsearch.transform.terms import normal_terms

SMALLEST = 8

Factors = tuple[IntArray, ...]
"""Three arrays of forms, a row a product."""


@dataclass(frozen=True)
class _View:
    """One of the three matrices, its entries as forms in those that it was made of.

    Parameters
    ----------
    blocks : int64 array, shape (4, m, m, N^2)
        Entry (i, j) of block x.
    sums : int64 array, shape (2, m, m, N^2)
        The sum of row j plus that of column i, of blocks 0 and 3.
    defects : int64 array, shape (2, m, N^2)
        The sum of column i, of blocks 0 and 2 and of 1 and 3.
    diagonal : int64 array, shape (N^2,)
        The diagonal entries of blocks 0 and 3, but for the last.
    """

    blocks: IntArray
    sums: IntArray
    defects: IntArray
    diagonal: IntArray


def rank(format_: Format, ring: Ring) -> int | None:
    """Return the number of products, or None where the construction does not apply."""
    if not isinstance(format_, MatrixProduct) or not format_.is_general or ring is not Ring.Q:
        return None
    sides = sorted(format_.sides)
    m = sides[2] // 2 + 1
    even = 2 * m - 2
    if even < SMALLEST or sides[0] < even - 1 or sides[1] < even or sides[0] < even < sides[2]:
        return None
    square = (2 * even**3 + 18 * even**2 + 37 * even + 24) // 6
    odd = sum(side > even for side in sides)
    more = 2 * odd * m * (m - 1) + (0, m - 4, 4 * m - 7, 7 * m - 8)[odd]
    return square + more - 3 * (m - 1) * (sides[0] < even)


def build(format_: Format, ring: Ring) -> Scheme:
    """Return the scheme over Q; see `rank`."""
    assert isinstance(format_, MatrixProduct)
    least, middle, most = sorted(format_.sides)
    sides = (middle, least, most) if least % 2 == 0 else (least, middle, most)
    m = most // 2 + 1
    weights = np.array([1] * (m - 1) + [3 - m])
    ends = [_completion(side, m) for side in sides]
    closed = [side < 2 * m - 1 for side in sides]
    views = []
    for slot, after in ((0, 1), (1, 2), (2, 0)):
        blocks = 6 * np.einsum("xip,qyj->xyijpq", ends[slot][0], ends[after][1])
        r = _shifts(blocks.reshape(4, m, m, -1), slot, closed)
        views.append(_shifted(blocks.reshape(4, m, m, -1), weights, r))
    t = m - 3
    unit, common = 48 * t**2, 24 * (t - 1) ** 2 * (4 * t - 3)
    pieces = []
    for scale, (u, v, w) in _products(views, weights, common):
        pieces.append((u, v, w * np.reshape(scale, (-1, 1))))
    u, v, w = (np.concatenate(factors) for factors in zip(*pieces, strict=True))
    denominators = np.full(len(u), common * unit**3)
    whole = Scheme(MatrixProduct(*sides), ring, u, v, w, denominators)
    return oriented(reduced(whole.format, ring, normal_terms(whole)), format_.sides)


def _completion(side: int, m: int) -> tuple[IntArray, IntArray]:
    """Return the maps from rows and to columns of blocks, times 2 (m - 3) and 4 (m - 3).

    Shapes are (2, m, side) and (side, 2, m). All rows of a matrix have weighted sum 0, and so have
    its columns unless the side is 2 m - 1. Rows 0 and 2 are equal if it is 2 m - 3.
    """
    last, t = m - 1, m - 3
    if side < 2 * last:
        left, right = _completion(side + 1, m)
        left[:, :, 0] += left[:, :, 2]
        right[0] = (right[0] + right[2]) // 2
        return np.delete(left, 2, axis=2), np.delete(right, 2, axis=0)
    every = np.arange(side)
    half, index = np.divmod(every, side - last)
    sign = 1 - 2 * half
    left = np.zeros((2, m, side), dtype=np.int64)
    right = np.zeros((side, 2, m), dtype=np.int64)
    left[half, index, every] = 2 * t
    right[every, half, index] = sign * np.where(index == last, -4, 4 * t)
    if side > 2 * last:
        right[:, 1, last] = 4 * sign
    else:
        left[:, last] = 1
        right[:, :, last] = 2 * sign[:, None]
    return left, right


def _shifts(x: IntArray, slot: int, closed: Sequence[bool]) -> IntArray:
    """Return the shifts r of a matrix's rows that make most products vanish or merge."""
    last = x.shape[1] - 1
    same = np.arange(last)
    r = np.zeros_like(x[0, 0])
    if closed[(slot + 1) % 3]:
        upper = x[0, :, 0] + x[2, :, 0]
        lower = x[2, :, :last] + x[3, :, :last] + x[0, same, same] - x[3, same, same]
        r = upper.copy()
        if all(closed):
            if slot == 0:
                r[1:last], r[0] = lower[1, 1:], x[0, 0, 1] + x[2, 0, 1]
            if slot == 1:
                r[1] = lower[0, 1]
        elif slot == 0:
            r[:last] = lower[0]
        if closed[slot]:
            r[last] = r[:last].sum(axis=0) // (last - 2)
    return r


def _shifted(x: IntArray, weights: IntArray, r: IntArray) -> _View:
    """Return blocks shifted by r, and in columns such that their diagonals are one form."""
    last = len(weights) - 1
    t = last - 2
    g = (x[0, 2, 2] + x[1, 2, 3] + x[2, 3, 2] + x[3, 3, 3]) // 3
    c, d = r - x[0].diagonal().T + g, x[3].diagonal().T - g
    total = (c[:last] + d[:last]).sum(axis=0) // t
    corner = x[:, last, last]
    c[last] = g - (t - 1) * corner.sum(axis=0) + (r[last] + total - corner[0] - corner[3]) // 2
    d[last] = total - c[last]
    blocks = np.stack([x[0] - r[:, None] + c, x[1] + r[:, None] + d, x[2] - c, x[3] - d])
    rows = np.einsum("xijf,j->xif", blocks, weights)
    columns = np.einsum("xijf,i->xjf", blocks, weights)
    sums = rows[::3, None] + columns[::3, :, None]
    return _View(blocks, sums, columns[:2] + columns[2:], g)


def _products(
    views: Sequence[_View], weights: IntArray, common: int
) -> Iterator[tuple[int | IntArray, Factors]]:
    """Yield groups of products, each with `common` times their scalars."""
    m, last = len(weights), len(weights) - 1
    t, s = last - 2, last - 3
    i, j, k = triples = np.indices((m,) * 3).reshape(3, -1)
    distinct = (i != j) & (j != k) & (k != i)
    classes = triples[:, (i < j) & (j < k) | (k < j) & (j < i)]
    mixed = triples[:, distinct | (triples == last).any(axis=0) & ((i != j) | (j != k))]
    inner = np.arange(last)
    for x, sign in ((0, common), (3, -common)):
        cycles = tuple(_cycle(view.blocks[x], *classes) for view in views)
        yield sign * weights[classes].prod(axis=0), cycles
        turned = (np.roll(mixed, slot, axis=0) for slot in range(3))
        sums = (_mixed(view, x, *turn) for view, turn in zip(views, turned, strict=True))
        yield sign * weights[mixed].prod(axis=0), tuple(sums)
        yield sign // s**2 * t, tuple(_last_cycle(view, x, inner) for view in views)
    cells = i, j = np.nonzero(~np.eye(m, dtype=bool))
    scale = common * weights[i] * weights[j]
    yield from _orbits(views, _defect, scale, *cells)
    edge, outer = (i < last) & (j < last), (i == last) | (j == last)
    yield from _orbits(views, _edge, scale[edge], i[edge], j[edge])
    yield from _orbits(views, _vertex, common, inner)
    i, j, scale = i[outer], j[outer], scale[outer]
    yield 2 * scale, tuple(view.blocks[3, i, j] - view.blocks[0, i, j] for view in views)
    yield from _orbits(views, _correction, scale, i, j)
    yield from _orbits(views, _centre, t * t, np.array([last]))


def _orbits(
    views: Sequence[_View],
    recipe: Callable[..., tuple[Factors, ...]],
    scale: int | IntArray,
    *indices: IntArray,
) -> Iterator[tuple[int | IntArray, Factors]]:
    """Yield the products of a recipe, whose forms go round the three matrices."""
    parts = [recipe(view, *indices) for view in views]
    for product in zip(*parts, strict=True):
        for shift in range(3):
            yield scale, tuple(product[slot][(slot + shift) % 3] for slot in range(3))


def _cycle(x: IntArray, i: IntArray, j: IntArray, k: IntArray) -> IntArray:
    total: IntArray = x[i, j] + x[j, k] + x[k, i]
    return total


def _mixed(view: _View, x: int, i: IntArray, j: IntArray, k: IntArray) -> IntArray:
    first, second = (2, 1) if x == 0 else (1, 2)
    total: IntArray = view.blocks[first, j, k] + view.blocks[second, k, i] - view.blocks[x, i, j]
    return total


def _last_cycle(view: _View, x: int, i: IntArray) -> IntArray:
    """Return s times the sum of forms of (i, i, last) and (i, last, last), pooled in one cube."""
    block, last = view.blocks[x], len(i)
    pair = (last - 3) * (block[i, last] + block[last, i])
    total: IntArray = pair + (last - 2) * block[last, last] - view.diagonal
    return total


def _correction(view: _View, i: IntArray, j: IntArray) -> tuple[Factors, ...]:
    """Return what a cell (i, j) needs next to the cube of X_3 - X_0."""
    a, b, c, d = view.blocks[:, i, j]
    upper, lower = view.sums[:, i, j]
    return (c + d, b + d, 2 * a + lower), (-2 * d - upper, a + b, a + c)


def _defect(view: _View, i: IntArray, j: IntArray) -> tuple[Factors, ...]:
    a, b, c, d = view.blocks[:, i, j]
    left, right = view.defects[:, i]
    _, b_i, c_i, _ = view.blocks[:, i, i]
    return (left, a + b, c - c_i), (-right, c + d, b - b_i)


def _edge(view: _View, i: IntArray, j: IntArray) -> tuple[Factors, ...]:
    """Return half of what two indices below the last need; the other half is that of (j, i)."""
    g = view.diagonal
    a, b, c, d = view.blocks[:, i, j]
    a_t, b_t, _, d_t = view.blocks[:, j, i]
    upper, lower = view.sums[:, i, j]
    (b_i, c_i), (b_j, c_j) = (view.blocks[1:3, n, n] + g for n in (i, j))
    shared = b + view.blocks[2, j, i] - g
    return (
        (c + d, b + d, lower - 2 * (d_t + g)),
        (a + c, 2 * (a_t + g) - upper, a + b),
        (c + d + c_i, shared, b_t + d_t + a + c + c_j + b_i),
        (-a - c - c_j, a_t + b_t + c + d + c_i + b_j, shared),
    )


def _vertex(view: _View, i: IntArray) -> tuple[Factors, ...]:
    """Return what an index below the last needs for itself and its partners together."""
    g, last = view.diagonal, len(i)
    b, c = view.blocks[1:3, i, i] + g
    _, b_row, c_row, _ = view.blocks[:, i, last]
    _, b_column, c_column, _ = view.blocks[:, last, i]
    pooled = view.sums[:, i, i] + 2 * ((last - 4) * g - view.defects[:, i])
    upper = pooled[0] - 2 * (last - 2) * (b_row + c_column)
    lower = pooled[1] - 2 * (last - 2) * (b_column + c_row)
    return (b, c, upper), (-c, b, lower)


def _centre(view: _View, last: IntArray) -> tuple[Factors, ...]:
    """Return what the last index needs for itself.

    The sums of blocks 0 and 3 multiply two matrices in u, v and h, both of rank 2, which lie in
    the span of three of rank 1.
    """
    a, b, c, d = view.blocks[:, last, last]
    upper, lower = view.sums[:, last, last]
    u, v, h = a + c, a + b, d - a
    t = int(last[0]) - 2
    p, q = 2 * t - 2, 2 * t - 1
    whole = 12 * view.diagonal - 2 * q * (16 * t**3 - 4 * t**2 - 9 * t + 6) * (u + v + h)
    part = 2 * q * (8 * t**2 + 4 * t - 3) * h
    rest = 3 * p * (lower - upper) + 2 * (8 * t**3 - 11 * t + 6) * h
    return (
        (-(p**2) * (6 * upper + whole + part), p * u + q * (v + h), q * (u + h) + p * v),
        (p**2 * (6 * lower + whole - part), q * u + p * (v + h), p * (u + h) + q * v),
        (rest, p * (u - v) + q * h, p * (v - u) + q * h),
    )


TRILINEAR = Constructor("trilinear aggregation: nearly squares over Q", rank, build)
