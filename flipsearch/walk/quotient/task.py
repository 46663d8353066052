"""Define symmetric walks: flips of whole orbits under C3 or C3 x Z2, over F2.

In the trilinear convention the cyclic shift u v w -> v w u fixes the tensor of n x n x n, and so
does the reversal of all indices (entry k of a factor becomes entry n^2 - 1 - k). A symmetric
scheme consists of cubes x x x, which the shift fixes, and of orbits. The walk keeps one triple for
each orbit and flips whole orbits (Moosbauer and Poole, "Flip graphs with symmetry"). The vectors
of all orbits share one index of equal factors; with Z2, factors are equal up to reversal. For
equal vectors at places p and q of different orbits a flip is

    next(p) <- next(p) + next(q),        prev(q) <- prev(q) + prev(p),

cyclically in the orbit, together with the mirror images. If the vector of q is the image of that
of p, q's orbit is read mirrored. An orbit with a zero vector vanishes. With Z2 an orbit that
equals its mirror image vanishes too, because the two cancel mod 2. An orbit u u u is three times
the cube, which is the cube over F2.

Invariant: the sum of all orbits and cubes never changes. The rank is the number of terms: 3 or 6
for an orbit and 1 for a cube.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from flipsearch.algebra.bits import packed, unpacked
from flipsearch.errors import UsageError
from flipsearch.walk.task import WalkOutcome, WalkTask, Words, blocks_for

LARGEST_PLACES = 1024
SPARE = 24
"""Smallest number of free places for plus transitions."""


@dataclass(frozen=True, eq=False)
class QuotientTask(WalkTask):
    """A walk in the quotient by C3 or C3 x Z2.

    Parameters
    ----------
    start : uint64 array, shape (G, 3, 1)
        One triple for each orbit; with `mirrored` its mirror image belongs to the orbit too.
    cubes : uint64 array, shape (C,)
        Vectors x of the fixed cubes x x x.
    mirrored : bool
        Whether the group is C3 x Z2.
    plus_below : int
        Plus transitions are made only below this rank; 0 for no limit.
    largest_rank : int
        Flips and plus transitions to factors of a higher matrix rank are refused; 0 for no limit.
        The schemes of 5x5x5:93 and 6x6x6:153 of Moosbauer and Poole have only factors of rank 1
        and 2. With this limit walks find low ranks in a tenth of the steps.
    """

    cubes: Words = field(default_factory=lambda: np.zeros(0, np.uint64))
    mirrored: bool = False
    plus_below: int = 0
    largest_rank: int = 0

    @property
    def rank(self) -> int:
        """The number of terms of the start, with all terms of each orbit."""
        return len(self.start) * (6 if self.mirrored else 3) + len(self.cubes)

    @property
    def capacity(self) -> int:
        """The largest number of vectors: enough for rank + band + 1 or more."""
        room = max(SPARE, len(self.cubes) + self.policy.band + 3)
        return 64 * blocks_for(self.start.size + room)


@dataclass(frozen=True, eq=False)
class QuotientOutcome(WalkOutcome):
    """The result of a symmetric walk, with `best` and `final` as packed rows and in their parts.

    The orbits have shape (G, 3, 1), one triple for each, the cubes shape (C,).
    """

    best_orbits: Words
    best_cubes: Words
    final_orbits: Words
    final_cubes: Words


def mirror(vectors: Words, n: int) -> Words:
    """Return the vectors with the bits of their n^2 entries in reverse order."""
    return packed(unpacked(vectors[..., None], n * n)[..., ::-1], 1)[..., 0]


def with_images(orbits: Words, n: int) -> Words:
    """Return orbits of C3 x Z2 as orbits of C3 and their mirror images; shape (2 G, 3, 1)."""
    return np.concatenate([orbits, mirror(orbits, n)])


def write_out(orbits: Words, cubes: Words, n: int, mirrored: bool) -> Words:
    """Return the packed state of orbits and cubes; shape (R, 3, 1)."""
    triples = (with_images(orbits, n) if mirrored else orbits).reshape(-1, 3)
    turned = [np.roll(triples, -k, axis=1) for k in range(3)]
    fixed = np.repeat(cubes.reshape(-1, 1), 3, axis=1)
    return np.ascontiguousarray(np.concatenate([*turned, fixed])[:, :, None])


def naive_orbits(
    n: int, parts: tuple[tuple[int, ...], ...], mirrored: bool = False
) -> tuple[Words, Words]:
    """Return the naive symmetric scheme with chosen fixed cubes: orbits (G, 3, 1) and cubes (C,).

    Raises `UsageError` if the parts overlap, or `mirrored` is set and the reversal does not fix
    them.

    Parameters
    ----------
    n : int
        The side, 2 to 8.
    parts : tuple of tuples of int
        Disjoint sets of indices 0 to n - 1; each gives the cube of the sum of its E_ii. For an
        index in none of them E_ii gives a cube.
    mirrored : bool
        Whether to keep one orbit of each mirrored pair.
    """
    if not 2 <= n <= 8:
        raise UsageError(f"symmetric walks take sides 2 to 8, not {n}")
    flat = [i for part in parts for i in part]
    if len(set(flat)) != len(flat) or any(not 0 <= i < n for i in flat):
        raise UsageError(f"{parts} are not disjoint sets of indices below {n}")
    everything = [set(part) for part in parts] + [{i} for i in range(n) if i not in flat]
    if mirrored and any({n - 1 - i for i in part} not in everything for part in everything):
        raise UsageError(f"{parts} are not fixed by reversing the indices")
    found: dict[tuple[int, int, int], None] = {}
    triples = [
        (i * n + j, j * n + k, k * n + i) for i in range(n) for j in range(n) for k in range(n)
    ]
    for part in everything:
        triples += [(i * n + i, j * n + j, k * n + k) for i in part for j in part for k in part]
    for triple in triples:
        if len(set(triple)) == 1:
            continue  # the cube of E_ii occurs in the tensor and in a part's cube: they cancel
        a, b, c = triple
        form = min((a, b, c), (b, c, a), (c, a, b))
        last = n * n - 1
        d, e, f = last - a, last - b, last - c
        image = min((d, e, f), (e, f, d), (f, d, e))
        if not mirrored or form < image:
            found[form] = None
        elif form == image:
            raise UsageError(f"an orbit of the naive scheme for {parts} is its own mirror image")
    triples_ = [[1 << entry for entry in triple] for triple in found]
    orbits = np.array(triples_, dtype=np.uint64)
    cubes = np.array([sum(1 << (i * n + i) for i in part) for part in everything], dtype=np.uint64)
    return orbits.reshape(-1, 3, 1), cubes


def written(task: QuotientTask, parts: tuple[Words, ...]) -> Words:
    """Return the packed state of the orbits and cubes of a task's walk."""
    orbits, cubes = parts
    return write_out(orbits, cubes, round(task.format.dimensions[0] ** 0.5), task.mirrored)
