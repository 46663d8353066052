"""Schemes that the lift is tested on: classical ones, products of them, random basis changes."""

from __future__ import annotations

import itertools

import galois
import numpy as np

from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.verify import is_valid

STRASSEN = Scheme(
    parse_format("2x2x2"),
    Ring.ZT,
    np.array(
        [
            [1, 0, 0, 1],
            [0, 0, 1, 1],
            [1, 0, 0, 0],
            [0, 0, 0, 1],
            [1, 1, 0, 0],
            [-1, 0, 1, 0],
            [0, 1, 0, -1],
        ]
    ),
    np.array(
        [
            [1, 0, 0, 1],
            [1, 0, 0, 0],
            [0, 1, 0, -1],
            [-1, 0, 1, 0],
            [0, 0, 0, 1],
            [1, 1, 0, 0],
            [0, 0, 1, 1],
        ]
    ),
    np.array(  # the output transposed: c11, c21, c12, c22
        [
            [1, 0, 0, 1],
            [0, 1, 0, -1],
            [0, 0, 1, 1],
            [1, 1, 0, 0],
            [-1, 0, 1, 0],
            [0, 0, 0, 1],
            [1, 0, 0, 0],
        ]
    ),
)


# 8 products over F2 for the product of two skew-symmetric 3x3 matrices, found by a walk here: over
# Z its first Hensel step has no solution. Coefficients are the bits of these numbers, highest
# first.
_SKEW = (
    (1, 1, 2, 3, 3, 4, 6, 7),
    (2, 4, 1, 3, 7, 2, 1, 5),
    (385, 72, 293, 25, 280, 2, 276, 272),
)


def not_liftable() -> Scheme:
    """Return a scheme over F2 that has no lift."""
    format_ = parse_format("kk:3x3x3")
    u, v, w = (
        np.array([[number >> (size - 1 - i) & 1 for i in range(size)] for number in numbers])
        for numbers, size in zip(_SKEW, format_.dimensions, strict=True)
    )
    scheme = Scheme(format_, Ring.F2, u, v, w)
    assert is_valid(scheme)
    return scheme


def kronecker(first: Scheme, second: Scheme) -> Scheme:
    """Return the product of two schemes for general formats over Z."""
    one, two = first.format.sides, second.format.sides
    sides = [a * b for a, b in zip(one, two, strict=True)]
    factors = []
    for slot, (i, j) in enumerate(((0, 1), (1, 2), (2, 0))):
        a = first.factors[slot].reshape(-1, one[i], one[j])
        b = second.factors[slot].reshape(-1, two[i], two[j])
        product = np.einsum("rij,skl->rsikjl", a, b)
        factors.append(product.reshape(len(a) * len(b), -1))
    return Scheme(parse_format("x".join(map(str, sides))), first.ring, *factors)


