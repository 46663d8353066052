"""Trilinear aggregation: squares of even side N by N^3/3 + 4 N^2 - 4 N/3 - 8 products over Q.

One product of three sums holds three wanted products of entries,

    (a_ij + a_jk + a_ki) (b_jk + b_ki + b_ij) (c_ki + c_ij + c_jk)
        = a_ij b_jk c_ki + a_jk b_ki c_ij + a_ki b_ij c_jk + 24 unwanted ones

(Pan 1978, "Strassen's algorithm is not optimal"; 1982, "Trilinear aggregating with implicit
canceling"; Drevet, Islam and Schost 2011, "Optimization techniques for small matrix
multiplication"; Schwartz and Zwecher, arXiv 2508.01748). The matrices are cut into 2 x 2 blocks of
side n = N/2. Products within the two diagonal blocks aggregate with themselves in a third of the
triples (i, j, k); the six other products of blocks aggregate in two groups of three, with signs
such that the unwanted b_ki a_ij c_jk cancel. All other unwanted products have a free index. They
vanish if each block has rows and columns that sum to zero.

Earlier work adds one row and column for that, and corrects a_ij b_ij c_ij, in which all three
factors have the same indices, by 7 (N/2 + 1)^2 products. Here two rows and columns are added, with
weights 1, ..., 1, -(n + 1) on the n + 2 indices. The weights sum to 0, and so do the corrections.
Moreover a block then keeps its zero sums, and all identities, if p_i + q_j is added to a_ij for
any p and q with zero sums. That freedom makes row and column 0 of A's blocks zero, 1 of B's and 2
of C's: many products vanish, and others agree in two factors and merge.

Invariant: a scheme made here satisfies its Brent equations; `flipsearch.constructors` proves it.
"""

from __future__ import annotations

import numpy as np

from flipsearch.constructors.constructor import Constructor
from flipsearch.formats import Format, MatrixProduct
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme
from flipsearch.transform.reduce import reduced
from flipsearch.transform.terms import normal_terms

SMALLEST = 6


def rank(format_: Format, ring: Ring) -> int | None:
    """Return the number of products, or None where the construction does not apply."""
    if not isinstance(format_, MatrixProduct) or not format_.is_general or ring is not Ring.Q:
        return None
    side = format_.n
    if len(set(format_.sides)) > 1 or side % 2 or side < SMALLEST:
        return None
    return (side**3 - 4 * side) // 3 + 4 * side**2 - 8


def build(format_: Format, ring: Ring) -> Scheme:
    """Return the scheme for an even square over Q; see `rank`."""
    assert isinstance(format_, MatrixProduct)
    n = format_.n // 2
    weights = np.array([1] * (n + 1) + [-n - 1])
    A, B, C = (_blocks(n, zero) for zero in range(3))
    i, j, k = np.indices((n + 2,) * 3).reshape(3, -1)
    pieces = []
    for x, y in ((0, 1), (1, 0)):
        third = ((i <= j) & (j < k)) | ((k < j) & (j <= i))
        r, s, t = i[third], j[third], k[third]
        pieces.append(
            (
                A[x, r, x, s] + A[x, s, x, t] + A[x, t, x, r],
                B[x, s, x, t] + B[x, t, x, r] + B[x, r, x, s],
                _weighted(C[x, t, x, r] + C[x, r, x, s] + C[x, s, x, t], weights, r, s, t),
            )
        )
        same = np.arange(n + 2)  # the triples i = j = k, 27 / 3 of them together
        diagonal = (block[x, same, x, same] for block in (A, B, C))
        u, v, w = diagonal
        pieces.append((u, v, 9 * _weighted(w, weights, same, same, same)))
        pieces.append(
            (
                A[y, j, x, k] + A[x, k, y, i] - A[x, i, x, j],
                B[x, j, y, k] + B[x, k, x, i] + B[y, i, x, j],
                _weighted(C[x, i, y, j] + C[x, j, x, k] - C[y, k, x, i], weights, i, j, k),
            )
        )
    u, v, w = (np.concatenate(factors) for factors in zip(*pieces, strict=True))
    denominators = np.full(len(u), (n + 1) ** 3)
    return reduced(format_, ring, normal_terms(Scheme(format_, ring, u, v, w, denominators)))


def _weighted(forms: IntArray, weights: IntArray, *indices: IntArray) -> IntArray:
    """Return rows of forms times the weights of their three indices."""
    i, j, k = indices
    weighted: IntArray = forms * (weights[i] * weights[j] * weights[k])[:, None]
    return weighted


def _blocks(n: int, zero: int) -> IntArray:
    """Return n + 1 times the entries of a matrix's enlarged blocks, as forms in its own entries.

    Entry (x, i, y, j) of the result, shape (2, n + 2, 2, n + 2, 4 n^2), is entry (i, j) of block
    (x, y), a row of coefficients. Blocks have side n; rows and columns at the index `zero` are
    zero.
    """
    # L X R with R diag(weights) L = 1, weighted column sums of L and row sums of R zero
    left, right = np.zeros((n + 2, n), dtype=np.int64), np.zeros((n, n + 2), dtype=np.int64)
    left[:n], left[n] = np.eye(n, dtype=np.int64), -1
    right[:, : n + 1] = (n + 1) * np.eye(n, n + 1, dtype=np.int64) - 1
    two = np.eye(2, dtype=np.int64)
    rows = np.einsum("ax,ip->aixp", two, left)
    columns = np.einsum("yb,qj->yqbj", two, right)
    forms: IntArray = np.einsum("aixp,yqbj->aibjxpyq", rows, columns)
    forms = forms.reshape(2, n + 2, 2, n + 2, 4 * n * n)
    row, column = forms[:, zero : zero + 1], forms[:, :, :, zero : zero + 1]
    return forms - row - column + row[:, :, :, zero : zero + 1]


TRILINEAR = Constructor("trilinear aggregation: even squares over Q", rank, build)
