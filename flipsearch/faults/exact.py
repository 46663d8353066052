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

import numpy as np

from flipsearch.algebra.jit import njit
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
    rows, width = matrix.shape
    pivots = np.empty(min(rows, columns), dtype=np.int64)
    rank = 0
    for column in range(columns):
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
    return pivots[:rank].copy()


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
    solution = _reduced(np.ascontiguousarray(matrix.T), len(matrix))
    n = len(matrix)
    pivots, rows = solution
    free = [j for j in range(n) if j not in set(pivots)]
    basis = np.zeros((len(free), n), dtype=np.int64)
    for i, j in enumerate(free):
        entries = {j: Fraction(1)}
        for k, pivot in enumerate(pivots):
            if rows[k][j]:
                entries[pivot] = -rows[k][j]
        scale = math.lcm(*(entry.denominator for entry in entries.values()))
        for position, entry in entries.items():
            basis[i, position] = int(entry * scale)
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
    pivots, rows = _reduced(np.ascontiguousarray(np.concatenate([matrix, targets]).T), n)
    decoder = np.zeros((len(targets), n), dtype=np.int64)
    scales = np.ones(len(targets), dtype=np.int64)
    if len(rows) > len(pivots):  # a pivot among the targets: outside the span
        return None
    for t in range(len(targets)):
        entries = [row[n + t] for row in rows]
        scale = math.lcm(1, *(entry.denominator for entry in entries))
        scales[t] = scale
        for pivot, entry in zip(pivots, entries, strict=True):
            decoder[t, pivot] = int(entry * scale)
    return decoder, scales


def _reduced(matrix: IntArray, columns: int) -> tuple[list[int], list[list[Fraction]]]:
    """Reduced row echelon form over Q with pivots sought in the first columns first.

    Returns the pivots among the first `columns` columns, and the nonzero rows; there are more
    rows than pivots exactly when the remaining columns are not spanned by the first ones.
    """
    p = primes(1)[0]
    modular = residues(matrix, p)
    all_pivots = reduce_rows(modular, matrix.shape[1], np.uint64(p)).tolist()
    pivots = [c for c in all_pivots if c < columns]
    rows: list[list[Fraction]] | None = []
    for row in modular[: len(all_pivots)].tolist():
        entries = [_reconstruct(entry, p) for entry in row]
        if any(entry is None for entry in entries):
            rows = None
            break
        rows.append(entries)  # type: ignore[union-attr, arg-type]
    if rows is None or not _spans(rows, all_pivots, matrix):
        return _reduced_fractions(matrix, columns)
    return pivots, rows


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


def _spans(rows: list[list[Fraction]], pivots: list[int], matrix: IntArray) -> bool:
    """Whether the rows, an echelon form with these pivots, span exactly the matrix's rows.

    Each row of the matrix must be the combination its pivot entries dictate; together with the
    rank mod p, a lower bound of the rank over Q, that proves the two row spaces equal.
    """
    if not rows:
        return not matrix.any()
    scale = math.lcm(*(entry.denominator for row in rows for entry in row))
    integers = np.array([[int(entry * scale) for entry in row] for row in rows], dtype=object)
    wide = matrix.astype(object)
    return bool((wide[:, pivots].dot(integers) == wide * scale).all())


def _reduced_fractions(matrix: IntArray, columns: int) -> tuple[list[int], list[list[Fraction]]]:
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
    return [c for c in pivots if c < columns], rows[: len(pivots)]
