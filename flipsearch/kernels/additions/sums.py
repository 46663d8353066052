# mypy: allow-untyped-defs
"""Keep sets of linear forms closed under sums of two: programs as an annealing changes them.

A form is two words: the inputs with coefficient +1 and those with -1, up to sign (over F2 one
word). A program is a set of forms that contains the rows of a matrix. Each form is an input or p x
+ q y for two others, with signs p and q, and costs one addition. All relations x +- y +- z = 0
within the set are kept as triples, and any two members of a triple derive the third. Terms may
therefore cancel, and a change of one row changes few triples.

A `Sums` holds the programs of three matrices, U, V and W, in slots 0 to 2. `save` keeps copies in
slots 3 to 5.

Invariant: forms 0 to inputs - 1 of a slot are its inputs; every wanted form follows from them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from flipsearch.algebra.jit import njit

BUCKETS = 512
"""Number of lists by which forms are looked up."""

_A, _B, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(55)
_ONE, _ZERO = np.uint64(1), np.uint64(0)


class Sums(NamedTuple):
    """Programs of three matrices; the first index of every array is the slot, 6 of them.

    Parameters
    ----------
    plus, minus : uint64 arrays, shape (6, most forms)
        The inputs with coefficient +1, with -1.
    wanted : int64 array, shape (6, most forms)
        Number of rows of the matrix that are the form up to sign.
    size, inputs, count : int64 arrays, shape (6,)
        Number of forms, of inputs among them, and of triples.
    triples : int16 array, shape (6, most triples, 3)
        Forms of which each is a sum or difference of the other two.
    first, after : int16 arrays, shapes (6, BUCKETS) and (6, most forms)
        Lists of forms with the same hash; -1 ends a list.
    node, sign : int64 arrays, shape (6, most rows)
        The form of each row, and its sign.
    derived, only, stack : int64 arrays, shape (most forms,)
        Work space.
    """

    plus: Any
    minus: Any
    wanted: Any
    size: Any
    inputs: Any
    triples: Any
    count: Any
    first: Any
    after: Any
    node: Any
    sign: Any
    derived: Any
    only: Any
    stack: Any


@njit
def normal(plus, minus):
    """Return a form with its first coefficient positive, and the sign that was taken out."""
    present = plus | minus
    if minus & present & (~present + _ONE):
        return minus, plus, -1
    return plus, minus, 1


@njit
def added(p, m, q, n, scale, modulus):
    """Return (whether the sum is ternary, plus, minus) of a form and scale times another."""
    if modulus == 2:
        return True, p ^ q, _ZERO
    if scale < 0:
        q, n = n, q
    if modulus == 0 and (p & q) | (m & n):
        return False, p, m
    plus = (p & ~(q | n)) | (q & ~(p | m)) | (m & n)
    minus = (m & ~(q | n)) | (n & ~(p | m)) | (p & q)
    return True, plus, minus


@njit
def _bucket(plus, minus):
    return np.int64((plus * _A ^ minus * _B) * _A >> _SHIFT)


@njit
def find(sums, slot, plus, minus):
    """Return the number of a form in normal form, or -1 if the slot does not have it."""
    place = sums.first[slot, _bucket(plus, minus)]
    while place >= 0 and not (sums.plus[slot, place] == plus and sums.minus[slot, place] == minus):
        place = sums.after[slot, place]
    return place


@njit
def insert(sums, slot, plus, minus, modulus):
    """Append a form in normal form, with its triples; return its number, or -1 without room."""
    place, count = sums.size[slot], sums.count[slot]
    if place == sums.plus.shape[1]:
        return -1
    for x in range(place):
        for scale in (1, -1):
            if scale < 0 and modulus == 2:
                break
            fits, p, m = added(
                plus, minus, sums.plus[slot, x], sums.minus[slot, x], scale, modulus
            )
            if not fits:
                continue
            p, m, _ = normal(p, m)
            z = find(sums, slot, p, m)
            if z > x:
                if count == sums.triples.shape[1]:
                    return -1
                sums.triples[slot, count, 0] = place
                sums.triples[slot, count, 1] = x
                sums.triples[slot, count, 2] = z
                count += 1
    bucket = _bucket(plus, minus)
    sums.plus[slot, place], sums.minus[slot, place] = plus, minus
    sums.wanted[slot, place] = 0
    sums.after[slot, place], sums.first[slot, bucket] = sums.first[slot, bucket], place
    sums.size[slot], sums.count[slot] = place + 1, count
    return place


@njit
def _unlink(sums, slot, place, instead):
    """Take a form out of its list, or put another number in its place there."""
    bucket = _bucket(sums.plus[slot, place], sums.minus[slot, place])
    before, here = -1, sums.first[slot, bucket]
    while here != place:
        before, here = here, sums.after[slot, here]
    then = sums.after[slot, place] if instead < 0 else instead
    if before < 0:
        sums.first[slot, bucket] = then
    else:
        sums.after[slot, before] = then


@njit
def remove(sums, slot, place):
    """Take an unwanted form away; the last one gets its number."""
    last, kept = sums.size[slot] - 1, 0
    _unlink(sums, slot, place, -1)
    if place != last:
        _unlink(sums, slot, last, place)
        sums.wanted[slot, place] = sums.wanted[slot, last]
        sums.after[slot, place] = sums.after[slot, last]
        sums.plus[slot, place] = sums.plus[slot, last]
        sums.minus[slot, place] = sums.minus[slot, last]
        if sums.wanted[slot, last] > 0:
            for row in range(sums.node.shape[1]):
                if sums.node[slot, row] == last:
                    sums.node[slot, row] = place
    for k in range(sums.count[slot]):
        x, y, z = sums.triples[slot, k, 0], sums.triples[slot, k, 1], sums.triples[slot, k, 2]
        if place in (x, y, z):
            continue
        sums.triples[slot, kept, 0] = place if x == last else x
        sums.triples[slot, kept, 1] = place if y == last else y
        sums.triples[slot, kept, 2] = place if z == last else z
        kept += 1
    sums.size[slot], sums.count[slot] = last, kept


@njit
def follows(sums, slot, without):
    """Return whether all wanted forms follow from the inputs without one form (-1: with all)."""
    derived, left = sums.derived, 0
    for x in range(sums.size[slot]):
        derived[x] = 1 if x < sums.inputs[slot] else 0
        left += x >= sums.inputs[slot] and sums.wanted[slot, x] > 0
    if without >= 0:
        derived[without] = 4
    more = True
    while more and left > 0:
        more = False
        for k in range(sums.count[slot]):
            x, y, z = sums.triples[slot, k, 0], sums.triples[slot, k, 1], sums.triples[slot, k, 2]
            if derived[x] + derived[y] + derived[z] == 2:
                new = x if derived[x] == 0 else y if derived[y] == 0 else z
                derived[new] = 1
                left -= sums.wanted[slot, new] > 0
                more = True
    return left == 0


@njit
def _mark_needed(sums, slot):
    """Mark forms that certainly stay: the only triple of a needed form needs the other two."""
    derived, only, stack = sums.derived, sums.only, sums.stack
    inputs, height = sums.inputs[slot], 0
    for x in range(sums.size[slot]):
        derived[x] = 0
        if x < inputs or sums.wanted[slot, x] > 0:
            derived[x] = 1
            stack[height] = x
            height += x >= inputs
        only[x] = -1
    for k in range(sums.count[slot]):
        for j in range(3):
            x = sums.triples[slot, k, j]
            only[x] = k if only[x] == -1 else -2
    while height > 0:
        height -= 1
        k = only[stack[height]]
        if k >= 0:
            for j in range(3):
                x = sums.triples[slot, k, j]
                if derived[x] == 0:
                    derived[x] = 1
                    stack[height] = x
                    height += 1


@njit
def prune(sums, slot, start, spared):
    """Take away forms that the wanted ones do not need, one by one, `spared` (or -1) last."""
    inputs = sums.inputs[slot]
    while True:
        _mark_needed(sums, slot)
        size, tries = sums.size[slot], 0
        for x in range(inputs, size):
            if sums.derived[x] == 0 and x != spared:
                sums.stack[tries] = x
                tries += 1
        found = -1
        for k in range(tries):
            x = sums.stack[(start + k) % tries]
            if follows(sums, slot, x):
                found = x
                break
        if found < 0:
            break
        if spared == size - 1:
            spared = found
        remove(sums, slot, found)
    if spared >= 0 and sums.wanted[slot, spared] == 0 and follows(sums, slot, spared):
        remove(sums, slot, spared)


@njit
def save(sums, slot, to, place):
    """Copy a slot to a slot of the same or another `Sums`."""
    size, count = sums.size[slot], sums.count[slot]
    to.size[place], to.count[place] = size, count
    for x in range(size):
        to.plus[place, x], to.minus[place, x] = sums.plus[slot, x], sums.minus[slot, x]
        to.wanted[place, x], to.after[place, x] = sums.wanted[slot, x], sums.after[slot, x]
    for k in range(count):
        for j in range(3):
            to.triples[place, k, j] = sums.triples[slot, k, j]
    for bucket in range(BUCKETS):
        to.first[place, bucket] = sums.first[slot, bucket]
    for row in range(sums.node.shape[1]):
        to.node[place, row], to.sign[place, row] = sums.node[slot, row], sums.sign[slot, row]


@njit
def clear(sums, slot):
    """Leave the inputs alone."""
    sums.size[slot], sums.count[slot] = sums.inputs[slot], 0
    for bucket in range(BUCKETS):
        sums.first[slot, bucket] = -1
    for x in range(sums.inputs[slot]):
        bit = _ONE << np.uint64(x)
        sums.plus[slot, x], sums.minus[slot, x], sums.wanted[slot, x] = bit, _ZERO, 0
        bucket = _bucket(bit, _ZERO)
        sums.after[slot, x], sums.first[slot, bucket] = sums.first[slot, bucket], x


@njit
def aim(sums, slot, row, plus, minus, modulus):
    """Let a row be a form, inserted if it is missing; return whether there was room."""
    p, m, sign = normal(plus, minus)
    place = find(sums, slot, p, m)
    if place < 0:
        place = insert(sums, slot, p, m, modulus)
    if place < 0:
        return False
    sums.wanted[slot, place] += 1
    sums.node[slot, row], sums.sign[slot, row] = place, sign
    return True
