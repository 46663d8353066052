# mypy: allow-untyped-defs
"""Carry out flips, one after another, until a rare event; this is the hot loop.

One step draws a flippable (slot, row), a partner row of its class, and over F3 and ZT a sign
lambda. With slots a, b, c in cyclic order, factors in normal form and separate signs sigma,

    row i:  b_i <- b_i + lambda b_j          row j:  c_j <- c_j - lambda sigma_i sigma_j c_i

This keeps the sum of the two terms (Kauers and Moosbauer, "Flip graphs for matrix multiplication",
Definition 2). Both orders of a pair and both signs give every neighbour. Over ZT a sign that
leaves {-1, 0, 1} is replaced by the other one; if both do, the step changes no row.

The loop returns at the first step whose flip would make a factor zero, or make two rows agree in
two factors. `flipsearch.walk.plain.moves` carries out that flip, like all moves that happen once
in thousands of steps. The loop therefore has one unpredictable branch over ZT (refusal) and none
over F2 and F3, and no work that grows with the rank.

Invariant: on return the index is exactly that of a valid scheme with the same sum as at entry.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from flipsearch.algebra.draws import draw
from flipsearch.algebra.jit import njit
from flipsearch.algebra.planes import add_modulo_3, add_ternary, leaves_ternary
from flipsearch.algebra.words import kth_set_bit, popcount
from flipsearch.walk.plain.index import LOW6, ONE, SIX, THREE, TWO, ZERO, Layout, U, hash_key

DONE, STUCK, EVENT = U(0), U(1), U(2)
LOW32, EIGHT, HALF, PART = U(0xFFFFFFFF), U(8), U(32), U(24)
NEXT, AFTER = U(0b001001), U(0b010010)
"""The slots after and before slot a, two bits each."""


@njit(inline="always")
def flag(condition):
    """Return 1 or 0 as uint64."""
    return U(condition)


@njit(inline="always")
def add(at, words, to, x, y, minus):
    """Set words[to] to words[x] + words[y], or to the difference if `minus` is 1.

    Return whether the result is zero. Over ZT it has to be ternary: see `overflow`.
    """
    some = ZERO
    if at.ring == TWO:
        for t in range(at.words):
            total = words[x + t] ^ words[y + t]
            words[to + t] = total
            some |= total
        return some == ZERO
    turn = ZERO - minus
    for t in range(at.words):
        nx, ny = words[x + t], words[y + t]
        sx, sy = words[x + at.words + t], words[y + at.words + t] ^ (ny & turn)
        if at.ring == THREE:
            nonzero, sign = add_modulo_3(nx, sx, ny, sy)
        else:
            nonzero, sign = add_ternary(nx, sx, ny, sy)
        words[to + t] = nonzero
        words[to + at.words + t] = sign
        some |= nonzero
    return some == ZERO


@njit(inline="always")
def overflow(at, words, x, y):
    """Return two words, nonzero if x + y leaves ZT and if x - y does."""
    plus, minus = ZERO, ZERO
    for t in range(at.words):
        sx, sy = words[x + at.words + t], words[y + at.words + t]
        leaves, leaves_minus = leaves_ternary(words[x + t], sx, words[y + t], sy)
        plus |= leaves
        minus |= leaves_minus
    return plus, minus


@njit(inline="always")
def normalise(at, words, x):
    """Make the lowest nonzero entry at words[x] +1; return 1 if this changed all signs, else 0."""
    lead = ZERO
    for back in range(at.words):
        t = at.words - ONE - back
        nonzero = words[x + t]
        here = words[x + at.words + t] & nonzero & (ZERO - nonzero)
        lead = here if nonzero != ZERO else lead
    turned = flag(lead != ZERO)
    for t in range(at.words):
        words[x + at.words + t] ^= words[x + t] & (ZERO - turned)
    return turned


@njit(inline="always")
def find(at, wide, narrow, slot, new):
    """Return (class or 0, table position) of the key at wide[new].

    The key is first written to class 0. An empty entry then compares equal too, and the loop has
    one condition, which is almost always true at once.
    """
    base, entries = slot * at.classes, at.entries + slot * at.table
    for t in range(at.key):
        wide[base * at.key + t] = wide[new + t]
    position = hash_key(at, wide, new)
    while True:
        class_ = U(narrow[entries + position])
        other = (base + class_) * at.key
        different = ZERO
        for t in range(at.key):
            different |= wide[other + t] ^ wide[new + t]
        if different == ZERO:
            return class_, position
        position = (position + ONE) & (at.table - ONE)


@njit(inline="always")
def select(at, wide, first, skip_block, skip_bit, k):
    """Return the k-th row of the bitmap at wide[first] without the skipped bit."""
    if at.blocks == ONE:
        return kth_set_bit(wide[first] & ~skip_bit, k)
    block, before, total = ZERO, ZERO, ZERO
    for t in range(at.blocks - ONE):
        word = wide[first + t] & ~(skip_bit & (ZERO - flag(t == skip_block)))
        total += popcount(word)
        beyond = flag(k >= total)
        block += beyond
        before = total if k >= total else before
    word = wide[first + block] & ~(skip_bit & (ZERO - flag(block == skip_block)))
    return (block << SIX) + kth_set_bit(word, k - before)


@njit(inline="always")
def close_gap(at, wide, narrow, base, entries, hole):
    """Delete the table entry at `hole` and move later entries of its cluster up."""
    probe = hole
    while True:
        probe = (probe + ONE) & (at.table - ONE)
        moved = U(narrow[entries + probe])
        if moved == ZERO:
            break
        home = hash_key(at, wide, (base + moved) * at.key)
        if ((probe - home) & (at.table - ONE)) >= ((probe - hole) & (at.table - ONE)):
            narrow[entries + hole] = np.uint16(moved)
            narrow[at.positions + base + moved] = np.uint16(hole)
            hole = probe
    narrow[entries + hole] = np.uint16(0)


@njit(inline="always")
def recount(at, wide, narrow, h, o, row, live, number, found):
    """Move `row` from class o to class h with several blocks of rows; return 1 if o is empty.

    Counts and exclusive ors of row numbers determine the rows that become flippable or cease to
    be.
    """
    block, bit = row >> SIX, ONE << (row & LOW6)
    wide[at.bitmaps + h * at.blocks + block] |= bit
    joined = U(narrow[at.counts + h]) + ONE
    companion = U(narrow[at.row_sums + h])
    narrow[at.counts + h] = np.uint16(joined)
    narrow[at.row_sums + h] = np.uint16(companion ^ row)
    wide[at.bitmaps + o * at.blocks + block] &= ~bit
    left = U(narrow[at.counts + o]) - ONE
    last = U(narrow[at.row_sums + o]) ^ row
    narrow[at.counts + o] = np.uint16(left)
    narrow[at.row_sums + o] = np.uint16(last)
    empty, pair, alone = flag(left == ZERO), flag(joined == TWO), flag(left == ONE)
    wide[live + (last >> SIX)] &= ~(alone << (last & LOW6))
    wide[live + block] = (wide[live + block] & ~bit) | (bit & (ZERO - found))
    wide[live + (companion >> SIX)] |= pair << (companion & LOW6)
    wide[number] += found + pair + empty - alone - ONE
    return empty


@njit(inline="always")
def move_row(at, wide, narrow, slot, row, new, class_, position, counted):
    """Move `row` of `slot` to the class of the key at wide[new], as `find` found it.

    Counts and the number of flippable rows are kept with more than one block, or if `counted`.
    """
    base, entries = slot * at.classes, at.entries + slot * at.table
    bit = ONE << (row & LOW6)
    old = U(narrow[slot * at.rows + row])
    o, top = base + old, U(narrow[at.free_counts + slot])
    found = flag(class_ != ZERO)
    class_ = class_ | (U(narrow[at.free + base + top - ONE]) & (found - ONE))
    h = base + class_
    # the class that it joins
    narrow[entries + position] = np.uint16(class_)
    narrow[at.positions + h] = np.uint16(position)
    for t in range(at.key):
        wide[h * at.key + t] = wide[new + t]
    narrow[slot * at.rows + row] = np.uint16(class_)
    live = at.flippable + slot * at.blocks
    if at.blocks == ONE and not counted:  # the two bitmaps determine the flippable rows
        before = wide[at.bitmaps + h]
        wide[at.bitmaps + h] = before | bit
        after = wide[at.bitmaps + o] & ~bit
        wide[at.bitmaps + o] = after
        empty = flag(after == ZERO)
        joined = bit & (ZERO - found) | before & (ZERO - flag(before & (before - ONE) == ZERO))
        alone = after & (ZERO - flag(after & (after - ONE) == ZERO))
        wide[live] = wide[live] & ~(bit | alone) | joined
    else:
        empty = recount(at, wide, narrow, h, o, row, live, at.live + slot, found)
    top -= ONE - found
    narrow[at.free + base + top] = np.uint16(old)
    narrow[at.free_counts + slot] = np.uint16(top + empty)
    # the table entry of a class that became empty
    gone = U(narrow[at.positions + o])
    if narrow[entries + ((gone + ONE) & (at.table - ONE))] == 0:
        narrow[entries + gone] = np.uint16(old & (empty - ONE))
    elif empty != ZERO:
        close_gap(at, wide, narrow, base, entries, gone)


@functools.cache
def make_flips(at: Layout) -> Any:
    """Return the jitted loop for one layout."""

    @njit
    def flips(wide, narrow, seed, counter, steps, merge, move):
        """Walk at most `steps` steps.

        Parameters
        ----------
        wide, narrow : arrays
            The index, changed in place.
        seed, counter, steps : uint64
            The draws are counter + 1, counter + 2, ...
        merge : uint64
            With 1, flips that make two rows agree in two factors also stop the loop.
        move : uint64 array, shape (4,)
            Receives [a, i, j, 1 if lambda is -1] for a flip that was not carried out.

        Returns
        -------
        (code, steps done, flips done, counter) : four uint64
            DONE: all steps were done. STUCK: no row is flippable; that step is not counted. EVENT:
            the flip in `move` reduces the scheme; its step is counted, its flip is not.
        """
        done, refused, code = ZERO, ZERO, DONE
        while done < steps:
            mask, mask1, mask2 = ZERO, ZERO, ZERO
            if at.blocks == ONE:  # counting the masks is faster than reading stored numbers
                mask = wide[at.flippable]
                mask1, mask2 = wide[at.flippable + ONE], wide[at.flippable + TWO]
                live0, live1, live2 = popcount(mask), popcount(mask1), popcount(mask2)
            else:
                live0, live1, live2 = wide[at.live], wide[at.live + ONE], wide[at.live + TWO]
            live1 += live0
            live2 += live1
            if live2 == ZERO:
                code = STUCK
                break
            counter += ONE
            z = draw(seed, counter)
            done += ONE
            k = ((z >> HALF) * live2) >> HALF
            beyond0, beyond1 = flag(k >= live0), flag(k >= live1)
            a = beyond0 + beyond1
            k -= (live0 & (ZERO - beyond0)) + ((live1 - live0) & (ZERO - beyond1))
            if at.blocks == ONE:
                mask ^= ((mask ^ mask1) & (ZERO - beyond0)) ^ ((mask1 ^ mask2) & (ZERO - beyond1))
                i = kth_set_bit(mask, k)
            else:
                i = select(at, wide, at.flippable + a * at.blocks, ZERO, ZERO, k)
            b, c = (NEXT >> (a + a)) & THREE, (AFTER >> (a + a)) & THREE
            shared = a * at.classes + U(narrow[a * at.rows + i])
            if at.blocks == ONE:
                others = popcount(wide[at.bitmaps + shared]) - ONE
            else:
                others = U(narrow[at.counts + shared]) - ONE
            k = (((z & LOW32) >> EIGHT) * others) >> PART
            j = select(at, wide, at.bitmaps + shared * at.blocks, i >> SIX, ONE << (i & LOW6), k)
            first_b, second_b = b * at.rows + i, b * at.rows + j
            bi = b * at.classes + U(narrow[first_b])
            bj = b * at.classes + U(narrow[second_b])
            ci = c * at.classes + U(narrow[c * at.rows + i])
            cj = c * at.classes + U(narrow[c * at.rows + j])
            minus_b, minus_c = ZERO, ZERO
            if at.ring != TWO:
                sign_i = wide[at.signs + (i >> SIX)] >> (i & LOW6)
                sign_j = wide[at.signs + (j >> SIX)] >> (j & LOW6)
                alike = ONE ^ ((sign_i ^ sign_j) & ONE)
                minus_b = z & ONE
                if at.ring == ZERO:
                    plus, less = overflow(at, wide, bi * at.key, bj * at.key)
                    plus_c, less_c = overflow(at, wide, cj * at.key, ci * at.key)
                    swap = ZERO - alike
                    plus |= (plus_c & ~swap) | (less_c & swap)
                    less |= (less_c & ~swap) | (plus_c & swap)
                    if (plus != ZERO) & (less != ZERO):
                        refused += ONE
                        continue
                    minus_b = (minus_b & flag(less == ZERO)) | flag(plus != ZERO)
                minus_c = minus_b ^ alike
            rare = add(at, wide, at.first_new, bi * at.key, bj * at.key, minus_b)
            rare |= add(at, wide, at.second_new, cj * at.key, ci * at.key, minus_c)
            turned_b, turned_c = ZERO, ZERO
            if at.ring != TWO:
                turned_b = normalise(at, wide, at.first_new)
                turned_c = normalise(at, wide, at.second_new)
            class_b, position_b = find(at, wide, narrow, b, at.first_new)
            class_c, position_c = find(at, wide, narrow, c, at.second_new)
            agree = ZERO
            if merge != ZERO:
                hb, hc = b * at.classes + class_b, c * at.classes + class_c
                for t in range(at.blocks):
                    pairs = wide[at.bitmaps + shared * at.blocks + t]
                    same_c = wide[at.bitmaps + ci * at.blocks + t]
                    same_b = wide[at.bitmaps + bj * at.blocks + t]
                    agree |= wide[at.bitmaps + hb * at.blocks + t] & (pairs | same_c)
                    agree |= wide[at.bitmaps + hc * at.blocks + t] & (pairs | same_b)
            if at.ring == THREE:
                # two unmerged rows agree in two factors: twice a factor is minus that factor, and
                # the row would join its own class, which `move_row` cannot do
                rare |= (b * at.classes + class_b == bi) | (c * at.classes + class_c == cj)
            if rare | (agree != ZERO):
                move[0], move[1], move[2], move[3] = a, i, j, minus_b
                refused += ONE
                code = EVENT
                break
            move_row(at, wide, narrow, b, i, at.first_new, class_b, position_b, False)
            move_row(at, wide, narrow, c, j, at.second_new, class_c, position_c, False)
            if at.ring != TWO:
                wide[at.signs + (i >> SIX)] ^= turned_b << (i & LOW6)
                wide[at.signs + (j >> SIX)] ^= turned_c << (j & LOW6)
        return code, done, done - refused, counter

    return flips
