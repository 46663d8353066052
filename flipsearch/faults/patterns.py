# mypy: allow-untyped-defs
"""Count the erasure patterns that cannot be decoded, exactly.

With parity checks H and one decoder D0, a set E of lost products is undecodable exactly if the
rank of [H; D0] restricted to E exceeds the rank of H restricted to E. The walk visits the subsets
depth first with one elimination step a subset. It counts all supersets of an undecodable subset at
once.

Invariant: the counts are exact over Q. Ranks are computed modulo several primes whose product
exceeds every possible minor (Hadamard's bound). A nonzero minor is then nonzero modulo one of the
primes, and the largest of the ranks is the rank over Q.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from flipsearch.algebra.deadline import in_pieces
from flipsearch.algebra.exact import primes, residues
from flipsearch.algebra.jit import njit
from flipsearch.rings import IntArray

_PREFIXES = 4096  # undecodable sets that a walk returns at a time


def fatal_counts(checks: IntArray, decoder: IntArray, largest: int | None = None) -> list[int]:
    """Return FC(0..largest): the numbers of undecodable sets of k lost products, exactly.

    `checks` are the parity checks H, int64 of shape (n - rank, n), a basis of the relations
    between the products. `decoder` is one decoder D0, int64 of shape (targets, n); each row may be
    multiplied by any nonzero integer. By default `largest` is n, which is feasible up to n = 25 or
    so (2^n subsets). A deadline that passes raises an `OutOfTimeError`.
    """
    n = checks.shape[1]
    largest = n if largest is None else min(largest, n)
    walk = _Walk(checks, decoder, largest)
    in_pieces(walk.go_on)
    counts = [0] * (largest + 1)
    for size, left in np.argwhere(walk.ends).tolist():  # `left` products follow the set's last
        for more in range(min(left, largest - size) + 1):
            counts[size + more] += int(walk.ends[size, left]) * math.comb(left, more)
    return counts


def fatal_patterns(checks: IntArray, decoder: IntArray, size: int) -> list[tuple[int, ...]]:
    """Return the undecodable sets of exactly `size` lost products, sorted.

    Parameters and errors are those of `fatal_counts`.
    """
    n = checks.shape[1]
    walk = _Walk(checks, decoder, size, _PREFIXES)
    found: list[tuple[int, ...]] = []

    def piece(steps: int) -> bool:
        more = walk.go_on(steps)
        for row in walk.prefixes[: walk.place[1]].tolist():
            prefix = tuple(r for r in row if r >= 0)
            later = itertools.combinations(range(prefix[-1] + 1, n), size - len(prefix))
            found.extend(prefix + rest for rest in later)
        return more

    in_pieces(piece)
    return found


class _Walk:
    """A walk over the sets of up to `largest` lost products, which can be interrupted.

    `checks` and `decoder` are as for `fatal_counts`. After `prefixes` undecodable sets `go_on`
    returns; 0 stands for counting only.
    """

    def __init__(
        self, checks: IntArray, decoder: IntArray, largest: int, prefixes: int = 0
    ) -> None:
        matrix = np.concatenate([checks, decoder])
        n, rows = checks.shape[1], len(matrix)
        self._moduli = np.array(primes(number_of_primes(matrix, largest)), dtype=np.uint64)
        self._columns = np.stack(
            [residues(np.ascontiguousarray(matrix.T), int(p)) for p in self._moduli]
        )
        self._heads, self._largest = len(checks), largest
        self._basis = np.zeros((len(self._moduli), n + 1, rows), dtype=np.uint64)
        self._pivot = np.full((len(self._moduli), n + 1), -1, dtype=np.int64)
        self._chosen = np.full(n + 1, -1, dtype=np.int64)
        self.place = np.zeros(2, dtype=np.int64)  # depth, number of prefixes
        self.ends = np.zeros((largest + 1, n), dtype=np.int64)
        self.prefixes = np.empty((prefixes, largest), dtype=np.int64)

    def go_on(self, steps: int) -> bool:
        """Visit up to `steps` more sets; return whether any are left.

        ``ends[k, m]`` counts the undecodable sets of size k whose proper prefixes are decodable
        and whose last product is followed by m others. `prefixes` holds the sets of this call.
        """
        self.place[1] = 0
        more: bool = _walk(
            self._columns,
            self._moduli,
            self._heads,
            self._largest,
            self.place,
            self._chosen,
            self._pivot,
            self._basis,
            self.ends,
            self.prefixes,
            steps,
        )
        return more


def number_of_primes(matrix: IntArray, largest: int) -> int:
    """Return the number of 31-bit primes whose product exceeds every minor of `largest` columns.

    By Hadamard's bound a minor is at most the product of the Euclidean norms of its columns, and
    of its rows.
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
    """Reduce column `item` by the basis of smaller depths; return whether E is undecodable.

    ``pivot[q, depth]`` is the pivot row of the reduced column modulo the q-th prime, or -1 if it
    is zero. Rows below `heads` belong to the checks.
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
def _walk(columns, moduli, heads, largest, place, chosen, pivot, basis, ends, prefixes, steps):
    """Go on with the sets in lexicographic order; see `_Walk.go_on`."""
    n = columns.shape[1]
    depth, found = place
    room = len(prefixes)
    while depth >= 0 and steps > 0 and (room == 0 or found < room):
        chosen[depth] += 1
        item = chosen[depth]
        if item >= n or depth >= largest:
            depth -= 1
            continue
        steps -= 1
        if _push(columns, moduli, heads, basis, pivot, depth, item):
            ends[depth + 1, n - 1 - item] += 1
            if room:
                prefixes[found] = -1
                prefixes[found, : depth + 1] = chosen[: depth + 1]
                found += 1
            continue
        depth += 1
        chosen[depth] = item
    place[0] = depth
    place[1] = found
    return depth >= 0
