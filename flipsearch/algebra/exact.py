# mypy: allow-untyped-defs
"""Compute with small matrices exactly, over Q and modulo primes below 2^31.

Over Q elimination runs modulo a 31-bit prime. Rational reconstruction restores the entries, and
the result is checked in integers. If the reconstruction fails, the same elimination runs on
`fractions.Fraction`.

Invariant: every result is proved, independently of the primes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from flipsearch.algebra import IntArray
from flipsearch.algebra.deadline import in_pieces
from flipsearch.algebra.jit import njit
from flipsearch.algebra.reconstruction import fractions_of

Rows = Sequence[Sequence[int | Fraction]]
Objects = npt.NDArray[np.object_]


@lru_cache
def primes(count: int) -> tuple[int, ...]:
    """Return the `count` largest primes below 2^31, largest first."""
    found: list[int] = []
    candidate = 2**31 - 1
    while len(found) < count:
        # the Miller-Rabin test with these bases is exact for every number below 3.2e9
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


def residues(matrix: npt.NDArray[np.generic], p: int) -> npt.NDArray[np.uint64]:
    """Return the entries of an integer matrix mod p as uint64."""
    return (matrix % p).astype(np.uint64)


@njit
def reduce_rows(matrix, columns, p):
    """Bring a uint64 matrix to reduced row echelon form mod p in place; return its pivots.

    Entries are below p, a prime below 2^31. The pivots, int64, are searched in the first `columns`
    columns only; there are as many as the rank.
    """
    pivots = np.empty(min(len(matrix), columns), dtype=np.int64)
    return pivots[: _reduce_columns(matrix, 0, columns, 0, pivots, p)].copy()


@njit
def _reduce_columns(matrix, first, last, rank, pivots, p):
    """Clear the columns from `first` up to and without `last`; return the rank until then."""
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
        for k in range(column, width):
            matrix[rank, k] = matrix[rank, k] * inverse % p
        for other in range(rows):
            factor = matrix[other, column]
            if other != rank and factor != np.uint64(0):
                negated = p - factor
                for k in range(column, width):
                    if matrix[rank, k] != np.uint64(0):
                        matrix[other, k] = (matrix[other, k] + negated * matrix[rank, k]) % p
        pivots[rank] = column
        rank += 1
    return rank


def _reduced_in_pieces(matrix: npt.NDArray[np.uint64], p: int) -> list[int]:
    """Reduce a matrix in place like `reduce_rows`, under a deadline; return its pivots."""
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


def echelon(rows: list[list[Fraction]], columns: int, p: int = 0) -> list[int]:
    """Bring rows to reduced row echelon form in place, nonzero rows first; return the pivots.

    Entries are fractions of any size (p = 0), or integers in 0..p-1 over F_p. Pivots are searched
    in the first `columns` columns only. This is slow.
    """
    pivots: list[int] = []
    for column in range(columns):
        top = len(pivots)
        found = next((i for i in range(top, len(rows)) if rows[i][column]), None)
        if found is None:
            continue
        rows[top], rows[found] = rows[found], rows[top]
        leader = rows[top][column]
        scale = Fraction(pow(int(leader), -1, p)) if p else 1 / leader
        rows[top] = [x * scale % p if p else x * scale for x in rows[top]]
        for i, row in enumerate(rows):
            factor = row[column]
            if i != top and factor:
                change = [x - factor * y if y else x for x, y in zip(row, rows[top], strict=True)]
                rows[i] = [x % p for x in change] if p else change
        pivots.append(column)
    return pivots


def rank(matrix: IntArray, p: int = 0) -> int:
    """Return the rank of an integer matrix over F_p, or over Q if p is 0.

    No minor exceeds the product of the lengths of its rows (Hadamard). Over Q the rank is
    therefore the largest of the ranks modulo several primes whose product exceeds that bound.
    """
    if p:
        return len(reduce_rows(residues(matrix, p), matrix.shape[1], np.uint64(p)))
    squares = (matrix.astype(np.float64) ** 2).sum(axis=1)
    bits = float(np.log2(np.maximum(squares, 1)).sum()) / 2 + 1
    best = 0
    for prime in primes(1 + int(bits / 30.9)):
        best = max(best, rank(matrix, prime))
        if best == min(matrix.shape):
            break
    return best


def relations(matrix: IntArray) -> IntArray:
    """Return `relation_rows` as an int64 array, shape (n - rank, n).

    Raises `OverflowError` if an entry is beyond 64 bits.
    """
    return np.array(relation_rows(matrix), dtype=np.int64).reshape(-1, len(matrix))


def relation_rows(matrix: IntArray) -> list[list[int]]:
    """Return a basis of the integer relations h with h M = 0, each primitive; M has shape (n, d).

    There are n - rank. Each is positive at its own free position and 0 at those of the others.
    """
    n = len(matrix)
    pivots, rows, scales = _reduced(np.ascontiguousarray(matrix.T), n)
    basis = []
    for j in sorted(set(range(n)) - set(pivots)):
        entries = [Fraction(x, scale) for x, scale in zip(rows[:, j], scales, strict=True)]
        relation = [0] * n
        relation[j] = common = math.lcm(*(entry.denominator for entry in entries))
        for pivot, entry in zip(pivots, entries, strict=True):
            relation[pivot] = int(-entry * common)
        basis.append(relation)
    return basis


def combination(matrix: IntArray, targets: IntArray) -> tuple[IntArray, IntArray] | None:
    """Return D, s with D M = s * targets row by row, or None if a target is outside the span.

    M and the targets have shapes (n, d) and (t, d). D, shape (t, n), holds integer numerators and
    s, shape (t,), a positive denominator for each target, in lowest terms.
    """
    n = len(matrix)
    joined = np.ascontiguousarray(np.concatenate([matrix, targets]).T)
    pivots, rows, below = _reduced(joined, n)
    if len(rows) > len(pivots):  # a target has a pivot: it is outside the span
        return None
    numerators = np.zeros((len(targets), n), dtype=np.int64)
    scales = np.ones(len(targets), dtype=np.int64)
    for t in range(len(targets)):
        entries = [Fraction(x, scale) for x, scale in zip(rows[:, n + t], below, strict=True)]
        scales[t] = common = math.lcm(1, *(entry.denominator for entry in entries))
        numerators[t, pivots] = [int(entry * common) for entry in entries]
    return numerators, scales


def dependency(rows: IntArray, p: int) -> list[Fraction] | None:
    """Return c, not all zero, with sum c_r rows_r = 0 over F_p, or over Q if p is 0; or None.

    This is the dependency of the first row that depends on earlier rows; its coefficient is 1.
    Over F2 and F3 the coefficients are 0, 1 and -1.
    """
    prime = p or primes(2)[1]
    modular = np.ascontiguousarray(residues(rows, prime).T)
    pivots = reduce_rows(modular, len(rows), np.uint64(prime)).tolist()
    last = next((r for r in range(len(rows)) if r >= len(pivots) or pivots[r] != r), None)
    if last is None:  # independence modulo a prime implies independence over Q
        return None
    result = [Fraction(0)] * len(rows)
    if p:
        column = [-int(x) % p for x in modular[:last, last]]
        result[: last + 1] = [Fraction(c - p if 2 * c > p else c) for c in [*column, 1]]
        return result
    # dependent modulo a prime only suggests a dependency over Q
    support = [r for r in range(last) if modular[r, last]] + [last]
    found = relation_rows(rows[support])
    if not found:
        return None
    for r, value in zip(support, found[0], strict=True):
        result[r] = Fraction(value, found[0][-1])
    return result


def inverse(matrix: Rows, p: int = 0) -> list[list[Fraction]] | None:
    """Return the inverse of a square matrix over F_p, or over Q if p is 0; None if singular.

    Over a finite field entries are integers, those of the inverse 0 to p - 1.
    """
    size = len(matrix)
    rows = [
        [Fraction(x) % p if p else Fraction(x) for x in row]
        + [Fraction(int(i == j)) for j in range(size)]
        for i, row in enumerate(matrix)
    ]
    if len(echelon(rows, size, p)) < size:
        return None
    return [row[size:] for row in rows]


def integral(matrix: Rows) -> tuple[list[list[int]], int]:
    """Return (integer matrix, denominator) whose quotient is the rational matrix."""
    common = math.lcm(1, *(Fraction(x).denominator for row in matrix for x in row))
    return [[int(x * common) for x in row] for row in matrix], common


def determinant(matrix: IntArray) -> int:
    """Return the determinant of a square integer matrix by Bareiss's elimination (1968)."""
    rows, sign, last = matrix.tolist(), 1, 1
    for k in range(len(rows)):
        pivot = next((i for i in range(k, len(rows)) if rows[i][k]), None)
        if pivot is None:
            return 0
        if pivot != k:
            rows[k], rows[pivot], sign = rows[pivot], rows[k], -sign
        top = rows[k]
        for row in rows[k + 1 :]:
            row[k + 1 :] = [
                (x * top[k] - row[k] * y) // last
                for x, y in zip(row[k + 1 :], top[k + 1 :], strict=True)
            ]
        last = top[k]
    return int(sign * last)


