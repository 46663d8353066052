"""The jitted loop of the walks by rotated orbits: see `flipsearch.walk.rotation`.

A factor is one word of nonzeros and one of signs, so sums are a dozen instructions, and a scheme
has at most a few hundred rows: a row that shares a factor is found by looking through the words of
one slot, which lie side by side. An index would not pay: every flip changes 2d rows of two slots.

Invariant: row o d + t is the t-th image of row o d, before and after every move; `forms` holds the
signs of each factor or of its negative, whichever has its lowest entry positive, so that factors
agree up to sign exactly when nonzeros and forms agree.
"""

from __future__ import annotations

from numba import njit

from flipsearch.walk.draws import draw
from flipsearch.walk.flips import HALF, LOW32, flag
from flipsearch.walk.index import ONE, THREE, TWO, ZERO, U

BUDGET, REACHED = U(0), U(1)
PLUS_TRIES = U(64)


@njit(inline="always")
def form(nonzeros, signs):  # type: ignore[no-untyped-def]
    """Return the signs of the factor or its negative, the lowest entry positive."""
    lowest = nonzeros & (~nonzeros + ONE)
    return signs ^ (nonzeros & (ZERO - flag((signs & lowest) != ZERO)))


@njit(inline="always")
def carry(a, s, b, t):  # type: ignore[no-untyped-def]
    """Return the entries at which (a, s) and (b, t) have the same sign: a sum leaves -1, 0, 1."""
    return a & b & ~(s ^ t)


@njit(inline="always")
def total(a, s, b, t):  # type: ignore[no-untyped-def]
    """Return nonzeros and signs of (a, s) + (b, t) modulo 3."""
    same = carry(a, s, b, t)
    return (a ^ b) | same, ((s ^ t) & (a ^ b)) | (same & ~s)


@njit(nogil=True, cache=True)
def _put(factors, place, nonzeros, signs):  # type: ignore[no-untyped-def]
    """Store a factor, three words at its place."""
    all_nonzeros, all_signs, forms = factors
    all_nonzeros[place], all_signs[place] = nonzeros, signs
    forms[place] = form(nonzeros, signs)


@njit(nogil=True, cache=True)
def _add(factors, to, place, negate):  # type: ignore[no-untyped-def]
    """Add the factor at `place`, or its negative, to the one at `to`."""
    nonzeros, signs, _ = factors
    other = signs[place] ^ (nonzeros[place] & (ZERO - negate))
    a, s = total(nonzeros[to], signs[to], nonzeros[place], other)
    _put(factors, to, a, s)


@njit(nogil=True, cache=True)
def _overflows(factors, to, place, negate):  # type: ignore[no-untyped-def]
    nonzeros, signs, _ = factors
    other = signs[place] ^ (nonzeros[place] & (ZERO - negate))
    return carry(nonzeros[to], signs[to], nonzeros[place], other) != ZERO


@njit(inline="always")
def _image(row, t, order):  # type: ignore[no-untyped-def]
    """Return the t-th image of a row."""
    turn = row % order
    return row - turn + (turn + t) % order


@njit(nogil=True, cache=True)
def _partner(factors, slot_base, row, start, count, order):  # type: ignore[no-untyped-def]
    """Return the first row of another orbit, from `start` on, that shares the factor, or count."""
    nonzeros, _, forms = factors
    wanted, signs = nonzeros[slot_base + row], forms[slot_base + row]
    first, other = row - row % order, start
    for _ in range(count):
        place = slot_base + other
        if nonzeros[place] == wanted and forms[place] == signs and other - first >= order:
            return other  # unsigned: rows before the orbit are beyond it too
        other += ONE
        if other == count:
            other = ZERO
    return count


@njit(nogil=True, cache=True)
def _drop(factors, capacity, orbit, count, order):  # type: ignore[no-untyped-def]
    """Remove an orbit if a factor of its first row is zero; return the rows that are left."""
    nonzeros, signs, forms = factors
    first = orbit * order
    zero = False
    for slot in range(THREE):
        zero |= nonzeros[slot * capacity + first] == ZERO
    if not zero:
        return count
    count -= order
    for slot in range(THREE):
        for t in range(order):
            to, place = slot * capacity + first + t, slot * capacity + count + t
            nonzeros[to], signs[to], forms[to] = nonzeros[place], signs[place], forms[place]
    return count


