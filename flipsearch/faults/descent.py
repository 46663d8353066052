# mypy: allow-untyped-defs
"""Find free codes by coordinate descent: drop a product and replace it by the best candidate.

Let one product be dropped, and let E be an undecodable set of the others whose survivors span S.
With the targets' span T, a candidate x makes E decodable exactly if dim (T + S) = dim S + 1 and x
lies in T + S but not in S. Two random linear forms, one that vanishes on T + S and one on S,
decide this for all candidates in one pass, with an error probability of about 2^-31 each. This
suffices to choose a candidate; the code is certified exactly afterwards.

Invariant: the same seed and arguments give the same codes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from flipsearch.algebra.deadline import in_pieces
from flipsearch.algebra.exact import primes, reduce_rows
from flipsearch.algebra.jit import njit
from flipsearch.faults.union import target_forms
from flipsearch.formats import Format
from flipsearch.rings import IntArray

_BEFORE_THE_FIRST, _AFTER_THE_LAST = -1, -2


def ternary_vectors(length: int, most_nonzeros: int | None = None) -> IntArray:
    """Return the nonzero ternary vectors up to sign, with at most `most_nonzeros` nonzeros."""
    most = length if most_nonzeros is None else most_nonzeros
    rows = []
    for size in range(1, most + 1):
        for support in itertools.combinations(range(length), size):
            for signs in itertools.product((1, -1), repeat=size - 1):
                row = [0] * length
                row[support[0]] = 1
                for position, sign in zip(support[1:], signs, strict=True):
                    row[position] = sign
                rows.append(row)
    return np.array(rows, dtype=np.int64)


@dataclass(frozen=True)
class Code:
    """Products found by the descent, with their score.

    `score` is the sum of p^k (1-p)^(n-k) over the undecodable sets of k <= `depth` losses.
    """

    u: IntArray
    v: IntArray
    score: float


class Descent:
    """Coordinate descent over n products drawn from a pool of factors.

    `left` and `right` are int64 arrays of shapes (Pu, dU) and (Pv, dV), the factors of the
    candidates; each step tries all Pu Pv products. `p` is the probability of a loss in the score,
    where small values favour a larger kmin, and `depth` the largest number of losses in it.
    """

    def __init__(
        self,
        format_: Format,
        left: IntArray,
        right: IntArray,
        *,
        p: float = 0.05,
        depth: int = 4,
        seed: int = 0,
    ) -> None:
        self._left = np.ascontiguousarray(left)
        self._right = np.ascontiguousarray(right)
        self._targets = target_forms(format_)
        self._p = p
        self._depth = depth
        self._generator = np.random.default_rng(seed)
        self._prime = np.uint64(primes(1)[0])

    def step(self, u: IntArray, v: IntArray, drop: int) -> Code:
        """Replace product `drop` by the best candidate; equal ones are drawn at random."""
        keep = np.arange(len(u)) != drop
        products = (u[keep][:, :, None] * v[keep][:, None, :]).reshape(len(u) - 1, -1)
        n = len(u)
        weights = np.array(
            [self._p**k * (1 - self._p) ** (n - k) for k in range(self._depth + 1)] + [0.0]
        )
        randoms = self._generator.integers(1, int(self._prime), size=(2, products.shape[1]))
        gains = np.zeros((len(self._left), len(self._right)))
        arguments = (
            products % np.int64(self._prime),
            self._targets % np.int64(self._prime),
            self._left,
            self._right,
            weights,
            self._prime,
            randoms.astype(np.uint64),
            gains,
            np.zeros(self._depth + 1, dtype=np.int64),
            np.zeros(n - 1, dtype=np.bool_),
        )
        place = np.array([_BEFORE_THE_FIRST])
        constant = 0.0

        def piece(steps: int) -> bool:
            nonlocal constant
            constant += _score(*arguments, place, steps)
            return bool(place[0] != _AFTER_THE_LAST)

        in_pieces(piece)
        best = gains.max()
        ties = np.flatnonzero(gains.ravel() >= best - 1e-12 * abs(best))
        i, j = divmod(int(self._generator.choice(ties)), len(self._right))
        new_u, new_v = u.copy(), v.copy()
        new_u[drop], new_v[drop] = self._left[i], self._right[j]
        return Code(new_u, new_v, float(constant - best))

    def run(self, u: IntArray, v: IntArray, *, fixed: int = 0, kick: int = 3) -> Iterator[Code]:
        """Yield the code after each step, without end: descend, and kick at a local minimum.

        The descent starts from `u` and `v`, int64 of shapes (n, dU) and (n, dV), whose products
        must span the targets; the first `fixed` products stay. A kick replaces up to `kick`
        products by random candidates. It starts from the best code, or once in ten times from the
        present one.
        """
        n = len(u)
        best = present = Code(u, v, np.inf)
        while True:
            idle = 0
            order = self._generator.permutation(np.arange(fixed, n))
            while idle < len(order):
                for drop in order:
                    code = self.step(present.u, present.v, int(drop))
                    better = code.score < present.score * (1 - 1e-9)
                    idle = 0 if better else idle + 1
                    present = code if code.score <= present.score * (1 + 1e-9) else present
                    yield present
                    if idle >= len(order):
                        break
            if present.score < best.score or self._generator.random() < 0.1:
                best = present
            u, v = best.u.copy(), best.v.copy()
            for drop in self._generator.choice(
                np.arange(fixed, n),
                size=min(int(self._generator.integers(1, kick + 1)), n - fixed),
                replace=False,
            ):
                u[drop] = self._left[self._generator.integers(len(self._left))]
                v[drop] = self._right[self._generator.integers(len(self._right))]
            present = Code(u, v, np.inf)


@njit
def _annihilator(matrix, pivots, randoms, p):
    """Return a random linear form that vanishes on the rows of a reduced echelon matrix."""
    width = matrix.shape[1]
    form = randoms.copy()
    for row in range(len(pivots)):
        form[pivots[row]] = np.uint64(0)
    for row in range(len(pivots)):
        total = np.uint64(0)
        for k in range(width):
            if k != pivots[row]:
                total = (total + matrix[row, k] * form[k]) % p
        form[pivots[row]] = (p - total) % p
    return form


@njit
def _next_set(size, chosen, lost):
    """Advance `chosen` to the next set, depth first in index order; return its size."""
    if size == _BEFORE_THE_FIRST:
        return 0
    following = chosen[size - 1] + 1 if size > 0 else 0
    if size < len(chosen) - 1 and following < len(lost):
        chosen[size] = following
        lost[following] = True
        return size + 1
    while size > 0:
        last = chosen[size - 1]
        lost[last] = False
        if last + 1 < len(lost):
            chosen[size - 1] = last + 1
            lost[last + 1] = True
            return size
        size -= 1
    return _AFTER_THE_LAST


@njit
def _score(products, targets, left, right, weights, p, randoms, gains, chosen, lost, place, steps):
    """Add the weight that candidate (i, j) repairs to gains[i, j]; return the score without it.

    The score without a candidate counts each undecodable set E of the others once as it is and
    once with the new product lost too. Both sums run over the next `steps` sets. ``place[0]`` is
    the size of the last set.
    """
    m, width = products.shape
    t = len(targets)
    du, dv = left.shape[1], right.shape[1]
    constant = 0.0
    work = np.zeros((m + t, width), dtype=np.uint64)
    modulus = np.int64(p)
    inner = np.zeros((len(right), du), dtype=np.int64)
    for _ in range(steps):
        size = _next_set(place[0], chosen, lost)
        place[0] = size
        if size == _AFTER_THE_LAST:
            break
        rows = 0
        for r in range(m):
            if not lost[r]:
                for k in range(width):
                    work[rows, k] = np.uint64(products[r, k])
                rows += 1
        pivots = reduce_rows(work[:rows], width, p)
        rank = len(pivots)
        apart = _annihilator(work[:rank], pivots, randoms[0], p)
        for r in range(t):
            for k in range(width):
                work[rank + r, k] = np.uint64(targets[r, k])
        both = reduce_rows(work[: rank + t], width, p)
        deficit = len(both) - rank
        if deficit == 0:
            continue
        constant += weights[size] + weights[size + 1]
        if deficit > 1:
            continue
        within = _annihilator(work[: rank + 1], both, randoms[1], p)
        weight = weights[size]
        for j in range(len(right)):
            for a in range(du):
                total = np.int64(0)
                for b in range(dv):
                    total += np.int64(within[a * dv + b]) * right[j, b]
                inner[j, a] = total % modulus
        for i in range(len(left)):
            for j in range(len(right)):
                total = np.int64(0)
                for a in range(du):
                    total += inner[j, a] * left[i, a]
                if total % modulus == 0:
                    other = np.int64(0)
                    for a in range(du):
                        part = np.int64(0)
                        for b in range(dv):
                            part += np.int64(apart[a * dv + b]) * right[j, b]
                        other += (part % modulus) * left[i, a]
                    if other % modulus != 0:
                        gains[i, j] += weight
    return constant
