"""Name the symmetries that can be imposed on numerical solutions.

An element of a group maps entry e of one factor of a term to plus or minus an entry of one factor
of the image term. The points are the entries of u, v and w one after another, dU + dV + dW of
them. An element is a signed permutation of the points.

Invariant: every group returned here fixes the target of its format.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from flipsearch.algebra import IntArray
from flipsearch.errors import UsageError
from flipsearch.formats import Format, MatrixProduct

Images = tuple[int, ...]
"""For each point its image p as p + 1, or -(p + 1) with a minus sign."""
LARGEST_GROUP = 48


def _shift(format_: Format) -> Images | None:
    """Return the element u v w -> v w u; None unless the factors are equally long."""
    d, *others = format_.dimensions
    if others != [d, d]:
        return None
    return tuple((point - d) % (3 * d) + 1 for point in range(3 * d))


def _exchange(format_: Format) -> Images | None:
    """Return the element that exchanges u and v: for matrices with all three transposed."""
    du, dv, dw = format_.dimensions
    if du != dv:
        return None
    turned = [list(range(d)) for d in (du, dv, dw)]
    if isinstance(format_, MatrixProduct):
        n, m, p = format_.sides
        if n != p:
            return None
        if format_.operands == "gg":
            turned[0] = [j * n + i for i in range(n) for j in range(m)]  # A[i, j] to B[j, i]
            turned[1] = [k * m + j for j in range(m) for k in range(n)]
        if not format_.is_packed_output:
            turned[2] = [i * n + k for k in range(n) for i in range(n)]
    u = [du + point + 1 for point in turned[0]]
    v = [point + 1 for point in turned[1]]
    return (*u, *v, *(du + dv + point + 1 for point in turned[2]))


def _reversal(format_: Format) -> Images | None:
    """Return the element that reverses the order of the entries of each factor.

    For general products it renumbers rows and columns, i to n - 1 - i.
    """
    images: list[int] = []
    for d in format_.dimensions:
        start = len(images)
        images += range(start + d, start, -1)
    return tuple(images)


GENERATORS: dict[str, Callable[[Format], Images | None]] = {
    "C3": _shift,
    "Z2": _exchange,
    "R2": _reversal,
}


@lru_cache(maxsize=64)
def group(format_: Format, name: str) -> tuple[Images, ...]:
    """Return the elements of a group, the identity first.

    Its name is generators joined by ``x``: ``C3`` shifts the three factors cyclically; ``Z2``
    exchanges the first two, transposing matrices; ``R2`` renumbers all indices in reverse. Empty
    for no symmetry. Raises `UsageError` if a name is unknown, or a generator does not fix the
    target.
    """
    found = [tuple(range(1, sum(format_.dimensions) + 1))]
    generators = []
    for word in filter(None, name.split("x")):
        if word not in GENERATORS:
            raise UsageError(
                f"unknown symmetry {word!r}: join names of {', '.join(GENERATORS)} by x, such as "
                "C3xZ2"
            )
        element = GENERATORS[word](format_)
        if element is None or not _fixes(element, format_):
            raise UsageError(f"{word} does not fix {format_}: leave it out of --symmetry {name}")
        generators.append(element)
    for element in found:  # grows while it is read
        found += [
            image
            for generator in generators
            if (image := composed(generator, element)) not in found
        ]
        if len(found) > LARGEST_GROUP:
            raise UsageError(f"--symmetry {name} generates a group of over {LARGEST_GROUP}")
    return tuple(found)


def composed(after: Images, before: Images) -> Images:
    """Return the element that applies `before` and then `after`."""
    return tuple(after[p - 1] if p > 0 else -after[-p - 1] for p in before)


def subgroups(elements: Sequence[Images]) -> list[tuple[Images, ...]]:
    """Return the subgroups that at most two elements generate, one of each conjugacy class.

    The trivial one comes first; the others follow by size.
    """
    found: dict[frozenset[Images], None] = {}
    for a in elements:
        for b in elements:
            closure = [elements[0]]
            for element in closure:  # grows while it is read
                closure += {
                    image for g in (a, b) if (image := composed(g, element)) not in closure
                }
            found[frozenset(closure)] = None
    classes: list[frozenset[Images]] = []
    for subgroup in sorted(found, key=lambda each: (len(each), sorted(each))):
        conjugates = (
            frozenset(composed(composed(g, h), _inverse(g)) for h in subgroup) for g in elements
        )
        if not any(each in classes for each in conjugates):
            classes.append(subgroup)
    return [tuple(sorted(each)) for each in classes]


def _inverse(element: Images) -> Images:
    inverse = [0] * len(element)
    for point, image in enumerate(element, start=1):
        inverse[abs(image) - 1] = point if image > 0 else -point
    return tuple(inverse)


def _fixes(element: Images, format_: Format) -> bool:
    """Return whether an element maps the target to itself."""
    first = np.cumsum([0, *format_.dimensions])[:3]
    target = {tuple(row[:3]): row[3] for row in format_.target.tolist()}
    images = np.array(element, dtype=np.int64)
    moved: dict[tuple[int, ...], int] = {}
    for row in format_.target:
        points: IntArray = images[row[:3] + first]
        places = np.sort(np.abs(points) - 1) - first
        moved[tuple(places.tolist())] = int(row[3] * np.sign(points).prod())
    return moved == target
