# mypy: allow-untyped-defs
"""Run walks by rotated orbits in a jitted loop: see `flipsearch.walk.rotation.task`.

A factor is one word of nonzeros and one of signs, so a sum takes a dozen instructions. A scheme
has at most a few hundred rows, so a scan of the contiguous words of one slot finds the rows with
the same factor. An index would not pay, because every flip changes 2d rows of two slots. Three
draws in four meet a factor that no other orbit has. A first scan without branches detects this,
eight rows at a time; only then a second scan searches the partner.

Invariant: row o d + t is the t-th image of row o d, before and after every move. A form is the
signs of a factor or of its negative, so chosen that the lowest entry is positive. Factors agree up
to sign exactly if nonzeros and forms agree.
"""

from __future__ import annotations

import numpy as np

from flipsearch.algebra.draws import draw
from flipsearch.algebra.jit import njit
from flipsearch.algebra.planes import add_modulo_3, leaves_ternary
from flipsearch.algebra.words import HALF, LOW32, ONE, SIX, THREE, TWO, ZERO, U, copy_words, flag
from flipsearch.errors import UsageError
from flipsearch.rings import Ring
from flipsearch.walk.rotation.task import RotationTask, orders
from flipsearch.walk.task import HISTORY, WalkOutcome, counted

BUDGET, REACHED = U(0), U(1)
NINE, PLUS_TRIES = U(9), U(64)


@njit(inline="always")
def form(nonzeros, signs):
    """Return the signs of the factor or its negative, whichever has a positive lowest entry."""
    lowest = nonzeros & (~nonzeros + ONE)
    return signs ^ (nonzeros & (ZERO - flag((signs & lowest) != ZERO)))


@njit(inline="always")
def _put(table, stride, place, nonzeros, signs):
    """Store the three words of a factor at a place."""
    table[place], table[stride + place] = nonzeros, signs
    table[TWO * stride + place] = form(nonzeros, signs)


@njit(inline="always")
def _add(table, stride, to, place, negate):
    """Add the factor at `place`, or its negative, to the factor at `to`."""
    other = table[stride + place] ^ (table[place] & (ZERO - negate))
    a, s = add_modulo_3(table[to], table[stride + to], table[place], other)
    _put(table, stride, to, a, s)


@njit(inline="always")
def _overflows(table, stride, to, place, negate):
    other = table[stride + place] ^ (table[place] & (ZERO - negate))
    leaves, _ = leaves_ternary(table[to], table[stride + to], table[place], other)
    return leaves != ZERO


@njit(inline="always")
def _next(row, first, order):
    """Return the next image of a row; `first` is the first row of its orbit."""
    row += ONE
    return row - order * flag(row - first == order)


@njit
def _shares(table, stride, base, row, first, order, count):
    """Return whether a row of another orbit has the same factor, without branches."""
    wanted, signs, some = table[base + row], table[TWO * stride + base + row], ZERO
    for other in range(count):
        same = (table[base + other] ^ wanted) | (table[TWO * stride + base + other] ^ signs)
        some |= flag(same == ZERO) & flag(other - first >= order)
    return some != ZERO


@njit(inline="always")
def _found(table, stride, base, row, first, order, start, stop):
    """Return the first row from `start` on, in another orbit, with the row's factor, or `stop`."""
    wanted, signs = table[base + row], table[TWO * stride + base + row]
    for other in range(start, stop):
        place = base + other
        alike = table[place] == wanted and table[TWO * stride + place] == signs
        if alike and other - first >= order:  # unsigned, so true for rows before the orbit too
            return other
    return stop


@njit
def _drop(table, capacity, first, count, order):
    """Remove an orbit if a factor of its first row is zero; return the number of rows left."""
    zero = False
    for slot in range(THREE):
        zero |= table[slot * capacity + first] == ZERO
    if not zero:
        return count
    count -= order
    for base in range(ZERO, NINE * capacity, capacity):
        for t in range(order):
            table[base + first + t] = table[base + count + t]
    return count


@njit
def plus(table, capacity, count, order, integral, seed, counter):
    """Turn two orbits into three; return (whether it was done, counter).

    With the slots in a random order, a b c + d e f = a (b + e) c + a e (f - c) + (d - a) e f.
    """
    stride = THREE * capacity
    if count + order > capacity or count < TWO * order:
        return False, counter
    for _ in range(PLUS_TRIES):
        z = draw(seed, counter)
        p, q = ((z >> HALF) * count) >> HALF, ((z & LOW32) * count) >> HALF
        z = draw(seed, counter + ONE)
        counter += TWO
        slot = ((z & LOW32) * THREE) >> HALF
        turn = ONE + ((z >> U(63)) & ONE)
        a, b = slot * capacity, (slot + turn) % THREE * capacity
        c = (slot + THREE - turn) % THREE * capacity
        x, y = p - p % order, q - q % order
        refused = x == y
        for base in range(ZERO, stride, capacity):
            same = table[base + p] == table[base + q]
            refused |= same and table[TWO * stride + base + p] == table[TWO * stride + base + q]
        if refused:
            continue
        if integral and (
            _overflows(table, stride, b + p, b + q, ZERO)
            or _overflows(table, stride, c + q, c + p, ONE)
            or _overflows(table, stride, a + q, a + p, ONE)
        ):
            continue
        for new in range(count, count + order):
            _put(table, stride, a + new, table[a + p], table[stride + a + p])
            _put(table, stride, b + new, table[b + q], table[stride + b + q])
            _put(table, stride, c + new, table[c + q], table[stride + c + q])
            _add(table, stride, c + new, c + p, ONE)
            _add(table, stride, b + p, b + q, ZERO)
            _add(table, stride, a + q, a + p, ONE)
            p, q = _next(p, x, order), _next(q, y, order)
        return True, counter
    return False, counter


