"""Enumerate the orbit of Strassen's scheme under changes of basis, as sets of products.

Every 2x2x2 scheme of rank 7 over Q is in this orbit (de Groote 1978): for invertible X, Y, Z the
products of X A Y^-1 and Y B Z^-1 recombine to X C Z^-1. For larger formats
`flipsearch.transform.random_sandwich` draws members of an orbit.

Invariant: each factor of a product has coprime integer coefficients.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from flipsearch.kernels.builtin import strassen
from flipsearch.normal import normal_rows
from flipsearch.rings import IntArray, Ring


def two_by_two_orbit(largest: int = 1) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield each distinct set of products in Strassen's orbit with coefficients up to `largest`.

    X, Y, Z run over the invertible 2x2 matrices with entries up to `largest`, up to sign. A set of
    products is yielded once, in one of its orders. 640 sets are ternary.
    """
    scheme = strassen()
    cube = _invertible(largest)
    inverses = _adjugates(cube)
    base = 2 * largest + 1
    weights = base ** np.arange(4)
    seen = set()
    for y, inverse in zip(cube, inverses, strict=True):
        left, left_codes = _distinct(
            np.einsum("rij,gia,bj->grab", scheme.u.reshape(-1, 2, 2), cube, inverse), largest
        )
        right, right_codes = _distinct(
            np.einsum("rjk,jb,gck->grbc", scheme.v.reshape(-1, 2, 2), y, inverses), largest
        )
        for i, code in enumerate(left_codes @ weights):
            codes = code * base**4 + right_codes @ weights
            codes.sort(axis=1)
            for j, row in enumerate(codes):
                key = row.tobytes()
                if key not in seen:
                    seen.add(key)
                    yield left[i], right[j]


def _distinct(factors: IntArray, largest: int) -> tuple[IntArray, IntArray]:
    """Return the distinct primitive seven factors within bounds, and the same plus `largest`."""
    rows = normal_rows(factors.reshape(-1, 4), Ring.Z)[1].reshape(-1, 7, 4)
    found = np.unique(rows[np.abs(rows).max(axis=(1, 2)) <= largest], axis=0)
    return found, found + largest


def _invertible(largest: int) -> IntArray:
    """Return all invertible 2x2 matrices with entries up to `largest`, up to sign."""
    entries = np.array(
        list(itertools.product(range(-largest, largest + 1), repeat=4)), dtype=np.int64
    )
    positive = entries[np.arange(len(entries)), (entries != 0).argmax(axis=1)] > 0
    a, b, c, d = entries.T
    return entries[positive & (a * d != b * c)].reshape(-1, 2, 2)


def _adjugates(matrices: IntArray) -> IntArray:
    """Return the adjugates of 2x2 matrices, which are inverses times determinants."""
    (a, b), (c, d) = matrices.transpose(1, 2, 0)
    return np.stack([d, -b, -c, a], axis=1).reshape(-1, 2, 2)
