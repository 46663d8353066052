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

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import permutations

import numpy as np

from flipsearch.constructors.closure import (
    FAR,
    LARGEST_OUTER,
    Leaf,
    Outer,
    Uneven,
    all_sides,
    closed,
    partitions,
    unevens,
)
from flipsearch.constructors.constructor import constructors, offers
from flipsearch.constructors.recipes import Recipe, Sides, source, written_groups
from flipsearch.errors import FlipsearchError, UsageError
from flipsearch.formats import TABULATED_SIDE, Format, MatrixProduct
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme
from flipsearch.transform.dimensions import DIMENSIONS, matrix_format, project, terms_left
from flipsearch.transform.serendipity import Group, cheapest_split, grown

HOPED_FOR = 0.1
"""Share of the terms left by a projection that may still merge, where that is worth trying."""


def _first_table(leaves: Iterable[Leaf]) -> IntArray:
    table = np.full((TABULATED_SIDE + 1,) * 3, FAR, dtype=np.int64)
    for m in range(1, TABULATED_SIDE + 1):
        table[1, m, 1:] = m * np.arange(1, TABULATED_SIDE + 1)
    for leaf in leaves:
        table[leaf.sides] = min(int(table[leaf.sides]), leaf.rank)
    return table


class Plan:
    """The least ranks that schemes at hand reach over one ring.

    The schemes may be of any formats and rings; those without an image over the ring are passed
    over. The recipes are compositions that are at hand too. The int64 array `ranks`, shape (17,
    17, 17), has the least rank by sides in any order.
    """

    def __init__(
        self, ring: Ring, schemes: Iterable[Scheme], recipes: Iterable[Recipe] = ()
    ) -> None:
        self.ring = ring
        images = [image for image in (_image(s, ring) for s in schemes) if image is not None]
        self.leaves: list[Leaf] = []
        self.outers: list[Outer | Uneven] = []
        self._kinds: set[tuple[Sides, tuple[int, ...], tuple[int, ...]]] = set()
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
        for outer in self._products(scheme, leaf):
            if isinstance(outer, Uneven):
                kind = (leaf.sides, tuple(map(len, outer.fewer)), outer.counts)
                if kind in self._kinds:
                    continue
                self._kinds.add(kind)
            self.outers.append(outer)

    def _products(self, scheme: Scheme, leaf: Leaf) -> Iterator[Outer | Uneven]:
        """Yield a scheme as the outer factor of products."""
        if max(leaf.sides) <= LARGEST_OUTER:
            yield from unevens(scheme, leaf)
        # a serendipitous product adds forms up, which leaves ZT
        if self.ring is not Ring.ZT and scheme.content_hash == leaf.name:
            yield from (Outer(leaf, groups) for groups in partitions(scheme))

    def gain(self, scheme: Scheme) -> int:
        """Return by how much in all the products of an outer scheme rank lower than the table."""
        image, origin = _image(scheme, self.ring) or (None, "")
        if image is None:
            return 0
        table = self.ranks.copy()
        for outer in self._products(image, Leaf(matrix_format(image).sides, image.rank, origin)):
            outer.lower(table)
        return int((self.ranks - table).sum())

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

    def take(self, scheme: Scheme) -> int:
        """Add a scheme at hand, close the table again, and return by how much in all it fell."""
        image, origin = _image(scheme, self.ring) or (None, "")
        before = self.ranks
        if image is not None:
            leaf = Leaf(matrix_format(image).sides, image.rank, origin)
            self._add(image, leaf)
            self.ranks = self.ranks.copy()
            self._lower(leaf)
            self.close()
            self._project(image, origin)
            self.close()
        return int((before - self.ranks).sum())

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

    def gains(
        self, known: Mapping[Sides, int], largest: int = 8, *, quick: bool = False
    ) -> list[tuple[Sides, int, int]]:
        """Return which primitives at their known ranks would help most, up to a largest side.

        `quick` counts only the formats that gluing and plain products lower, in a tenth of the
        time. The gains are (sides, rank, how many formats it would lower, itself included), most
        first.
        """
        found = []
        for sides in all_sides(2, largest):
            rank = known.get(sides, FAR)
            if rank < self.rank(*sides):
                table = self.ranks.copy()
                for order in permutations(sides):
                    table[order] = rank
                lower = closed(table, () if quick else self.outers) < self.ranks
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

        These are the recipe without its sources, and the sides of the sources in the order of the
        move.
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
            for n, m, p in permutations(sides):
                order = n, m, p
                if isinstance(outer_, Uneven):
                    larger_ = outer_.size_of(order, self.ranks)
                    if larger_ is not None:
                        return self._uneven(outer_, larger_)
                    continue
                if any(side % part for side, part in zip(order, outer_.leaf.sides, strict=True)):
                    continue
                a, b, c = (s // part for s, part in zip(order, outer_.leaf.sides, strict=True))
                if a * b * c > 1 and outer_.ranks(self.ranks)[a - 1, b - 1, c - 1] == rank:
                    return self._serendipity(outer_, (a, b, c))
        raise UsageError(f"no move makes {n}x{m}x{p} of rank {rank}")

    def _uneven(self, outer: Uneven, larger: Sides) -> tuple[str, list[Sides]]:
        """Return the words and sources of a product with blocks of two sizes."""
        sizes = [
            [size - (k in fewer) for k in range(side)]
            for size, side, fewer in zip(larger, outer.leaf.sides, outer.fewer, strict=True)
        ]
        a, b, c = larger
        wanted = [
            (a - (code >> 2), b - (code >> 1 & 1), c - (code & 1))
            for code, count in enumerate(outer.counts)
            if count
        ]
        words = f"uneven {'x'.join('.'.join(map(str, each)) for each in sizes)}"
        return f"{words} {source(outer.leaf.name, outer.leaf.sides)}", wanted

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
