# mypy: allow-untyped-defs
"""Check at random points whether the identity of a state still holds.

After a bit flip in memory or a fault of the program, a walk would go on for hours with wrong
states. After each task its states are therefore evaluated at random points: the sum of <u_r, x>
<v_r, y> <w_r, z> is compared with the target tensor at (x, y, z). Over F2 256 points are evaluated
at once, bit-sliced; the error is a nonzero trilinear form, so each point shows it with probability
at least 1/8. Over F3 there are 128 points with probability 8/27 each, over ZT two points modulo
2^31 - 1. A wrong state passes with probability below 1e-14 (F2), 1e-19 (F3) and 1e-17 (ZT). This
protects walks; schemes that enter the catalogue are proved exactly.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from flipsearch.algebra.bits import packed
from flipsearch.algebra.draws import draw
from flipsearch.algebra.jit import njit
from flipsearch.algebra.words import ONE, THREE, TWO, ZERO, U
from flipsearch.errors import FormatError
from flipsearch.formats import Format
from flipsearch.rings import Ring
from flipsearch.verify import is_valid
from flipsearch.walk.task import Words, unpack, words_of

PRIME = U(2**31 - 1)
F3_POINTS, PRIME_POINTS = U(128), U(2)
_LANES = 4


@functools.lru_cache(maxsize=64)
def _target(format_: Format) -> tuple[Words, npt.NDArray[np.int64]]:
    """Return where the coordinates of each slot begin, shape (4,), and the entries, flat."""
    first = np.cumsum([0, *format_.dimensions], dtype=np.uint64)
    return first, np.ascontiguousarray(format_.target.reshape(-1))


def holds(format_: Format, ring: Ring, state: Words, seed: int) -> bool:
    """Return whether the identity of a packed state holds at random points drawn from `seed`."""
    flat = np.ascontiguousarray(state).reshape(-1)
    numbers = U(len(state)), U(state.shape[2]), *_target(format_), U(seed)
    if ring is Ring.F2:
        return bool(_holds_f2(flat, *numbers))
    prime, points = (U(3), F3_POINTS) if ring is Ring.F3 else (PRIME, PRIME_POINTS)
    return bool(_holds_mod(flat, *numbers, prime, points))


@functools.lru_cache(maxsize=256)
def _mask(format_: Format, ring: Ring) -> Words:
    """Return the words that mark the entries of factors; shape (3, K)."""
    words = words_of(format_)
    mask = packed(np.arange(64 * words) < np.array(format_.dimensions)[:, None], words)
    return mask if ring is Ring.F2 else np.concatenate([mask, mask], axis=1)


def flaw(format_: Format, ring: Ring, state: Words, seed: int) -> str | None:
    """Return the reason why an array is no packed state of a scheme, or None.

    Over Z and Q the state is proved exactly.
    """
    if not ring.is_field_of_search:
        try:
            valid = is_valid(unpack(format_, ring, state))
        except FormatError as error:
            return str(error)
        return None if valid else "a state is no valid scheme"
    mask = _mask(format_, ring)
    if state.dtype != np.uint64 or state.ndim != 3 or state.shape[1:] != mask.shape:
        return "a state has another width"
    if (state & ~mask).any():
        return "a state has bits beyond its factors"
    words = mask.shape[1] // 2
    if ring is not Ring.F2 and (state[:, :, words:] & ~state[:, :, :words]).any():
        return "a state has signs of zeros"
    return None if holds(format_, ring, state, seed) else "a state is no valid scheme"


@njit
def _holds_f2(state, rank, key, first, target, seed):
    counter = ZERO
    points = np.empty(first[3], np.uint64)
    for _lane in range(_LANES):
        for entry in range(first[3]):
            counter += ONE
            points[entry] = draw(~seed, counter)
        total = ZERO
        for row in range(rank):
            product = ~ZERO
            for slot in range(THREE):
                value = ZERO
                for entry in range(first[slot + ONE] - first[slot]):
                    word = state[(row * THREE + slot) * key + (entry >> U(6))]
                    bit = (word >> (entry & U(63))) & ONE
                    value ^= points[first[slot] + entry] & (ZERO - bit)
                product &= value
            total ^= product
        for at in range(U(0), U(len(target)), U(4)):
            if target[at + U(3)] & 1:
                total ^= (
                    points[U(target[at])]
                    & points[first[1] + U(target[at + ONE])]
                    & points[first[2] + U(target[at + TWO])]
                )
        if total != ZERO:
            return False
    return True


@njit
def _holds_mod(state, rank, key, first, target, seed, prime, count):
    counter, words = ZERO, key >> ONE
    points = np.empty(first[3], np.uint64)
    for _point in range(count):
        for entry in range(first[3]):
            counter += ONE
            points[entry] = (draw(~seed, counter) >> U(8)) % prime
        total = ZERO
        for row in range(rank):
            product = ONE
            for slot in range(THREE):
                value = ZERO
                base = (row * THREE + slot) * key
                for entry in range(first[slot + ONE] - first[slot]):
                    shift = entry & U(63)
                    if (state[base + (entry >> U(6))] >> shift) & ONE:
                        x = points[first[slot] + entry]
                        minus = (state[base + words + (entry >> U(6))] >> shift) & ONE
                        value += prime - x if minus else x
                product = product * (value % prime) % prime
            total += product
        for at in range(U(0), U(len(target)), U(4)):
            x = points[U(target[at])] * points[first[1] + U(target[at + ONE])] % prime
            x = x * points[first[2] + U(target[at + TWO])] % prime
            value = U(abs(target[at + U(3)])) % prime * x % prime
            total += prime - value if target[at + U(3)] > 0 else value
        if total % prime != ZERO:
            return False
    return True
