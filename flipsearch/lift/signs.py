# mypy: allow-untyped-defs
"""Lift from F2 to ZT by a local search for signs; zeros stay zero.

Modulo 4 the signs of the nonzero coefficients are the unknowns of a linear system, which
`flipsearch.lift.hensel` solves. One of its solutions has to be found whose Brent equations hold
over Z. Each equation is a sum of signs, and each basis vector of the kernel flips some of them.

At singular points, such as the square of Strassen's scheme, most solutions of the first Hensel
step have no second step. The search follows the WalkSAT rule (Selman, Kautz and Cohen 1994): take
a violated equation and flip the kernel vector through it that leaves the fewest equations
violated; one flip in `_NOISE` is random. Before the search the kernel basis is made sparse: one
vector is added to another if the sum flips fewer products. A flip then breaks fewer equations.

Invariant: the coefficients keep their absolute values; only signs change.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flipsearch.algebra.bits import packed
from flipsearch.algebra.jit import njit
from flipsearch.lift.trilinear import Factors, Frame
from flipsearch.rings import IntArray

LARGEST_WORK = 1_500_000_000
"""Largest number of sign flips to weigh before giving up; they take some seconds."""

_ROUNDS = 5000
_SPARSIFYING_WORDS = 3_000_000_000
_NOISE = 32


def products_of(factors: Factors, frame: Frame) -> tuple[IntArray, IntArray, IntArray]:
    """Return the nonzero products of three coefficients of one term, sorted by equation.

    They are the term r and the coordinates e, p, q of each, shape (N, 4); its equation (e dP + p)
    dQ + q, shape (N,); and where the products of each equation start, shape (equations + 1,).
    """
    _, dP, dQ = frame.dimensions
    parts = [np.zeros((0, 4), dtype=np.int64)]
    for r in range(len(factors[0])):
        nonzero = [np.flatnonzero(matrix[r]) for matrix in factors]
        grid = np.stack(np.meshgrid(*nonzero, indexing="ij"), axis=-1).reshape(-1, 3)
        parts.append(np.column_stack([np.full(len(grid), r), grid]))
    places = np.concatenate(parts)
    equations = (places[:, 1] * dP + places[:, 2]) * dQ + places[:, 3]
    order = np.argsort(equations, kind="stable")
    starts = np.searchsorted(equations[order], np.arange(frame.target.size + 1))
    return places[order], equations[order], starts


def ragged(lists: list[IntArray]) -> tuple[IntArray, IntArray]:
    """Return where each integer list starts in their concatenation, and the concatenation."""
    starts = np.zeros(len(lists) + 1, dtype=np.int64)
    starts[1:] = np.cumsum([len(part) for part in lists])
    return starts, np.concatenate([np.zeros(0, dtype=np.int64), *lists])


def search_signs(
    frame: Frame, factors: Factors, kernel: list[Factors], seed: int, work: int | None = None
) -> Factors | None:
    """Choose signs that satisfy all Brent equations over Z; the same seed gives the same signs.

    Parameters
    ----------
    frame : Frame
        The target in slot order (E, P, Q).
    factors : three int64 arrays
        Entries -1, 0, 1; valid mod 4.
    kernel : list of three int64 arrays each
        Patterns of 0 and 1. Flipping the signs at the ones keeps the scheme valid mod 4.
    work : int, optional
        Number of sign flips to weigh before giving up. By default enough to weigh each kernel
        vector `_ROUNDS` times, but at most `LARGEST_WORK`.

    Returns
    -------
    three int64 arrays or None
        Entries -1, 0, 1 that satisfy all equations over Z, or None if none were found.
    """
    places, equations, starts = products_of(factors, frame)
    r, e, p, q = places.T
    E, P, Q = factors
    signs = E[r, e] * P[r, p] * Q[r, q]
    sums = -frame.target.reshape(-1)
    np.add.at(sums, equations, signs)
    if not kernel:
        return None
    patterns = np.array(
        [np.concatenate([m.reshape(-1) for m in vector]) for vector in kernel], dtype=np.uint8
    )
    at = np.cumsum([0, E.size, P.size])
    flipping = np.ascontiguousarray(
        patterns[:, at[0] + r * E.shape[1] + e]
        ^ patterns[:, at[1] + r * P.shape[1] + p]
        ^ patterns[:, at[2] + r * Q.shape[1] + q]
    )
    sparsify(flipping, patterns)
    flips = [np.flatnonzero(row) for row in flipping]
    flip_starts, flip_products = ragged(flips)
    vector_of_flip = np.repeat(np.arange(len(flips)), np.diff(flip_starts))
    by_product = np.argsort(flip_products, kind="stable")
    through_starts = np.searchsorted(flip_products[by_product], np.arange(len(signs) + 1))
    chosen = np.zeros(len(kernel), dtype=np.int8)
    solved = _walk(
        *(signs, equations, starts, sums, flip_starts, flip_products),
        *(through_starts, vector_of_flip[by_product], chosen, np.uint64((seed * 2 + 1) % 2**64)),
        min(LARGEST_WORK, _ROUNDS * len(flip_products)) if work is None else work,
    )
    if not solved:
        return None
    flipped = 1 - 2 * (np.bitwise_xor.reduce(patterns[chosen == 1], axis=0).astype(np.int64))
    E, P, Q = (
        matrix * flipped[start : start + matrix.size].reshape(matrix.shape)
        for matrix, start in zip(factors, at, strict=True)
    )
    return E, P, Q


def sparsify(flipping: npt.NDArray[np.uint8], patterns: npt.NDArray[np.uint8]) -> None:
    """Add row i to row j, in place, if row j of `flipping` then has fewer ones; six rounds.

    The rows of `flipping` and `patterns`, shapes (n, N) and (n, M), are zeros and ones. Each
    addition is made in both.
    """
    count, width = flipping.shape
    if count * count * (width // 64 + 1) > _SPARSIFYING_WORDS:
        return
    words = packed(flipping, -(-width // 64))
    weights = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    for _ in range(6):
        changes = 0
        for i in range(count):
            sums = np.bitwise_count(words ^ words[i]).sum(axis=1, dtype=np.int64)
            sums[i] = weights[i]
            lighter = np.flatnonzero(sums < weights)
            words[lighter] ^= words[i]
            flipping[lighter] ^= flipping[i]
            patterns[lighter] ^= patterns[i]
            weights[lighter] = sums[lighter]
            changes += len(lighter)
        if not changes:
            return


@njit
def _draw(state):
    """Return the next state of a xorshift generator (Marsaglia 2003)."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    return state ^ (state << np.uint64(17))


