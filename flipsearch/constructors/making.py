"""Make the schemes that plans promise, and write down their recipes.

Invariant: every scheme that is returned was proved, and its recipe names sources that are at hand
or come earlier in the list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from flipsearch.constructors.closure import Leaf, all_sides
from flipsearch.constructors.plan import Plan
from flipsearch.constructors.recipes import NAIVE, NAMED, Fetch, Recipe, Sides, replayed, source
from flipsearch.formats import MatrixProduct
from flipsearch.formats.recursion import recursion
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme
from flipsearch.transform.dimensions import DIMENSIONS, matrix_format, terms_left
from flipsearch.verify import verify

WITHIN: dict[Ring, tuple[Ring, ...]] = {
    Ring.ZT: (),
    Ring.Z: (Ring.ZT,),
    Ring.Q: (Ring.ZT, Ring.Z),
    Ring.F2: (Ring.ZT, Ring.Z),
    Ring.F3: (Ring.ZT, Ring.Z),
}
"""The rings whose schemes serve each ring, smallest first."""
LARGEST_SPARSE = 8
"""Largest side of the formats whose sparsest recipe ships too, because kernels want it."""


def serves(own: Ring, ring: Ring) -> bool:
    """Return whether a scheme over its own ring serves another ring."""
    return own is ring or own in WITHIN[ring]


@dataclass(frozen=True)
class _Small:
    """A scheme in the smallest integers that hold it: hundreds are kept at once."""

    format: MatrixProduct
    ring: Ring
    factors: tuple[IntArray, ...]

    @classmethod
    def of(cls, scheme: Scheme) -> _Small:
        """Return a scheme's copy."""
        assert isinstance(scheme.format, MatrixProduct)
        arrays = (*scheme.factors, scheme.denominators)
        small = tuple(a.astype(np.min_scalar_type(-int(np.abs(a).max(initial=1)))) for a in arrays)
        return cls(scheme.format, scheme.ring, small)

    @property
    def scheme(self) -> Scheme:
        """The scheme."""
        u, v, w, denominators = self.factors
        return Scheme(self.format, self.ring, u, v, w, denominators)


