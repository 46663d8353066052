# mypy: allow-untyped-defs
"""Exact linear algebra over Q for small integer matrices, fast where it matters.

Elimination runs modulo a 31-bit prime, entries are brought back by rational reconstruction, and
the result is then checked in integers: what is returned is proved, never merely likely. Where the
reconstruction does not suffice the same elimination runs on `fractions.Fraction`.

Invariant: every function here is exact over Q, whatever the primes were.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from flipsearch.algebra.jit import njit
from flipsearch.faults.deadline import in_pieces
from flipsearch.rings import IntArray


@lru_cache
def primes(count: int) -> tuple[int, ...]:
    """Return the `count` largest primes below 2^31, largest first."""
    found: list[int] = []
    candidate = 2**31 - 1
    while len(found) < count:
        # deterministic Miller-Rabin: these bases decide every number below 3.2e9
        odd, twos = candidate - 1, 0
        while odd % 2 == 0:
            odd, twos = odd // 2, twos + 1
        for base in (2, 3, 5, 7):
            x = pow(base, odd, candidate)
            if x not in (1, candidate - 1) and not any(
                (x := x * x % candidate) == candidate - 1 for _ in range(twos - 1)
            ):
                break
        else:
            found.append(candidate)
        candidate -= 2
    return tuple(found)


@njit
def reduce_rows(matrix, columns, p):
    """Bring a uint64 matrix to reduced row echelon form mod p in place; return its pivots.

    Parameters
    ----------
    matrix : uint64 array, shape (rows, width)
        Entries below p.
    columns : int
        Pivots are sought in the first `columns` columns only.
    p : uint64
        A prime below 2^31.

    Returns
    -------
    int64 array
        The pivot column of each of the first rows; its length is the rank.
    """
    pivots = np.empty(min(len(matrix), columns), dtype=np.int64)
    return pivots[: _reduce_columns(matrix, 0, columns, 0, pivots, p)].copy()


@njit
def _reduce_columns(matrix, first, last, rank, pivots, p):
    """Clear the columns from `first` to before `last`; return the rank so far."""
    rows, width = matrix.shape
    for column in range(first, last):
        if rank == rows:
            break
        row = rank
        while row < rows and matrix[row, column] == np.uint64(0):
            row += 1
        if row == rows:
            continue
        if row != rank:
            for k in range(width):
                matrix[row, k], matrix[rank, k] = matrix[rank, k], matrix[row, k]
        inverse = np.uint64(1)
        base = matrix[rank, column]
        exponent = p - np.uint64(2)
        while exponent > np.uint64(0):
            if exponent & np.uint64(1):
                inverse = inverse * base % p
            base = base * base % p
            exponent >>= np.uint64(1)
        for k in range(width):
            matrix[rank, k] = matrix[rank, k] * inverse % p
        for other in range(rows):
            factor = matrix[other, column]
            if other != rank and factor != np.uint64(0):
                negated = p - factor
                for k in range(width):
                    if matrix[rank, k] != np.uint64(0):
                        matrix[other, k] = (matrix[other, k] + negated * matrix[rank, k]) % p
        pivots[rank] = column
        rank += 1
    return rank


def _reduced_modular(matrix: Any, p: int) -> list[int]:
    """Reduce a uint64 matrix in place like `reduce_rows`, in pieces; return its pivots."""
    width = matrix.shape[1]
    pivots = np.empty(min(matrix.shape), dtype=np.int64)
    first = rank = 0

    def piece(columns: int) -> bool:
        nonlocal first, rank
        last = min(first + columns, width)
        rank = _reduce_columns(matrix, first, last, rank, pivots, np.uint64(p))
        first = last
        return last < width

    in_pieces(piece)
    found: list[int] = pivots[:rank].tolist()
    return found


def residues(matrix: IntArray, p: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint64]]:
    """Return the entries mod p as uint64."""
    return (matrix % p).astype(np.uint64)


def rank(matrix: IntArray) -> int:
    """Return the rank over Q of an integer matrix, exactly.

    The rank mod p never exceeds the rank over Q; relations verified in integers bound it from
    above.
    """
    return len(matrix) - len(relations(matrix))


def relations(matrix: IntArray) -> IntArray:
    """Return a basis of the integer relations h with h M = 0, primitive rows.

    Parameters
    ----------
    matrix : int64 array, shape (n, d)
        A vector a row.

    Returns
    -------
    int64 array, shape (n - rank, n)
        Row i is 1 or a positive integer at its own free position and 0 at the others' free
        positions.
    """
    n = len(matrix)
    pivots, rows, scales = _reduced(np.ascontiguousarray(matrix.T), n)
    free = sorted(set(range(n)) - set(pivots))
    basis = np.zeros((len(free), n), dtype=np.int64)
    for i, j in enumerate(free):
        entries = [Fraction(int(x), s) for x, s in zip(rows[:, j], scales, strict=True)]
        scale = math.lcm(*(entry.denominator for entry in entries))
        basis[i, j] = scale
        basis[i, pivots] = [int(-entry * scale) for entry in entries]
    return basis


def combination(matrix: IntArray, targets: IntArray) -> tuple[IntArray, IntArray] | None:
    """Return D, s with D M = s * targets row by row, or None where a target is not in the span.

    Parameters
    ----------
    matrix : int64 array, shape (n, d)
    targets : int64 array, shape (t, d)

    Returns
    -------
    (int64 array (t, n), int64 array (t,)) or None
        Integer numerators and a positive denominator for each target, in lowest terms.
    """
    n = len(matrix)
    pivots, rows, row_scales = _reduced(
        np.ascontiguousarray(np.concatenate([matrix, targets]).T), n
    )
    if len(rows) > len(pivots):  # a pivot among the targets: outside the span
        return None
    decoder = np.zeros((len(targets), n), dtype=np.int64)
    scales = np.ones(len(targets), dtype=np.int64)
    for t in range(len(targets)):
        entries = [Fraction(int(x), s) for x, s in zip(rows[:, n + t], row_scales, strict=True)]
        scales[t] = scale = math.lcm(1, *(entry.denominator for entry in entries))
        decoder[t, pivots] = [int(entry * scale) for entry in entries]
    return decoder, scales


Echelon = tuple[list[int], Any, list[int]]
"""Pivots among the first columns, integer rows, and each row's positive denominator."""


