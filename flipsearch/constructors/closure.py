"""Tables of ranks, and what products, gluing and turning make of them.

A table has the least rank known of each format by its sides. Moves are arithmetic on it: they take
milliseconds, and no scheme is made.

Invariant: closing a table never raises a rank, and a closed one has a move for every rank that is
not at hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement, permutations, product

import numpy as np

from flipsearch.constructors.recipes import Sides
from flipsearch.formats import TABULATED_SIDE
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme
from flipsearch.transform.serendipity import Group, grown, shared_factors
from flipsearch.transform.uneven import BoolArray, involved

FAR = 1 << 40
"""Stands for a rank that is not to be used."""
LARGEST_OUTER = 4
"""Largest side of the schemes that are outer factors of products with blocks of two sizes."""
CUTS, KEPT = 3, 2
"""Choices of smaller blocks along one side, and along all, that are kept of a scheme."""
PARTITIONS = 12
"""Random orders in which the groups of a scheme's shared factors are taken."""


def all_sides(low: int = 2, high: int = TABULATED_SIDE) -> list[Sides]:
    """Return the sides in order of all general formats within a range, smallest first."""
    found = combinations_with_replacement(range(low, high + 1), 3)
    return sorted(found, key=lambda s: (s[0] * s[1] * s[2], s))


@dataclass(frozen=True)
class Leaf:
    """A scheme that the plan starts from.

    `sides` are as the scheme has them. `name` is its content hash, or empty if the recipe `how`
    makes it; `how` is empty for a scheme at hand. Over `ring` the recipe of a name is replayed.
    """

    sides: Sides
    rank: int
    name: str
    how: str = ""
    ring: Ring | None = None


