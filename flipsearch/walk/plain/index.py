# mypy: allow-untyped-defs
"""Keep an index of the rows of a scheme that share a factor, at constant cost for each flip.

A flip needs a row that shares a factor with another row. Programs that scan all R rows for equal
factors slow down with the rank. Here the rows with the same factor in a slot form a *class*, which
an exact hash table finds. A flip only moves two rows from one class to another.

A class is a position of the table, by linear probing, and holds rows. Its key is the factor of its
first row. A position without rows is empty: there is no list of free classes, and the class of a
new factor is known as soon as the factor is hashed. Up to `LARGEST_BITMAP` blocks of 64 rows a
class has a bitmap of its rows. With more it has their count and a linked list in ascending order.

The index is two flat arrays of 64-bit and 16-bit words. Their offsets are constants for given
ring, words and rows. A key over F2 is words of bits. Over F3 and ZT it is a plane of nonzeros
followed by a plane of signs, normalised to a lowest nonzero entry +1; the sign of a row is stored
separately.

Invariant: in each slot every row is in exactly one class, whose key is its factor. No two classes
of a slot have equal keys. No position between the hash of a key and its class is empty, and all of
them are marked as passed. A row is flippable in a slot if and only if its class has at least two
rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from flipsearch.algebra.jit import njit
from flipsearch.algebra.words import LOW6, ONE, SIX, THREE, TWO, ZERO, U, opaque, trailing_zeros

MULTIPLIER = U(0x9E3779B97F4A7C15)
STIR = U(0xD6E8FEB86659FD93)
LEAST_TABLE, LARGEST_TABLE, SPARSE = 2048, 16384, 8
"""Bounds of the table of a slot, and its entries for each row between them. A second probe is
mispredicted and costs as much as a flip, so few entries are used. 16 bits number all classes."""
LARGEST_BITMAP = 4
"""Largest number of blocks of 64 rows for which classes have bitmaps."""
GROUP = 8
"""Number of blocks of 64 rows whose flippable rows are counted together."""
END = np.uint16(0xFFFF)
"""The end of a list; it exceeds every row."""


class Layout(NamedTuple):
    """Sizes of an index, and offsets into its two arrays, all uint64.

    Jitted code takes a layout as a compile-time constant and folds every offset.
    """

    ring: Any
    planes: Any
    words: Any
    key: Any
    blocks: Any
    rows: Any
    table: Any
    shift: Any
    lists: Any
    group: Any
    groups: Any
    bitmaps: Any
    factors: Any
    flippable: Any
    live: Any
    signs: Any
    first_new: Any
    second_new: Any
    wide_size: Any
    passed: Any
    counts: Any
    links: Any
    heads: Any
    narrow_size: Any


def layout(ring: int, words: int, blocks: int) -> Layout:
    """Return the layout for a ring, a factor width and a capacity.

    The ring is 2 (F2), 3 (F3) or 0 (ZT). A plane of a factor takes so many 64-bit words. The
    capacity is in blocks of 64 rows, a power of two up to 64.
    """
    planes = 1 if ring == 2 else 2
    lists = blocks > LARGEST_BITMAP
    key, rows = planes * words, 64 * blocks
    table = min(max(LEAST_TABLE, SPARSE * rows), LARGEST_TABLE)
    group = min(blocks, GROUP)
    bits, ends = (0, 3 * table) if lists else (3 * table * blocks, 0)
    wide = [0, bits, 3 * rows * key, 3 * blocks, 3 * blocks // group, blocks, key, key]
    narrow = [3 * rows, 3 * table, ends, 3 * rows if lists else 0, ends]
    bitmaps, factors, flippable, live, signs, first_new, second_new, wide_size = np.cumsum(wide)
    passed, counts, links, heads, narrow_size = np.cumsum(narrow)
    numbers = (
        *(ring, planes, words, key, blocks, rows, table, 65 - table.bit_length()),
        *(lists, group, blocks // group),
        *(bitmaps, factors, flippable, live, signs, first_new, second_new, wide_size),
        *(passed, counts, links, heads, narrow_size),
    )
    return Layout(*(U(int(number)) for number in numbers))


def allocate(at: Layout) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint16]]:
    """Return the two arrays of an empty index."""
    narrow = np.zeros(int(at.narrow_size), np.uint16)
    narrow[int(at.heads) :] = END
    return np.zeros(int(at.wide_size), np.uint64), narrow


@njit(inline="always")
def mix(at, mixed, nonzeros, signs):
    """Stir the words of one plane into a hash, which a change of all signs does not change.

    Over F2 `signs` has no meaning.
    """
    if at.ring == TWO:
        return (mixed ^ nonzeros) * MULTIPLIER
    return (mixed ^ (nonzeros * STIR + signs * (signs ^ nonzeros))) * MULTIPLIER


@njit(inline="always")
def hash_key(at, words, first):
    """Return the table position of the key at words[first : first + key]."""
    mixed = ZERO
    for t in range(at.words):
        mixed = mix(at, mixed, words[first + t], words[first + at.key - at.words + t])
    return mixed >> at.shift


@njit(inline="always")
def after(at, class_):
    """Return the next position of a slot's table."""
    return (class_ & ~(at.table - ONE)) | ((class_ + ONE) & (at.table - ONE))


