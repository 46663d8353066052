"""List the invertible matrices over F2 and F3 up to scalars, and the stabiliser of a normal form.

Invariant: one matrix stands for each class {M, -M}; over F2 a class has one element. Lists have a
fixed order, and results do not depend on the process.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from flipsearch.rings import IntArray


def order(side: int, p: int) -> int:
    """Return the number of invertible matrices over F_p up to scalars."""
    product = 1
    for k in range(side):
        product *= p**side - p**k
    return product // (p - 1)


def matrices_of_rank(n: int, m: int, rank: int, p: int) -> int:
    """Return the number of n x m matrices of a given rank over F_p up to scalars."""
    top = bottom = 1
    for k in range(rank):
        top *= (p**n - p**k) * (p**m - p**k)
        bottom *= p**rank - p**k
    return top // bottom // (p - 1)


@lru_cache(maxsize=8)
def general_linear(side: int, p: int) -> IntArray:
    """Return the invertible matrices over F_p up to scalars, shape (N, side, side).

    Their entries are 0 to p - 1. The first nonzero entry of each is 1.
    """
    vectors = np.array(np.unravel_index(np.arange(p**side), (p,) * side)).T
    weights = p ** np.arange(side - 1, -1, -1)
    found: list[list[int]] = [[]]
    for place in range(side):
        longer = []
        for taken in found:
            span = np.zeros((1, side), dtype=np.int64)
            for row in taken:
                multiples = np.arange(p)[:, None] * vectors[row]
                span = ((span[:, None] + multiples[None]) % p).reshape(-1, side)
            outside = np.setdiff1d(np.arange(p**side), span @ weights)
            if place == 0 and p > 2:
                outside = np.array([x for x in outside if _leading(vectors[x]) == 1])
            longer += [[*taken, int(row)] for row in outside]
        found = longer
    return vectors[np.array(found)].astype(np.int64)


def _leading(vector: IntArray) -> int:
    return int(vector[np.flatnonzero(vector)[0]]) if vector.any() else 0


@lru_cache(maxsize=8)
def inverses(side: int, p: int) -> IntArray:
    """Return the inverses of the matrices of `general_linear`, in its order, up to scalars."""
    return inverted(general_linear(side, p), p)


def inverted(matrices: IntArray, p: int) -> IntArray:
    """Return the inverses mod p of invertible matrices, shape (N, side, side)."""
    side = matrices.shape[-1]
    unit = np.broadcast_to(np.eye(side, dtype=np.int64), matrices.shape)
    augmented = np.concatenate([matrices % p, unit], axis=2)
    every = np.arange(len(matrices))
    for column in range(side):
        pivot = column + (augmented[:, column:, column] != 0).argmax(axis=1)
        swapped = augmented[every, pivot].copy()
        augmented[every, pivot] = augmented[:, column]
        swapped = swapped * swapped[:, column, None] % p  # 1 and 2 are their own inverses mod 3
        augmented[:, column] = swapped
        others = augmented[:, :, column].copy()
        others[:, column] = 0
        augmented = (augmented - others[:, :, None] * swapped[:, None, :]) % p
    return augmented[:, :, side:]


@lru_cache(maxsize=64)
def stabiliser(n: int, m: int, rank: int, p: int) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Return P, P^-1, Q, Q^-1 for all pairs (P, Q) with P E Q^-1 = E up to a scalar.

    E is the n x m matrix diag(1, .., 1, 0, ..) of the given rank.
    """
    normal = normal_form(n, m, rank)
    left = (general_linear(n, p) @ normal) % p
    right = (normal @ general_linear(m, p)) % p
    codes_left, codes_right = (up_to_scalar(x, p)[0] for x in (left, right))
    ordered = np.argsort(codes_right, kind="stable")
    starts = np.searchsorted(codes_right[ordered], codes_left, side="left")
    ends = np.searchsorted(codes_right[ordered], codes_left, side="right")
    i = np.repeat(np.arange(len(left)), ends - starts)
    offsets = np.arange(len(i)) - np.repeat(
        np.cumsum(ends - starts) - (ends - starts), ends - starts
    )
    j = ordered[np.repeat(starts, ends - starts) + offsets]
    return general_linear(n, p)[i], inverses(n, p)[i], general_linear(m, p)[j], inverses(m, p)[j]


def normal_form(n: int, m: int, rank: int) -> IntArray:
    """Return the n x m matrix diag(1, .., 1, 0, ..) of a given rank."""
    normal = np.zeros((n, m), dtype=np.int64)
    normal[np.arange(rank), np.arange(rank)] = 1
    return normal


def to_normal(matrix: IntArray, p: int) -> tuple[IntArray, IntArray, int]:
    """Return invertible P and Q^-1 with P matrix Q^-1 in normal form over F_p, and the rank."""
    return _to_normal(np.ascontiguousarray(matrix % p).tobytes(), *matrix.shape, p)


@lru_cache(maxsize=1 << 13)
def _to_normal(entries: bytes, n: int, m: int, p: int) -> tuple[IntArray, IntArray, int]:
    work = np.frombuffer(entries, dtype=np.int64).reshape(n, m).copy()
    P, inverse = np.eye(n, dtype=np.int64), np.eye(m, dtype=np.int64)
    rank = 0
    while (left := np.argwhere(work[rank:, rank:])).size:
        i, j = left[0] + rank
        for target in (work, P):
            target[[rank, i]] = target[[i, rank]]
        for target in (work, inverse):
            target[:, [rank, j]] = target[:, [j, rank]]
        scale = pow(int(work[rank, rank]), -1, p)
        work[rank] = work[rank] * scale % p
        P[rank] = P[rank] * scale % p
        for r in range(n):
            if r != rank and (factor := int(work[r, rank])):
                work[r] = (work[r] - factor * work[rank]) % p
                P[r] = (P[r] - factor * P[rank]) % p
        for c in range(m):
            if c != rank and (factor := int(work[rank, c])):
                work[:, c] = (work[:, c] - factor * work[:, rank]) % p
                inverse[:, c] = (inverse[:, c] - factor * inverse[:, rank]) % p
        rank += 1
    return P, inverse, rank


def codes(matrices: IntArray, p: int) -> tuple[IntArray, IntArray]:
    """Return codes of matrices M with entries 0..p-1, and the codes of -M.

    The digits of a code to base p are the entries, the first one highest.
    """
    flat = matrices.reshape(*matrices.shape[:-2], -1)
    weights = p ** np.arange(flat.shape[-1] - 1, -1, -1, dtype=np.int64)
    plain = flat @ weights
    return plain, plain if p == 2 else (flat != 0) @ (3 * weights) - plain


def up_to_scalar(matrices: IntArray, p: int) -> tuple[IntArray, IntArray]:
    """Return codes that are equal for M and -M, and 1 for each matrix coded as -M, else 0."""
    plain, negated = codes(matrices, p)
    return np.minimum(plain, negated), (negated < plain).astype(np.int64)
