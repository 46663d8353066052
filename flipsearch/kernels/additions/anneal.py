# mypy: allow-untyped-defs
"""Anneal a scheme and its three programs together.

The moves are flips (two terms with a factor in common), elementary sandwiches of general formats
(a row or column of one operand added to another, the inverse on the other side), and sums: one
form more in a program. After each, forms that no row needs are taken away. The energy is the
number of additions of the three programs, not the number of nonzeros: dense schemes often share
better. A flip replaces a row x by x + y. Both are in the program, and the new row costs one
addition at most. So the evaluation is incremental.

Invariant: a move keeps a valid scheme valid and each program a program of its factor, or it is
undone.
"""

from __future__ import annotations

import numpy as np

from flipsearch.algebra.draws import next_draw
from flipsearch.algebra.jit import njit
from flipsearch.kernels.additions.sums import (
    added,
    aim,
    clear,
    find,
    follows,
    insert,
    normal,
    prune,
    remove,
    save,
)


@njit
def additions(sums, weights):
    """Return the number of additions of the three programs, each counted so many times."""
    total = 0
    for slot in range(3):
        total += weights[slot] * (sums.size[slot] - sums.inputs[slot])
    return total


@njit
def _below(state, bound):
    """Return a random integer from 0 to bound - 1."""
    return np.int64(next_draw(state) % np.uint64(bound))


@njit
def _retarget(sums, slot, row, other, scale, modulus):
    """Add scale times one row to another; return whether that stays ternary, nonzero and fits."""
    x, y = sums.node[slot, row], sums.node[slot, other]
    scale *= sums.sign[slot, row] * sums.sign[slot, other]
    fits, p, m = added(
        sums.plus[slot, x], sums.minus[slot, x], sums.plus[slot, y], sums.minus[slot, y],
        scale, modulus,
    )  # fmt: skip
    if not fits or (p | m) == 0:
        return False
    sign = sums.sign[slot, row]
    sums.wanted[slot, x] -= 1
    if not aim(sums, slot, row, p, m, modulus):
        return False
    sums.sign[slot, row] *= sign
    return True


@njit
def _flip(sums, rank, modulus, state):
    """Try a random flip; return the slot whose factor is shared, or -1 if nothing changed."""
    shared = _below(state, 3)
    r, start = _below(state, rank), _below(state, rank)
    for k in range(rank):
        s = (start + k) % rank
        if s == r or sums.node[shared, s] != sums.node[shared, r]:
            continue
        c = 1 if next_draw(state) & np.uint64(1) else -1
        sign = sums.sign[shared, r] * sums.sign[shared, s]
        second, third = (shared + 1) % 3, (shared + 2) % 3
        if next_draw(state) & np.uint64(1):
            second, third = third, second
        save(sums, second, sums, second + 3)
        save(sums, third, sums, third + 3)
        if _retarget(sums, second, r, s, c, modulus) and _retarget(
            sums, third, s, r, -c * sign, modulus
        ):
            return shared
        save(sums, second + 3, sums, second)
        save(sums, third + 3, sums, third)
        return -1
    return -1


@njit
def _moved(word, line, i, j):
    """Return the bits of line i at the places of line j, lines given by (stride, length, step)."""
    stride, length, step = line
    result = np.uint64(0)
    for t in range(length):
        bit = (word >> np.uint64(i * stride + t * step)) & np.uint64(1)
        result |= bit << np.uint64(j * stride + t * step)
    return result


@njit
def _add_line(sums, slot, line, i, j, scale, rank, modulus):
    """Add scale * line i to line j of every form; return whether all rows stay within bounds."""
    copy = slot + 3
    save(sums, slot, sums, copy)
    clear(sums, slot)
    for x in range(sums.size[copy]):
        plus, minus = sums.plus[copy, x], sums.minus[copy, x]
        fits, p, m = added(
            plus, minus, _moved(plus, line, i, j), _moved(minus, line, i, j), scale, modulus
        )
        if not fits:
            if sums.wanted[copy, x] > 0:
                return False
            continue
        p, m, sign = normal(p, m)
        place = find(sums, slot, p, m)
        if place < 0:
            place = insert(sums, slot, p, m, modulus)
        if place < 0:
            return False
        sums.wanted[slot, place] = sums.wanted[copy, x]
        sums.derived[x] = 2 * place + (sign > 0)
    for row in range(rank):
        place = sums.derived[sums.node[copy, row]]
        sums.node[slot, row] = place // 2
        sums.sign[slot, row] = sums.sign[copy, row] * (1 if place % 2 else -1)
    return follows(sums, slot, -1)


