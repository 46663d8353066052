"""Write terms in normal form, in which factors that are multiples of one another are equal.

Reductions and groupings compare factors up to a scalar. Here a term is a scalar and three vectors
in normal form: the first nonzero entry is positive, and in characteristic 0 the gcd of the entries
is 1. Two factors span the same line exactly when their normal forms are equal.

Invariant: `normal_terms` and `from_normal_terms` are inverse up to the order and scaling of terms.
The arithmetic is exact, in integers and fractions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from flipsearch.errors import FormatError
from flipsearch.formats import Format
from flipsearch.normal import LARGEST_COEFFICIENT, normal_rows
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme

Vector = tuple[int, ...]


@dataclass(frozen=True)
class Term:
    """The term ``scalar * u (x) v (x) w`` with its factors in normal form."""

    scalar: Fraction
    factors: tuple[Vector, Vector, Vector]


def normal_vector(vector: Sequence[int | Fraction], ring: Ring) -> tuple[Fraction, Vector]:
    """Return (scalar, normal form) whose product is the vector.

    Over F2 and F3 entries are reduced first. A zero vector has scalar 0.
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
    """Return the term in normal form; its scalar is 0 if a factor is zero."""
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
    ring = scheme.ring
    contents, forms = [], []
    for matrix in scheme.factors:
        content, form = normal_rows(matrix, ring)
        contents.append(content.tolist())
        forms.append([tuple(row) for row in form.tolist()])
    terms = []
    numbers = zip(*contents, scheme.denominators.tolist(), strict=True)
    for (a, b, c, denominator), factors in zip(numbers, zip(*forms, strict=True), strict=True):
        if a and b and c:
            terms.append(Term(Fraction(a * b * c, denominator), factors))
    return terms


def sharing(terms: Sequence[Term], slot: int) -> list[list[int]]:
    """Return the numbers of the terms, grouped by their factor in a slot."""
    groups: dict[Vector, list[int]] = {}
    for number, term in enumerate(terms):
        groups.setdefault(term.factors[slot], []).append(number)
    return list(groups.values())


def fits(term: Term, ring: Ring) -> bool:
    """Return whether the term can be written over the ring with coefficients below 2^62."""
    if ring.characteristic:
        return True
    u, v, w = (max(map(abs, factor), default=0) for factor in term.factors)
    if ring is Ring.ZT:
        return abs(term.scalar) == 1 and max(u, v, w) <= 1
    if ring is Ring.Z and term.scalar.denominator != 1:
        return False
    third = w * abs(term.scalar.numerator)
    return max(u, v, third, term.scalar.denominator) < LARGEST_COEFFICIENT


def from_normal_terms(format_: Format, ring: Ring, terms: Sequence[Term]) -> Scheme:
    """Return the scheme of the terms; their scalars go into the third factor.

    Raises `FormatError` if a term does not fit the ring, or a coefficient is 2^62 or more.
    """
    if not all(fits(term, ring) for term in terms):
        raise FormatError(
            f"a term of the result for {format_} does not fit the ring {ring}, or has a "
            "coefficient of 2^62 or more in absolute value"
        )
    U, V, W = (
        np.array([term.factors[slot] for term in terms], dtype=np.int64) for slot in range(3)
    )
    denominators = np.array([term.scalar.denominator for term in terms], dtype=np.int64)
    if terms:
        W = W * np.array([[term.scalar.numerator] for term in terms], dtype=np.int64)
    return Scheme(format_, ring, U, V, W, denominators)
