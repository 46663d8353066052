"""Hold the unknowns of a scheme: which entries are free, tied to others by symmetry, or fixed.

A scheme with a symmetry consists of orbits of terms. The stabiliser H of a term ties the term's
own entries; every coset of H gives an image of the term, whose entries are tied to it. The
variables are the orbits of H on the entries of one term of each orbit.

Invariant: `owners` and `signs` express a scheme that every element of the group maps to itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flipsearch.algebra import IntArray
from flipsearch.formats import Format
from flipsearch.numerical.symmetry import Images, composed, group, subgroups

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
MOST_SMALL_ORBITS = 8
"""Largest number of orbits drawn of each type that a proper subgroup fixes."""


@dataclass(frozen=True, eq=False)
class Unknowns:
    """The unknowns of a scheme of rank R; see `flipsearch.numerical.equations` for the vector.

    Parameters
    ----------
    constants : float64 array, shape (N,)
        Values of the entries without a variable.
    owners : int64 array, shape (N,)
        The variable of each entry, or -1.
    signs : float64 array, shape (N,)
    leaders : int64 array, shape (n,)
        An entry of each variable, with sign 1.
    counts : float64 array, shape (n,)
        Number of entries of each variable.
    """

    constants: Floats
    owners: IntArray
    signs: Floats
    leaders: IntArray
    counts: Floats

    @property
    def arrays(self) -> tuple[Floats, IntArray, Floats, IntArray, Floats]:
        """The arrays, in order."""
        return self.constants, self.owners, self.signs, self.leaders, self.counts

    def __len__(self) -> int:
        return len(self.leaders)

    def entries(self, variables: Floats) -> Floats:
        """Return all entries, shape (N,)."""
        held = self.owners >= 0
        entries = self.constants.copy()
        entries[held] = self.signs[held] * variables[self.owners[held]]
        return entries

    def fixing(self, fixed: Bools, values: Floats) -> Unknowns:
        """Return the unknowns that are left when some variables become constants.

        `fixed` (bool) and `values` have shape (n,); only the values of fixed variables are used.
        """
        held = self.owners >= 0
        gone = held.copy()
        gone[held] = fixed[self.owners[held]]
        constants, owners = self.constants.copy(), self.owners.copy()
        constants[gone] = self.signs[gone] * values[self.owners[gone]]
        owners[held] = (np.cumsum(~fixed) - 1)[self.owners[held]]
        owners[gone] = -1
        return Unknowns(constants, owners, self.signs, self.leaders[~fixed], self.counts[~fixed])


def unknowns_of(format_: Format, rank: int, symmetry: str, seed: int) -> Unknowns:
    """Return the unknowns of a scheme with a symmetry; the types of its orbits are drawn.

    The symmetry is as in `flipsearch.numerical.symmetry.group`. Raises `UsageError` if it does not
    fit the format.
    """
    elements = group(format_, symmetry)
    types = subgroups(elements)
    stabilisers = drawn_types(types, len(elements), rank, np.random.default_rng(seed))
    lengths = format_.dimensions
    points = sum(lengths)
    before = np.repeat(np.cumsum([0, *lengths])[:3], lengths)
    places = rank * before + np.arange(points) - before  # of term 0; + r * row length for term r
    strides = np.repeat(lengths, lengths)
    owners = np.full(rank * points, -1, dtype=np.int64)
    signs, n, term = np.ones(rank * points), 0, 0
    for stabiliser in stabilisers:
        variables, turns = _orbits(stabiliser, points)
        for coset in _cosets(elements, stabiliser):
            images = np.array(coset, dtype=np.int64)
            to = np.abs(images) - 1
            where = places[to] + term * strides[to]
            owners[where] = np.where(variables < 0, -1, variables + n)
            signs[where] = turns * np.sign(images)
            term += 1
        n += int(variables.max(initial=-1)) + 1
    held = owners >= 0
    leaders = np.full(n, len(owners), dtype=np.int64)
    np.minimum.at(leaders, owners[held], np.flatnonzero(held))
    turned = signs[leaders]
    signs[held] *= turned[owners[held]]
    counts = np.bincount(owners[held], minlength=n).astype(np.float64)
    return Unknowns(np.zeros(len(owners)), owners, signs, leaders, counts)


def drawn_types(
    types: Sequence[tuple[Images, ...]], order: int, rank: int, random: np.random.Generator
) -> list[tuple[Images, ...]]:
    """Return a stabiliser for each orbit of a scheme whose orbits have `rank` terms together.

    `types` are subgroups, the trivial one first, of a group of the given order.
    """
    if order == 1:
        return [types[0]] * rank
    while True:
        left, drawn = rank, []
        for stabiliser in types[1:]:
            size = order // len(stabiliser)
            count = int(random.integers(min(MOST_SMALL_ORBITS, left // size) + 1))
            drawn += [stabiliser] * count
            left -= count * size
        if left % order == 0:
            return [types[0]] * (left // order) + drawn


def _orbits(stabiliser: Sequence[Images], points: int) -> tuple[IntArray, Floats]:
    """Return the variable of each point, -1 where signs force zero, and its sign."""
    variables, signs = np.full(points, -2, dtype=np.int64), np.ones(points)
    n = 0
    for point in range(points):
        if variables[point] > -2:
            continue
        images = {element[point] for element in stabiliser}
        zero = any(-image in images for image in images)
        for image in images:
            variables[abs(image) - 1] = -1 if zero else n
            signs[abs(image) - 1] = np.sign(image)
        n += not zero
    return variables, signs


def _cosets(elements: Sequence[Images], stabiliser: Sequence[Images]) -> list[Images]:
    """Return one element of each left coset of a subgroup, the identity first."""
    found: list[Images] = []
    met: set[Images] = set()
    for element in elements:
        if element not in met:
            found.append(element)
            met.update(composed(element, h) for h in stabiliser)
    return found
