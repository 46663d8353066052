# mypy: allow-untyped-defs
"""Detect a superfluous term by linear dependence between products of two factors.

If the matrices v_r (x) w_r are linearly dependent, one of them is a combination of the others. Its
term can be distributed over theirs, and the rank falls by one. This covers a zero factor, a pair
that agrees in two factors, and the reductions of Kauers and Moosbauer ("Flip graphs for matrix
multiplication", Definition 4), in which rows that share u have dependent v. A walk detects only
the first two. Strategies test the best states for dependence between tasks.

The products of a row take d_v d_w / 64 words as bits, and the elimination of R rows takes R^2 / 2
times as many operations: 0.1 ms for 4x4x4.

Invariant: over F2 and F3 the answer is exact. Over ZT it is the answer modulo 3: False is exact,
True need not hold over the integers.
"""

from __future__ import annotations

import numpy as np

from flipsearch.algebra.bits import Bits, packed, unpacked
from flipsearch.algebra.jit import njit
from flipsearch.algebra.planes import add_modulo_3
from flipsearch.algebra.words import ONE, ZERO, kth_set_bit
from flipsearch.formats import Format
from flipsearch.rings import Ring
from flipsearch.walk.task import Words, words_of


def _planes(format_: Format, ring: Ring, state: Words, slot: int) -> tuple[Bits, Bits]:
    """Return the nonzeros and the signs of a slot's factors; shapes (R, d)."""
    words, dimension = words_of(format_), format_.dimensions[slot]
    nonzero = unpacked(state[:, slot, :words], dimension)
    if ring is Ring.F2:
        return nonzero, np.zeros_like(nonzero)
    return nonzero, unpacked(state[:, slot, words:], dimension)


def _products(first: Bits, second: Bits, combine: np.ufunc) -> Words:
    """Return packed rows of `combine` over all pairs of entries; shape (R, words)."""
    pairs = combine(first[:, :, None], second[:, None, :]).reshape(len(first), -1)
    return packed(pairs, -(-pairs.shape[1] // 64))


@njit
def _has_dependent_row(nonzero, sign, ternary):
    """Eliminate downwards, in place; return whether a row becomes zero.

    The arrays are uint64 of shape (R, words). Arithmetic is modulo 2, or modulo 3 if `ternary` is
    true; `sign` then marks the entries -1.
    """
    rows, words = nonzero.shape
    for i in range(rows):
        word = 0
        while word < words and nonzero[i, word] == ZERO:
            word += 1
        if word == words:
            return True
        bit = kth_set_bit(nonzero[i, word], ZERO)
        for j in range(i + 1, rows):
            if (nonzero[j, word] >> bit) & ONE == ZERO:
                continue
            if not ternary:
                for t in range(word, words):
                    nonzero[j, t] ^= nonzero[i, t]
                continue
            alike = ONE ^ (((sign[i, word] ^ sign[j, word]) >> bit) & ONE)
            turn = ZERO - alike
            for t in range(word, words):
                nx, sx = nonzero[i, t], sign[i, t] ^ (nonzero[i, t] & turn)
                nonzero[j, t], sign[j, t] = add_modulo_3(nonzero[j, t], sign[j, t], nx, sx)
    return False


def is_dependent(format_: Format, ring: Ring, state: Words) -> bool:
    """Return whether the products of two factors of a packed state are linearly dependent.

    They are if they are so for one of the three pairs of slots. The ring is F2, F3 or ZT, the
    state has shape (R, 3, K).
    """
    planes = [_planes(format_, ring, state, slot) for slot in range(3)]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        nonzero = _products(planes[first][0], planes[second][0], np.logical_and)
        sign = _products(planes[first][1], planes[second][1], np.logical_xor) & nonzero
        if _has_dependent_row(nonzero, sign, ring is not Ring.F2):
            return True
    return False
