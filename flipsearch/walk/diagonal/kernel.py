# mypy: allow-untyped-defs
"""Run walks modulo diagonal terms in a jitted loop: see `flipsearch.walk.diagonal.task`.

A walk holds at most 64 rows. For each row and slot one word marks the other rows with the same
factor, and a flip takes a random bit of it. Factors are stored as in
`flipsearch.walk.rotation.kernel`. Plus transitions are those of that module for orbits of one row.

A free term a (x) * (x) c, with single entries a and c and any second factor *, allows more moves
than flips:

- If a row has the first factor a, its third factor may gain c, and the other way round; the free
  term absorbs the difference.
- A row with both factors a and c is free itself and vanishes.
- A free term with the second factor of a row may be added as a row and flipped with that row.

Invariant: outside the entries (a, *, c) of the free pairs the sum of the rows never changes. Row x
is in the word of row y exactly if their factors agree up to sign.
"""

from __future__ import annotations

import numpy as np

from flipsearch.algebra.draws import draw
from flipsearch.algebra.jit import njit
from flipsearch.algebra.planes import add_modulo_3
from flipsearch.algebra.words import (
    HALF,
    LOW32,
    ONE,
    THREE,
    TWO,
    ZERO,
    U,
    copy_words,
    flag,
    kth_set_bit,
    popcount,
    trailing_zeros,
)
from flipsearch.errors import UsageError
from flipsearch.walk.diagonal.task import DiagonalTask, always, completed, diagonal, without
from flipsearch.walk.rotation.kernel import BUDGET, REACHED, form, plus
from flipsearch.walk.task import HISTORY, WalkOutcome, Words, counted, pack, unpack

ROWS = U(64)
SIGNS, FORMS, SHARED, MATES = U(3 * 64), U(6 * 64), U(9 * 64), U(12 * 64)
"""Offsets of the parts of the table after the nonzeros. There is one array, because numba counts
references to several arrays in a tuple in every call, which takes twice the time of a flip."""
TABLE = 14 * 64
FREE_MOVES = ONE
"""Mask of the draw: every other step tries a free move instead of a flip."""
FREE_ROWS = U(3)
"""Mask of the draw: one escape in four adds a free term, the others are plus transitions."""


@njit(inline="always")
def _mate(table, nonzeros, side):
    """Return the entry paired with a factor of one entry, as a word; else zero."""
    if nonzeros & (nonzeros - ONE) != ZERO:
        return ZERO
    return table[MATES + side * ROWS + trailing_zeros(nonzeros)]


@njit(inline="always")
def _alike(table, base, row, count):
    """Return the word of the other rows that share a row's factor, up to sign."""
    wanted, signs, found = table[base + row], table[FORMS + base + row], ZERO
    for other in range(count):
        same = flag((table[base + other] == wanted) & (table[FORMS + base + other] == signs))
        found |= same << other
    return found & ~(ONE << row)


@njit
def _put(table, place, count, nonzeros, signs):
    """Change the factor at a place, and the words of rows with the old or the new factor."""
    base, row = place & ~(ROWS - ONE), place & (ROWS - ONE)
    table[place], table[SIGNS + place] = nonzeros, signs
    table[FORMS + place] = form(nonzeros, signs)
    before, after = table[SHARED + place], _alike(table, base, row, count)
    table[SHARED + place] = after
    changed, own = before ^ after, ONE << row
    while changed != ZERO:
        table[SHARED + base + trailing_zeros(changed)] ^= own
        changed &= changed - ONE


@njit(inline="always")
def _add(table, to, place, count, negate):
    """Add the factor at `place`, or its negative, to the factor at `to`."""
    other = table[SIGNS + place] ^ (table[place] & (ZERO - negate))
    a, s = add_modulo_3(table[to], table[SIGNS + to], table[place], other)
    _put(table, to, count, a, s)


@njit
def _rebuild(table, count):
    for base in range(ZERO, THREE * ROWS, ROWS):
        for place in range(base, base + count):
            table[FORMS + place] = form(table[place], table[SIGNS + place])
        for row in range(count):
            table[SHARED + base + row] = _alike(table, base, row, count)


