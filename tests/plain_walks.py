"""What the plain engines share: the walks once more, on lists of tuples and plain integers."""

from __future__ import annotations

Vector = tuple[int, ...]
Term = list[Vector]
WORD, LOW = 2**64 - 1, 2**32 - 1


def draw(seed: int, counter: int) -> int:
    """SplitMix64 by counter."""
    z = (seed + counter * 0x9E3779B97F4A7C15) & WORD
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


def same(x: Vector, y: Vector) -> int:
    """1 or -1 if y is that times x, else 0."""
    return 1 if x == y else -1 if tuple(-e for e in x) == y else 0
