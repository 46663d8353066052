# mypy: allow-untyped-defs
"""Make the rare moves on packed rows: the flip that reduces, reductions, plus transition, split.

They happen once in thousands of flips. They are therefore written for clarity, on rows instead of
the index, which is built again afterwards. Rows are flat uint64 arrays with three normalised keys
a row; `signs` holds the sign of each row.

The order is fixed, because all engines have to agree. Reductions are made one at a time: first the
lowest row with a zero factor, else the lowest pair (i, j) that agrees in two factors. The last row
replaces the removed one.

Invariant: the sum of the rows' terms never changes.
"""

from __future__ import annotations

import numpy as np

from flipsearch.algebra.draws import draw
from flipsearch.algebra.jit import njit
from flipsearch.algebra.words import HALF, LOW32, ONE, THREE, TWO, ZERO, U
from flipsearch.walk.plain.flips import add, normalise, overflow

TRIES = U(64)
ORDERS = np.array([0, 1, 2, 0, 2, 1, 1, 0, 2, 1, 2, 0, 2, 0, 1, 2, 1, 0], dtype=np.uint64)
PLUS = np.array(
    [  # factors 0 to 5 are a1 b1 c1 a2 b2 c2; (x, y, 0): x, (x, y, 1): x + y, (x, y, 2): x - y
        [  # a1 (b1 + b2) c1 + (a2 - a1) b2 c2 + a1 b2 (c2 - c1)
            *([0, 0, 0], [1, 4, 1], [2, 2, 0]),
            *([3, 0, 2], [4, 4, 0], [5, 5, 0]),
            *([0, 0, 0], [4, 4, 0], [5, 2, 2]),
        ],
        [  # a1 b1 (c1 + c2) + a2 (b2 - b1) c2 + (a2 - a1) b1 c2
            *([0, 0, 0], [1, 1, 0], [2, 5, 1]),
            *([3, 3, 0], [4, 1, 2], [5, 5, 0]),
            *([3, 0, 2], [1, 1, 0], [5, 5, 0]),
        ],
        [  # (a1 + a2) b1 c1 + a2 b2 (c2 - c1) + a2 (b2 - b1) c1
            *([0, 3, 1], [1, 1, 0], [2, 2, 0]),
            *([3, 3, 0], [4, 4, 0], [5, 2, 2]),
            *([3, 3, 0], [4, 1, 2], [2, 2, 0]),
        ],
    ],
    dtype=np.uint64,
)


@njit
def normalise_rows(at, rows, signs, rank):
    """Bring packed rows into normal form and write their signs to `signs`."""
    for row in range(rank):
        signs[row] = ZERO
        for slot in range(THREE):
            _settle(at, rows, signs, row, slot)


@njit
def restore_signs(at, rows, signs, rank):
    """Multiply the third factors of rows by their signs."""
    for row in range(rank):
        _turn(at, rows, _place(at, row, TWO), signs[row])


@njit
def _equal(at, rows, x, y):
    for t in range(at.key):  # noqa: SIM110 - no generators in jitted code
        if rows[x + t] != rows[y + t]:
            return False
    return True


@njit
def _is_zero(at, rows, x):
    for t in range(at.words):  # noqa: SIM110 - no generators in jitted code
        if rows[x + t] != ZERO:
            return False
    return True


@njit
def _copy(at, target, to, source, x):
    for t in range(at.key):
        target[to + t] = source[x + t]


@njit
def _place(at, row, slot):
    return (row * THREE + slot) * at.key


@njit
def _fits(at, rows, x, y, minus):
    """Return whether rows[x] + rows[y], or - if `minus` is 1, stays in the ring's coefficients."""
    if at.ring != ZERO:
        return True
    plus, less = overflow(at, rows, x, y)
    return (less if minus != ZERO else plus) == ZERO


@njit
def _settle(at, rows, signs, row, slot):
    """Bring one factor into normal form and multiply the row's sign by its sign."""
    if at.ring != TWO:
        signs[row] ^= normalise(at, rows, _place(at, row, slot))


@njit
def _add_to(at, rows, signs, row, slot, other, minus):
    """Set row.slot to row.slot + other.slot, or - if `minus` is 1, in normal form."""
    x = _place(at, row, slot)
    add(at, rows, x, x, _place(at, other, slot), minus)
    _settle(at, rows, signs, row, slot)


@njit
def apply_flip(at, rows, signs, move):
    """Carry out the flip move = [a, i, j, 1 if lambda is -1] (uint64, shape (4,))."""
    a, i, j, minus = move[0], move[1], move[2], move[3]
    b, c = (a + ONE) % THREE, (a + TWO) % THREE
    minus_c = minus ^ ONE ^ signs[i] ^ signs[j]
    _add_to(at, rows, signs, i, b, j, minus)
    _add_to(at, rows, signs, j, c, i, minus_c)


@njit
def _drop(at, rows, signs, rank, row):
    last = rank - ONE
    for slot in range(THREE):
        _copy(at, rows, _place(at, row, slot), rows, _place(at, last, slot))
    signs[row] = signs[last]
    signs[last] = ZERO
    return last


