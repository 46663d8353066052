"""The jitted loop of the symmetric walks: see `flipsearch.walk.quotient` for what it does.

Places are the vectors of all orbits, numbered 3 (or, with mirror images, 6) an orbit; they are the
rows of slot 0 of the walk's index, so that a flip costs a constant number of table look-ups. What
happens rarely (an orbit vanishes or becomes a cube, a plus transition) is done on plain vectors,
and the index is built again.

Invariant: `numbers` is [places, cubes]; the rank is their sum.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import njit

from flipsearch.walk.draws import draw
from flipsearch.walk.flips import HALF, LOW32, find, flag, move_row, select
from flipsearch.walk.index import LOW6, ONE, SIX, THREE, TWO, ZERO, Layout, U, hash_key

REFUSALS = U(4096)
"""Draws in a row that found both places in one orbit, after which the walk counts as stuck."""

_BUDGET, _REACHED, _STUCK = U(0), U(1), U(2)


@njit(nogil=True, cache=True)
def _reverse(word, entries):  # type: ignore[no-untyped-def]
    """Return the lowest `entries` bits in reverse order."""
    result = ZERO
    for _ in range(entries):
        result = (result << ONE) | (word & ONE)
        word >>= ONE
    return result


@njit(nogil=True, cache=True)
def _build(at, vectors, count, wide, narrow):  # type: ignore[no-untyped-def]
    """Fill slot 0 of the index with the vectors of all places."""
    wide[:] = ZERO
    narrow[:] = np.uint16(0)
    used = ZERO
    for place in range(count):
        position = hash_key(at, vectors, place)
        while True:
            class_ = U(narrow[at.entries + position])
            if class_ == ZERO or wide[class_] == vectors[place]:
                break
            position = (position + ONE) & (at.table - ONE)
        if class_ == ZERO:
            used += ONE
            class_ = used
            narrow[at.entries + position] = np.uint16(class_)
            narrow[at.positions + class_] = np.uint16(position)
            wide[class_] = vectors[place]
        narrow[place] = np.uint16(class_)
        wide[at.bitmaps + class_ * at.blocks + (place >> SIX)] |= ONE << (place & LOW6)
        narrow[at.counts + class_] += np.uint16(1)
        narrow[at.row_sums + class_] ^= np.uint16(place)
    free = ZERO
    for spare in range(at.classes - ONE, used, -1):
        narrow[at.free + free] = np.uint16(spare)
        free += ONE
    narrow[at.free_counts] = np.uint16(free)
    for place in range(count):
        if narrow[at.counts + U(narrow[place])] > 1:
            wide[at.flippable + (place >> SIX)] |= ONE << (place & LOW6)
            wide[at.live] += ONE


@njit(inline="always")
def _set(at, wide, narrow, place, vector):  # type: ignore[no-untyped-def]
    """Change the vector at a place."""
    wide[at.first_new] = vector
    class_, position = find(at, wide, narrow, ZERO, at.first_new)
    move_row(at, wide, narrow, ZERO, place, at.first_new, class_, position, True)


@njit(inline="always")
def _next(place):  # type: ignore[no-untyped-def]
    """Return the place after this one in its orbit: 0 1 2 -> 1 2 0 within each three."""
    turn = place % THREE
    return place + ONE - THREE * flag(turn == TWO)


@njit(inline="always")
def _previous(place):  # type: ignore[no-untyped-def]
    turn = place % THREE
    return place + TWO * flag(turn == ZERO) - flag(turn != ZERO)


@njit(nogil=True, cache=True)
def _tidy(vectors, cubes, numbers, size):  # type: ignore[no-untyped-def]
    """Drop orbits that vanish, turn u u u into cubes, cancel equal cubes.

    `numbers` holds [places, cubes] and is updated; the last orbit takes a dropped one's place.
    """
    orbit = ZERO
    while orbit * size < numbers[0]:
        base = orbit * size
        gone = (vectors[base] == ZERO) | (vectors[base + ONE] == ZERO)
        gone |= vectors[base + TWO] == ZERO
        if size == U(6) and not gone:
            for turn in range(THREE):
                same = True
                for k in range(THREE):
                    same &= vectors[base + k] == vectors[base + THREE + (k + turn) % THREE]
                gone |= same
        cube = not gone and vectors[base] == vectors[base + ONE]
        cube = cube and vectors[base] == vectors[base + TWO]
        if cube:
            cubes[numbers[1]] = vectors[base]
            numbers[1] += ONE
            if size == U(6):
                cubes[numbers[1]] = vectors[base + THREE]
                numbers[1] += ONE
        if gone or cube:
            numbers[0] -= size
            for k in range(size):
                vectors[base + k] = vectors[numbers[0] + k]
        else:
            orbit += ONE
    first = ZERO
    while first < numbers[1]:
        other = first + ONE
        while other < numbers[1] and cubes[other] != cubes[first]:
            other += ONE
        if other < numbers[1]:
            numbers[1] -= ONE
            cubes[other] = cubes[numbers[1]]
            numbers[1] -= ONE
            cubes[first] = cubes[numbers[1]]
        else:
            first += ONE


@njit(nogil=True, cache=True)
def _plus(vectors, numbers, size, entries, seed, counter):  # type: ignore[no-untyped-def]
    """Two orbits become three; returns (whether it was done, counter).

    With p = (a, b, c) and q = (d, e, f) read from any places of two orbits, forwards or backwards:
    a b c + d e f = a (b + e) c + a e (c + f) + (a + d) e f.
    """
    orbits = numbers[0] // size
    if orbits < TWO or numbers[0] + size > U(len(vectors)):
        return False, counter
    for _ in range(64):
        counter += ONE
        z = draw(seed, counter)
        first = ((z >> HALF) * orbits) >> HALF
        second = ((z & LOW32) * (orbits - ONE)) >> HALF
        second += flag(second >= first)
        counter += ONE
        z = draw(seed, counter)
        p, q = first * size + (z >> HALF) % size, second * size + (z & LOW32) % size
        forwards = (z >> U(60)) & ONE
        pb, pc = _next(p), _previous(p)
        qb, qc = _next(q), _previous(q)
        if forwards == ZERO:
            pb, pc, qb, qc = pc, pb, qc, qb
        a, b, c = vectors[p], vectors[pb], vectors[pc]
        d, e, f = vectors[q], vectors[qb], vectors[qc]
        if a == d or b == e or c == f:
            continue
        last = numbers[0]
        for k in range(size):
            vectors[last + k] = ZERO
        r = last + p % size
        rb, rc = (_next(r), _previous(r)) if forwards else (_previous(r), _next(r))
        vectors[pb] = b ^ e
        vectors[r], vectors[rb], vectors[rc] = a, e, c ^ f
        vectors[q] = a ^ d
        numbers[0] += size
        if size == U(6):
            for place in (pb, q, r, rb, rc):
                base = place - place % size
                image = base + (place % size + THREE) % size
                vectors[image] = _reverse(vectors[place], entries)
        return True, counter
    return False, counter


@functools.cache
def make_walk(at: Layout, size_: int) -> Any:
    """Return the jitted walk for an index layout and 3 or 6 places an orbit."""
    size = U(size_)

    @njit(nogil=True, cache=True)
    def run(vectors, cubes, numbers, best_, limits, wide, narrow, history):  # type: ignore[no-untyped-def]
        best_vectors, best_cubes, best_numbers = best_
        entries, seed, steps, plus_after = limits[0], limits[1], limits[2], limits[3]
        band, stop_rank, plus_below = limits[4], limits[5], limits[6]
        counter, step, last, made = ZERO, ZERO, ZERO, ZERO
        reductions, escapes, records, idle = ZERO, ZERO, ZERO, ZERO
        _tidy(vectors, cubes, numbers, size)
        rank = numbers[0] + numbers[1]
        best = rank
        best_vectors[:], best_cubes[:], best_numbers[:] = vectors, cubes, numbers
        reason = _BUDGET
        if rank <= stop_rank:
            return step, made, reductions, escapes, records, _REACHED
        _build(at, vectors, numbers[0], wide, narrow)
        while step < steps:
            live = wide[at.live]
            stuck = (live == ZERO) | (idle >= REFUSALS)
            due = plus_after != ZERO and step >= last + plus_after
            if stuck or due:
                last, idle = step, ZERO
                allowed = rank < best + band and (plus_below == ZERO or rank < plus_below)
                if stuck or allowed:
                    for place in range(numbers[0]):
                        vectors[place] = wide[U(narrow[place])]
                    done, counter = _plus(vectors, numbers, size, entries, seed, counter)
                    if not done and stuck:
                        reason = _STUCK
                        break
                    escapes += flag(done)
                    _tidy(vectors, cubes, numbers, size)
                    rank = numbers[0] + numbers[1]
                    _build(at, vectors, numbers[0], wide, narrow)
                continue
            counter += ONE
            step += ONE
            z = draw(seed, counter)
            k = ((z >> HALF) * live) >> HALF
            p = select(at, wide, at.flippable, ZERO, ZERO, k)
            class_ = U(narrow[p])
            k = ((z & LOW32) * (U(narrow[at.counts + class_]) - ONE)) >> HALF
            q = select(at, wide, at.bitmaps + class_ * at.blocks, p >> SIX, ONE << (p & LOW6), k)
            if p // size == q // size:
                idle += ONE
                continue
            idle = ZERO
            made += ONE
            up, down = _next(p), _previous(q)
            x = wide[U(narrow[up])] ^ wide[U(narrow[_next(q)])]
            y = wide[U(narrow[down])] ^ wide[U(narrow[_previous(p)])]
            # an orbit may vanish or become a cube: rare, and settled on plain vectors
            p2, q2 = wide[U(narrow[_previous(p)])], wide[U(narrow[_next(q)])]
            shared = wide[class_]
            rare = (x == ZERO) | (y == ZERO) | ((x == shared) & (p2 == shared))
            rare |= (y == shared) & (q2 == shared)
            if size == U(6):
                u, v = _reverse(x, entries), _reverse(y, entries)
                turned = _reverse(shared, entries)
                # a triple can only be its mirror image when the shared vector's image is in it
                rare |= (turned == shared) | (turned == x) | (turned == p2)
                rare |= (turned == y) | (turned == q2)
                if not rare:
                    base_p, base_q = p - p % size, q - q % size
                    _set(at, wide, narrow, up, x)
                    _set(at, wide, narrow, down, y)
                    _set(at, wide, narrow, base_p + (up % size + THREE) % size, u)
                    _set(at, wide, narrow, base_q + (down % size + THREE) % size, v)
                    continue
            elif not rare:
                _set(at, wide, narrow, up, x)
                _set(at, wide, narrow, down, y)
                continue
            for place in range(numbers[0]):
                vectors[place] = wide[U(narrow[place])]
            vectors[up], vectors[down] = x, y
            if size == U(6):
                vectors[p - p % size + (up % size + THREE) % size] = _reverse(x, entries)
                vectors[q - q % size + (down % size + THREE) % size] = _reverse(y, entries)
            _tidy(vectors, cubes, numbers, size)
            lower = numbers[0] + numbers[1]
            reductions += flag(lower < rank)
            rank = lower
            if rank < best:
                best, last = rank, step
                best_vectors[:], best_cubes[:], best_numbers[:] = vectors, cubes, numbers
                if records < U(len(history)):
                    history[records, 0], history[records, 1] = step, rank
                    records += ONE
                if rank <= stop_rank:
                    reason = _REACHED
                    break
            _build(at, vectors, numbers[0], wide, narrow)
        if reason == _BUDGET:
            for place in range(numbers[0]):
                vectors[place] = wide[U(narrow[place])]
        return step, made, reductions, escapes, records, reason

    return run