@njit(inline="always")
def first_row(at, wide, narrow, class_):
    """Return a word that is zero if no row is in a class, with one block the bitmap; and a row."""
    if at.lists:
        head = narrow[at.heads + class_]
        return U(head != END), U(head) & (at.rows - ONE)
    some, row = ZERO, ZERO
    for back in range(at.blocks):
        t = at.blocks - ONE - back
        word = wide[at.bitmaps + class_ * at.blocks + t]
        some |= word
        row = (t << SIX) + trailing_zeros(word) if word != ZERO else row
    return some, row


@njit(inline="always")
def find(at, wide, narrow, slot, position, words, new):
    """Return the class of the key at words[new], or the empty one where it belongs.

    `position` is the hash of the key. Return a word too that is zero if the class is empty, and
    with one block of rows its bitmap.
    """
    class_ = opaque(slot * at.table) + position  # else fused to a double shift, slow on some x86
    while True:
        some, row = first_row(at, wide, narrow, class_)
        key, different = at.factors + (slot * at.rows + row) * at.key, ZERO
        for t in range(at.key):
            different |= wide[key + t] ^ words[new + t]
        # one branch, which is almost never taken; either condition alone is a toss
        taken = opaque(U(some == ZERO)) - ONE
        if taken & different == ZERO:
            return class_, some
        narrow[at.passed + class_] = np.uint16(1)
        class_ = after(at, class_)


@njit(inline="always")
def enlist(at, narrow, slot, row, class_):
    """Add a row to the list of a class."""
    links = at.links + slot * at.rows
    cell = at.heads + class_
    while narrow[cell] < row:
        cell = links + U(narrow[cell])
    narrow[links + row] = narrow[cell]
    narrow[cell] = np.uint16(row)
    narrow[at.counts + class_] += np.uint16(1)


@njit
def clear(at, wide, narrow):
    """Take all rows out of an index; marks of passed positions stay, which does no harm."""
    for place in range(THREE * at.rows):
        class_ = U(narrow[place])
        for t in range(ZERO if at.lists else at.blocks):
            wide[at.bitmaps + class_ * at.blocks + t] = ZERO
        if at.lists:
            narrow[at.heads + class_] = END
            narrow[at.counts + class_] = np.uint16(0)
    for place in range(at.flippable, at.wide_size):
        wide[place] = ZERO


@njit(inline="always")
def insert(at, wide, narrow, slot, row, words, new):
    """Add a row with the key at words[new]; `mark` then marks the flippable rows."""
    position, place = hash_key(at, words, new), slot * at.rows + row
    class_, _ = find(at, wide, narrow, slot, position, words, new)
    narrow[place] = np.uint16(class_)
    for t in range(at.key):
        wide[at.factors + place * at.key + t] = words[new + t]
    if at.lists:
        enlist(at, narrow, slot, row, class_)
    else:
        wide[at.bitmaps + class_ * at.blocks + (row >> SIX)] |= ONE << (row & LOW6)


@njit(inline="always")
def mark(at, wide, narrow, slot, rank):
    """Mark and count the flippable rows of a slot."""
    for row in range(rank):
        class_ = U(narrow[slot * at.rows + row])
        single = True
        if at.lists:
            single = narrow[at.counts + class_] == 1
        else:
            for t in range(at.blocks):
                own = (ONE << (row & LOW6)) if t == row >> SIX else ZERO
                single &= wide[at.bitmaps + class_ * at.blocks + t] & ~own == ZERO
        if not single:
            block = row >> SIX
            wide[at.flippable + slot * at.blocks + block] |= ONE << (row & LOW6)
            wide[at.live + slot * at.groups + block // at.group] += ONE


@njit
def build(at, rows, signs, rank, wide, narrow):
    """Fill the index, of any rows, from packed rows.

    `rows`, flat, holds three normalised keys for each row, `signs` 0 or 1 for each row.
    """
    clear(at, wide, narrow)
    for row in range(rank):
        wide[at.signs + (row >> SIX)] |= signs[row] << (row & LOW6)
    for slot in range(THREE):
        for row in range(rank):
            insert(at, wide, narrow, slot, row, rows, (row * THREE + slot) * at.key)
        mark(at, wide, narrow, slot, rank)


@njit
def extract(at, wide, narrow, rank, rows, signs):
    """Write the rows and signs of the index; the inverse of `build`."""
    for row in range(rank):
        signs[row] = (wide[at.signs + (row >> SIX)] >> (row & LOW6)) & ONE
        for slot in range(THREE):
            source = at.factors + (slot * at.rows + row) * at.key
            for t in range(at.key):
                rows[(row * THREE + slot) * at.key + t] = wide[source + t]