class Maker:
    """Makes the schemes of plans; the plans grow by what projections of these schemes give.

    `fetch` leads from the beginning of a hash to a scheme at hand. `composed` are recipes at hand,
    made when they are wanted.
    """

    def __init__(
        self, plans: Mapping[Ring, Plan], fetch: Fetch, composed: Iterable[Leaf] = ()
    ) -> None:
        self.plans, self._at_hand = plans, fetch
        self._composed = {leaf.name[:NAMED]: leaf for leaf in composed}
        self._made: dict[str, _Small] = {}
        self._names: dict[tuple[Ring, Sides], str] = {}
        self._recipes: dict[str, Recipe] = {}
        self._projected: set[str] = set()

    def fetch(self, name: str) -> Scheme:
        """Return a scheme made here or at hand."""
        leaf = self._composed.get(name[:NAMED])
        if leaf is not None:
            assert leaf.ring is not None
            name = self._make(leaf.how, MatrixProduct(*leaf.sides), leaf.ring)
        made = self._made.get(name[:NAMED])
        return self._at_hand(name[:NAMED]) if made is None else made.scheme

    def replan(self) -> None:
        """Take the least ranks from the plans again, because they have changed."""
        self._names.clear()

    def all(self, tell: Callable[[str], None] = lambda text: None) -> list[Recipe]:
        """Make a scheme of least rank for every format and ring; return their recipes in order.

        Made schemes are projected too, and recipes at hand of lower rank are taken. After a gain
        the plans are closed again, until there is no gain. `tell` is called with a line of text
        now and then.
        """
        wanted = [(ring, sides) for ring in self.plans for sides in all_sides()]
        while True:
            for ring, sides in wanted:
                self.name(ring, sides)
                if sides[0] == sides[1]:
                    tell(f"{'x'.join(map(str, sides))} over {ring}: {len(self._recipes)} recipes")
            gains = self._project()
            tell(f"{gains} gains by projections of {len(self._recipes)} schemes")
            if not gains and not self._take_composed():
                break
            self.replan()
        names = [self.name(ring, sides) for ring, sides in wanted]
        for name in names:
            if name[:NAMED] in self._composed:
                self.fetch(name)
        return with_sources(self._recipes.values(), names)

    def _take_composed(self) -> bool:
        """Offer the plans the recipes at hand; return whether one has a lower rank."""
        lower = [
            (plan, leaf)
            for ring, plan in self.plans.items()
            for leaf in self._composed.values()
            if leaf.ring is not None and serves(leaf.ring, ring)
            if leaf.rank < plan.rank(*leaf.sides)
        ]
        for plan, leaf in lower:
            plan.add(leaf)
        for plan in self.plans.values():
            plan.close()
        return bool(lower)

    def _project(self) -> int:
        """Offer the plans what is left of schemes without an index; return the number of gains."""
        gains = 0
        for name in [name for name in self._recipes if name not in self._projected]:
            self._projected.add(name)
            scheme = self.fetch(name)
            sides = matrix_format(scheme).sides
            for d in range(3):
                left = terms_left(scheme, d)
                n, m, p = (side - (e == d) for e, side in enumerate(sides))
                smaller = n, m, p
                how = f"project {DIMENSIONS[d]} {left.index(min(left))} {source(name, sides)}"
                for ring, plan in self.plans.items():
                    gain = min(smaller) > 1 and min(left) < plan.rank(*smaller)
                    if gain and serves(scheme.ring, ring):
                        plan.add(Leaf(smaller, min(left), "", how))
                        gains += 1
        for plan in self.plans.values():
            plan.close()
        return gains

    def name(self, ring: Ring, sides: Sides) -> str:
        """Return the hash of a scheme of least rank, made now if need be."""
        n, m, p = sorted(sides)
        key = ring, (n, m, p)
        if key not in self._names:
            self._names[key] = self._find(*key)
        return self._names[key]

    def _find(self, ring: Ring, sides: Sides) -> str:
        if min(sides) == 1:
            return NAIVE
        plan = self.plans[ring]
        for smaller in WITHIN[ring]:
            if smaller in self.plans and self.plans[smaller].rank(*sides) == plan.rank(*sides):
                return self.name(smaller, sides)
        leaf = plan.leaf(sides)
        if leaf is not None and leaf.name:
            return leaf.name
        if leaf is not None:
            how, sides = leaf.how, leaf.sides
        else:
            words, wanted = plan.move(sides)
            how = " ".join([words, *(source(self.name(ring, s), s) for s in wanted)])
        return self._make(how, MatrixProduct(*sides), ring)

    def _make(self, how: str, format_: MatrixProduct, ring: Ring) -> str:
        for name, recipe in self._recipes.items():
            alike = recipe.ring.characteristic == ring.characteristic  # a formula may differ
            if alike and recipe.how == how and recipe.format == format_:
                return name
        scheme = replayed(how, format_, ring, self.fetch)
        verify(scheme)
        name = scheme.content_hash[:NAMED]
        self._made[name] = _Small.of(scheme)
        self._recipes.setdefault(name, recipe_of(scheme, how))
        return name


def with_sources(recipes: Iterable[Recipe], wanted: Iterable[str]) -> list[Recipe]:
    """Return the recipes of some hashes, each after the recipes of its sources."""
    left = {recipe.hash[:NAMED]: recipe for recipe in recipes}
    found: list[Recipe] = []

    def add(name: str) -> None:
        recipe = left.pop(name[:NAMED], None)
        if recipe is not None:
            for source_, _ in recipe.sources:
                add(source_)
            found.append(recipe)

    for name in wanted:
        add(name)
    return found


def recipe_of(scheme: Scheme, how: str) -> Recipe:
    """Return the recipe of a scheme in canonical form, with what is measured of it."""
    form = matrix_format(scheme)
    found = None
    if form.operands != "gg":
        found = recursion(form, scheme.factors, scheme.ring.characteristic)
    return Recipe(
        form,
        scheme.ring,
        scheme.rank,
        scheme.content_hash,
        scheme.additions,
        scheme.nonzeros,
        None if found is None else found.recursive_calls,
        None if found is None or found.gamma is None else float(found.gamma),
        scheme.growth,
        scheme.bad_characteristics,
        scheme.greatest_denominator,
        how,
    )
