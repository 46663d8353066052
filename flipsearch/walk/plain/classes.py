# mypy: allow-untyped-defs
"""Draw rows that share a factor, and move rows between the classes of an index.

With one block of rows all of this is arithmetic on a few words. With a few blocks it is a loop
over them without branches. With more blocks classes are short lists, and the flippable rows are
counted by groups of blocks: no cost grows with the rank.

Invariant: `move_row` keeps the invariant of `flipsearch.walk.plain.index`.
"""

from __future__ import annotations

import numpy as np

from flipsearch.algebra.jit import njit
from flipsearch.algebra.words import (
    LOW6,
    ONE,
    SIX,
    TWO,
    ZERO,
    U,
    flag,
    kth_set_bit,
    opaque,
    popcount,
    trailing_zeros,
)
from flipsearch.walk.plain.index import END, after, enlist, first_row, hash_key


@njit(inline="always")
def live_rows(at, wide, slot):
    """Return the number of flippable rows of a slot with several blocks of rows."""
    total = ZERO
    if at.lists:
        for group in range(at.groups):
            total += wide[at.live + slot * at.groups + group]
    else:
        for t in range(at.blocks):
            total += popcount(wide[at.flippable + slot * at.blocks + t])
    return total


@njit(inline="always")
def choose(at, wide, slot, k):
    """Return the k-th flippable row of a slot with several blocks of rows."""
    block = ZERO
    for group in range(at.groups - ONE):
        live = wide[at.live + slot * at.groups + group]
        beyond = flag((k >= live) & (block == group * at.group))
        block += beyond * at.group
        k -= live & (ZERO - beyond)
    first = at.flippable + slot * at.blocks + block
    return (block << SIX) + _kth(at.group, wide, first, ZERO, ZERO, k)


@njit(inline="always")
def _kth(blocks, wide, first, skip_block, skip_bit, k):
    """Return the k-th row of the bitmap at wide[first] without the skipped bit."""
    rest, block, before, total = ZERO, ZERO, ZERO, ZERO
    for t in range(blocks):
        word = wide[first + t] & ~(skip_bit & (ZERO - flag(t == skip_block)))
        beyond = k >= total  # of the words so far, true for the first one
        rest, before = word if beyond else rest, total if beyond else before
        block += flag(beyond)
        total += popcount(word)
    return ((block - ONE) << SIX) + kth_set_bit(rest, k - before)


@njit(inline="always")
def partner(at, wide, narrow, slot, class_, row, chance, bits):
    """Return the row of a class, other than `row`, that some bits of chance give."""
    if at.blocks == ONE:
        rows = wide[at.bitmaps + class_]
        k = (chance * (popcount(rows) - ONE)) >> bits
        return kth_set_bit(rows & ~(ONE << row), k)
    if not at.lists:
        first, others = at.bitmaps + class_ * at.blocks, ZERO - ONE
        for t in range(at.blocks):
            others += popcount(wide[first + t])
        k = (chance * others) >> bits
        return _kth(at.blocks, wide, first, row >> SIX, ONE << (row & LOW6), k)
    links = at.links + slot * at.rows
    other = U(narrow[at.heads + class_])
    if other == row:
        other = U(narrow[links + other])
    for _ in range((chance * (U(narrow[at.counts + class_]) - ONE)) >> bits):
        other = U(narrow[links + other])
        if other == row:
            other = U(narrow[links + other])
    return other


@njit(inline="always")
def only(word):
    """Return a word with one bit at most, or zero for other words."""
    return word & (ZERO - flag(word & (word - ONE) == ZERO))


@njit(inline="always")
def _move_bit(at, wide, slot, row, old, class_):
    """Move a row between the bitmaps of two classes, of several blocks."""
    joining, leaving, flippable = ZERO, ZERO, at.flippable + slot * at.blocks
    h, o = at.bitmaps + class_ * at.blocks, at.bitmaps + old * at.blocks
    for t in range(at.blocks):
        joining += popcount(wide[h + t])
        leaving += popcount(wide[o + t])
    found, pair = ZERO - flag(joining != ZERO), ZERO - flag(joining == ONE)
    alone = ZERO - flag(leaving == TWO)
    for t in range(at.blocks):
        bit = (ONE << (row & LOW6)) & (ZERO - flag(t == row >> SIX))
        before, left = wide[h + t], wide[o + t] & ~bit
        wide[h + t], wide[o + t] = before | bit, left
        live = wide[flippable + t] & ~(bit | left & alone)
        wide[flippable + t] = live | bit & found | before & pair
    return leaving == ONE


