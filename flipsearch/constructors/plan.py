"""The least rank that schemes at hand reach, for every general format: a closure over ranks.

Moves are gluing along a side (which contains naive rows and columns), products, serendipitous
products, projections, turning, and constructors. All but projections are arithmetic on a table of
ranks, which is closed under them in a fraction of a second. Projected are the schemes at hand,
because the terms that vanish depend on more than the rank. Schemes are made afterwards, and only
for the formats that are wanted.

Invariant: a rank in the table is that of a scheme at hand, or of one that the recipe makes which
`Plan.recipe` returns; sources of recipes are at hand, or in the plan at a lower rank.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement, permutations

import numpy as np

from flipsearch.constructors.constructor import constructors, offers
from flipsearch.constructors.recipes import Recipe, Sides, source, written_groups
from flipsearch.errors import FlipsearchError, UsageError
from flipsearch.formats import TABULATED_SIDE, Format, MatrixProduct
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme
from flipsearch.transform.dimensions import DIMENSIONS, matrix_format, project, terms_left
from flipsearch.transform.serendipity import Group, cheapest_split, grown, shared_factors

FAR = 1 << 40
"""Stands for a rank that is not to be used."""
HOPED_FOR = 0.1
"""Share of the terms left by a projection that may still merge, where that is worth trying."""
PARTITIONS = 12
"""Random orders in which the groups of a scheme's shared factors are taken."""


def all_sides(low: int = 2, high: int = TABULATED_SIDE) -> list[Sides]:
    """Return the sides in order of all general formats within a range, smallest first."""
    found = combinations_with_replacement(range(low, high + 1), 3)
    return sorted(found, key=lambda s: (s[0] * s[1] * s[2], s))


@dataclass(frozen=True)
class Leaf:
    """A scheme that the plan starts from.

    Parameters
    ----------
    sides : three int
        As the scheme has them.
    rank : int
    name : str
        Its content hash, or empty if `how` makes it.
    how : str
        The recipe that makes it, empty for a scheme at hand.
    ring : Ring, optional
        The ring over which the recipe of a name is replayed.
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


def closed(table: IntArray, outers: Sequence[Outer] = ()) -> IntArray:
    """Return a table of ranks closed under turning, gluing, products and serendipitous products.

    Parameters
    ----------
    table : int64 array, shape (17, 17, 17)
        Rank by sides; not changed.
    outers : sequence of Outer
        Outer factors of serendipitous products.
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
            n, m, p = outer.leaf.sides
            view = table[n::n, m::m, p::p]
            np.minimum(view, outer.ranks(table), out=view)
        table = np.minimum(table, FAR)
        if (table == before).all():
            return table


def _first_table(leaves: Iterable[Leaf]) -> IntArray:
    table = np.full((TABULATED_SIDE + 1,) * 3, FAR, dtype=np.int64)
    for m in range(1, TABULATED_SIDE + 1):
        table[1, m, 1:] = m * np.arange(1, TABULATED_SIDE + 1)
    for leaf in leaves:
        table[leaf.sides] = min(int(table[leaf.sides]), leaf.rank)
    return table