@njit
def _merge_first_pair(at, rows, signs, rank):
    """Merge the lowest pair that agrees in two factors if the ring allows; return the rank."""
    for i in range(rank):
        for j in range(i + ONE, rank):
            equal = ZERO
            for slot in range(THREE):
                if _equal(at, rows, _place(at, i, slot), _place(at, j, slot)):
                    equal |= ONE << slot
            for slot in range(THREE):
                rest = U(7) ^ (ONE << slot)
                minus = signs[i] ^ signs[j]
                if equal & rest == rest and _fits(
                    at, rows, _place(at, i, slot), _place(at, j, slot), minus
                ):
                    _add_to(at, rows, signs, i, slot, j, minus)
                    return _drop(at, rows, signs, rank, j)
    return rank


@njit
def reduce(at, rows, signs, rank, merge):
    """Carry out reductions until there are none; return the new rank (uint64).

    A zero factor drops its row. With `merge` (uint64) 1, two rows that agree up to sign in two
    factors become one, over ZT only if the sum stays in {-1, 0, 1}.
    """
    while True:
        before = rank
        for row in range(rank):
            for slot in range(THREE):
                if _is_zero(at, rows, _place(at, row, slot)):
                    rank = _drop(at, rows, signs, rank, row)
                    break
            if rank != before:
                break
        if rank == before and merge != ZERO:
            rank = _merge_first_pair(at, rows, signs, rank)
        if rank == before:
            return rank


@njit
def _turn(at, words, x, minus):
    """Negate the key at words[x] if minus is 1."""
    if at.ring != TWO:
        for t in range(at.words):
            words[x + at.words + t] ^= words[x + t] & (ZERO - minus)


@njit
def plus(at, rows, signs, rank, seed, counter):
    """Turn two rows into three: the plus transition of Arai, Ichikawa and Hukushima.

    The draws give two rows that differ in every factor, an order a, b, c of the slots, signs for
    two factors of the second row, and one of the variants of `PLUS`. Over ZT the next variants are
    tried if one is not ternary. Return the new rank, unchanged if no pair was found in 64 tries,
    and the last draw.
    """
    if rank < TWO:
        return rank, counter
    k = at.key
    scratch = np.zeros(U(15) * k, np.uint64)
    for _ in range(TRIES):
        counter += ONE
        z = draw(seed, counter)
        first = ((z >> HALF) * rank) >> HALF
        second = ((z & LOW32) * (rank - ONE)) >> HALF
        second += U(second >= first)
        distinct = True
        for slot in range(THREE):
            distinct &= not _equal(at, rows, _place(at, first, slot), _place(at, second, slot))
        if not distinct:
            continue
        counter += ONE
        z = draw(seed, counter)
        order = ((z >> HALF) * U(6)) >> HALF
        for part in range(THREE):
            slot = ORDERS[order * THREE + part]
            _copy(at, scratch, part * k, rows, _place(at, first, slot))
            _copy(at, scratch, (part + THREE) * k, rows, _place(at, second, slot))
        turn_a, turn_b = z & ONE, (z >> ONE) & ONE
        _turn(at, scratch, TWO * k, signs[first])
        _turn(at, scratch, THREE * k, turn_a)
        _turn(at, scratch, U(4) * k, turn_b)
        _turn(at, scratch, U(5) * k, turn_a ^ turn_b ^ signs[second])
        variant = ((z & LOW32) >> TWO) % THREE
        for _attempt in range(THREE):
            if _expand(at, scratch, variant):
                for term in range(THREE):
                    row = first if term == ZERO else (second if term == ONE else rank)
                    signs[row] = ZERO
                    for part in range(THREE):
                        slot = ORDERS[order * THREE + part]
                        source = (U(6) + term * THREE + part) * k
                        _copy(at, rows, _place(at, row, slot), scratch, source)
                        _settle(at, rows, signs, row, slot)
                return rank + ONE, counter
            variant = (variant + ONE) % THREE
    return rank, counter


@njit
def _expand(at, scratch, variant):
    """Write the nine factors of a plus variant after the six given; return whether they fit."""
    k = at.key
    for entry in range(U(9)):
        x, y = PLUS[variant, entry, ZERO], PLUS[variant, entry, ONE]
        kind = PLUS[variant, entry, TWO]
        to = (U(6) + entry) * k
        if kind == ZERO:
            _copy(at, scratch, to, scratch, x * k)
        elif not _fits(at, scratch, x * k, y * k, kind - ONE):
            return False
        else:
            add(at, scratch, to, x * k, y * k, kind - ONE)
    return True


@njit
def split(at, rows, signs, rank, seed, counter):
    """Split a row: u v w = x v w + (u - x) v w, where x or -x is a factor of another row.

    Return (rank, counter) as `plus` does.
    """
    for _ in range(TRIES):
        counter += ONE
        z = draw(seed, counter)
        row = ((z >> HALF) * rank) >> HALF
        other = ((z & LOW32) * rank) >> HALF
        counter += ONE
        z = draw(seed, counter)
        slot = ((z >> HALF) * THREE) >> HALF
        minus = z & ONE
        u, x = _place(at, row, slot), _place(at, other, slot)
        if _equal(at, rows, u, x):
            continue
        if not _fits(at, rows, u, x, minus ^ ONE):
            minus ^= ONE
            if not _fits(at, rows, u, x, minus ^ ONE):
                continue
        for part in range(THREE):
            _copy(at, rows, _place(at, rank, part), rows, _place(at, row, part))
        signs[rank] = signs[row]
        _add_to(at, rows, signs, rank, slot, other, minus ^ ONE)
        _copy(at, rows, u, rows, x)
        signs[row] ^= minus & U(at.ring != TWO)
        return rank + ONE, counter
    return rank, counter