@njit
def _below(state, bound):
    return np.int64((state >> np.uint64(11)) % np.uint64(bound))


@njit
def _gain(signs, equations, sums, products, moved, touched):
    """Return how many more equations fail if these products flip; `moved` is zero again after."""
    count = 0
    for at in products:
        equation = equations[at]
        moved[equation] -= 2 * signs[at]
        touched[count] = equation
        count += 1
    gain = 0
    for i in range(count):
        equation = touched[i]
        if moved[equation]:
            gain += (sums[equation] + moved[equation] != 0) - (sums[equation] != 0)
            moved[equation] = 0
    return gain


@njit
def _walk(
    signs, equations, starts, sums, flip_starts, flip_products, through_starts, through_vectors,
    chosen, state, work,
):  # fmt: skip
    """Flip kernel vectors until every sum is zero; `chosen` records the parity of their flips."""
    vectors = chosen.size
    moved = np.zeros(sums.size, dtype=np.int64)
    touched = np.zeros(signs.size, dtype=np.int64)
    position = np.full(sums.size, -1, dtype=np.int64)
    violated = np.zeros(sums.size, dtype=np.int64)
    seen = np.full(vectors, -1, dtype=np.int64)
    candidates = np.zeros(vectors, dtype=np.int64)
    failing = 0
    for equation in range(sums.size):
        if sums[equation]:
            position[equation] = failing
            violated[failing] = equation
            failing += 1
    for _ in range(8):
        state = _draw(state)
    turn = 0
    while failing and work > 0:
        state = _draw(state)
        equation = violated[_below(state, failing)]
        count = 0
        for at in range(starts[equation], starts[equation + 1]):
            for k in range(through_starts[at], through_starts[at + 1]):
                vector = through_vectors[k]
                if seen[vector] != turn:
                    seen[vector] = turn
                    candidates[count] = vector
                    count += 1
        if count == 0:
            return False
        state = _draw(state)
        # a random start breaks ties at random
        offset = _below(state, count)
        best = candidates[offset]
        state = _draw(state)
        if _below(state, _NOISE):
            least = sums.size + 1
            for i in range(count):
                vector = candidates[(offset + i) % count]
                products = flip_products[flip_starts[vector] : flip_starts[vector + 1]]
                gain = _gain(signs, equations, sums, products, moved, touched)
                work -= products.size
                if gain < least:
                    least = gain
                    best = vector
        chosen[best] ^= 1
        for at in flip_products[flip_starts[best] : flip_starts[best + 1]]:
            equation = equations[at]
            before = sums[equation]
            sums[equation] -= 2 * signs[at]
            signs[at] = -signs[at]
            if before and not sums[equation]:
                failing -= 1
                last = violated[failing]
                violated[position[equation]] = last
                position[last] = position[equation]
                position[equation] = -1
            elif sums[equation] and not before:
                position[equation] = failing
                violated[failing] = equation
                failing += 1
        work -= 1
        turn += 1
    return failing == 0
