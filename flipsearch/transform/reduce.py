"""Reductions: fewer terms with the same sum, detected globally rather than met by a walk.

Three kinds, each containing the ones before (Kauers-Moosbauer, "Flip graphs for matrix
multiplication", and the rank test that contains all of them):

- *merge*: a factor is zero, or two terms agree in two factors up to a scalar;
- *span*: terms share a factor and, in another slot, their factors are linearly dependent;
- *pairs*: the products v_r (x) w_r (in any of three orientations) are linearly dependent over all
  terms: sum c_r v_r (x) w_r = 0 with c_s != 0 removes s after u_r -= (c_r / c_s) u_s.

Invariant: the sum of the terms never changes, nor does the ring; a step that would leave the ring
(coefficients outside ZT, fractions over Z) or 62 bits is not taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import numpy as np

from flipsearch.algebra.exact import dependency
from flipsearch.formats import Format
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import LARGEST_COEFFICIENT, Scheme
from flipsearch.transform.terms import (
    Term,
    Vector,
    fits,
    from_normal_terms,
    normal_term,
    normal_terms,
)

Depth = Literal["merge", "span", "pairs"]
SLOT_PAIRS = ((0, 1, 2), (0, 2, 1), (1, 2, 0))


def reduce_terms(scheme: Scheme, depth: Depth = "pairs") -> Scheme:
    """Return an equivalent scheme to which no reduction up to `depth` applies.

    Parameters
    ----------
    scheme : Scheme
        Valid or not: the sum of its terms is kept.
    depth : {"merge", "span", "pairs"}
        Which reductions to look for; each includes those before it. ``merge`` costs a few
        hashes a term, ``span`` an elimination for each shared factor, ``pairs`` three
        eliminations of a matrix of R rows and dV * dW columns.

    Returns
    -------
    Scheme
        Same format and ring, rank no larger.
    """
    ring = scheme.ring
    terms = merged(normal_terms(scheme), ring)
    while depth != "merge":
        shorter = _span_step(terms, ring)
        if shorter is None and depth == "pairs":
            shorter = _pair_step(terms, ring)
        if shorter is None:
            break
        terms = merged(shorter, ring)
    return from_normal_terms(scheme.format, ring, terms)


def reduced(format_: Format, ring: Ring, terms: Sequence[Term]) -> Scheme:
    """Return the scheme of the terms after zero and merge reductions to a fixpoint."""
    return from_normal_terms(format_, ring, merged(list(terms), ring))


def merged(terms: list[Term], ring: Ring) -> list[Term]:
    """Merge terms that agree in two factors until none do; zero terms vanish on the way."""
    while True:
        before = len(terms)
        for first, second, free in SLOT_PAIRS:
            groups: dict[tuple[Vector, Vector], Term] = {}
            rest: list[Term] = []
            for term in terms:
                key = term.factors[first], term.factors[second]
                held = groups.get(key)
                if held is None:
                    groups[key] = term
                    continue
                total = _sum(held, term, free, ring)
                if total.scalar == 0:
                    del groups[key]
                elif fits(total, ring):
                    groups[key] = total
                else:
                    rest.append(term)
            terms = [*groups.values(), *rest]
        if len(terms) == before:
            return terms


def _sum(left: Term, right: Term, free: int, ring: Ring) -> Term:
    """Add two terms that agree outside slot `free`."""
    factors: list[Sequence[int | Fraction]] = list(left.factors)
    vector = [
        left.scalar * x + right.scalar * y
        for x, y in zip(left.factors[free], right.factors[free], strict=True)
    ]
    factors[free] = vector
    return normal_term(Fraction(1), factors, ring)


def _span_step(terms: list[Term], ring: Ring) -> list[Term] | None:
    """Remove a term by a dependency among the factors of terms sharing one, or return None."""
    for shared in range(3):
        groups: dict[Vector, list[int]] = {}
        for number, term in enumerate(terms):
            groups.setdefault(term.factors[shared], []).append(number)
        for members in groups.values():
            if len(members) < 3:
                continue
            for slot in range(3):
                if slot == shared:
                    continue
                rows = np.array([terms[r].factors[slot] for r in members], dtype=np.int64)
                shorter = _eliminate(terms, members, rows, 3 - shared - slot, ring)
                if shorter is not None:
                    return shorter
    return None


def _pair_step(terms: list[Term], ring: Ring) -> list[Term] | None:
    """Remove a term by a dependency among products of two factors, or return None."""
    for first, second, free in SLOT_PAIRS:
        left = np.array([term.factors[first] for term in terms], dtype=np.int64)
        right = np.array([term.factors[second] for term in terms], dtype=np.int64)
        if not left.size or not right.size:
            return None
        if int(np.abs(left).max()) * int(np.abs(right).max()) >= LARGEST_COEFFICIENT:
            continue
        rows = (left[:, :, None] * right[:, None, :]).reshape(len(terms), -1)
        shorter = _eliminate(terms, list(range(len(terms))), rows, free, ring)
        if shorter is not None:
            return shorter
    return None


def _eliminate(
    terms: list[Term], members: list[int], rows: IntArray, free: int, ring: Ring
) -> list[Term] | None:
    """Use sum c_r rows_r = 0 to absorb one member into the others' factors in slot `free`.

    The terms are scalar_r rows_r (x) x_r, so that member s with c_s != 0 goes into the others as
    x_r -= (c_r scalar_s) / (c_s scalar_r) x_s.
    """
    coefficients = dependency(rows, ring.characteristic)
    if coefficients is None:
        return None
    involved = [k for k, c in enumerate(coefficients) if c]
    for gone in involved:
        source = terms[members[gone]]
        changed: dict[int, Term] = {}
        for k in involved:
            if k == gone:
                continue
            term = terms[members[k]]
            # c is +-1 over F2 and F3, so that division by it is multiplication by it
            ratio = coefficients[k] / coefficients[gone] * source.scalar
            factors: list[Sequence[int | Fraction]] = list(term.factors)
            factors[free] = [
                term.scalar * x - ratio * y
                for x, y in zip(term.factors[free], source.factors[free], strict=True)
            ]
            new = normal_term(Fraction(1), factors, ring)
            if new.scalar and not fits(new, ring):
                break
            changed[members[k]] = new
        else:
            kept = [changed.get(r, term) for r, term in enumerate(terms) if r != members[gone]]
            return [term for term in kept if term.scalar]
    return None