@njit(nogil=True, cache=True)
def plus(factors, capacity, count, order, integral, seed, counter):  # type: ignore[no-untyped-def]
    """Two orbits become three; return (whether it was done, counter).

    a b c + d e f = a (b + e) c + a e (f - c) + (d - a) e f, the slots in a random order.
    """
    nonzeros, signs, forms = factors
    if count + order > capacity or count < TWO * order:
        return False, counter
    for _ in range(PLUS_TRIES):
        z = draw(seed, counter)
        p, q = ((z >> HALF) * count) >> HALF, ((z & LOW32) * count) >> HALF
        z = draw(seed, counter + ONE)
        counter += TWO
        first = ((z & LOW32) * THREE) >> HALF
        turn = ONE + ((z >> U(63)) & ONE)
        a, b = first * capacity, (first + turn) % THREE * capacity
        c = (first + THREE - turn) % THREE * capacity
        refused = p // order == q // order
        for slot in range(U(0), THREE * capacity, capacity):
            same = nonzeros[slot + p] == nonzeros[slot + q]
            refused |= same and forms[slot + p] == forms[slot + q]
        if refused:
            continue
        if integral and (
            _overflows(factors, b + p, b + q, ZERO)
            or _overflows(factors, c + q, c + p, ONE)
            or _overflows(factors, a + q, a + p, ONE)
        ):
            continue
        for t in range(order):
            x, y, new = _image(p, t, order), _image(q, t, order), count + t
            _put(factors, a + new, nonzeros[a + x], signs[a + x])
            _put(factors, b + new, nonzeros[b + y], signs[b + y])
            _put(factors, c + new, nonzeros[c + y], signs[c + y])
            _add(factors, c + new, c + x, ONE)
            _add(factors, b + x, b + y, ZERO)
            _add(factors, a + y, a + x, ONE)
        return True, counter
    return False, counter


@njit(nogil=True, cache=True)
def _flip(factors, capacity, count, order, integral, seed, counter):  # type: ignore[no-untyped-def]
    """Try a random flip of two orbits; return one of the rows of each, or count twice.

    Rows u b d and u e f, up to the sign of u, become u (b + c e) d and u e (f -+ c d), c = 1 or
    -1, and so do all their images.
    """
    signs = factors[1]
    z = draw(seed, counter)
    row, start = ((z >> HALF) * count) >> HALF, ((z & LOW32) * count) >> HALF
    z = draw(seed, counter + ONE)
    slot, turn = ((z & LOW32) * THREE) >> HALF, ONE + ((z >> U(63)) & ONE)
    negate = (z >> U(62)) & ONE
    u = slot * capacity
    other = _partner(factors, u, row, start, count, order)
    if other == count:
        return count, count
    second, third = (slot + turn) % THREE * capacity, (slot + THREE - turn) % THREE * capacity
    opposite = ONE ^ negate ^ flag(signs[u + row] != signs[u + other])
    if integral and (
        _overflows(factors, second + row, second + other, negate)
        or _overflows(factors, third + other, third + row, opposite)
    ):
        return count, count
    for t in range(order):
        x, y = _image(row, t, order), _image(other, t, order)
        _add(factors, second + x, second + y, negate)
        _add(factors, third + y, third + x, opposite)
    return row, other


@njit(nogil=True, cache=True)
def run(factors, best, count, limits, history):  # type: ignore[no-untyped-def]
    """Walk.

    Parameters
    ----------
    factors : (nonzeros, signs, forms), each uint64 array, shape (3 * capacity,)
        Slot after slot; changed in place. The forms are filled in here.
    best : (nonzeros, signs), as above
        The first state of the lowest rank.
    count : uint64
        Rows of the start, orbit after orbit.
    limits : uint64 array (order, integral, seed, steps, plus_after, band, stop_rank)
    history : uint64 array, shape (H, 2)

    Returns
    -------
    rows, rows of the best, steps, flips, reductions, escapes, records, reason : uint64
    """
    nonzeros, signs, forms = factors
    order, integral, seed, steps, plus_after, band, stop = limits
    capacity = U(len(nonzeros)) // THREE
    for place in range(U(len(forms))):
        forms[place] = form(nonzeros[place], signs[place])
    best[0][:], best[1][:] = nonzeros, signs
    lowest, since, last, step = count, count, ZERO, ZERO
    flips, reductions, escapes, records, counter = ZERO, ZERO, ZERO, ZERO, ONE
    while step < steps and lowest > stop:
        step += ONE
        row, other = _flip(factors, capacity, count, order, integral, seed, counter)
        counter += TWO
        if row < count:
            flips += ONE
            before = count
            # the orbit that moves into a gap is the last, so the later of the two goes first
            count = _drop(factors, capacity, max(row, other) // order, count, order)
            count = _drop(factors, capacity, min(row, other) // order, count, order)
            reductions += (before - count) // order
            if count < since:
                since, last = count, step
            if count < lowest:
                lowest = count
                best[0][:], best[1][:] = nonzeros, signs
                if records < U(len(history)):
                    history[records, 0], history[records, 1] = step, lowest
                    records += ONE
        if plus_after > ZERO and step - last > plus_after:
            if count + order <= lowest + band:
                done, counter = plus(factors, capacity, count, order, integral, seed, counter)
                if done:
                    count += order
                    escapes += ONE
            since, last = count, step
    reason = REACHED if lowest <= stop else BUDGET
    return count, lowest, step, flips, reductions, escapes, records, reason
