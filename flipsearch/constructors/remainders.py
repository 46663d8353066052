"""Products of polynomials by interpolation and remainders, as one constructor.

It makes `poly`, truncated or not, `cyclic`, `toeplitz` and the complex product over F2, F3, Z and
Q. The third factor solves linear equations: it combines the products of `flipsearch.constructors.
points` to the coefficients that are wanted.

Invariant: a promised rank is that of a list of points that suffices.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from flipsearch.algebra.exact import combination, reduce_rows, residues
from flipsearch.constructors.constructor import Constructor
from flipsearch.constructors.points import Points, cyclic, full, modulo, reduced, truncated
from flipsearch.formats import Format
from flipsearch.formats.named import short_name
from flipsearch.formats.sparse import SparseTensor
from flipsearch.formats.tensors import polynomial
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, rational_scheme

LARGEST = 20
"""Largest number of terms of a polynomial; 20 for products modulo x^n - 1."""


def rank(format_: Format, ring: Ring) -> int | None:
    """Return the number of products, or None where the construction does not apply."""
    points = points_of(format_, ring)
    return None if points is None else points.rank


def build(format_: Format, ring: Ring) -> Scheme:
    """Return the scheme of a tensor over F2, F3, Z or Q; see `rank`."""
    assert isinstance(format_, SparseTensor)
    if format_.label.startswith("toeplitz"):
        _, m, n = format_.dimensions
        turned = build(polynomial(n, m), ring)
        u, v, w = turned.factors
        return Scheme(format_, ring, w, v[:, ::-1], u, turned.denominators)
    points = points_of(format_, ring)
    assert points is not None
    return solved(format_, ring, points)


def points_of(format_: Format, ring: Ring) -> Points | None:
    """Return the points of a tensor of the families named above, or None for any other."""
    if not isinstance(format_, SparseTensor) or ring is Ring.ZT:
        return None
    family, _, rest = short_name(format_).partition(":")
    n, m, k = format_.dimensions
    if max(n, m) > LARGEST:
        return None
    if family == "poly":
        return truncated(ring, k, n, m) if rest.endswith(":mod") else full(ring, n, m)
    if family == "toeplitz":
        return full(ring, k, m)
    if family == "cyclic" and n <= 20:
        return cyclic(ring, n)
    if (family, rest) == ("complex", "1x1x1"):
        return modulo(ring, (1, 0, 1), 1, 2, 2)
    return None


def solved(format_: Format, ring: Ring, points: Points) -> Scheme:
    """Return the scheme whose products are given, by solving for its third factor."""
    n, m, outputs = format_.dimensions
    products = np.einsum("ri,rj->rij", *points).reshape(points.rank, n * m)
    wanted = np.zeros((outputs, n * m), dtype=np.int64)
    a, b, c, value = format_.target.T
    wanted[c, a * m + b] = value
    p = ring.characteristic
    if p:
        joined = residues(np.ascontiguousarray(np.concatenate([products, wanted]).T), p)
        pivots = reduce_rows(joined, points.rank, np.uint64(p))
        w = np.zeros((points.rank, outputs), dtype=np.int64)
        w[pivots] = joined[: len(pivots), points.rank :]
        return Scheme(format_, ring, *points, reduced(w, p))
    found = combination(products, wanted)
    assert found is not None
    numerators, below = found
    rows = [list(map(Fraction, column, below.tolist())) for column in numerators.T.tolist()]
    return rational_scheme(format_, points.u.tolist(), points.v.tolist(), rows).over(ring)


REMAINDERS = Constructor(
    f"poly, toeplitz, cyclic and complex:1x1x1 of up to {LARGEST} terms over F2, F3, Z and Q",
    rank,
    build,
)
"""Interpolation, remainders modulo coprime polynomials, and identities like Karatsuba's."""
