"""Make the schemes that plans promise, and write down their recipes.

Invariant: every scheme that is returned was proved, and its recipe names sources that are at hand
or come earlier in the list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from flipsearch.constructors.plan import Plan, all_sides
from flipsearch.constructors.recipes import (
    NAIVE,
    NAMED,
    Fetch,
    Recipe,
    Sides,
    replayed,
    source,
)
from flipsearch.formats import MatrixProduct
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme
from flipsearch.verify import verify

WITHIN: dict[Ring, tuple[Ring, ...]] = {
    Ring.ZT: (),
    Ring.Z: (Ring.ZT,),
    Ring.Q: (Ring.ZT, Ring.Z),
    Ring.F2: (Ring.ZT, Ring.Z),
    Ring.F3: (Ring.ZT, Ring.Z),
}
"""The rings whose schemes serve each ring, smallest first."""


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
    """Makes the schemes of plans.

    Parameters
    ----------
    plans : mapping of Ring to Plan
    fetch : function
        From the beginning of a hash to a scheme at hand.
    """

    def __init__(self, plans: Mapping[Ring, Plan], fetch: Fetch) -> None:
        self.plans, self._at_hand = plans, fetch
        self._made: dict[str, _Small] = {}
        self._names: dict[tuple[Ring, Sides], str] = {}
        self.recipes: list[Recipe] = []

    def fetch(self, name: str) -> Scheme:
        """Return a scheme made here or at hand."""
        made = self._made.get(name[:NAMED])
        return self._at_hand(name) if made is None else made.scheme

    def all(self, tell: Callable[[str], None] = lambda text: None) -> Iterator[Recipe]:
        """Make a scheme of least rank for every format and ring; yield the recipes.

        Parameters
        ----------
        tell : function
            Called with a line of text for every scheme.
        """
        for ring in self.plans:
            for sides in all_sides():
                before = len(self.recipes)
                self.name(ring, sides)
                for recipe in self.recipes[before:]:
                    tell(f"{recipe.format}:{recipe.rank} over {recipe.ring}: {recipe.how[:70]}")
                    yield recipe

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
        scheme = replayed(how, format_, ring, self.fetch)
        verify(scheme)
        name = scheme.content_hash
        self._made[name[:NAMED]] = _Small.of(scheme)
        self.recipes.append(recipe_of(scheme, how))
        return name


def recipe_of(scheme: Scheme, how: str) -> Recipe:
    """Return the recipe of a scheme in canonical form, with what is measured of it."""
    assert isinstance(scheme.format, MatrixProduct)
    return Recipe(
        scheme.format,
        scheme.ring,
        scheme.rank,
        scheme.content_hash,
        scheme.additions,
        scheme.nonzeros,
        scheme.growth,
        scheme.bad_characteristics,
        how,
    )
