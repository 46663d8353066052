"""Schemes to test on, made from Strassen's by products, direct sums and changes of basis."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np

from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.programs import Program, Reduction, reduction_of
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme, naive_scheme, rational_scheme

STRASSEN = (
    "1001 0011 1000 0001 1100 -1010 010-1",
    "1001 1000 010-1 -1010 0001 1100 0011",
    "1001 010-1 0011 1100 -1010 0001 1000",
)
STRUCTURED = ("ug:2x2x3", "gt:3x2x3", "sk:3x3x3", "uu:3x3x3", "kk:3x3x3", "gt:3x3x3c", "ul:2x2x2")


def _matrix(text: str) -> IntArray:
    rows = []
    for word in text.split():
        signs = word.replace("-1", "n")
        rows.append([{"n": -1}.get(c, 0 if c == "0" else 1) for c in signs])
    return np.array(rows, dtype=np.int64)


@cache
def strassen(ring: Ring = Ring.ZT) -> Scheme:
    """Return Strassen's scheme, 7 products."""
    u, v, w = (_matrix(text) for text in STRASSEN)
    return Scheme(parse_format("2x2x2"), Ring.ZT, u, v, w).over(ring)


def winograd() -> Reduction:
    """Return Winograd's programs of 15 additions for 2x2x2; one sum is used three times."""
    left = Program(
        4,
        ((1, 2, 1, 3), (1, 4, -1, 0), (1, 0, -1, 2), (1, 1, -1, 5)),
        ((1, 0), (1, 1), (1, 7), (1, 3), (1, 4), (1, 5), (1, 6)),
    )
    right = Program(
        4,
        ((1, 1, -1, 0), (1, 3, -1, 4), (1, 3, -1, 1), (1, 5, -1, 2)),
        ((1, 0), (1, 2), (1, 3), (1, 7), (1, 4), (1, 5), (1, 6)),
    )
    sums = ((1, 0, 1, 1), (1, 0, 1, 5), (1, 8, 1, 6), (1, 8, 1, 4), (1, 10, 1, 2))
    output = Program(7, (*sums, (1, 9, -1, 3), (1, 9, 1, 4)), ((1, 7), (1, 12), (1, 11), (1, 13)))
    return reduction_of(parse_format("2x2x2"), left, right, output)


def product(first: Scheme, second: Scheme) -> Scheme:
    """Return the Kronecker product of two general schemes."""
    a, b = first.format, second.format
    assert isinstance(a, MatrixProduct)
    assert isinstance(b, MatrixProduct)
    shapes = (((a.n, a.m), (b.n, b.m)), ((a.m, a.p), (b.m, b.p)), ((a.p, a.n), (b.p, b.n)))
    factors = [
        np.array([np.kron(x.reshape(s), y.reshape(t)).ravel() for x in left for y in right])
        for left, right, (s, t) in zip(first.factors, second.factors, shapes, strict=True)
    ]
    form = MatrixProduct(a.n * b.n, a.m * b.m, a.p * b.p)
    return Scheme(form, first.ring, *(first.ring.balanced(f) for f in factors))


def changed_basis(scheme: Scheme, seed: int) -> Scheme:
    """Return U -> P U, W -> W P^-1 and the like by row additions: same target, other entries.

    Over F2 and F3 the result seldom holds over Z; over Q the additions are halves and thirds.
    """
    form = scheme.format
    assert isinstance(form, MatrixProduct)
    generator = np.random.default_rng(seed)
    u = scheme.u.reshape(-1, form.n, form.m).astype(object)
    v = scheme.v.reshape(-1, form.m, form.p).astype(object)
    w = scheme.w.reshape(-1, form.p, form.n).astype(object)
    below = scheme.denominators.astype(object)[:, None, None]
    if scheme.ring is Ring.Q:
        w = w * np.vectorize(lambda d: Fraction(1, int(d)), otypes=[object])(below)
        factors = [Fraction(1, 2), Fraction(-1, 3), 2]
    else:
        factors = [1] if scheme.ring is Ring.F2 else [1, -1]
    for left, right, side in ((u, w, form.n), (v, u, form.m), (w, v, form.p)):
        if side < 2 or (right is not w and generator.random() < 0.25):
            continue
        i, j = generator.choice(side, 2, replace=False)
        c = factors[generator.integers(len(factors))]
        left[:, i, :] = left[:, i, :] + c * left[:, j, :]
        right[:, :, j] = right[:, :, j] - c * right[:, :, i]
    rows = [m.reshape(scheme.rank, -1) for m in (u, v, w)]
    if scheme.ring is Ring.Q:
        return rational_scheme(form, *(m.tolist() for m in rows)).over(Ring.Q)
    integers = [scheme.ring.balanced(m.astype(np.int64)) for m in rows]
    ring = scheme.ring
    if ring is Ring.ZT and any(np.abs(m).max() > 1 for m in integers):
        ring = Ring.Z
    return Scheme(form, ring, *integers)


@cache
def samples() -> tuple[Scheme, ...]:
    """Return valid schemes over all rings, general and structured, rank 4 to 49."""
    found: list[Scheme] = []
    general = ("1x2x3", "2x2x2", "3x2x2", "2x3x4", "3x3x3")
    for number, ring in enumerate(Ring):
        base = Ring.Z if ring is Ring.ZT else ring
        found.append(strassen(ring))
        found.append(changed_basis(strassen(base), number))
        for k, name in enumerate(general):
            found.append(naive_scheme(parse_format(name), ring))
            found.append(changed_basis(naive_scheme(parse_format(name), base), 10 * k + number))
        found += [naive_scheme(parse_format(name), ring) for name in STRUCTURED]
    four = product(strassen(), strassen())
    found += [four, four.over(Ring.F2), four.over(Ring.F3), changed_basis(four.over(Ring.Q), 3)]
    return tuple(found)


def corrupted(scheme: Scheme, generator: np.random.Generator) -> Scheme:
    """Return the scheme with one coefficient changed, in a term without a zero factor.

    The change is nonzero in the ring, so that the result is invalid: it differs from the valid one
    by a rank-one tensor that is not zero.
    """
    slot = int(generator.integers(3))
    others = [m for k, m in enumerate(scheme.factors) if k != slot]
    alive = np.flatnonzero(others[0].any(axis=1) & others[1].any(axis=1))
    row = int(generator.choice(alive))
    column = int(generator.integers(scheme.factors[slot].shape[1]))
    factors = [m.copy() for m in scheme.factors]
    entry = int(factors[slot][row, column])
    choices = {
        Ring.F2: [1 - entry],
        Ring.F3: [x for x in (-1, 0, 1) if x != entry],
        Ring.ZT: [x for x in (-1, 0, 1) if x != entry],
    }.get(scheme.ring, [entry + 1, entry - 2, entry + 6, entry + 2**31])
    factors[slot][row, column] = int(generator.choice(choices))
    u, v, w = factors
    return Scheme(scheme.format, scheme.ring, u, v, w, scheme.denominators)