@njit(inline="always")
def _turn(at, wide, slot, row, on, off):
    """Mark a row as flippable if `on` is 1, or as not flippable if `off` is 1, and count it."""
    row &= ZERO - (on | off)
    block = row >> SIX
    wide[at.flippable + slot * at.blocks + block] ^= (on | off) << (row & LOW6)
    wide[at.live + slot * at.groups + block // at.group] += on - off


@njit(inline="always")
def _move_link(at, wide, narrow, slot, row, old, class_):
    """Move a row between the lists of two classes."""
    links = at.links + slot * at.rows
    cell = at.heads + old
    while U(narrow[cell]) != row:
        cell = links + U(narrow[cell])
    narrow[cell] = narrow[links + row]
    left = U(narrow[at.counts + old]) - ONE
    narrow[at.counts + old] = np.uint16(left)
    joined, companion = U(narrow[at.counts + class_]), U(narrow[at.heads + class_])
    enlist(at, narrow, slot, row, class_)
    last = U(narrow[at.heads + old])
    _turn(at, wide, slot, companion, flag(joined == ONE), ZERO)
    _turn(at, wide, slot, last, ZERO, flag(left == ONE))
    found, lost = flag(joined != ZERO), flag(left != ZERO)
    _turn(at, wide, slot, row, found & ~lost, lost & ~found)
    return left == ZERO


@njit
def _close_gap(at, wide, narrow, slot, hole):
    """Fill an empty position, which keys passed, with later classes of its cluster."""
    probe, rows = hole, slot * at.rows
    while True:
        probe = after(at, probe)
        some, first = first_row(at, wide, narrow, probe)
        if some == ZERO:
            break
        home = hash_key(at, wide, at.factors + (rows + first) * at.key)
        if ((probe - home) & (at.table - ONE)) < ((probe - hole) & (at.table - ONE)):
            continue
        if at.lists:
            row = narrow[at.heads + hole] = narrow[at.heads + probe]
            narrow[at.heads + probe] = END
            narrow[at.counts + hole] = narrow[at.counts + probe]
            narrow[at.counts + probe] = np.uint16(0)
            while row != END:
                narrow[rows + row] = np.uint16(hole)
                row = narrow[at.links + rows + row]
        for t in range(ZERO if at.lists else at.blocks):
            word = wide[at.bitmaps + probe * at.blocks + t]
            wide[at.bitmaps + hole * at.blocks + t] = word
            wide[at.bitmaps + probe * at.blocks + t] = ZERO
            while word != ZERO:
                narrow[rows + (t << SIX) + trailing_zeros(word)] = np.uint16(hole)
                word &= word - ONE
        hole = probe
    narrow[at.passed + hole] = np.uint16(0)


@njit(inline="always")
def move_row(at, wide, narrow, slot, row, new, class_, before):
    """Move a row to the class of the key at wide[new], as `find` found it."""
    place = slot * at.rows + row
    old = U(narrow[place])
    narrow[place] = np.uint16(class_)
    for t in range(at.key):
        wide[at.factors + place * at.key + t] = wide[new + t]
    if at.lists:
        empty = _move_link(at, wide, narrow, slot, row, old, class_)
    elif at.blocks > ONE:
        empty = _move_bit(at, wide, slot, row, old, class_)
    else:  # the two bitmaps determine the flippable rows
        bit = ONE << row
        left = wide[at.bitmaps + old] & ~bit
        wide[at.bitmaps + class_], wide[at.bitmaps + old] = before | bit, left
        joined = bit & (ZERO - flag(before != ZERO)) | only(before)
        live = at.flippable + slot
        wide[live] = wide[live] & ~(bit | only(left)) | joined
        empty = left == ZERO
    if opaque(flag(empty)) & U(narrow[at.passed + old]) != ZERO:
        _close_gap(at, wide, narrow, slot, old)


@njit(inline="always")
def agreeing(at, wide, narrow, slot, class_, some, one_slot, one, other_slot, other):
    """Return nonzero if a row of a class is also in class `one` or `other` of the other slots."""
    if at.blocks == ONE:
        return some & (wide[at.bitmaps + one] | wide[at.bitmaps + other])
    found = ZERO
    for t in range(ZERO if at.lists else at.blocks):
        ones = wide[at.bitmaps + one * at.blocks + t]
        others = wide[at.bitmaps + other * at.blocks + t]
        found |= wide[at.bitmaps + class_ * at.blocks + t] & (ones | others)
    if at.lists:
        row = narrow[at.heads + class_]
        while row != END:
            found |= flag(U(narrow[one_slot * at.rows + row]) == one)
            found |= flag(U(narrow[other_slot * at.rows + row]) == other)
            row = narrow[at.links + slot * at.rows + row]
    return found