def _reduced(matrix: IntArray, columns: int) -> tuple[list[int], Objects, list[int]]:
    """Return the reduced row echelon form of a matrix over Q.

    Returns
    -------
    pivots : list of int
        The pivots among the first `columns` columns.
    rows : object array of int
        The nonzero rows, each times its denominator. There are more rows than pivots exactly if
        the first columns do not span the others.
    scales : list of int
        The positive denominator of each row.
    """
    p = primes(1)[0]
    modular = residues(matrix, p)
    tall = len(modular) > 2 * modular.shape[1]
    for trial in [_sketch(modular, p), modular] if tall else [modular]:
        pivots = _reduced_in_pieces(trial, p)
        found = fractions_of(trial[: len(pivots)].astype(np.int64), p)
        if found is not None:
            rows, scales = _over_common(*found)
            if _spans(rows, scales, pivots, matrix):
                return [c for c in pivots if c < columns], rows, scales
    plain = [[Fraction(entry) for entry in row] for row in matrix.tolist()]
    pivots = echelon(plain, matrix.shape[1])
    kept = plain[: len(pivots)]
    top, bottom = (
        np.array([[getattr(x, name) for x in row] for row in kept], dtype=object)
        for name in ("numerator", "denominator")
    )
    return [c for c in pivots if c < columns], *_over_common(top, bottom)


