# mypy: allow-untyped-defs
"""Keep an index of the rows of a scheme that share a factor, at constant cost for each flip.

A flip needs a row that shares a factor with another row. Programs that scan all R rows for equal
factors slow down with the rank. Here the rows with the same factor in a slot form a *class*, which
an exact hash table finds. A flip only moves two rows from one class to another. The cost of a step
depends on R only by popcounts over R / 64 words.

A class has a key (the factor), a bitmap of its rows, their count, and the exclusive or of their
numbers, which is the number of the last row if one is left. Class 0 of every slot is always empty;
the look-up of an unknown factor finds it.

The index is two flat arrays of 64-bit and 16-bit words. Their offsets are constants for given
ring, words and rows. A key over F2 is words of bits. Over F3 and ZT it is a plane of nonzeros
followed by a plane of signs, normalised to a lowest nonzero entry +1; the sign of a row is stored
separately.

Invariant: in each slot every row is in exactly one class, whose key is its factor. No two classes
of a slot have equal keys. A row is flippable in a slot if and only if its class has at least two
rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from flipsearch.algebra.jit import njit

U = np.uint64
ZERO, ONE, TWO, THREE, SIX, LOW6 = U(0), U(1), U(2), U(3), U(6), U(63)
MULTIPLIER = U(0x9E3779B97F4A7C15)
STIR = U(0xD6E8FEB86659FD93)
LOAD = 16
"""Number of table entries for each row; with 16 a second probe is rare enough to predict."""


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
    classes: Any
    table: Any
    shift: Any
    bitmaps: Any
    flippable: Any
    live: Any
    signs: Any
    first_new: Any
    second_new: Any
    wide_size: Any
    entries: Any
    positions: Any
    counts: Any
    row_sums: Any
    free: Any
    free_counts: Any
    narrow_size: Any


def layout(ring: int, words: int, blocks: int) -> Layout:
    """Return the layout for a ring, a factor width and a capacity.

    Parameters
    ----------
    ring : int
        2 (F2), 3 (F3) or 0 (ZT).
    words : int
        Number of 64-bit words of one plane of a factor.
    blocks : int
        Capacity in blocks of 64 rows, a power of two up to 64.
    """
    planes = 1 if ring == 2 else 2
    key, rows = planes * words, 64 * blocks
    classes, table = rows + 2, LOAD * rows
    wide = np.cumsum([0, 3 * classes * key, 3 * classes * blocks, 3 * blocks, 3, blocks, key, key])
    narrow = np.cumsum([0, 3 * rows, 3 * table] + [3 * classes] * 4 + [3])
    _, bitmaps, flippable, live, signs, first_new, second_new, wide_size = wide
    _, entries, positions, counts, row_sums, free, free_counts, narrow_size = narrow
    numbers = (
        *(ring, planes, words, key, blocks, rows, classes, table, 65 - table.bit_length()),
        *(bitmaps, flippable, live, signs, first_new, second_new, wide_size),
        *(entries, positions, counts, row_sums, free, free_counts, narrow_size),
    )
    return Layout(*(U(int(number)) for number in numbers))


def allocate(at: Layout) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint16]]:
    """Return the two arrays of an empty index."""
    return np.zeros(int(at.wide_size), np.uint64), np.zeros(int(at.narrow_size), np.uint16)


@njit(inline="always")
def hash_key(at, words, first):
    """Return the table position of the key at words[first : first + key]."""
    mixed = words[first] * MULTIPLIER
    for t in range(ONE, at.key):
        mixed = (mixed ^ words[first + t]) * STIR
    return mixed >> at.shift


@njit
def build(at, rows, signs, rank, wide, narrow):
    """Fill the index from packed rows.

    Parameters
    ----------
    at : Layout
    rows : uint64 array, flat, at least rank * 3 * key
        Three normalised keys for each row.
    signs : uint64 array
        0 or 1 for each row.
    rank : uint64
    wide, narrow : the arrays of the index, overwritten
    """
    wide[:] = ZERO
    narrow[:] = np.uint16(0)
    for row in range(rank):
        wide[at.signs + (row >> SIX)] |= signs[row] << (row & LOW6)
    for slot in range(THREE):
        used = ZERO
        base, entries = slot * at.classes, at.entries + slot * at.table
        for row in range(rank):
            source = (row * THREE + slot) * at.key
            position = hash_key(at, rows, source)
            while True:
                class_ = U(narrow[entries + position])
                same = class_ == ZERO
                if not same:
                    same = True
                    for t in range(at.key):
                        same &= wide[(base + class_) * at.key + t] == rows[source + t]
                if same:
                    break
                position = (position + ONE) & (at.table - ONE)
            if class_ == ZERO:
                used += ONE
                class_ = used
                narrow[entries + position] = np.uint16(class_)
                narrow[at.positions + base + class_] = np.uint16(position)
                for t in range(at.key):
                    wide[(base + class_) * at.key + t] = rows[source + t]
            here = base + class_
            narrow[slot * at.rows + row] = np.uint16(class_)
            wide[at.bitmaps + here * at.blocks + (row >> SIX)] |= ONE << (row & LOW6)
            narrow[at.counts + here] += np.uint16(1)
            narrow[at.row_sums + here] ^= np.uint16(row)
        free = ZERO
        for unused in range(at.classes - ONE, used, -1):
            narrow[at.free + base + free] = np.uint16(unused)
            free += ONE
        narrow[at.free_counts + slot] = np.uint16(free)
        for row in range(rank):
            here = base + U(narrow[slot * at.rows + row])
            if narrow[at.counts + here] > 1:
                wide[at.flippable + slot * at.blocks + (row >> SIX)] |= ONE << (row & LOW6)
                wide[at.live + slot] += ONE


@njit
def extract(at, wide, narrow, rank, rows, signs):
    """Write the rows and signs of the index; the inverse of `build`."""
    for row in range(rank):
        signs[row] = (wide[at.signs + (row >> SIX)] >> (row & LOW6)) & ONE
        for slot in range(THREE):
            source = (slot * at.classes + U(narrow[slot * at.rows + row])) * at.key
            for t in range(at.key):
                rows[(row * THREE + slot) * at.key + t] = wide[source + t]
