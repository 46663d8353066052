"""Derive schemes for other formats from a scheme of one format.

A new best scheme is tried in all roles. It is extended and projected along each side, merged with
the best schemes that share two of its sides, multiplied by small schemes, and used as the outer
factor of serendipitous products, which multiply groups of terms with a common factor together.
Ranks are estimated first. Only schemes that would be kept are constructed.

Invariant: every yielded scheme is valid if the given ones are, because only `flipsearch.transform`
makes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import gt
from typing import Protocol

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.formats import LARGEST_SIDE, Format, MatrixProduct
from flipsearch.formats.named import short_name
from flipsearch.formats.sparse import SparseTensor, sparse_tensor
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.transform import (
    ORDERS,
    choose_groups,
    extend,
    merge,
    product,
    project,
    random_sandwich,
    serendipitous_product,
    shared_factors,
)
from flipsearch.transform.dimensions import Part, assemble, matrix_format, terms_left
from flipsearch.transform.symmetry import oriented, oriented_sides

Sides = tuple[int, int, int]
GROUP_TRIES = 5
MERGES_HOPED_FOR = 0.15
"""Largest share of the terms after a projection that is expected to merge."""

PROJECTED_BASES = 16
"""Number of bases in which a scheme over a field is projected.

In different bases 5x5x5:93 leaves 78 to 89 terms for 4x5x5.
"""


class Table(Protocol):
    """The pools of a search over many formats, as this module reads them."""

    def held_rank(self, sides: Sides) -> int | None:
        """Return the lowest rank held for the sides in any order, or None."""

    def held_scheme(self, sides: Sides) -> Scheme:
        """Return a scheme of the lowest rank, with its sides in ascending order."""

    def worth(self, sides: Sides, rank: int) -> bool:
        """Return whether a scheme of that rank would be kept."""


def sorted_scheme(scheme: Scheme) -> Scheme:
    """Return the scheme with its sides in ascending order."""
    sides = matrix_format(scheme).sides
    if list(sides) == sorted(sides):
        return scheme
    return oriented(scheme, tuple(sorted(sides)))  # type: ignore[arg-type]


def fitted(scheme: Scheme, format_: Format) -> Scheme:
    """Extend a scheme to a larger format by naive products.

    Parameters
    ----------
    scheme : Scheme
        A scheme of the same operands whose sides are at most those of the format. The sides of a
        general format may be in any order. Or a scheme of a tensor with entries in common.
    format_ : Format
        The scheme's own format, or a larger one without a corner suffix.

    Raises
    ------
    UsageError
        The scheme's format does not fit into the other one.
    """
    if scheme.format == format_:
        return scheme
    refusal = UsageError(
        f"a scheme of {short_name(scheme.format)} cannot start a search for "
        f"{short_name(format_)}: it takes those of {short_name(format_)} and of smaller ones "
        "of its kind"
    )
    if isinstance(format_, SparseTensor) and isinstance(scheme.format, SparseTensor):
        if any(map(gt, scheme.format.sizes, format_.sizes)):
            raise refusal
        larger = padded(scheme, format_)
        if larger.rank > format_.naive_rank:
            raise refusal
        return larger
    if isinstance(format_, SparseTensor) or not isinstance(scheme.format, MatrixProduct):
        raise refusal
    assert isinstance(format_, MatrixProduct)
    own = scheme.format
    if own.is_general and format_.is_general:
        orders = [oriented_sides(own.sides, order) for order in ORDERS]
    else:
        orders = [own.sides]
    same_kind = own.operands == format_.operands and not own.corner and not format_.corner
    for sides in orders:
        if same_kind and all(
            small <= large for small, large in zip(sides, format_.sides, strict=True)
        ):
            placed = scheme if sides == own.sides else oriented(scheme, sides)
            n, m, p = sides
            return assemble(format_, scheme.ring, [Part(placed, range(n), range(m), range(p))])
    raise refusal


def padded(scheme: Scheme, tensor: SparseTensor) -> Scheme:
    """Return the scheme of a tensor from one of a smaller one, with naive products for the rest.

    Parameters
    ----------
    scheme : Scheme
        Of a tensor whose lengths of A, B and C are at most those of the other.
    tensor : SparseTensor
        The entries in which it differs become products.
    """
    assert isinstance(scheme.format, SparseTensor)
    taken = ((a, b, c, -value) for a, b, c, value in scheme.format.entries)
    rest = sparse_tensor(tensor.label, [*tensor.entries, *taken], tensor.sizes)
    factors = (
        np.concatenate([np.pad(mine, ((0, 0), (0, size - mine.shape[1]))), more])
        for mine, more, size in zip(
            scheme.factors, naive_scheme(rest, scheme.ring).factors, tensor.sizes, strict=True
        )
    )
    return Scheme(tensor, scheme.ring, *factors)


def neighbours(scheme: Scheme, table: Table, generator: np.random.Generator) -> Iterator[Scheme]:
    """Yield the schemes for other formats that a scheme for a general format gives.

    Parameters
    ----------
    scheme : Scheme
        Usually a new best scheme.
    table : Table
        The pools, which decide whether a scheme is worth making.
    generator : numpy.random.Generator
        Draws bases and groups.
    """
    yield from _resized(scheme, table, generator)
    yield from _merged(scheme, table)
    yield from _multiplied(scheme, table, generator)


def _resized(scheme: Scheme, table: Table, generator: np.random.Generator) -> Iterator[Scheme]:
    sides = matrix_format(scheme).sides
    for d in range(3):
        if d and sides[d] in sides[:d]:
            continue  # equal sides give the same formats; all indices are tried below
        naive = sides[0] * sides[1] * sides[2] // sides[d]
        if table.worth(changed(sides, d, sides[d] + 1), scheme.rank + naive):
            yield extend(scheme, d)
    for d in range(3):
        smaller = changed(sides, d, sides[d] - 1)
        best = table.held_rank(smaller)
        if sides[d] < 3 or best is None or best < scheme.rank // 2:
            continue
        for basis in range(PROJECTED_BASES if scheme.ring.characteristic else 1):
            turned = random_sandwich(scheme, generator) if basis else scheme
            for index, left in enumerate(terms_left(turned, d)):
                if table.worth(smaller, left - int(MERGES_HOPED_FOR * left)):
                    cut = project(turned, d, index)
                    if table.worth(smaller, cut.rank):
                        yield cut


def _merged(scheme: Scheme, table: Table) -> Iterator[Scheme]:
    sides = matrix_format(scheme).sides
    for d in range(3):
        if d and sides[d] in sides[:d]:
            continue
        for other in range(1, LARGEST_SIDE - sides[d] + 1):
            partner = changed(sides, d, other)
            rank = table.held_rank(partner)
            total = changed(sides, d, sides[d] + other)
            if rank is not None and table.worth(total, scheme.rank + rank):
                yield merge(scheme, oriented(table.held_scheme(partner), partner), d)


def _multiplied(scheme: Scheme, table: Table, generator: np.random.Generator) -> Iterator[Scheme]:
    sides = matrix_format(scheme).sides
    limits = [LARGEST_SIDE // side for side in sides]
    shared = shared_factors(scheme)
    for a in range(1, limits[0] + 1):
        for b in range(1, limits[1] + 1):
            for c in range(1, limits[2] + 1):
                inner = (a, b, c)
                target = (sides[0] * a, sides[1] * b, sides[2] * c)
                single = table.held_rank(inner)
                if a * b * c == 1 or single is None or table.held_rank(target) is None:
                    continue
                rank, groups = choose_groups(
                    scheme, inner, lambda *s: table.held_rank(s), generator, GROUP_TRIES, shared
                )
                if groups and table.worth(target, rank):
                    yield serendipitous_product(
                        scheme,
                        inner,
                        groups,
                        lambda *s: oriented(table.held_scheme(s), s),
                    )
                elif table.worth(target, scheme.rank * single):
                    yield product(scheme, oriented(table.held_scheme(inner), inner))
    for outer in _outer_sides(sides):
        held = table.held_rank(outer)
        if held is None:
            continue
        for order in sorted({oriented_sides(sides, order) for order in ORDERS}):
            whole = (outer[0] * order[0], outer[1] * order[1], outer[2] * order[2])
            if table.worth(whole, held * scheme.rank):
                yield product(oriented(table.held_scheme(outer), outer), oriented(scheme, order))


def _outer_sides(sides: Sides) -> Iterator[Sides]:
    """Yield the ascending sides of outer factors whose products stay within the limit."""
    most = LARGEST_SIDE // min(sides)
    for a in range(2, most + 1):
        for b in range(a, most + 1):
            for c in range(b, most + 1):
                yield a, b, c


def changed(sides: Sides, d: int, side: int) -> Sides:
    """Return the sides with side number d replaced."""
    result = list(sides)
    result[d] = side
    return result[0], result[1], result[2]
