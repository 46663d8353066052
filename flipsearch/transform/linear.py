"""Small exact linear algebra for the transforms: dependencies and inverses.

Over F2 and F3 elimination runs on NumPy rows mod p. In characteristic 0 a dependency is looked for
mod a large prime first, which settles the usual answer (none) quickly, and then computed with
fractions; an inverse is computed with fractions and returned over a common denominator.

Invariant: results are exact; a modular answer is never taken for one in characteristic 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.rings import IntArray

_PRIME = 2147483629  # below 2^31, so that products of residues fit an int64


def dependency(rows: IntArray, characteristic: int) -> list[Fraction] | None:
    """Return coefficients c, not all zero, with sum c_r rows_r = 0, or None.

    Parameters
    ----------
    rows : int64 array, shape (k, d)
        The vectors.
    characteristic : int
        2 or 3 for the finite field, 0 for the rationals.

    Returns
    -------
    list of Fraction, length k, or None
        Over F2 and F3 balanced integers (0, 1, -1).
    """
    found = _dependency_mod(rows, characteristic or _PRIME)
    if found is None:
        return None
    if characteristic:
        return [Fraction(-1 if c == 2 else c) for c in found]
    # independent mod a prime implies independent; dependent mod it only suggests
    support = [r for r, c in enumerate(found) if c]
    return _dependency_rational(rows, support)


def _dependency_mod(rows: IntArray, p: int) -> list[int] | None:
    """Return the first dependency met mod p; its support ends at the first dependent row."""
    count = len(rows)
    matrix = np.concatenate([rows % p, np.eye(count, dtype=np.int64)], axis=1)
    width = rows.shape[1]
    pivots: list[tuple[int, int]] = []
    for r in range(count):
        for row, column in pivots:
            factor = matrix[r, column]
            if factor:
                matrix[r] = (matrix[r] - factor * matrix[row]) % p
        nonzero = np.flatnonzero(matrix[r, :width])
        if not len(nonzero):
            return [int(c) for c in matrix[r, width:]]
        column = int(nonzero[0])
        matrix[r] = matrix[r] * pow(int(matrix[r, column]), -1, p) % p
        pivots.append((r, column))
    return None


def _dependency_rational(rows: IntArray, support: list[int]) -> list[Fraction] | None:
    """Return a dependency of the supported rows over Q with fractions, or None."""
    reduced: list[tuple[int, list[Fraction], list[Fraction]]] = []
    for number, r in enumerate(support):
        vector = [Fraction(int(x)) for x in rows[r]]
        combination = [Fraction(0)] * len(support)
        combination[number] = Fraction(1)
        for column, pivot, origin in reduced:
            factor = vector[column]
            if factor:
                vector = [x - factor * y for x, y in zip(vector, pivot, strict=True)]
                combination = [x - factor * y for x, y in zip(combination, origin, strict=True)]
        column = next((k for k, x in enumerate(vector) if x), -1)
        if column < 0:
            result = [Fraction(0)] * len(rows)
            for place, c in zip(support, combination, strict=True):
                result[place] = c
            return result
        scale = 1 / vector[column]
        reduced.append((column, [x * scale for x in vector], [x * scale for x in combination]))
    return None


def inverse(
    matrix: Sequence[Sequence[int | Fraction]], characteristic: int
) -> list[list[Fraction]]:
    """Return the inverse of a square matrix, exactly.

    Parameters
    ----------
    matrix : square sequence of rows of int or Fraction
        Integers are taken mod p over a finite field.
    characteristic : int
        A prime p, or 0 for the rationals.

    Returns
    -------
    rows of Fraction
        Over a finite field, integers 0 to p - 1.

    Raises
    ------
    UsageError
        The matrix is singular, or has fractions over a finite field.
    """
    p, size = characteristic, len(matrix)
    rows = [
        [Fraction(x) for x in row] + [Fraction(int(i == j)) for j in range(size)]
        for i, row in enumerate(matrix)
    ]
    if p:
        if any(x.denominator != 1 for row in rows for x in row):
            raise UsageError(f"a matrix over F{p} has integer entries, not fractions")
        rows = [[x % p for x in row] for row in rows]
    for k in range(size):
        pivot = next((i for i in range(k, size) if rows[i][k]), None)
        if pivot is None:
            raise UsageError("a matrix to transform by is singular: give an invertible one")
        rows[k], rows[pivot] = rows[pivot], rows[k]
        scale = Fraction(pow(int(rows[k][k]), -1, p)) if p else 1 / rows[k][k]
        rows[k] = [x * scale % p if p else x * scale for x in rows[k]]
        for i in range(size):
            factor = rows[i][k]
            if i != k and factor:
                rows[i] = [x - factor * y for x, y in zip(rows[i], rows[k], strict=True)]
                if p:
                    rows[i] = [x % p for x in rows[i]]
    return [row[size:] for row in rows]


def integral(matrix: Sequence[Sequence[Fraction]]) -> tuple[list[list[int]], int]:
    """Return (integer matrix, denominator) whose quotient is the rational matrix."""
    common = math.lcm(1, *(Fraction(x).denominator for row in matrix for x in row))
    return [[int(x * common) for x in row] for row in matrix], common