@dataclass(frozen=True)
class Outer:
    """A scheme as the outer factor of serendipitous products: disjoint groups of its terms."""

    leaf: Leaf
    groups: tuple[Group, ...]

    @cached_property
    def sizes(self) -> list[tuple[int, int, int]]:
        """(slot, size of a group, how many groups)."""
        counts: dict[tuple[int, int], int] = {}
        for group in self.groups:
            key = group.slot, len(group.members)
            counts[key] = counts.get(key, 0) + 1
        return [(slot, size, count) for (slot, size), count in counts.items()]

    @property
    def singles(self) -> int:
        """Terms in no group."""
        return self.leaf.rank - sum(len(group.members) for group in self.groups)

    def ranks(self, table: IntArray) -> IntArray:
        """Return the ranks of its products with all <a, b, c>, shape (L/n, L/m, L/p)."""
        most = [TABULATED_SIDE // side for side in self.leaf.sides]
        window = tuple(slice(1, count + 1) for count in most)
        total = self.singles * table[window]
        longest: dict[int, int] = {}
        for slot, size, _ in self.sizes:
            longest[slot] = max(size, longest.get(slot, 0))
        costs = {slot: _split_costs(table, slot, size, most) for slot, size in longest.items()}
        for slot, size, count in self.sizes:
            total = total + count * costs[slot][size]
        return np.minimum(total, FAR)

    def lower(self, table: IntArray) -> None:
        """Lower the ranks of its products in a table of ranks."""
        n, m, p = self.leaf.sides
        view = table[n::n, m::m, p::p]
        np.minimum(view, self.ranks(table), out=view)


@dataclass(frozen=True)
class Uneven:
    """A scheme as the outer factor of products with blocks of two sizes that differ by 1.

    `fewer` holds the indices along n, m and p whose blocks are the smaller ones. `counts` tells
    how many terms need 1 less along n, m and p: number 4 x + 2 y + z counts (x, y, z).
    """

    leaf: Leaf
    fewer: tuple[tuple[int, ...], ...]
    counts: tuple[int, ...]

    @property
    def saved(self) -> int:
        """The number of sides of inner products that are less by 1."""
        return sum(count * code.bit_count() for code, count in enumerate(self.counts))

    def _sizes(self) -> list[IntArray]:
        """Return the sizes of the larger blocks along n, m and p that stay within the limit."""
        return [
            np.arange(2 if less else 1, (TABULATED_SIDE + len(less)) // side + 1)
            for side, less in zip(self.leaf.sides, self.fewer, strict=True)
        ]

    def lower(self, table: IntArray) -> None:
        """Lower the ranks of its products in a table of ranks."""
        sizes = self._sizes()
        if all(len(each) for each in sizes):
            sides = zip(self.leaf.sides, sizes, self.fewer, strict=True)
            target = np.ix_(*(side * each - len(less) for side, each, less in sides))
            table[target] = np.minimum(table[target], self.ranks(table, sizes))

    def ranks(self, table: IntArray, sizes: Sequence[IntArray]) -> IntArray:
        """Return the ranks of its products for sizes of the larger blocks."""
        total = np.zeros([len(each) for each in sizes], dtype=np.int64)
        for code, count in enumerate(self.counts):
            if count:
                less = (code >> 2, code >> 1 & 1, code & 1)
                inner = np.ix_(*(each - one for each, one in zip(sizes, less, strict=True)))
                total += count * table[inner]
        return np.minimum(total, FAR)

    def size_of(self, sides: Sides, table: IntArray) -> Sides | None:
        """Return the sizes of the larger blocks that give sides their rank, or None."""
        found = []
        for side, parts, less in zip(sides, self.leaf.sides, self.fewer, strict=True):
            size, rest = divmod(side + len(less), parts)
            if rest or size < (2 if less else 1):
                return None
            found.append(size)
        total = self.ranks(table, [np.array([size]) for size in found])
        a, b, c = found
        return (a, b, c) if int(total.item()) == table[sides] else None


def unevens(scheme: Scheme, leaf: Leaf) -> Iterator[Uneven]:
    """Yield the choices of smaller blocks of a scheme that most terms profit from."""
    choices = []
    for one, two in involved(scheme):
        kinds: dict[int, list[tuple[int, tuple[int, ...], BoolArray]]] = {}
        for number in range(2 ** one.shape[1] - 1):
            larger = np.array([not number >> k & 1 for k in range(one.shape[1])])
            less = ~(one & larger).any(axis=1) | ~(two & larger).any(axis=1)
            fewer = tuple(int(k) for k in np.flatnonzero(~larger))
            kinds.setdefault(len(fewer), []).append((-int(less.sum()), fewer, less))
        best = (sorted(each, key=lambda kind: kind[:2])[:CUTS] for each in kinds.values())
        choices.append([kind for each in best for kind in each])
    found: dict[tuple[int, ...], dict[tuple[int, ...], Uneven]] = {}
    for x, y, z in product(*choices):
        along = (x[1], y[1], z[1])
        counts = tuple(np.bincount(4 * x[2] + 2 * y[2] + z[2], minlength=8).tolist())
        if any(along):
            alike = found.setdefault(tuple(len(each) for each in along), {})
            alike.setdefault(counts, Uneven(leaf, along, counts))
    for each in found.values():
        yield from sorted(each.values(), key=lambda one: -one.saved)[:KEPT]


def _split_costs(table: IntArray, slot: int, longest: int, most: Sequence[int]) -> list[IntArray]:
    """Return, for each group size, the ranks of the cheapest cuts for all inner products."""
    grid = np.indices(most) + 1
    whole = []
    for size in range(1, longest + 1):
        sides = list(grown((grid[0], grid[1], grid[2]), slot, size))
        inside = np.maximum.reduce(sides) <= TABULATED_SIDE
        clipped = tuple(np.minimum(side, TABULATED_SIDE) for side in sides)
        whole.append(np.where(inside, table[clipped], FAR))
    costs = [np.zeros(most, dtype=np.int64)]
    for size in range(1, longest + 1):
        options = [costs[size - first] + whole[first - 1] for first in range(1, size + 1)]
        costs.append(np.minimum(np.minimum.reduce(options), FAR))
    return costs


def partitions(scheme: Scheme, seed: int = 0) -> list[tuple[Group, ...]]:
    """Return several choices of disjoint groups among the terms that share a factor.

    Rows refer to ``scheme.canonical``. Large groups come first, each slot in turn before others.
    """
    generator = np.random.default_rng(seed)
    available = shared_factors(scheme)
    found: dict[tuple[tuple[int, int], ...], tuple[Group, ...]] = {}
    for number in range(PARTITIONS if available else 0):
        favour = np.ones(3) if number % 4 == 3 else np.where(np.arange(3) == number % 4, 4.0, 1.0)
        noise = generator.random(len(available)) if number > 3 else np.ones(len(available))
        order = sorted(
            range(len(available)),
            key=lambda k: -len(available[k].members) * favour[available[k].slot] * noise[k],
        )
        free = set(range(scheme.canonical.rank))
        chosen = []
        for k in order:
            members = tuple(row for row in available[k].members if row in free)
            if len(members) > 1:
                chosen.append(Group(available[k].slot, members))
                free -= set(members)
        kind = tuple(sorted((group.slot, len(group.members)) for group in chosen))
        found.setdefault(kind, tuple(chosen))
    return list(found.values())


def closed(table: IntArray, outers: Sequence[Outer | Uneven] = ()) -> IntArray:
    """Return a table of ranks closed under turning, gluing and all kinds of products.

    The table has shape (17, 17, 17), the rank by sides, and is not changed. `outers` are outer
    factors of serendipitous products, and of those with blocks of two sizes.
    """
    table = table.copy()
    side = TABULATED_SIDE
    while True:
        before = table.copy()
        table = np.minimum.reduce([table.transpose(order) for order in permutations(range(3))])
        for n in range(side - 1, 0, -1):  # fewer rows take no more products
            table[n] = np.minimum(table[n], table[n + 1])
        for n in range(2, side + 1):
            for first in range(1, n // 2 + 1):
                table[n] = np.minimum(table[n], table[first] + table[n - first])
        for a, b, c in all_sides(1, side):
            if a * b * c > 1 and 2 * a <= side and table[a, b, c] < FAR:
                view = table[a::a, b::b, c::c]
                i, j, k = view.shape
                inner = table[1 : i + 1, 1 : j + 1, 1 : k + 1]
                np.minimum(view, table[a, b, c] * inner, out=view)
        for outer in outers:
            outer.lower(table)
        table = np.minimum(table, FAR)
        if (table == before).all():
            return table
