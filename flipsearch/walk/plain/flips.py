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

from flipsearch.algebra.draws import draw
from flipsearch.algebra.jit import njit
from flipsearch.algebra.planes import add_modulo_3, add_ternary, leaves_ternary
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
    flag,
    kth_set_bit,
    opaque,
    pointer_to,
    popcount,
)
from flipsearch.walk.plain.classes import agreeing, choose, live_rows, move_row, partner
from flipsearch.walk.plain.index import Layout, find, hash_key, mix

DONE, STUCK, EVENT = U(0), U(1), U(2)
EIGHT, PART = U(8), U(24)
NEXT, AFTER = U(0b001001), U(0b010010)
"""The slots after and before slot a, two bits each."""


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
def combine(at, words, to, x, y, minus):
    """Set words[to] to words[x] + words[y], or - if `minus` is 1, in normal form.

    Return whether the result is zero, 1 if the normal form has the other sign, and the hash.
    """
    if at.words > ONE:
        zero, turned = add(at, words, to, x, y, minus), ZERO
        if at.ring != TWO:
            turned = normalise(at, words, to)
        return zero, turned, hash_key(at, words, to)
    # the same for one word; these values do not take the way through memory
    nx, ny = words[x], words[y]
    if at.ring == TWO:
        total, sign, turned = nx ^ ny, ZERO, ZERO
        words[to] = total
    else:
        sx, sy = words[x + ONE], words[y + ONE] ^ (ny & (ZERO - minus))
        if at.ring == THREE:
            total, sign = add_modulo_3(nx, sx, ny, sy)
        else:
            total, sign = add_ternary(nx, sx, ny, sy)
        turned = flag(sign & total & (ZERO - total) != ZERO)
        words[to], words[to + ONE] = total, sign ^ (total & (ZERO - turned))
    return total == ZERO, turned, mix(at, ZERO, total, sign) >> at.shift


@functools.cache
def make_flips(at: Layout) -> Any:
    """Return the jitted loop for one layout."""

    @njit
    def flips(wide_array, narrow_array, seed, counter, steps, merge, move):
        """Walk at most `steps` steps.

        Parameters
        ----------
        wide_array, narrow_array : arrays
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
        wide, narrow = pointer_to(wide_array), pointer_to(narrow_array)
        done, refused, code = ZERO, ZERO, DONE
        signs = wide[at.signs]  # of all rows, if there is one block of them
        while done < steps:
            mask, mask1, mask2 = ZERO, ZERO, ZERO
            if at.blocks == ONE:
                mask = wide[at.flippable]
                mask1, mask2 = wide[at.flippable + ONE], wide[at.flippable + TWO]
                live0, live1, live2 = popcount(mask), popcount(mask1), popcount(mask2)
            else:
                live0, live1 = live_rows(at, wide, ZERO), live_rows(at, wide, ONE)
                live2 = live_rows(at, wide, TWO)
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
                i = choose(at, wide, a, k)
            b, c = (NEXT >> (a + a)) & THREE, (AFTER >> (a + a)) & THREE
            shared = U(narrow[a * at.rows + i])
            j = partner(at, wide, narrow, a, shared, i, (z & LOW32) >> EIGHT, PART)
            bi, bj = b * at.rows + i, b * at.rows + j
            ci, cj = c * at.rows + i, c * at.rows + j
            x, y = at.factors + bi * at.key, at.factors + bj * at.key
            v, w = at.factors + ci * at.key, at.factors + cj * at.key
            minus_b, minus_c = ZERO, ZERO
            if at.ring != TWO:
                sign_i, sign_j = signs >> i, signs >> j
                if at.blocks != ONE:
                    sign_i = wide[at.signs + (i >> SIX)] >> (i & LOW6)
                    sign_j = wide[at.signs + (j >> SIX)] >> (j & LOW6)
                alike = ONE ^ ((sign_i ^ sign_j) & ONE)
                minus_b = z & ONE
                if at.ring == ZERO:
                    plus, less = overflow(at, wide, x, y)
                    plus_c, less_c = overflow(at, wide, w, v)
                    swap = ZERO - alike
                    plus |= (plus_c & ~swap) | (less_c & swap)
                    less |= (less_c & ~swap) | (plus_c & swap)
                    if opaque(flag(plus != ZERO)) & flag(less != ZERO) != ZERO:
                        refused += ONE
                        continue
                    minus_b = (minus_b & flag(less == ZERO)) | flag(plus != ZERO)
                minus_c = minus_b ^ alike
            zero_b, turned_b, hash_b = combine(at, wide, at.first_new, x, y, minus_b)
            zero_c, turned_c, hash_c = combine(at, wide, at.second_new, w, v, minus_c)
            rare = zero_b | zero_c
            class_b, some_b = find(at, wide, narrow, b, hash_b, wide, at.first_new)
            class_c, some_c = find(at, wide, narrow, c, hash_c, wide, at.second_new)
            agree = ZERO
            if merge != ZERO:
                same_b, same_c = U(narrow[bj]), U(narrow[ci])
                agree = agreeing(at, wide, narrow, b, class_b, some_b, a, shared, c, same_c)
                agree |= agreeing(at, wide, narrow, c, class_c, some_c, a, shared, b, same_b)
            if at.ring == THREE:
                # two unmerged rows agree in two factors: twice a factor is minus that factor, and
                # the row would join its own class, which `move_row` cannot do
                rare |= (class_b == U(narrow[bi])) | (class_c == U(narrow[cj]))
            if rare | (agree != ZERO):
                move[0], move[1], move[2], move[3] = a, i, j, minus_b
                refused += ONE
                code = EVENT
                break
            move_row(at, wide, narrow, b, i, at.first_new, class_b, some_b)
            move_row(at, wide, narrow, c, j, at.second_new, class_c, some_c)
            if at.blocks == ONE:
                signs ^= (turned_b << i) ^ (turned_c << j)
            elif at.ring != TWO:
                wide[at.signs + (i >> SIX)] ^= turned_b << (i & LOW6)
                wide[at.signs + (j >> SIX)] ^= turned_c << (j & LOW6)
        if at.blocks == ONE:
            wide[at.signs] = signs
        return code, done, done - refused, counter

    return flips