@njit
def _sandwich(sums, sides, rank, modulus, state):
    """Try a random elementary sandwich; return the slot left alone, or -1 if nothing changed."""
    first = _below(state, 3)  # rows of U (n x m), V (m x p) or W (p x n)
    second = (first + 2) % 3  # columns of the factor before
    size, width, length = sides[first], sides[(first + 1) % 3], sides[second]
    if size < 2:
        return -1
    i = _below(state, size)
    j = (i + 1 + _below(state, size - 1)) % size
    c = 1 if next_draw(state) & np.uint64(1) else -1
    if _add_line(sums, first, (width, width, 1), i, j, c, rank, modulus):
        if _add_line(sums, second, (1, length, size), j, i, -c, rank, modulus):
            return (first + 1) % 3
        save(sums, second + 3, sums, second)
    save(sums, first + 3, sums, first)
    return -1


@njit
def _sum(sums, slot, modulus, state):
    """Try a form more in one program that replaces others; return whether something changed."""
    size = sums.size[slot]
    x = _below(state, size)
    y = (x + 1 + _below(state, size - 1)) % size if size > 1 else x
    if x == y:
        return False
    fits, p, m = added(
        sums.plus[slot, x], sums.minus[slot, x], sums.plus[slot, y], sums.minus[slot, y],
        1 if next_draw(state) & np.uint64(1) else -1, modulus,
    )  # fmt: skip
    p, m, _ = normal(p, m)
    if not fits or find(sums, slot, p, m) >= 0:
        return False
    before = sums.count[slot]
    place = insert(sums, slot, p, m, modulus)
    if place < 0:
        return False
    if sums.count[slot] < before + 2:
        remove(sums, slot, place)
        return False
    prune(sums, slot, _below(state, size), place)
    return True


@njit
def anneal(sums, best, sides, weights, least, rank, modulus, shares, hot, cold, steps, state):
    """Run annealing steps; return the least energy seen, with its forms and rows in `best`.

    `best` is overwritten when an energy below `least` is met. `sides` is an int64 array (n, m, p)
    of a general format, `weights` are how often the additions of each program count, `rank` the
    number of terms, and `modulus` 0 for ternary integers, 2 or 3 for a field. `shares` are those
    of flips and of sandwiches among the moves. `hot` and `cold` are the temperatures at the first
    and last step.
    """
    energy = additions(sums, weights)
    for step in range(steps + 1):
        if energy < least:
            least = energy
            for slot in range(3):
                save(sums, slot, best, slot)
        if step == steps:
            break
        kind = float(next_draw(state) >> np.uint64(11)) * 2.0**-53
        if kind < shares[0]:
            left_alone = _flip(sums, rank, modulus, state)
        elif kind < shares[0] + shares[1]:
            left_alone = _sandwich(sums, sides, rank, modulus, state)
        else:
            _sum(sums, _below(state, 3), modulus, state)
            energy = additions(sums, weights)
            continue
        if left_alone < 0:
            continue
        for slot in range(3):
            if slot != left_alone:
                prune(sums, slot, _below(state, sums.size[slot]), -1)
        rise = additions(sums, weights) - energy
        temperature = hot * (cold / hot) ** (step / steps)
        chance = float(next_draw(state) >> np.uint64(11)) * 2.0**-53
        if rise <= 0 or chance < np.exp(-rise / temperature):
            energy += rise
            continue
        for slot in range(3):
            if slot != left_alone:
                save(sums, slot + 3, sums, slot)
    return least
