"""Products with a skew-symmetric right operand for every n, a third of the naive count.

``kk:n x n x n`` and ``sk:n x n x n`` take two products for each three of n + 1 indices and one for
each two, n(n+1)(2n+1)/6, before dependent products are taken out (n of ``kk``, 2 of ``sk``, for
n >= 4). The proof is in ``docs/structured.md``. In short:

A form on the vectors of length n + 1 with sum zero is one on the n differences e_i - e_0. There
B is a matrix with row sums zero, A counts up to rows and columns of equal entries, and entries of
AB count up to a constant in each column. Let s be the sum of a_ij, a_jk and a_ki over a triangle.
Then (AB)_ij is, up to such a constant, the sum over k of s times b_jk (``kk``) or b_ij - b_jk
(``sk``) and a multiple of b_ij. The six factors of s in a triangle have two independent
differences.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.formats import Format, MatrixProduct
from flipsearch.formats.layout import Layout
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme
from flipsearch.transform.reduce import reduce_terms


def skew_scheme(format_: Format) -> Scheme:
    """Return a scheme for ``kk:n x n x n`` or ``sk:n x n x n``.

    Parameters
    ----------
    format_ : MatrixProduct
        A skew-symmetric right operand, a symmetric or skew-symmetric left one.

    Returns
    -------
    Scheme
        Over ZT, Z or Q: the reduction at the end may bring denominators.

    Raises
    ------
    UsageError
        The format is another, or n is 1.
    """
    scheme = reduce_terms(triangle_scheme(format_).over(Ring.Q), "pairs")
    return scheme.over(scheme.natural_ring)


def triangle_scheme(format_: Format) -> Scheme:
    """Return the scheme of `skew_scheme` before dependent products are taken out, over Z."""
    if not isinstance(format_, MatrixProduct) or format_.operands not in ("kk", "sk"):
        raise UsageError(f"{format_} has no such construction: use kk:NxNxN or sk:NxNxN")
    if format_.corner or format_.n == 1:
        raise UsageError(f"{format_}: the construction computes every corner, from n = 2")
    n = format_.n
    A, B = entries(format_.left), _with_zero_sums(entries(format_.right))
    C = np.zeros((n + 1, n + 1, n * n), dtype=np.int64)
    for i in range(n):
        for k in range(n):
            C[i + 1, k + 1, format_.output_index(i, k)] = 1
    C[0] = -C.sum(axis=0)
    # twice a_ij without the part that counts for nothing: zero on the diagonal
    twice = np.zeros((n + 1, n + 1, A.shape[2]), dtype=np.int64)
    twice[1:, 1:] = 2 * A
    diagonal = np.einsum("iix->ix", twice) // 2
    twice -= diagonal[:, None] + diagonal[None]
    symmetric = format_.operands == "sk"
    if symmetric:  # constants in rows count for nothing either, and make the diagonal constant
        C = C - np.einsum("iix->ix", C)[:, None]
    across = np.zeros_like(twice)
    terms = []
    for i, j, k in combinations(range(n + 1), 3):
        s = (twice[i, j] + twice[j, k] + twice[k, i]) // 2
        turns = ((i, j, k), (j, k, i), (k, i, j))
        outputs = {v: np.zeros(n * n, dtype=np.int64) for v in (i, j, k)}
        for a, b, c in turns:  # the outputs of the edge across from each corner
            across[a, b] += s
            across[b, a] += s if symmetric else -s
            if symmetric:
                outputs[c] += C[a, b] - C[b, a]
                outputs[a] -= C[a, b]
                outputs[b] += C[b, a]
            else:
                outputs[a] += C[a, b] + C[a, c] - C[b, c] - C[c, b]
        terms.append((s, B[j, k] - B[i, j], outputs[i]))
        terms.append((s, B[k, i] - B[i, j], outputs[j]))
    for i, j in combinations(range(n + 1), 2):
        if symmetric:
            terms.append((across[i, j] - twice[i, j], B[i, j], C[j, i] - C[i, j]))
        else:
            terms.append((across[i, j], B[i, j], C[i, j] + C[j, i]))
    u, v, w = (np.array(factor) for factor in zip(*terms, strict=True))
    alive = u.any(axis=1) & v.any(axis=1) & w.any(axis=1)
    scheme = Scheme(format_, Ring.Z, u[alive], v[alive], w[alive])
    return scheme.over(scheme.natural_ring)


def entries(layout: Layout) -> IntArray:
    """Return each entry of a structured matrix as a row over its parameters."""
    forms = np.zeros((layout.rows, layout.columns, layout.parameters), dtype=np.int64)
    for i in range(layout.rows):
        for j in range(layout.columns):
            if entry := layout.entry(i, j):
                forms[i, j, entry[0]] = entry[1]
    return forms


def _with_zero_sums(forms: IntArray) -> IntArray:
    """Put the row and column before a square matrix that make all rows and columns sum to 0."""
    n = len(forms)
    larger = np.zeros((n + 1, n + 1, forms.shape[2]), dtype=np.int64)
    larger[1:, 1:] = forms
    larger[0] = -larger.sum(axis=0)
    larger[:, 0] = -larger.sum(axis=1)
    return larger
