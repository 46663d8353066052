# mypy: allow-untyped-defs
"""Draw random numbers by counter: the n-th draw of a seed, without state.

The n-th draw is a fixed mixing of seed + n times an odd constant (SplitMix64, Steele, Lea and
Flood 2014). The plain reference, the CPU and the GPU draw the same numbers. No draw depends on
another, so any step of a walk can be replayed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np

from flipsearch.algebra.jit import njit

GOLDEN = 0x9E3779B97F4A7C15
FIRST = 0xBF58476D1CE4E5B9
SECOND = 0x94D049BB133111EB

_GOLDEN, _FIRST, _SECOND = np.uint64(GOLDEN), np.uint64(FIRST), np.uint64(SECOND)
_A, _B, _C, _ONE = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(1)
_WORD = 2**64 - 1


@njit(inline="always")
def draw(seed, counter):
    """Return draw number `counter` (uint64) of `seed` (uint64), as uint64."""
    z = seed + counter * _GOLDEN
    z = (z ^ (z >> _A)) * _FIRST
    z = (z ^ (z >> _B)) * _SECOND
    return z ^ (z >> _C)


@njit(inline="always")
def next_draw(state):
    """Return the next draw as uint64; `state` (uint64, shape (1,)) is at first the seed."""
    z = draw(state[0], _ONE)
    state[0] += _GOLDEN
    return z


def plain_draw(seed: int, counter: int) -> int:
    """Return the same draw, computed with Python integers."""
    z = (seed + counter * GOLDEN) & _WORD
    z = ((z ^ (z >> 30)) * FIRST) & _WORD
    z = ((z ^ (z >> 27)) * SECOND) & _WORD
    return z ^ (z >> 31)


def plain_draws(seed: int, first: int = 1) -> Iterator[int]:
    """Yield the draws of a seed, one after another."""
    return (plain_draw(seed, counter) for counter in count(first))
