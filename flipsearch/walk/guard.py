# mypy: allow-untyped-defs
"""The in-loop guard: whether the identity of a state still holds at random points.

A walk that a bit flip in memory or a bug has derailed would go on happily for hours. After each
task its states are evaluated at random points, sum_r <u_r, x> <v_r, y> <w_r, z> against the target
tensor at (x, y, z): over F2 at 256 points at once, bit-sliced, each of which shows an error with
probability at least 1/8 (the nonzero error is a trilinear form); over F3 at 128 points, 8/27 each;
over ZT at two points modulo 2^31 - 1. A wrong state passes with probability below 1e-14 (F2),
1e-19 (F3) and 1e-17 (ZT). This guards walking; what enters the catalogue is proved exactly.
"""

from __future__ import annotations

import functools
import os

import numpy as np
import numpy.typing as npt

from flipsearch.algebra.draws import draw
from flipsearch.algebra.jit import njit
from flipsearch.formats import Format
from flipsearch.rings import Ring
from flipsearch.walk.flips import normalise
from flipsearch.walk.index import ONE, THREE, TWO, ZERO, U
from flipsearch.walk.task import WalkOutcome, WalkTask, Words

PRIME = U(2**31 - 1)
F3_POINTS, PRIME_POINTS = U(128), U(2)
_LANES = 4


@njit
def normalise_rows(at, rows, signs, rank):
    """Bring packed rows into normal form, their signs into `signs`."""
    for row in range(rank):
        signs[row] = ZERO
        if at.ring != TWO:
            for slot in range(THREE):
                signs[row] ^= normalise(at, rows, (row * THREE + slot) * at.key)


@njit
def restore_signs(at, rows, signs, rank):
    """Put the signs of rows back into their third factors."""
    if at.ring != TWO:
        for row in range(rank):
            x = (row * THREE + TWO) * at.key
            for t in range(at.words):
                rows[x + at.words + t] ^= rows[x + t] & (ZERO - signs[row])


@functools.lru_cache(maxsize=64)
def _target(format_: Format) -> npt.NDArray[np.int64]:
    return np.ascontiguousarray(format_.target.reshape(-1))


def holds(format_: Format, ring: Ring, state: Words, seed: int) -> bool:
    """Whether the identity of a packed state holds at random points drawn from `seed`."""
    target = _target(format_)
    dimensions = np.array(format_.dimensions, dtype=np.uint64)
    flat = np.ascontiguousarray(state).reshape(-1)
    key = U(state.shape[2])
    if ring is Ring.F2:
        return bool(_holds_f2(flat, U(len(state)), key, dimensions, target, U(seed)))
    prime, points = (U(3), F3_POINTS) if ring is Ring.F3 else (PRIME, PRIME_POINTS)
    return bool(_holds_mod(flat, U(len(state)), key, dimensions, target, U(seed), prime, points))


def is_sound(task: WalkTask, outcome: WalkOutcome) -> bool:
    """Whether the states of an outcome hold, at points the worker that sent it did not choose.

    Outcomes of symmetric walks, whose states are orbits, are left to the exact proof.
    """
    if type(outcome) is not WalkOutcome or outcome.reason == "broken":
        return True
    seed = int.from_bytes(os.urandom(8), "little")
    states = (*outcome.best, outcome.final)
    return all(holds(task.format, task.ring, state, seed) for state in states)


@njit
def _holds_f2(state, rank, key, dimensions, target, seed):
    counter = ZERO
    first = np.zeros(4, np.uint64)
    for slot in range(THREE):
        first[slot + ONE] = first[slot] + dimensions[slot]
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
                for entry in range(dimensions[slot]):
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
def _holds_mod(state, rank, key, dimensions, target, seed, prime, count):
    counter, words = ZERO, key >> ONE
    first = np.zeros(4, np.uint64)
    for slot in range(THREE):
        first[slot + ONE] = first[slot] + dimensions[slot]
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
                for entry in range(dimensions[slot]):
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