@njit(inline="always")
def _vanishes(table, row):
    """Return whether a factor of the row is zero, or the row is free."""
    first, third = table[row], table[TWO * ROWS + row]
    if (first == ZERO) | (third == ZERO) | (table[ROWS + row] == ZERO):
        return True
    return _mate(table, first, ZERO) == third


@njit
def _settle(table, count):
    """Remove the rows that vanish and fill gaps with the last rows; return the number left."""
    row = ZERO
    while row < count:
        if _vanishes(table, row):
            count -= ONE
            for base in range(ZERO, SIGNS + THREE * ROWS, ROWS):
                table[base + row] = table[base + count]
        else:
            row += ONE
    _rebuild(table, count)
    return count


@njit
def _flip(table, count, z, choice):
    """Flip two random rows that share a factor; return both, or `count` twice without a flip.

    Rows u b d and u e f, up to the sign of u, become u (b + c e) d and u e (f -+ c d), c = +-1.
    """
    slot, turn = ((choice & LOW32) * THREE) >> HALF, ONE + ((choice >> U(63)) & ONE)
    u, row = slot * ROWS, ((z >> HALF) * count) >> HALF
    for _ in range(count):
        if table[SHARED + u + row] != ZERO:
            break
        row += ONE
        if row == count:
            row = ZERO
    others = table[SHARED + u + row]
    if others == ZERO:
        return count, count
    other = kth_set_bit(others, ((z & LOW32) * popcount(others)) >> HALF)
    negate = (choice >> U(62)) & ONE
    second, third = slot + turn, slot + THREE - turn
    second = (second - THREE * flag(second >= THREE)) * ROWS
    third = (third - THREE * flag(third >= THREE)) * ROWS
    opposite = ONE ^ negate ^ flag(table[SIGNS + u + row] != table[SIGNS + u + other])
    _add(table, second + row, second + other, count, negate)
    _add(table, third + other, third + row, count, opposite)
    return row, other


@njit
def _merge(table, row, count):
    """Merge a row with a row that agrees in two factors, and mark the other row as gone."""
    for slot in range(THREE):
        b, c = (slot + ONE) % THREE * ROWS, (slot + TWO) % THREE * ROWS
        both = table[SHARED + b + row] & table[SHARED + c + row]
        if both != ZERO:
            other = trailing_zeros(both)
            negate = flag(table[SIGNS + b + row] != table[SIGNS + b + other])
            negate ^= flag(table[SIGNS + c + row] != table[SIGNS + c + other])
            _add(table, slot * ROWS + row, slot * ROWS + other, count, negate)
            table[other] = ZERO
            return True
    return False


@njit
def _free_move(table, count, z):
    """Change a factor as a free term allows; return the changed row, or `count` without one."""
    row, side = ((z >> HALF) * count) >> HALF, z & ONE
    mate = _mate(table, table[side * TWO * ROWS + row], side)
    if mate == ZERO:
        return count
    to = (ONE - side) * TWO * ROWS + row
    sign = mate & (ZERO - ((z >> ONE) & ONE))
    a, s = add_modulo_3(table[to], table[SIGNS + to], mate, sign)
    _put(table, to, count, a, s)
    return row


@njit
def _free_row(table, count, z):
    """Add a free term and flip it: u q w + a q c = (u + a) q w + a q (c - w)."""
    paired = ZERO
    for entry in range(ROWS):
        paired |= flag(table[MATES + entry] != ZERO) << entry
    row = ((z >> HALF) * count) >> HALF
    entry = kth_set_bit(paired, ((z & LOW32) * popcount(paired)) >> HALF)
    table[count], table[SIGNS + count] = ONE << entry, ZERO
    table[ROWS + count] = table[ROWS + row]
    table[SIGNS + ROWS + count] = table[SIGNS + ROWS + row]
    table[TWO * ROWS + count] = table[MATES + entry]
    table[SIGNS + TWO * ROWS + count] = ZERO
    count += ONE
    _rebuild(table, count)
    _add(table, row, count - ONE, count, ZERO)
    _add(table, TWO * ROWS + count - ONE, TWO * ROWS + row, count, ONE)
    return _settle(table, count)


@njit
def _plus(table, count, seed, counter):
    """Turn two rows into three; return the number of rows and the next counter."""
    done, counter = plus(table, ROWS, count, ONE, False, seed, counter)
    if done:
        count += ONE
        _rebuild(table, count)
    return count, counter


