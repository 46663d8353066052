# mypy: allow-untyped-defs
"""Run symmetric walks in a jitted loop: see `flipsearch.walk.quotient.task`.

Places are the vectors of all orbits, three for each orbit. They are the rows of slot 0 of the
walk's index, so a flip costs a constant number of table look-ups. With Z2 the mirror image of an
orbit is not stored. A key is a vector and its image, the smaller first, and a bit of the place
(the index's sign) tells which of the two it holds. One place thus stands for two vectors, and the
loop reverses no vector. Rare events (an orbit vanishes or becomes a cube, a plus transition) are
handled on plain vectors by `flipsearch.walk.quotient.moves`, and the index is built again.

Invariant: `numbers` is [places, cubes]. The rank is places + cubes, with Z2 twice the places + the
cubes. The bit of a place is set exactly if the image of its vector is smaller.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from flipsearch.algebra.draws import draw
from flipsearch.algebra.jit import njit
from flipsearch.algebra.words import (
    HALF,
    LOW6,
    LOW32,
    ONE,
    SIX,
    THREE,
    TWO,
    ZERO,
    U,
    copy_words,
    flag,
    pointer_to,
)
from flipsearch.errors import UsageError
from flipsearch.formats import MatrixProduct
from flipsearch.rings import Ring
from flipsearch.walk.plain.classes import choose, live_rows, move_row, partner
from flipsearch.walk.plain.index import (
    Layout,
    allocate,
    clear,
    find,
    hash_key,
    insert,
    layout,
    mark,
)
from flipsearch.walk.quotient.moves import ahead, behind, exceeds, plus, reverse, tidy
from flipsearch.walk.quotient.task import LARGEST_PLACES, QuotientOutcome, QuotientTask, written
from flipsearch.walk.task import HISTORY, counted

REFUSALS = U(4096)
"""Number of successive draws without a possible flip after which the walk counts as stuck."""

_BUDGET, _REACHED, _STUCK = U(0), U(1), U(2)


@njit(inline="always")
def _offer(at, wide, place, vector, image):
    """Write the key of a vector for `find`, and the bit of its place."""
    if at.key == ONE:
        wide[at.first_new] = vector
        return
    turned = flag(image < vector)
    wide[at.first_new] = image if turned else vector
    wide[at.first_new + ONE] = vector if turned else image
    bit = place & LOW6
    word = at.signs + (place >> SIX)
    wide[word] = (wide[word] & ~(ONE << bit)) | (turned << bit)


@njit(inline="always")
def _set(at, wide, narrow, place, vector, image):
    """Change the vector at a place; `image` is its mirror image, unused without Z2."""
    _offer(at, wide, place, vector, image)
    position = hash_key(at, wide, at.first_new)
    class_, some = find(at, wide, narrow, ZERO, position, wide, at.first_new)
    if class_ != U(narrow[place]):  # else only the bit changes
        move_row(at, wide, narrow, ZERO, place, at.first_new, class_, some)


@njit(inline="always")
def _turned(at, wide, place):
    """Return 1 if the place holds the second vector of its key, else 0."""
    if at.key == ONE:
        return ZERO
    return (wide[at.signs + (place >> SIX)] >> (place & LOW6)) & ONE


@njit(inline="always")
def _vector(at, wide, place, turn):
    """Return the vector at a place, or with `turn` 1 its mirror image."""
    if at.key == ONE:
        return wide[at.factors + place]
    return wide[at.factors + place * TWO + (_turned(at, wide, place) ^ turn)]


@njit
def _read(at, vectors, count, wide):
    """Write the vectors of all places."""
    for place in range(count):
        vectors[place] = _vector(at, wide, U(place), ZERO)


@njit
def _build(at, vectors, count, entries, wide, narrow):
    """Fill slot 0 of the index with the vectors of all places."""
    clear(at, wide, narrow)
    for row in range(count):
        vector = vectors[row]
        _offer(at, wide, U(row), vector, reverse(vector, entries))
        insert(at, wide, narrow, ZERO, U(row), wide, at.first_new)
    mark(at, wide, narrow, ZERO, count)


@njit
def _keep(vectors, cubes, numbers, best):
    """Copy a state to the arrays of the best."""
    copy_words(best[0], vectors, len(vectors))
    copy_words(best[1], cubes, len(cubes))
    copy_words(best[2], numbers, len(numbers))


@functools.cache
def make_walk(at: Layout) -> Any:
    """Return the jitted walk for an index layout; a key of two words stands for Z2."""
    mirrored = bool(at.key == TWO)
    copies = TWO if mirrored else ONE

    @njit
    def run(vectors, cubes, numbers, best_, limits, wide_, narrow_, history):
        wide, narrow = pointer_to(wide_), pointer_to(narrow_)
        entries, seed, steps, plus_after = limits[0], limits[1], limits[2], limits[3]
        band, stop_rank, plus_below = limits[4], limits[5], limits[6]
        column = ZERO
        for row in range(limits[7]):
            column |= ONE << (U(row) * limits[7])
        bound = (limits[7], column, limits[8])
        counter, step, last, made = ZERO, ZERO, ZERO, ZERO
        reductions, escapes, records, idle = ZERO, ZERO, ZERO, ZERO
        tidy(vectors, cubes, numbers, entries, mirrored)
        rank = copies * numbers[0] + numbers[1]
        best = rank
        _keep(vectors, cubes, numbers, best_)
        reason = _BUDGET
        if rank <= stop_rank:
            return step, made, reductions, escapes, records, _REACHED
        _build(at, vectors, numbers[0], entries, wide, narrow)
        while step < steps:
            live = live_rows(at, wide, ZERO)
            stuck = (live == ZERO) | (idle >= REFUSALS)
            due = plus_after != ZERO and step >= last + plus_after
            if stuck or due:
                last, idle = step, ZERO
                allowed = rank < best + band and (plus_below == ZERO or rank < plus_below)
                if stuck or allowed:
                    _read(at, vectors, numbers[0], wide)
                    done, counter = plus(vectors, numbers, entries, mirrored, bound, seed, counter)
                    if not done and stuck:
                        reason = _STUCK
                        break
                    escapes += flag(done)
                    tidy(vectors, cubes, numbers, entries, mirrored)
                    rank = copies * numbers[0] + numbers[1]
                    _build(at, vectors, numbers[0], entries, wide, narrow)
                continue
            counter += ONE
            step += ONE
            z = draw(seed, counter)
            k = ((z >> HALF) * live) >> HALF
            p = choose(at, wide, ZERO, k)
            class_ = U(narrow[p])
            q = partner(at, wide, narrow, ZERO, class_, p, z & LOW32, HALF)
            if p // THREE == q // THREE:
                idle += ONE
                continue
            # the turn that makes q's vector equal to p's; both do if the vector is its own image
            turn = _turned(at, wide, p) ^ _turned(at, wide, q)
            if mirrored:
                turn ^= z & flag(_vector(at, wide, p, ZERO) == _vector(at, wide, p, ONE))
            up, before, after, down = ahead(p), behind(p), ahead(q), behind(q)
            a, b = _vector(at, wide, p, ZERO), _vector(at, wide, q, ZERO)
            c, d = _vector(at, wide, before, ZERO), _vector(at, wide, after, ZERO)
            x = _vector(at, wide, up, ZERO) ^ _vector(at, wide, after, turn)
            y = _vector(at, wide, down, ZERO) ^ _vector(at, wide, before, turn)
            u, v = x, y
            # rare: an orbit may vanish or become a cube, which plain vectors decide
            rare = (x == ZERO) | (y == ZERO) | ((x == a) & (c == a)) | ((y == b) & (d == b))
            if mirrored:
                u = _vector(at, wide, up, ONE)
                u ^= _vector(at, wide, after, ONE ^ turn)
                v = _vector(at, wide, down, ONE)
                v ^= _vector(at, wide, before, ONE ^ turn)
                same = _vector(at, wide, p, ZERO) == _vector(at, wide, p, ONE)
                rare |= same & ((x == u) | (y == v))
            if exceeds(x, bound) | exceeds(y, bound):
                idle += ONE
                continue
            idle = ZERO
            made += ONE
            if not rare:
                _set(at, wide, narrow, up, x, u)
                _set(at, wide, narrow, down, y, v)
                continue
            _read(at, vectors, numbers[0], wide)
            vectors[up], vectors[down] = x, y
            tidy(vectors, cubes, numbers, entries, mirrored)
            lower = copies * numbers[0] + numbers[1]
            reductions += flag(lower < rank)
            rank = lower
            if rank < best:
                best, last = rank, step
                _keep(vectors, cubes, numbers, best_)
                if records < U(len(history)):
                    history[records, 0], history[records, 1] = step, rank
                    records += ONE
                if rank <= stop_rank:
                    reason = _REACHED
                    break
            _build(at, vectors, numbers[0], entries, wide, narrow)
        if reason == _BUDGET:
            _read(at, vectors, numbers[0], wide)
        return step, made, reductions, escapes, records, reason

    return run


def walk(task: QuotientTask) -> QuotientOutcome:
    """Carry out a symmetric walk; the same task gives the same outcome.

    Raises `UsageError` if the format is not square and general with side at most 8, or the ring is
    not F2.
    """
    format_ = task.format
    if (
        not isinstance(format_, MatrixProduct)
        or not format_.is_general
        or len(set(format_.sides)) != 1
        or format_.n > 8
        or task.ring is not Ring.F2
    ):
        raise UsageError("symmetric walks take n x n x n, n at most 8, over F2")
    n, places, capacity = format_.n, task.start.size, task.capacity
    if capacity > LARGEST_PLACES:
        raise UsageError(
            f"a symmetric walk holds {LARGEST_PLACES} vectors at most, not {places} and a band "
            f"of {task.policy.band}"
        )
    at = layout(2, 2 if task.mirrored else 1, capacity // 64)
    vectors = np.zeros(capacity, dtype=np.uint64)
    vectors[:places] = task.start.reshape(-1)
    # every orbit may become a cube (two with Z2) in addition to the present cubes
    cubes = np.zeros(len(task.cubes) + capacity, dtype=np.uint64)
    cubes[: len(task.cubes)] = task.cubes
    places_and_cubes = np.array([places, len(task.cubes)], dtype=np.uint64)
    best = np.zeros_like(vectors), np.zeros_like(cubes), np.zeros_like(places_and_cubes)
    history = np.zeros((HISTORY, 2), dtype=np.uint64)
    policy = task.policy
    limits = [n * n, task.seed, task.steps, policy.plus_after, policy.band, policy.stop_rank]
    limits += [task.plus_below, n, task.largest_rank]
    counts = make_walk(at)(
        *(vectors, cubes, places_and_cubes, best, np.array(limits, dtype=np.uint64)),
        *(*allocate(at), history),
    )
    low, final = (
        (v[: int(count[0])].reshape(-1, 3, 1).copy(), c[: int(count[1])].copy())
        for v, c, count in (best, (vectors, cubes, places_and_cubes))
    )
    return QuotientOutcome(
        best=(written(task, low),),
        final=written(task, final),
        best_orbits=low[0],
        best_cubes=low[1],
        final_orbits=final[0],
        final_cubes=final[1],
        **counted(task, history, counts),
    )