@njit
def _flip(table, capacity, count, order, integral, z, choice):
    """Try a random flip of two orbits; return the first rows of both, or `count` twice.

    Rows u b d and u e f, up to the sign of u, become u (b + c e) d and u e (f -+ c d) with c = 1
    or -1, and all their images likewise.
    """
    stride = THREE * capacity
    row, start = ((z >> HALF) * count) >> HALF, ((z & LOW32) * count) >> HALF
    slot, turn = ((choice & LOW32) * THREE) >> HALF, ONE + ((choice >> U(63)) & ONE)
    negate = (choice >> U(62)) & ONE
    u, x = slot * capacity, row - row % order
    if not _shares(table, stride, u, row, x, order, count):
        return count, count
    other = _found(table, stride, u, row, x, order, start, count)
    if other == count:
        other = _found(table, stride, u, row, x, order, ZERO, start)
        if other == start:
            return count, count
    second, third = slot + turn, slot + THREE - turn
    second = (second - THREE * flag(second >= THREE)) * capacity
    third = (third - THREE * flag(third >= THREE)) * capacity
    opposite = ONE ^ negate ^ flag(table[stride + u + row] != table[stride + u + other])
    if integral and (
        _overflows(table, stride, second + row, second + other, negate)
        or _overflows(table, stride, third + other, third + row, opposite)
    ):
        return count, count
    y = other - other % order
    for _ in range(order):
        _add(table, stride, second + row, second + other, negate)
        _add(table, stride, third + other, third + row, opposite)
        row, other = _next(row, x, order), _next(other, y, order)
    return x, y


@njit
def run(table, best, count, limits, history):
    """Walk.

    Parameters
    ----------
    table : uint64 array, shape (9 * capacity,)
        Nonzeros, slot after slot, then signs likewise, then forms, which are filled in here;
        changed in place. There is one array, because numba counts references to several arrays in
        a tuple in every call.
    best : uint64 array, shape (6 * capacity,)
        Nonzeros and signs of the first state of the lowest rank.
    count : uint64
        Number of rows of the start, orbit after orbit.
    limits : uint64 array (order, integral, seed, steps, plus_after, band, stop_rank)
    history : uint64 array, shape (H, 2)

    Returns
    -------
    rows, rows of the best, steps, flips, reductions, escapes, records, reason : uint64
    """
    order, integral, seed, steps, plus_after, band, stop = limits
    capacity = U(len(table)) // NINE
    kept = SIX * capacity
    for place in range(THREE * capacity):
        table[kept + place] = form(table[place], table[THREE * capacity + place])
    copy_words(best, table, kept)
    lowest, since, last, step = count, count, ZERO, ZERO
    flips, reductions, escapes, records, counter = ZERO, ZERO, ZERO, ZERO, ONE
    while step < steps and lowest > stop:
        step += ONE
        z, choice = draw(seed, counter), draw(seed, counter + ONE)
        counter += TWO
        row, other = _flip(table, capacity, count, order, integral, z, choice)
        if row < count:
            flips += ONE
            before = count
            # the last orbit moves into a gap, so the later of the two goes first
            count = _drop(table, capacity, max(row, other), count, order)
            count = _drop(table, capacity, min(row, other), count, order)
            reductions += (before - count) // order
            if count < since:
                since, last = count, step
            if count < lowest:
                lowest = count
                copy_words(best, table, kept)
                if records < U(len(history)):
                    history[records, 0], history[records, 1] = step, lowest
                    records += ONE
        if plus_after > ZERO and step - last > plus_after:
            if count < lowest + band:
                done, counter = plus(table, capacity, count, order, integral, seed, counter)
                if done:
                    count += order
                    escapes += ONE
            since, last = count, step
    reason = REACHED if lowest <= stop else BUDGET
    return count, lowest, step, flips, reductions, escapes, records, reason


def walk(task: RotationTask) -> WalkOutcome:
    """Carry out a walk by rotated orbits; the same task gives the same outcome.

    Raises `UsageError` if such walks do not take the format or ring, or the start does not consist
    of orbits.
    """
    order, policy = task.order, task.policy
    if order not in orders(task.format, task.ring) or task.start.shape[1:] != (3, 2):
        raise UsageError(
            f"{task.format} has no walk over {task.ring} by rotations of order {order}"
        )
    if task.rank == 0 or task.rank % order:
        raise UsageError(f"{task.rank} rows are not in orbits of {order}")
    table = np.zeros((3, 3, task.capacity), dtype=np.uint64)  # nonzeros, signs, forms; slots; rows
    table[:2, :, : task.rank] = task.start.T
    best = np.zeros_like(table[:2])
    history = np.zeros((HISTORY, 2), dtype=np.uint64)
    integral = task.integral or task.ring is Ring.ZT
    limits = (order, integral, task.seed, task.steps, policy.plus_after, policy.band)
    count, lowest, *counts = run(
        *(table.reshape(-1), best.reshape(-1), U(task.rank)),
        *(np.array([*limits, policy.stop_rank], dtype=np.uint64), history),
    )
    final, low = (
        np.ascontiguousarray(planes[:2, :, : int(rows)].T)
        for planes, rows in ((table, count), (best, lowest))
    )
    return WalkOutcome(best=(low,), final=final, **counted(task, history, tuple(counts)))