def invertible(side: int, p: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a random invertible matrix mod p and its inverse."""
    lower = np.tril(generator.integers(0, p, (side, side)), -1) + np.eye(side, dtype=np.int64)
    upper = np.triu(generator.integers(0, p, (side, side)), 1) + np.eye(side, dtype=np.int64)
    matrix = np.rint(lower @ upper).astype(np.int64)
    inverse = np.rint(np.linalg.inv(upper) @ np.linalg.inv(lower)).astype(np.int64)
    assert (matrix @ inverse == np.eye(side)).all()
    return matrix % p, inverse % p


def sandwiched(scheme: Scheme, generator: np.random.Generator) -> Scheme:
    """Return a scheme mod p after a random change of the three bases: dense and still valid."""
    p = scheme.ring.characteristic
    n, m, q = scheme.format.sides
    (X, Xi), (Y, Yi), (Z, Zi) = (invertible(side, p, generator) for side in (n, m, q))
    u = np.einsum("ai,bj,rij->rab", X, Y, scheme.u.reshape(-1, n, m)) % p
    v = np.einsum("ja,bk,rjk->rab", Yi, Z, scheme.v.reshape(-1, m, q)) % p
    w = np.einsum("ka,ib,rki->rab", Zi, Xi, scheme.w.reshape(-1, q, n)) % p
    changed = Scheme(
        scheme.format,
        scheme.ring,
        *(scheme.ring.balanced(matrix.reshape(scheme.rank, -1)) for matrix in (u, v, w)),
    )
    assert is_valid(changed)
    return changed


def flipped(scheme: Scheme, flips: int, generator: np.random.Generator) -> Scheme:
    """Return a scheme mod p after random flips: sparse, valid, and not the image of its source."""
    p = scheme.ring.characteristic
    rows = [[matrix[r] % p for matrix in scheme.factors] for r in range(scheme.rank)]
    for _ in range(200 * flips):
        i, j = generator.choice(len(rows), 2, replace=False)
        slot, other, third = generator.permutation(3)
        sign = next(
            (s for s in (1, -1) if ((rows[i][slot] - s * rows[j][slot]) % p == 0).all()), 0
        )
        if not sign:
            continue
        # a(x)b(x)c + s a(x)b'(x)c' = a(x)(b + b')(x)c + s a(x)b'(x)(c' - s c)
        b = (rows[i][other] + rows[j][other]) % p
        c = (rows[j][third] - sign * rows[i][third]) % p
        if b.any() and c.any():
            rows[i][other], rows[j][third] = b, c
            flips -= 1
            if not flips:
                break
    factors = [scheme.ring.balanced(np.array([row[slot] for row in rows])) for slot in range(3)]
    changed = Scheme(scheme.format, scheme.ring, *factors)
    assert is_valid(changed)
    return changed


def symmetric_product_mod_3() -> Scheme:
    """Return a scheme over F3 with 5 products for the product of symmetric 2x2 matrices.

    Found here by exhaustion: a rank-one form that spans, with the four outputs, a space of
    bilinear forms with five independent forms of rank one. Over Z five do not suffice.
    """
    format_ = parse_format("ss:2x2x2")
    outputs = np.zeros((4, 9), dtype=np.int64)
    for a, b, c, value in format_.target.tolist():
        outputs[c, 3 * a + b] = value
    vectors = np.array(list(itertools.product(range(3), repeat=3)))[1:]
    vectors = vectors[[vector[vector != 0][0] == 1 for vector in vectors]]
    rank_one = {
        tuple(np.outer(x, y).reshape(-1) * sign % 3): (x * sign, y)
        for x in vectors
        for y in vectors
        for sign in (1, 2)
    }
    combinations = np.array(list(itertools.product(range(3), repeat=5)))
    field = galois.GF(3)
    for extra in rank_one:
        space = np.vstack([outputs, extra])
        found = [t for t in map(tuple, combinations @ space % 3) if t in rank_one]
        if len(found) < 5:
            continue
        forms = np.array(found)
        independent = np.array(field(forms.T).row_reduce() != 0).argmax(axis=1)[:5]
        if np.linalg.matrix_rank(field(forms[independent])) < 5:
            continue
        basis = field(forms[independent])
        weights = [_coordinates(basis, output) for output in outputs]
        u, v = (np.array([rank_one[t][k] for t in map(tuple, forms[independent])]) for k in (0, 1))
        scheme = Scheme(
            format_,
            Ring.F3,
            *(Ring.F3.balanced(m) for m in (u, v, np.array(weights, dtype=np.int64).T)),
        )
        assert is_valid(scheme)
        return scheme
    raise AssertionError("not found")


def _coordinates(basis: galois.FieldArray, output: np.ndarray) -> np.ndarray:
    """Return the coordinates of a form in a basis of forms, mod 3."""
    system = np.column_stack([np.array(basis).T, output])
    reduced = np.array(galois.GF(3)(system).row_reduce())
    return reduced[: len(basis), -1]
