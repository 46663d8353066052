"""Reduce a scheme to fewer terms with the same sum, by global tests instead of a walk.

There are three kinds of reductions, and each includes the kinds before it. The first two are in
Kauers and Moosbauer, "Flip graphs for matrix multiplication" (2022).

- *merge*: a factor is zero, or two terms agree in two factors up to a scalar;
- *span*: terms share a factor, and their factors in another slot are linearly dependent;
- *pairs*: the products v_r (x) w_r, or those of another pair of slots, are linearly dependent
  over all terms: if sum c_r v_r (x) w_r = 0 and c_s != 0, then u_r -= (c_r / c_s) u_s removes s.

Invariant: the sum of the terms and the ring never change. A step is skipped if it would make a
coefficient outside ZT, a fraction over Z, or a coefficient of 2^62 or more.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import numpy as np

from flipsearch.algebra.exact import dependency
from flipsearch.formats import Format
from flipsearch.normal import LARGEST_COEFFICIENT
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme
from flipsearch.transform.terms import (
    Term,
    Vector,
    fits,
    from_normal_terms,
    normal_term,
    normal_terms,
    sharing,
)

Depth = Literal["merge", "span", "pairs"]
SLOT_PAIRS = ((0, 1, 2), (0, 2, 1), (1, 2, 0))


def reduce_terms(scheme: Scheme, depth: Depth = "pairs") -> Scheme:
    """Apply reductions up to `depth` until none applies; the sum of the terms stays.

    Each kind of reduction includes the kinds before it. ``merge`` costs a few hashes a term,
    ``span`` an elimination for each shared factor, ``pairs`` three eliminations of a matrix of R
    rows and dV * dW columns.
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
    """Return the scheme of the terms, merged as by `merged`."""
    return from_normal_terms(format_, ring, merged(list(terms), ring))


def merged(terms: list[Term], ring: Ring) -> list[Term]:
    """Drop zero terms and merge terms that agree in two factors, until none do."""
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
                total = _sum(held, term, term.scalar, free, ring)
                if total.scalar == 0:
                    del groups[key]
                elif fits(total, ring):
                    groups[key] = total
                else:
                    rest.append(term)
            terms = [*groups.values(), *rest]
        if len(terms) == before:
            return terms


def _sum(left: Term, right: Term, weight: Fraction, free: int, ring: Ring) -> Term:
    """Add `weight` times the factor of `right` in slot `free` to that of `left`."""
    factors: list[Sequence[int | Fraction]] = list(left.factors)
    factors[free] = [
        left.scalar * x + weight * y
        for x, y in zip(left.factors[free], right.factors[free], strict=True)
    ]
    return normal_term(Fraction(1), factors, ring)


def _span_step(terms: list[Term], ring: Ring) -> list[Term] | None:
    """Remove a term by a dependency among factors of terms that share one, or return None."""
    for shared in range(3):
        for members in sharing(terms, shared):
            for slot in {0, 1, 2} - {shared} if len(members) > 2 else ():
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
    """Absorb one member into the factors of the others in slot `free`, or return None.

    The terms are scalar_r rows_r (x) x_r. If sum c_r rows_r = 0 and c_s != 0, member s vanishes
    after x_r -= (c_r scalar_s) / (c_s scalar_r) x_s.
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
            # over F2 and F3 the coefficients are 1 and -1, their own inverses
            ratio = coefficients[k] / coefficients[gone] * source.scalar
            new = _sum(term, source, -ratio, free, ring)
            if new.scalar and not fits(new, ring):
                break
            changed[members[k]] = new
        else:
            kept = [changed.get(r, term) for r, term in enumerate(terms) if r != members[gone]]
            return [term for term in kept if term.scalar]
    return None