class Plan:
    """The least ranks that schemes at hand reach over one ring.

    Parameters
    ----------
    ring : Ring
    schemes : iterable of Scheme
        Of any formats and rings; schemes without an image over the ring are passed over.
    recipes : iterable of Recipe
        Compositions that are at hand too.

    Attributes
    ----------
    ranks : int64 array, shape (17, 17, 17)
        The least rank by sides in any order.
    """

    def __init__(
        self, ring: Ring, schemes: Iterable[Scheme], recipes: Iterable[Recipe] = ()
    ) -> None:
        self.ring = ring
        images = [image for image in (_image(s, ring) for s in schemes) if image is not None]
        self.leaves: list[Leaf] = []
        self.outers: list[Outer] = []
        for scheme, origin in images:
            self._add(scheme, Leaf(matrix_format(scheme).sides, scheme.rank, origin))
        for recipe in recipes:
            if recipe.ring is ring:
                self.leaves.append(Leaf(recipe.format.sides, recipe.rank, recipe.hash))
        makers = constructors()
        for n, m, p in all_sides():
            for rank, name in offers(MatrixProduct(n, m, p), ring, makers)[:1]:
                self.leaves.append(Leaf((n, m, p), rank, "", f"construct {name}"))
        self.ranks = closed(_first_table(self.leaves), self.outers)
        for scheme, origin in images:
            self._project(scheme, origin)
        self.ranks = closed(self.ranks, self.outers)

    def _add(self, scheme: Scheme, leaf: Leaf) -> None:
        self.leaves.append(leaf)
        # a serendipitous product adds forms up, which leaves ZT
        if self.ring is not Ring.ZT and scheme.content_hash == leaf.name:
            self.outers += [Outer(leaf, groups) for groups in partitions(scheme)]

    def _project(self, scheme: Scheme, origin: str) -> None:
        """Add what is left of a scheme without one index, where that is a gain."""
        sides = matrix_format(scheme).sides
        for d, side in enumerate(sides):
            if side < 3:
                continue
            smaller = (*sides[:d], side - 1, *sides[d + 1 :])
            left = terms_left(scheme, d)
            if min(left) * (1 - HOPED_FOR) >= self.ranks[smaller]:
                continue
            cuts = [(project(scheme, d, k).rank, k) for k in range(side) if left[k] == min(left)]
            rank, index = min(cuts)
            if rank < self.ranks[smaller]:
                how = f"project {DIMENSIONS[d]} {index} {source(origin, sides)}"
                n, m, p = smaller
                self.leaves.append(Leaf((n, m, p), rank, "", how))
                self.ranks[smaller] = rank

    def take(self, scheme: Scheme) -> None:
        """Add a scheme at hand, and close the table of ranks again."""
        image, origin = _image(scheme, self.ring) or (None, "")
        if image is not None:
            leaf = Leaf(matrix_format(image).sides, image.rank, origin)
            self._add(image, leaf)
            self._lower(leaf)
            self.close()
            self._project(image, origin)
            self.close()

    def add(self, leaf: Leaf) -> None:
        """Add a scheme to start from; `close` then says what follows."""
        self.leaves.append(leaf)
        self._lower(leaf)

    def _lower(self, leaf: Leaf) -> None:
        for order in permutations(leaf.sides):
            self.ranks[order] = min(int(self.ranks[order]), leaf.rank)

    def close(self) -> None:
        """Close the table of ranks under all moves again."""
        self.ranks = closed(self.ranks, self.outers)
        self.__dict__.pop("_held", None)

    def rank(self, *sides: int) -> int:
        """Return the least rank for sides in any order."""
        return int(self.ranks[sides])

    def gains(self, known: Mapping[Sides, int], largest: int = 8) -> list[tuple[Sides, int, int]]:
        """Return which primitives at their known ranks would help most.

        Parameters
        ----------
        known : mapping
            Known ranks by sides in order.
        largest : int
            Largest side of a primitive.

        Returns
        -------
        list of (sides, rank, formats)
            The primitive, and how many formats it would lower, itself included; most first.
        """
        found = []
        for sides in all_sides(2, largest):
            rank = known.get(sides, FAR)
            if rank < self.rank(*sides):
                table = self.ranks.copy()
                for order in permutations(sides):
                    table[order] = rank
                lower = closed(table, self.outers) < self.ranks
                count = sum(bool(lower[each]) for each in all_sides())
                found.append((sides, rank, count))
        return sorted(found, key=lambda gain: (-gain[2], gain[0]))

    @cached_property
    def _held(self) -> dict[Sides, Leaf]:
        held: dict[Sides, Leaf] = {}
        for leaf in sorted(self.leaves, key=lambda leaf: (leaf.rank, not leaf.name)):
            n, m, p = sorted(leaf.sides)
            held.setdefault((n, m, p), leaf)
        return held

    def leaf(self, sides: Sides) -> Leaf | None:
        """Return the scheme at hand, or the made one, that has the least rank, if one has it."""
        leaf = self._held.get(sides)
        return leaf if leaf is not None and leaf.rank == self.rank(*sides) else None

    def move(self, sides: Sides) -> tuple[str, list[Sides]]:
        """Return how the least rank comes about, where no scheme at hand has it.

        Returns
        -------
        words : str
            The recipe without its sources.
        sources : list of sides
            In any order of sides, as the move wants them.
        """
        n, m, p = sides
        rank = self.rank(*sides)
        for larger in ((n + 1, m, p), (n, m + 1, p), (n, m, p + 1)):
            if max(larger) <= TABULATED_SIDE and self.rank(*larger) == rank:
                d = next(k for k in range(3) if larger[k] != sides[k])
                return f"project {DIMENSIONS[d]} {larger[d] - 1}", [larger]
        for d in range(3):
            for first in range(1, sides[d] // 2 + 1):
                one, two = (
                    (*sides[:d], part, *sides[d + 1 :]) for part in (sides[d] - first, first)
                )
                if self.rank(*one) + self.rank(*two) == rank:
                    return f"merge {DIMENSIONS[d]}", [one, two]  # type: ignore[list-item]
        for a, b, c in np.ndindex(n, m, p):
            outer = (a + 1, b + 1, c + 1)
            if any(side % part for side, part in zip(sides, outer, strict=True)):
                continue
            inner = (n // (a + 1), m // (b + 1), p // (c + 1))
            if sides not in (outer, inner) and self.rank(*outer) * self.rank(*inner) == rank:
                return "product", [outer, inner]
        for outer_ in self.outers:
            for order in permutations(sides):
                if any(side % part for side, part in zip(order, outer_.leaf.sides, strict=True)):
                    continue
                a, b, c = (s // part for s, part in zip(order, outer_.leaf.sides, strict=True))
                if a * b * c > 1 and outer_.ranks(self.ranks)[a - 1, b - 1, c - 1] == rank:
                    return self._serendipity(outer_, (a, b, c))
        raise UsageError(f"no move makes {n}x{m}x{p} of rank {rank}")

    def _serendipity(self, outer: Outer, inner: Sides) -> tuple[str, list[Sides]]:
        """Return the words and sources of a serendipitous product: its groups cut as it pays."""

        def rank_of(n: int, m: int, p: int) -> int | None:
            return self.rank(n, m, p) if max(n, m, p) <= TABULATED_SIDE else None

        groups, wanted = [], {inner}
        for group in outer.groups:
            members = group.members
            for size in cheapest_split(group.slot, len(members), inner, rank_of)[1]:
                if size > 1:
                    groups.append(Group(group.slot, members[:size]))
                    wanted.add(grown(inner, group.slot, size))
                members = members[size:]
        words = f"serendipity {'x'.join(map(str, inner))} {written_groups(groups)}"
        return f"{words} {source(outer.leaf.name, outer.leaf.sides)}", sorted(wanted)


def is_planned(format_: Format) -> bool:
    """Return whether plans have a place for a format."""
    if not isinstance(format_, MatrixProduct) or not format_.is_general:
        return False
    return max(format_.sides) <= TABULATED_SIDE


def _image(scheme: Scheme, ring: Ring) -> tuple[Scheme, str] | None:
    """Return a scheme over the ring and the hash to fetch it by, or None if it has no place."""
    if not is_planned(scheme.format):
        return None
    try:
        return scheme.over(ring), scheme.content_hash
    except FlipsearchError:
        return None