@njit
def run(table, best, count, limits, history):
    """Walk.

    Parameters
    ----------
    table : uint64 array, shape (14 * 64,)
        Nonzeros, 64 rows a slot, then signs likewise, without the diagonal entries; then forms and
        words of rows with the same factor, which are filled in here; then, for each entry of the
        first and of the third slot, the word of its paired entry, or 0.
    best : uint64 array, shape (6 * 64,)
        Nonzeros and signs of the first state of the lowest rank.
    count : uint64
        Number of rows of the start.
    limits : uint64 array (seed, steps, plus_after, band, stop, merge)
    history : uint64 array, shape (H, 2)

    Returns
    -------
    rows, rows of the best, steps, flips, reductions, escapes, records, reason : uint64
    """
    seed, steps, plus_after, band, stop, merge = limits
    _rebuild(table, count)
    copy_words(best, table, FORMS)
    lowest, since, last, step = count, count, ZERO, ZERO
    flips, reductions, escapes, records, counter = ZERO, ZERO, ZERO, ZERO, ONE
    while step < steps and lowest > stop:
        step += ONE
        z, choice = draw(seed, counter), draw(seed, counter + ONE)
        counter += TWO
        if choice & FREE_MOVES == ZERO:
            row = _free_move(table, count, z)
            other = row
        else:
            row, other = _flip(table, count, z, choice)
        if row < count:
            flips += ONE
            lower = _vanishes(table, row) or _vanishes(table, other)
            if merge != ZERO and not lower:
                lower = _merge(table, row, count) or _merge(table, other, count)
            if lower:
                before, count = count, _settle(table, count)
                reductions += before - count
                if count < since:
                    since, last = count, step
                if count < lowest:
                    lowest = count
                    copy_words(best, table, FORMS)
                    if records < U(len(history)):
                        history[records, 0], history[records, 1] = step, lowest
                        records += ONE
        if plus_after > ZERO and step - last > plus_after:
            if ZERO < count < min(lowest + band, ROWS):
                before = count
                if (z >> HALF) & FREE_ROWS == ZERO:
                    count = _free_row(table, count, draw(seed, counter))
                    counter += ONE
                else:
                    count, counter = _plus(table, count, seed, counter)
                escapes += flag(count > before)
            since, last = count, step
    reason = REACHED if lowest <= stop else BUDGET
    return count, lowest, step, flips, reductions, escapes, records, reason


def walk(task: DiagonalTask) -> WalkOutcome:
    """Carry out a walk modulo diagonal terms; the same task gives the same outcome.

    Ranks in the policy and in the outcome include the free terms. Raises `UsageError` if such
    walks do not take the format, the ring or this number of rows.
    """
    free, policy = diagonal(task.format, task.ring), task.policy
    start = pack(without(free, unpack(task.format, task.ring, task.start)))
    most = task.capacity - (policy.plus_after > 0)
    if len(start) > most:
        raise UsageError(
            f"{len(start)} terms of {task.format} to walk on, {most} at most: start from a "
            "scheme of lower rank"
        )
    table = np.zeros(TABLE, dtype=np.uint64)
    planes = table[: 6 * task.capacity].reshape(2, 3, -1)
    planes[:, :, : len(start)] = start.transpose(2, 1, 0)
    mates = table[-2 * task.capacity :]
    for a, c in free.pairs:
        mates[a], mates[task.capacity + c] = 1 << c, 1 << a
    best = np.zeros_like(planes)
    history = np.zeros((HISTORY, 2), dtype=np.uint64)
    beside = always(free)
    limits = [task.seed, task.steps, policy.plus_after, policy.band]
    limits += [max(0, policy.stop_rank - beside), policy.merge]
    count, lowest, *counts = run(
        *(table, best.reshape(-1), U(len(start)), np.array(limits, dtype=np.uint64), history)
    )
    history[:, 1] += U(beside)

    def whole(planes: Words, rank: int) -> Words:
        state = np.ascontiguousarray(planes[:, :, :rank].transpose(2, 1, 0))
        return pack(completed(free, unpack(task.format, task.ring, state)))

    low, final = whole(best, int(lowest)), whole(planes, int(count))
    return WalkOutcome(best=(low,), final=final, **counted(task, history, tuple(counts)))
