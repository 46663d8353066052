"""Schemes the catalogue's tests store."""

from __future__ import annotations

import numpy as np

from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.programs import Program, Reduction, reduction_of
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme

# each product's row of A, B and C: the entries in order a11 a12 a21 a22
STRASSEN = (
    "1001 0011 1000 0001 1100 p010 010p",
    "1001 1000 010p p010 0001 1100 0011",
    "1001 010p 0011 1100 p010 0001 1000",
)


def strassen(ring: Ring = Ring.ZT) -> Scheme:
    """Strassen's scheme; its third factor holds the output transposed."""
    value = {"0": 0, "1": 1, "p": -1}
    u, v, w = (np.array([[value[x] for x in row] for row in rows.split()]) for rows in STRASSEN)
    return Scheme(MatrixProduct(2, 2, 2), Ring.ZT, u, v, w).over(ring)


def variant(number: int, format_: str = "2x2x2", ring: Ring = Ring.Z) -> Scheme:
    """A valid scheme, another one for every number: naive and a pair of terms that cancel."""
    naive = naive_scheme(parse_format(format_), ring)
    digits = np.random.default_rng(number)
    extra = [digits.integers(1, 50, d) * 2 + 1 for d in naive.format.dimensions]
    extra[0][0] = 2 * number + 51  # the numbers' own mark
    extra[1][0], extra[2][0] = 1, 1
    u, v, w = (
        np.concatenate([matrix, [row], [row]])
        for matrix, row in zip(naive.factors, extra, strict=True)
    )
    w[-1] *= -1
    return Scheme(naive.format, ring, u, v, w)


def split(common: int, whole: Scheme | None = None) -> Scheme:
    """A scheme (Strassen's) with its first term in two parts: over Q with that denominator."""
    whole = whole or strassen()
    u, v, w = (np.concatenate([matrix, matrix[:1]]) for matrix in whole.factors)
    below = np.ones(len(w), dtype=np.int64)
    below[[0, -1]] = common
    w[-1] *= common - 1
    return Scheme(whole.format, Ring.Q, u, v, w, below)


def winograd() -> Reduction:
    """Winograd's form of Strassen's scheme with its 15 additions, entries of C transposed."""
    left = Program(  # a11 a12 a21 a22; S1 = a21 + a22, S2 = S1 - a11, S3 = a11 - a21, S4
        4,
        ((1, 2, 1, 3), (1, 4, -1, 0), (1, 0, -1, 2), (1, 1, -1, 5)),
        ((1, 0), (1, 1), (1, 7), (1, 3), (1, 4), (1, 5), (1, 6)),
    )
    right = Program(  # b11 b12 b21 b22; T1 = b12 - b11, T2 = b22 - T1, T3 = b22 - b12, T4
        4,
        ((1, 1, -1, 0), (1, 3, -1, 4), (1, 3, -1, 1), (1, 5, -1, 2)),
        ((1, 0), (1, 2), (1, 3), (1, 7), (1, 4), (1, 5), (1, 6)),
    )
    output = Program(  # m1 .. m7; c11 = m1 + m2, U2 = m1 + m6, U3 = U2 + m7, U4 = U2 + m5
        7,
        (
            (1, 0, 1, 1),
            (1, 0, 1, 5),
            (1, 8, 1, 6),
            (1, 8, 1, 4),
            (1, 10, 1, 2),
            (1, 9, -1, 3),
            (1, 9, 1, 4),
        ),
        ((1, 7), (1, 12), (1, 11), (1, 13)),
    )
    return reduction_of(MatrixProduct(2, 2, 2), left, right, output)
