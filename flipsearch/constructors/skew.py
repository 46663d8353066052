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
from flipsearch.invariants import spread
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme
from flipsearch.transform.reduce import reduce_terms


def skew_scheme(format_: Format) -> Scheme:
    """Return a scheme for ``kk:n x n x n`` or ``sk:n x n x n``.

    It is over ZT, Z or Q: the reduction at the end may bring denominators. Raises `UsageError` if
    the format is another, or n is 1.
    """
    scheme = reduce_terms(triangle_scheme(format_).over(Ring.Q), "pairs")
    return scheme.over(scheme.natural_ring)


def triangle_scheme(format_: Format) -> Scheme:
    """Return the scheme of `skew_scheme` before dependent products are taken out, over Z."""
    form = checked(format_, ("kk", "sk"), least=2)
    n = form.n
    A, B = entries(form.left), _with_zero_sums(entries(form.right))
    C = np.zeros((n + 1, n + 1, n * n), dtype=np.int64)
    C[1:, 1:] = np.eye(n * n, dtype=np.int64).reshape(n, n, n * n).swapaxes(0, 1)
    C[0] = -C.sum(axis=0)
    # twice a_ij without the part that counts for nothing: zero on the diagonal
    twice = np.zeros((n + 1, n + 1, A.shape[2]), dtype=np.int64)
    twice[1:, 1:] = 2 * A
    diagonal = np.einsum("iix->ix", twice) // 2
    twice -= diagonal[:, None] + diagonal[None]
    symmetric = form.operands == "sk"
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


def checked(format_: Format, operands: tuple[str, ...], least: int = 1) -> MatrixProduct:
    """Return a format with one of some operands, all corners and a side of at least `least`."""
    if (
        not isinstance(format_, MatrixProduct)
        or format_.operands not in operands
        or format_.corner
        or format_.n < least
    ):
        raise UsageError(f"{format_} has no such construction: use {', '.join(operands)}")
    return format_


def entries(layout: Layout) -> IntArray:
    """Return each entry of a structured matrix as a row over its parameters."""
    return np.moveaxis(spread(layout, np.eye(layout.parameters, dtype=np.int64)), 0, 2)


def _with_zero_sums(forms: IntArray) -> IntArray:
    """Put the row and column before a square matrix that make all rows and columns sum to 0."""
    n = len(forms)
    larger = np.zeros((n + 1, n + 1, forms.shape[2]), dtype=np.int64)
    larger[1:, 1:] = forms
    larger[0] = -larger.sum(axis=0)
    larger[:, 0] = -larger.sum(axis=1)
    return larger