def _sketch(modular: Any, p: int) -> Any:
    """Return width + 32 random combinations of the rows, which very likely span the same space."""
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


def _over_common(top: Any, bottom: Any) -> tuple[Objects, list[int]]:
    """Return rows of fractions as integers and the least common denominator of each row."""
    scales = [math.lcm(*row) for row in bottom.tolist()]
    weights = np.array(scales, dtype=object).reshape(-1, 1) // bottom.astype(object)
    return top.astype(object) * weights, scales


def _spans(rows: Objects, scales: list[int], pivots: list[int], matrix: IntArray) -> bool:
    """Return whether rows in echelon form with these pivots span exactly the matrix's row space.

    Each row of the matrix must be the combination that its pivot entries determine. The rank mod p
    is a lower bound of the rank over Q. Together they prove that the row spaces are equal.
    """
    if not pivots:
        return not matrix.any()
    common = math.lcm(*scales)
    integers = rows * np.array([[common // scale] for scale in scales], dtype=object)
    largest = int(np.abs(matrix).max()) * max(len(pivots) * int(np.abs(integers).max()), common)
    kind: type = np.float64 if largest < 2**53 else object  # floats are exact up to there
    wide: Any = matrix.astype(kind)
    return bool((wide[:, pivots].dot(integers.astype(kind)) == wide * common).all())