def _reduced(matrix: IntArray, columns: int) -> Echelon:
    """Return the reduced row echelon form over Q with pivots sought in the first columns first.

    There are more rows than pivots exactly when the remaining columns are not spanned by the
    first ones.
    """
    p = primes(1)[0]
    modular = residues(matrix, p)
    for rows in [_sketch(modular, p)] * (len(modular) > 2 * modular.shape[1]) + [modular]:
        pivots = _reduced_modular(rows, p)
        found = _reconstructed(rows[: len(pivots)], p)
        if found is not None and _spans(*found, pivots, matrix):
            return [c for c in pivots if c < columns], *found
    return _reduced_fractions(matrix, columns)


def _sketch(modular: Any, p: int) -> Any:
    """Return a few random combinations of the rows, which very likely span the same space."""
    generator = np.random.default_rng(0)
    height, width = modular.shape
    rows, columns = np.nonzero(modular)
    total = np.zeros((width + 32, width), dtype=np.uint64)
    for _ in range(2):
        factors = generator.integers(1, p, size=height, dtype=np.uint64)
        places = generator.integers(0, len(total), size=height)
        terms = modular[rows, columns] * factors[rows] % np.uint64(p)
        np.add.at(total, (places[rows], columns), terms)
    return total % np.uint64(p)


def _reconstructed(modular: Any, p: int) -> tuple[Any, list[int]] | None:
    """Return rows of fractions with these residues, as integers and denominators, or None."""
    bound = math.isqrt(p // 2)
    signed = modular.astype(np.int64)
    signed[signed > p // 2] -= p
    scales = [1] * len(signed)
    rows = signed.astype(object)
    for i in np.flatnonzero(np.abs(signed).max(axis=1, initial=0) > bound).tolist():
        entries = [_reconstruct(x % p, p) for x in signed[i].tolist()]
        if any(entry is None for entry in entries):
            return None
        scales[i] = math.lcm(*(entry.denominator for entry in entries if entry is not None))
        rows[i] = [int(entry * scales[i]) for entry in entries if entry is not None]
    return rows, scales


def _reconstruct(residue: int, p: int) -> Fraction | None:
    """Return the fraction of numerator and denominator at most sqrt(p/2) with that residue."""
    bound = math.isqrt(p // 2)
    r0, r1, s0, s1 = p, residue, 0, 1
    while r1 > bound:
        quotient = r0 // r1
        r0, r1, s0, s1 = r1, r0 - quotient * r1, s1, s0 - quotient * s1
    if s1 == 0 or abs(s1) > bound:
        return None
    return Fraction(r1, s1)


def _spans(rows: Any, scales: list[int], pivots: list[int], matrix: IntArray) -> bool:
    """Whether the rows, an echelon form with these pivots, span exactly the matrix's rows.

    Each row of the matrix must be the combination its pivot entries dictate; together with the
    rank mod p, a lower bound of the rank over Q, that proves the two row spaces equal.
    """
    if not pivots:
        return not matrix.any()
    common = math.lcm(*scales)
    integers = rows * np.array([[common // scale] for scale in scales], dtype=object)
    size = int(np.abs(matrix).max())
    largest = size * max(len(pivots) * int(np.abs(integers).max()), common)
    kind: type = np.float64 if largest < 2**53 else object  # floats are exact up to there
    wide: Any = matrix.astype(kind)
    return bool((wide[:, pivots].dot(integers.astype(kind)) == wide * kind(common)).all())


def _reduced_fractions(matrix: IntArray, columns: int) -> Echelon:
    """Reduce on fractions, slowly and whatever the size of the entries."""
    rows = [[Fraction(entry) for entry in row] for row in matrix.tolist()]
    pivots: list[int] = []
    for column in range(matrix.shape[1]):
        top = len(pivots)
        found = next((i for i in range(top, len(rows)) if rows[i][column]), None)
        if found is None:
            continue
        rows[top], rows[found] = rows[found], rows[top]
        leader = rows[top][column]
        rows[top] = [entry / leader for entry in rows[top]]
        for i, row in enumerate(rows):
            if i != top and row[column]:
                factor = row[column]
                rows[i] = [x - factor * y for x, y in zip(row, rows[top], strict=True)]
        pivots.append(column)
    kept = rows[: len(pivots)]
    scales = [math.lcm(*(x.denominator for x in row)) for row in kept]
    integers = np.empty((len(kept), matrix.shape[1]), dtype=object)
    for i, row in enumerate(kept):
        integers[i] = [int(x * scales[i]) for x in row]
    return [c for c in pivots if c < columns], integers, scales
