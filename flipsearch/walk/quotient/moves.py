# mypy: allow-untyped-defs
"""Make the rare moves of a symmetric walk on plain vectors: tidying, and plus transitions.

Vectors stand at places, three for each orbit, which is cyclic; `numbers` is [places, cubes].

Invariant: the sum of all orbits and cubes never changes.
"""

from __future__ import annotations

from flipsearch.algebra.draws import draw
from flipsearch.algebra.jit import njit
from flipsearch.algebra.words import (
    HALF,
    LOW6,
    LOW32,
    ONE,
    THREE,
    TWO,
    ZERO,
    U,
    flag,
    leading_zeros,
    trailing_zeros,
)


@njit
def reverse(word, entries):
    """Return the lowest `entries` bits in reverse order."""
    result = ZERO
    for _ in range(entries):
        result = (result << ONE) | (word & ONE)
        word >>= ONE
    return result


@njit(inline="always")
def exceeds(word, bound):
    """Return whether the matrix of a vector has a higher rank than the bound allows.

    `bound` is (side, word with the first entry of every row set, largest rank). Each turn clears
    the row and the column of the lowest entry by adding its row to all rows with an entry in its
    column. This is one product, because rows do not overlap.
    """
    side, column, largest_rank = bound
    for _ in range(largest_rank):
        first = LOW6 - leading_zeros(column & (word ^ (word - ONE)))
        row = (word >> first) & ((ONE << side) - ONE)
        offset = (trailing_zeros(word) - first) & LOW6
        word ^= ((word >> offset) & column) * row
    return (largest_rank != ZERO) & (word != ZERO)


@njit(inline="always")
def ahead(place):
    """Return the place after this one in its orbit: 0 1 2 -> 1 2 0 within each three."""
    turn = place % THREE
    return place + ONE - THREE * flag(turn == TWO)


@njit(inline="always")
def behind(place):
    """Return the place before this one in its orbit: 0 1 2 -> 2 0 1 within each three."""
    turn = place % THREE
    return place + TWO * flag(turn == ZERO) - flag(turn != ZERO)


@njit
def tidy(vectors, cubes, numbers, entries, mirrored):
    """Drop orbits that vanish, turn u u u into cubes, cancel equal cubes.

    With Z2 an orbit is its own mirror image if and only if all its vectors are: if the image of
    (a, b, c) is a proper rotation of it, then a = b = c too. `numbers` holds [places, cubes] and
    is updated. The last orbit replaces a dropped one.
    """
    base = ZERO
    while base < numbers[0]:
        a, b, c = vectors[base], vectors[base + ONE], vectors[base + TWO]
        gone = (a == ZERO) | (b == ZERO) | (c == ZERO)
        image = reverse(a, entries)
        if mirrored and not gone:
            gone = (image == a) & (reverse(b, entries) == b) & (reverse(c, entries) == c)
        cube = (not gone) & (a == b) & (b == c)
        if cube:
            cubes[numbers[1]] = a
            numbers[1] += ONE
            if mirrored:
                cubes[numbers[1]] = image
                numbers[1] += ONE
        if gone or cube:
            numbers[0] -= THREE
            for k in range(THREE):
                vectors[base + k] = vectors[numbers[0] + k]
        else:
            base += THREE
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


@njit
def plus(vectors, numbers, entries, mirrored, bound, seed, counter):
    """Turn two orbits into three; return (whether it was done, counter).

    Two orbits p = (a, b, c) and q = (d, e, f) are read from any of their places, forwards or
    backwards; with Z2 q may be mirrored. Then
    a b c + d e f = a (b + e) c + a e (c + f) + (a + d) e f.
    """
    orbits = numbers[0] // THREE
    if orbits < TWO or numbers[0] + THREE > U(len(vectors)):
        return False, counter
    for _ in range(64):
        counter += ONE
        z = draw(seed, counter)
        first = ((z >> HALF) * orbits) >> HALF
        second = ((z & LOW32) * (orbits - ONE)) >> HALF
        second += flag(second >= first)
        counter += ONE
        z = draw(seed, counter)
        p, q = first * THREE + (z >> HALF) % THREE, second * THREE + (z & LOW32) % THREE
        forwards = (z >> U(60)) & ONE
        if mirrored and (z >> U(61)) & ONE:
            for place in range(second * THREE, second * THREE + THREE):
                vectors[place] = reverse(vectors[place], entries)
        pb, pc = ahead(p), behind(p)
        qb, qc = ahead(q), behind(q)
        if forwards == ZERO:
            pb, pc, qb, qc = pc, pb, qc, qb
        a, b, c = vectors[p], vectors[pb], vectors[pc]
        d, e, f = vectors[q], vectors[qb], vectors[qc]
        if a == d or b == e or c == f:
            continue
        if exceeds(b ^ e, bound) | exceeds(c ^ f, bound) | exceeds(a ^ d, bound):
            continue
        r = numbers[0]
        rb, rc = (ahead(r), behind(r)) if forwards else (behind(r), ahead(r))
        vectors[pb] = b ^ e
        vectors[r], vectors[rb], vectors[rc] = a, e, c ^ f
        vectors[q] = a ^ d
        numbers[0] += THREE
        return True, counter
    return False, counter
