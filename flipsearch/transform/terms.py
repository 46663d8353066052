"""Terms of a scheme as normal forms, so that equality up to a scalar is plain equality.

Reductions and groupings ask again and again whether two factors are multiples of one another.
Here a term is a scalar and three vectors in normal form: the first nonzero entry is positive, and
in characteristic 0 the vector is primitive (the gcd of its entries is 1). Two factors span the
same line exactly when their normal forms are equal.

Invariant: `normal_terms` and `from_normal_terms` are inverse up to the order and scaling of terms;
the arithmetic is exact (Python integers, fractions in characteristic 0).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from flipsearch.errors import FormatError
from flipsearch.formats import Format
from flipsearch.rings import Ring
from flipsearch.scheme import LARGEST_COEFFICIENT, Scheme

Vector = tuple[int, ...]


@dataclass(frozen=True)
class Term:
    """``scalar * u (x) v (x) w`` with the three factors in normal form."""

    scalar: Fraction
    factors: tuple[Vector, Vector, Vector]


def normal_vector(vector: Sequence[int | Fraction], ring: Ring) -> tuple[Fraction, Vector]:
    """Return (scalar, normal form) with scalar times normal form equal to the vector.

    Over F2 and F3 entries are reduced first; a zero vector has scalar 0.
    """
    p = ring.characteristic
    if p:
        residues = [int(x) % p for x in vector]
        lead = next((x for x in residues if x), 0)
        if lead == 2:  # only over F3, where 2 is its own inverse
            residues = [(-x) % 3 for x in residues]
        return Fraction(-1 if lead == 2 else lead), tuple(-1 if x == 2 else x for x in residues)
    common = 1
    if any(isinstance(x, Fraction) for x in vector):
        common = math.lcm(*(Fraction(x).denominator for x in vector))
        vector = [int(x * common) for x in vector]
    content = math.gcd(*(int(x) for x in vector))
    if not content:
        return Fraction(0), tuple(0 for _ in vector)
    if next(x for x in vector if x) < 0:
        content = -content
    return Fraction(content, common), tuple(int(x) // content for x in vector)


def normal_term(scalar: Fraction, factors: Iterable[Sequence[int | Fraction]], ring: Ring) -> Term:
    """Return the term in normal form; its scalar is 0 when a factor vanishes."""
    forms = []
    for factor in factors:
        part, form = normal_vector(factor, ring)
        scalar *= part
        forms.append(form)
    if ring.characteristic:
        value = int(scalar) % ring.characteristic
        scalar = Fraction(-1 if value == 2 else value)
    u, v, w = forms
    return Term(scalar, (u, v, w))


def normal_terms(scheme: Scheme) -> list[Term]:
    """Return the nonzero terms of a scheme in normal form, in its order."""
    terms = []
    rows = zip(*(matrix.tolist() for matrix in scheme.factors), strict=True)
    for factors, denominator in zip(rows, scheme.denominators.tolist(), strict=True):
        term = normal_term(Fraction(1, denominator), factors, scheme.ring)
        if term.scalar:
            terms.append(term)
    return terms


def fits(term: Term, ring: Ring) -> bool:
    """Whether the term can be written over the ring (always over F2, F3 and Q)."""
    if ring is Ring.ZT:
        return abs(term.scalar) == 1 and all(
            min(factor) >= -1 and max(factor) <= 1 for factor in term.factors
        )
    return ring is not Ring.Z or term.scalar.denominator == 1


def from_normal_terms(format_: Format, ring: Ring, terms: Sequence[Term]) -> Scheme:
    """Return the scheme of these terms, scalars written into the third factor.

    Raises
    ------
    FormatError
        A term does not fit the ring, or a coefficient is 2^62 or more.
    """
    matrices: tuple[list[Vector], ...] = ([], [], [])
    denominators = []
    for term in terms:
        if not fits(term, ring):
            raise FormatError(f"a term of the result for {format_} does not fit the ring {ring}")
        u, v, w = term.factors
        scaled = tuple(term.scalar.numerator * x for x in w)
        if any(abs(x) >= LARGEST_COEFFICIENT for x in (*u, *v, *scaled)):
            raise FormatError("a coefficient of the result is 2^62 or more in absolute value")
        for into, row in zip(matrices, (u, v, scaled), strict=True):
            into.append(row)
        denominators.append(term.scalar.denominator)
    U, V, W = (np.array(rows, dtype=np.int64) for rows in matrices)
    return Scheme(format_, ring, U, V, W, np.array(denominators, dtype=np.int64))
