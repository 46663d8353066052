"""Products of two symmetric matrices in 1 + 4 + 9 + ... + n^2 multiplications, for every n.

``ss:n x n x n`` takes n(n+1)(2n+1)/6 products, and its upper half ``st:n x n x n`` takes
n(n+1)(n+2)/6. Both come from one identity, proved in ``docs/structured.md``. In short:

Let P be invertible, A and B symmetric, A = X + diagonal and B = P (Y + diagonal) P^T. The n^2
products (AP)_it (B P^-T)_it take both diagonals away, and leave with weights h_it

    Z_it = sum_ks x_ik y_ts [ik|ts],   [ik|ts] = P_it P_ks - P_is P_kt.

Sums of Z over the first i rows and t columns leave the x_kl with k <= i < l and the y_sq with
s <= t < q: each is one product and terms with longer minors, of matrices with entries farther
from the diagonal. After level l = 1, ..., n - 1 with (n - l)^2 products nothing is left. If P and
the output are upper triangular, the products with i > t vanish, which leaves the upper half.

Invariant: no contiguous minor of P vanishes (of a triangular P: none with i <= t), so all
divisions are exact in Q. Symmetrised products have n^3/6 + O(n^2) multiplications in Solomonik
and Demmel, arXiv 1707.04618; the ranks for n <= 5 were found by search, arXiv 2511.10786 and here.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from flipsearch.algebra.exact import inverse
from flipsearch.errors import UsageError
from flipsearch.formats import Format, MatrixProduct
from flipsearch.formats.layout import Layout
from flipsearch.scheme import Scheme, rational_scheme

Exact = npt.NDArray[np.object_]
"""An array of integers and fractions."""


def symmetric_rank(n: int, *, half: bool = False) -> int:
    """Return the number of products of `symmetric_scheme` for side n; of ``st`` if `half`."""
    return n * (n + 1) * (n + 2 if half else 2 * n + 1) // 6


def symmetric_scheme(format_: Format) -> Scheme:
    """Return a scheme for ``ss:n x n x n`` or ``st:n x n x n`` of rank `symmetric_rank`.

    It is over ZT, Z or Q, whichever its coefficients need. Raises `UsageError` if the format is
    another, or so large that a coefficient passes 2^62.
    """
    if not isinstance(format_, MatrixProduct) or format_.operands not in ("ss", "st"):
        raise UsageError(
            f"{format_} is no product of symmetric matrices: use ss:NxNxN or st:NxNxN"
        )
    if format_.corner:
        raise UsageError(f"{format_}: the construction computes every corner")
    half, n = format_.is_packed_output, format_.n
    P = basis(n, half=half)
    rows = inverse(P.tolist())
    assert rows is not None
    back = np.array(rows, dtype=object)
    u, v, w = _terms(P, half)
    # from the entries of Y = P^-1 B P^-T to those of B, and from C P to the outputs
    pairs = list(itertools.combinations_with_replacement(range(n), 2))
    upper = np.full((len(v), n, n), Fraction(0))
    upper[(slice(None), *np.transpose(pairs))] = v
    full = back.T @ upper @ back
    v = np.stack([full[:, i, k] + (full[:, k, i] if i < k else 0) for i, k in pairs], axis=1)
    outputs = w.reshape(-1, n, n) @ P.T
    places = [format_.output_position(index) for index in range(format_.dimensions[2])]
    w = np.stack([outputs[:, i, k] for i, k in places], axis=1)
    return rational_scheme(format_, u.tolist(), v.tolist(), w.tolist())


def basis(n: int, *, half: bool = False) -> Exact:
    """Return a matrix P of small integers without a contiguous minor of zero, of shape (n, n).

    Entry by entry, in squares from the first, that of 1, 2, -1 and -2 is taken with which the
    minors that end there have the least product. If each makes one zero, the next larger ones are
    tried. Each minor is linear in the entry and zero for one value of it, so one of n + 1 will do.
    A larger matrix begins with the smaller ones. With `half` P is upper triangular with ones on
    the diagonal, and minors with i <= t count.
    """
    P = np.zeros((n, n), dtype=object)
    # minors[l][i, t] has the l rows up to i and the l columns up to t
    minors = [np.ones((n + 1, n + 1), dtype=object)]
    minors += [np.zeros((n + 1, n + 1), dtype=object) for _ in range(n)]
    small = [1, 2, -1, -2, *(x for size in range(3, n + 2) for x in (size, -size))]
    for i, t in sorted(np.ndindex(n, n), key=lambda place: (max(place), min(place), place)):
        found: list[tuple[int, int, list[int]]] = []
        below = half and i >= t
        for number, x in enumerate([int(i == t)] if below else small):
            ending = [1, x]
            for size in range(2, min(i, t) + 2):
                before, last = minors[size - 1], minors[size - 2][i - 1, t - 1]
                straight = before[i - 1, t - 1] * ending[-1]
                crossed = before[i - 1, t] * before[i, t - 1]
                ending.append((straight - crossed) // last if last else 0)
            if all(ending) or below:
                weight = abs(math.prod(ending[2:])) << x.bit_length()
                found.append((weight, number, ending))
            if found and number >= 3:
                break
        ending = min(found)[2]
        P[i, t] = ending[1]
        for size, minor in enumerate(ending):
            minors[size][i, t] = minor
    return P


def _terms(P: Exact, half: bool) -> tuple[Exact, Exact, Exact]:
    """Return the products as rows over the entries of A, of Y = P^-1 B P^-T and of C P.

    Their shapes are (R, n(n+1)/2), (R, n(n+1)/2) and (R, n^2). No contiguous minor of P is zero.
    If `half`, C is upper triangular, and P too with ones on the diagonal; then minors on or above
    it count.
    """
    n, place = len(P), Layout("s", *P.shape).table[0]
    rank, entries = symmetric_rank(n, half=half), n * (n + 1) // 2
    u, v, w = (np.full((rank, size), Fraction(0)) for size in (entries, entries, n * n))
    # weights[l][i, t] multiplies the sum over k <= i, m >= i + l, q <= t, r >= t + l of
    # x_km y_qr and a 2 x 2 minor of a Schur complement; index -1 is a spare row and column
    weights = np.full((n + 2, n + 1, n + 1, n * n), Fraction(0))
    complements = {}
    term = iter(range(rank))
    for i, t in _places(n, half):
        r = next(term)
        u[r, place[i]], v[r, place[t]], w[r, i * n + t] = P[:, t], P[i], 1 / Fraction(P[i, t])
        weights[1, [i, i - 1], [t, t - 1]] += w[r]
        weights[1, [i, i - 1], [t - 1, t]] -= w[r]
        complements[i, t] = P * Fraction(1)
    if half:  # below the diagonal the remainders of level 1 are remainders of level 2
        for t in range(n - 1):
            weights[2, t, t] += weights[1, t + 1, t]
    for level in range(1, n):
        here, after, last = weights[level : level + 3]
        for i, t in _places(n - level, half):
            r, j, s, S = next(term), i + level, t + level, complements[i, t]
            minor = S[i, t] * S[j, s] - S[i, s] * S[j, t]
            straight = S[i, t] * S[j, s] / minor
            rows, columns = S[: i + 1], S[:, : t + 1]
            u[r, place[: i + 1, j:]] = np.outer(rows[:, t], S[j:, s]) - np.outer(
                rows[:, s], S[j:, t]
            )
            v[r, place[: t + 1, s:]] = np.outer(columns[i], S[j, s:]) - np.outer(
                columns[j], S[i, s:]
            )
            w[r] = here[i, t] / minor
            after[[i, i - 1], [t, t - 1]] += straight * here[i, t]
            after[[i, i - 1], [t - 1, t]] -= (straight - 1) * here[i, t]
            last[i - 1, t - 1] -= here[i, t]
            complements[i, t] = S - np.outer(S[:, s], S[j]) / S[j, s]
    return u, v, w


def _places(n: int, half: bool) -> list[tuple[int, int]]:
    return [(i, t) for i in range(n) for t in range(i if half else 0, n)]
