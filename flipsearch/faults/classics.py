"""Strassen's and Winograd's schemes, and the orbit of a scheme under changes of basis.

Every 2x2x2 scheme of rank 7 over Q is in Strassen's orbit (de Groote 1978): for invertible X, Y, Z
of sides n, m, p the products of X A Y^-1 and Y B Z^-1 recombine to X C Z^-1.

Invariant: a sandwich of a valid scheme is valid; `sandwich` returns integer factors.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from flipsearch.algebra.exact import determinant
from flipsearch.errors import UsageError
from flipsearch.formats import MatrixProduct
from flipsearch.kernels.builtin import strassen, winograd
from flipsearch.rings import IntArray

__all__ = [
    "adjugate",
    "random_invertible",
    "sandwich",
    "small_matrices",
    "strassen",
    "two_by_two_orbit",
    "winograd",
]


def adjugate(matrix: IntArray) -> IntArray:
    """Return the adjugate of a small square integer matrix: det(M) times its inverse."""
    n = len(matrix)
    out = np.zeros((n, n), dtype=np.int64)
    for i in range(n):
        for j in range(n):
            minor = np.delete(np.delete(matrix, i, 0), j, 1)
            out[j, i] = (-1) ** (i + j) * determinant(minor)
    return out


def sandwich(
    u: IntArray, v: IntArray, format_: MatrixProduct, x: IntArray, y: IntArray, z: IntArray
) -> tuple[IntArray, IntArray]:
    """Return the products of the scheme applied to X A Y^-1 and Y B Z^-1, primitive rows.

    Parameters
    ----------
    u, v : int64 arrays, shapes (R, nm), (R, mp)
        Products of a general format.
    x, y, z : int64 arrays
        Invertible, of sides n, m, p.
    """
    if not format_.is_general:
        raise UsageError(f"{format_}: only general formats have a sandwich")
    n, m, p = format_.sides
    left = np.einsum("rij,ia,bj->rab", u.reshape(-1, n, m), x, adjugate(y))
    right = np.einsum("rjk,jb,ck->rbc", v.reshape(-1, m, p), y, adjugate(z))
    return _primitive(left.reshape(len(u), -1)), _primitive(right.reshape(len(v), -1))


def _primitive(rows: IntArray) -> IntArray:
    rows = rows // np.maximum(np.gcd.reduce(rows, axis=1), 1)[:, None]
    first = (rows != 0).argmax(axis=1)
    signs = np.sign(rows[np.arange(len(rows)), first])
    signed: IntArray = rows * np.where(signs == 0, 1, signs)[:, None]
    return signed


def small_matrices(side: int, largest: int) -> list[IntArray]:
    """Return all invertible side x side matrices with entries up to `largest`, up to sign."""
    found = []
    for entries in itertools.product(range(-largest, largest + 1), repeat=side * side):
        matrix = np.array(entries, dtype=np.int64).reshape(side, side)
        leading = next((e for e in entries if e), 0)
        if leading > 0 and determinant(matrix):
            found.append(matrix)
    return found


def random_invertible(
    side: int, generator: np.random.Generator, largest: int = 1, steps: int | None = None
) -> IntArray:
    """Return a product of random elementary matrices: determinant 1, small inverse."""
    matrix = np.eye(side, dtype=np.int64)
    for _ in range(int(generator.integers(1, 2 * side)) if steps is None else steps):
        i, j = generator.choice(side, size=2, replace=False) if side > 1 else (0, 0)
        if i != j:
            matrix[i] += int(generator.choice([-1, 1])) * matrix[j]
    return matrix


def two_by_two_orbit(largest: int = 1) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield each distinct set of products in Strassen's orbit with coefficients up to `largest`.

    X, Y, Z run over the invertible 2x2 matrices with entries up to `largest`, up to sign; a set
    of products counts once, whatever the order. 640 sets are ternary.
    """
    scheme = strassen()
    cube = small_matrices(2, largest)
    seen = set()
    for y in cube:
        inverse = adjugate(y)
        lefts = np.stack(cube)
        left = np.einsum("rij,gia,bj->grab", scheme.u.reshape(-1, 2, 2), lefts, inverse)
        backs = np.stack([adjugate(z) for z in cube])
        right = np.einsum("rjk,jb,gck->grbc", scheme.v.reshape(-1, 2, 2), y, backs)
        lefts_ = _primitive(left.reshape(-1, 4)).reshape(-1, 7, 4)
        rights = _primitive(right.reshape(-1, 4)).reshape(-1, 7, 4)
        lefts_ = lefts_[np.abs(lefts_).max(axis=(1, 2)) <= largest]
        rights = rights[np.abs(rights).max(axis=(1, 2)) <= largest]
        base = 2 * largest + 1
        weights = base ** np.arange(4)
        left_codes = (lefts_ + largest) @ weights
        right_codes = (rights + largest) @ weights
        _, first_left = np.unique(left_codes, axis=0, return_index=True)
        _, first_right = np.unique(right_codes, axis=0, return_index=True)
        for i in first_left:
            codes = left_codes[i] * base**4 + right_codes[first_right]
            codes.sort(axis=1)
            for j, row in zip(first_right, codes, strict=True):
                key = row.tobytes()
                if key not in seen:
                    seen.add(key)
                    yield lefts_[i], rights[j]
