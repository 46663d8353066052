"""Merges of copies of one scheme, chosen for few additions.

Copies of a scheme side by side share an operand or the result, so the sums of one factor are
computed once. A scheme whose additions lie mostly in that factor is then better than one that
needs fewer by itself: `flipsearch reduce FORMAT --copies 2p` looks for such schemes.

Invariant: a recipe returned makes a scheme that was proved, of the least rank that was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from flipsearch.constructors.composed import composed
from flipsearch.constructors.making import recipe_of
from flipsearch.constructors.recipes import Fetch, Recipe, Sides, replayed, source
from flipsearch.formats import TABULATED_SIDE, MatrixProduct
from flipsearch.programs import Reduction
from flipsearch.rings import Ring
from flipsearch.transform.dimensions import DIMENSIONS
from flipsearch.verify import verify

Key = tuple[Ring, Sides]
"""A ring, and the sides of a general format in order."""


def copies(name: str, sides: Sides) -> Iterator[tuple[Sides, int, str]]:
    """Yield all merges of copies of one scheme, to the largest side of plans.

    Parameters
    ----------
    name : str
        Hash of the scheme.
    sides : three int
        As the scheme has them.

    Yields
    ------
    (sides in order, number of copies, recipe)
    """
    for d, side in enumerate(sides):
        for number in range(2, TABULATED_SIDE // side + 1):
            large = [each * number if e == d else each for e, each in enumerate(sides)]
            order = sorted(range(3), key=large.__getitem__)
            n, m, p = (sides[e] for e in order)
            parts = [source(name, (n, m, p))] * number
            a, b, c = (large[e] for e in order)
            yield (a, b, c), number, " ".join([f"merge {DIMENSIONS[order.index(d)]}", *parts])


def recipes_of_copies(
    sources: Iterable[tuple[str, Sides, int, Ring]],
    least: Mapping[Key, int],
    fewest: Mapping[Key, int],
    fetch: Fetch,
    reduction: Callable[[str], Reduction],
) -> list[Recipe]:
    """Return the recipes of copies of least rank that need fewer additions than all others.

    Parameters
    ----------
    sources : iterable of (hash, sides, rank, ring)
        Schemes with programs.
    least, fewest : mappings
        The least rank of each format, and the fewest additions of its other schemes of that rank.
    fetch, reduction : functions
        From a hash to the scheme, and to its programs.
    """
    best: dict[Key, tuple[int, str]] = {}
    for name, own, rank, ring in sources:
        for sides, number, how in copies(name, own):
            key = ring, sides
            if number * rank != least.get(key):
                continue
            found = composed(how, MatrixProduct(*sides), ring, reduction)
            if found is not None and found.additions < fewest.get(key, found.additions + 1):
                best[key] = min(best.get(key, (found.additions, how)), (found.additions, how))
    recipes = []
    for (ring, sides), (_, how) in best.items():
        scheme = replayed(how, MatrixProduct(*sides), ring, fetch)
        verify(scheme)
        recipes.append(recipe_of(scheme, how))
    return recipes
