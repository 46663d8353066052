# mypy: allow-untyped-defs
"""Counting the erasure patterns that cannot be decoded, exactly.

With parity checks H and one decoder D0, a set E of lost products is undecodable exactly when
rank [H; D0] restricted to E exceeds rank H restricted to E. The subsets are walked depth first,
one elimination step a subset, and everything above an undecodable subset is counted at once.

Invariant: the counts are those over Q. Ranks are taken modulo several primes whose product
exceeds every minor that can occur (Hadamard's bound): a minor that is not zero is then not zero
modulo one of them, so that the largest rank found is the rank over Q.
"""

from __future__ import annotations

import math

import numpy as np

from flipsearch.algebra.jit import njit
from flipsearch.faults.exact import primes, residues
from flipsearch.rings import IntArray


def fatal_counts(checks: IntArray, decoder: IntArray, largest: int | None = None) -> list[int]:
    """Return FC(0..largest): how many sets of k lost products cannot be decoded.

    Parameters
    ----------
    checks : int64 array, shape (n - rank, n)
        Parity checks H, a basis of the relations between the products.
    decoder : int64 array, shape (targets, n)
        One decoder D0, each row times any nonzero integer.
    largest : int, optional
        Largest size counted; n by default (2^n subsets at worst: up to n = 25 or so).

    Returns
    -------
    list of int
        The counts, exact.
    """
    n = checks.shape[1]
    largest = n if largest is None else min(largest, n)
    stacked, moduli = _modular(checks, decoder, largest)
    binomial = np.array(
        [[math.comb(m, k) for k in range(largest + 1)] for m in range(n + 1)], dtype=np.int64
    )
    counts: list[int] = _count(stacked, moduli, len(checks), largest, binomial).tolist()
    return counts


def fatal_patterns(checks: IntArray, decoder: IntArray, size: int) -> list[tuple[int, ...]]:
    """Return the undecodable sets of exactly `size` lost products, sorted.

    Parameters and exactness are those of `fatal_counts`.
    """
    stacked, moduli = _modular(checks, decoder, size)
    counts = fatal_counts(checks, decoder, size)
    out = np.empty((max(counts[size], 1), max(size, 1)), dtype=np.int64)
    _collect(stacked, moduli, len(checks), size, out)
    return [tuple(row[:size]) for row in out[: counts[size]].tolist()]


def _modular(checks: IntArray, decoder: IntArray, largest: int) -> tuple[IntArray, IntArray]:
    """Columns of [H; D0] modulo enough primes, shape (primes, n, rows), and the primes."""
    matrix = np.concatenate([checks, decoder])
    moduli = primes(len_of_primes(matrix, largest))
    columns = np.stack([residues(np.ascontiguousarray(matrix.T), p) for p in moduli])
    return columns, np.array(moduli, dtype=np.uint64)  # type: ignore[return-value]


def len_of_primes(matrix: IntArray, largest: int) -> int:
    """Return how many 31-bit primes exceed, multiplied, every minor of up to `largest` columns.

    Hadamard: a minor is at most the product of its columns' Euclidean norms, and of its rows'.
    """
    order = min(largest, *matrix.shape)
    squares = []
    for axis in (0, 1):
        sums = sorted((int(x) for x in (matrix.astype(object) ** 2).sum(axis=axis)), reverse=True)
        squares.append(math.prod(max(1, x) for x in sums[:order]))
    bound = math.isqrt(min(squares)) + 1
    return max(1, -(-bound.bit_length() // 30))


@njit
def _push(columns, moduli, heads, basis, pivot, depth, item):
    """Reduce column `item` by the basis of the depths below; return whether E is undecodable.

    ``pivot[q, depth]`` is the pivot row of what is left of the column modulo the q-th prime, -1
    if nothing is left; rows below `heads` belong to the checks.
    """
    rows = columns.shape[2]
    best_checks = 0
    best_all = 0
    for q in range(len(moduli)):
        p = moduli[q]
        square = p * p
        vector = basis[q, depth]
        for k in range(rows):
            vector[k] = columns[q, item, k]
        in_checks = 0
        in_all = 0
        for below in range(depth):
            at = pivot[q, below]
            if at < 0:
                continue
            in_all += 1
            if at < heads:
                in_checks += 1
            factor = vector[at]
            if factor != np.uint64(0):
                leader = basis[q, below, at]
                for k in range(rows):
                    vector[k] = (vector[k] * leader + (square - basis[q, below, k] * factor)) % p
        at = -1
        for k in range(rows):
            if vector[k] != np.uint64(0):
                at = k
                break
        pivot[q, depth] = at
        if at >= 0:
            in_all += 1
            if at < heads:
                in_checks += 1
        best_checks = max(best_checks, in_checks)
        best_all = max(best_all, in_all)
    return best_all > best_checks


@njit
def _count(columns, moduli, heads, largest, binomial):
    n = columns.shape[1]
    counts = np.zeros(largest + 1, dtype=np.int64)
    basis = np.zeros((len(moduli), n + 1, columns.shape[2]), dtype=np.uint64)
    pivot = np.full((len(moduli), n + 1), -1, dtype=np.int64)
    chosen = np.full(n + 1, -1, dtype=np.int64)
    depth = 0
    while depth >= 0:
        chosen[depth] += 1
        if chosen[depth] >= n or depth >= largest:
            depth -= 1
            continue
        item = chosen[depth]
        if _push(columns, moduli, heads, basis, pivot, depth, item):
            left = n - 1 - item
            size = depth + 1
            for more in range(min(left, largest - size) + 1):
                counts[size + more] += binomial[left, more]
            continue
        depth += 1
        chosen[depth] = item
    return counts


@njit
def _collect(columns, moduli, heads, size, out):
    n = columns.shape[1]
    basis = np.zeros((len(moduli), n + 1, columns.shape[2]), dtype=np.uint64)
    pivot = np.full((len(moduli), n + 1), -1, dtype=np.int64)
    chosen = np.full(n + 1, -1, dtype=np.int64)
    fatal_from = n + 2  # the depth from which on the chosen set is undecodable
    found = 0
    depth = 0
    while depth >= 0:
        chosen[depth] += 1
        if depth <= fatal_from:
            fatal_from = n + 2
        if chosen[depth] >= n or depth >= size:
            depth -= 1
            continue
        if depth < fatal_from and _push(
            columns, moduli, heads, basis, pivot, depth, chosen[depth]
        ):
            fatal_from = depth
        if depth + 1 == size:
            if depth >= fatal_from:
                for k in range(size):
                    out[found, k] = chosen[k]
                found += 1
            continue
        chosen[depth + 1] = chosen[depth]
        depth += 1
    return found
