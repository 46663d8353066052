"""Build serendipitous products: Kronecker products that exploit terms with a common factor.

In the product of a scheme with <a, b, c>, a term u (x) v (x) w stands for one product of an
a x b by a b x c matrix. k terms that share u compute A_u [B_1 ... B_k], one product of sides
a, b, kc. Terms that share v stack their A: sides ka, b, c. Terms that share w compute
A_1 B_1 + ... + A_k B_k: sides a, kb, c. If R(a, b, kc) < k R(a, b, c), the whole product costs
less than R1 times R2 (arXiv 2606.02480; compare 2602.11041). The groups depend on the scheme and
not only on its rank, so several schemes of one rank are worth keeping.

Invariant: `serendipitous_rank` is the rank of `serendipitous_product` for the same groups, unless
terms happen to merge.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.formats import MatrixProduct
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme
from flipsearch.transform.dimensions import matrix_format
from flipsearch.transform.kronecker import check_size, checked_product, kronecker_rows
from flipsearch.transform.reduce import reduced
from flipsearch.transform.terms import Term, normal_terms, sharing

Sides = tuple[int, int, int]
RankTable = Callable[[int, int, int], int | None]
SchemeTable = Callable[[int, int, int], Scheme]


@dataclass(frozen=True)
class Group:
    """Terms to multiply together: the slot of their common factor, and their row numbers."""

    slot: int
    members: tuple[int, ...]


def grown(inner: Sides, slot: int, count: int) -> Sides:
    """Return the sides of the inner product for `count` terms that share a slot's factor."""
    a, b, c = inner
    return ((a, b, count * c), (count * a, b, c), (a, count * b, c))[slot]


def shared_factors(scheme: Scheme) -> list[Group]:
    """Return all maximal groups of two or more terms that share a factor up to a scalar.

    Row numbers refer to ``scheme.canonical``. Groups of different slots may overlap.
    """
    terms = normal_terms(scheme.canonical)
    return [
        Group(slot, tuple(rows))
        for slot in range(3)
        for rows in sharing(terms, slot)
        if len(rows) > 1
    ]


def cheapest_split(
    slot: int, count: int, inner: Sides, rank_of: RankTable
) -> tuple[int, tuple[int, ...]]:
    """Return (cost, sizes) of the cheapest split of `count` terms that share a slot."""
    costs: list[tuple[int, tuple[int, ...]]] = [(0, ())]
    for k in range(1, count + 1):
        options = []
        for size in range(1, k + 1):
            rank = rank_of(*grown(inner, slot, size))
            if rank is not None:
                cost, sizes = costs[k - size]
                options.append((cost + rank, (*sizes, size)))
        costs.append(min(options))
    return costs[count]


def serendipitous_rank(
    scheme: Scheme, inner: Sides, groups: Sequence[Group], rank_of: RankTable
) -> int:
    """Return the rank of the product with these groups, without building it."""
    total = 0
    grouped = 0
    for group in groups:
        rank = rank_of(*grown(inner, group.slot, len(group.members)))
        if rank is None:
            raise UsageError("a group needs a format of which no rank is known")
        total += rank
        grouped += len(group.members)
    single = rank_of(*inner)
    if single is None:
        raise UsageError("no rank is known for the inner product")
    return total + (scheme.canonical.rank - grouped) * single


def serendipitous_product(
    scheme: Scheme, inner: Sides, groups: Sequence[Group], scheme_of: SchemeTable
) -> Scheme:
    """Return the product of a scheme with <a, b, c>; each group is multiplied together.

    Raises `UsageError` if groups overlap, their terms share no factor, or formats or rings do not
    fit; `FormatError` if a coefficient reaches 2^62.

    Parameters
    ----------
    scheme : Scheme
        The outer scheme, for a general format.
    inner : (a, b, c)
        Sides of the inner product.
    groups : sequence of Group
        Disjoint groups of rows of ``scheme.canonical``; other rows are multiplied singly.
    scheme_of : callable
        ``scheme_of(n, m, p)`` is a scheme for those sides over the same ring.

    Returns
    -------
    Scheme
        For the format of sides n a, m b, p c. It is over Z if a ZT scheme does not stay ternary,
        because the factors of terms multiplied together add up.
    """
    outer = matrix_format(scheme)
    if not outer.is_general:
        raise UsageError(f"{outer} is structured: only general formats have a product")
    terms = normal_terms(scheme.canonical)
    used = [r for group in groups for r in group.members]
    if len(set(used)) != len(used):
        raise UsageError("groups of a serendipitous product must be disjoint")
    singles = [Group(0, (r,)) for r in range(len(terms)) if r not in set(used)]
    target = MatrixProduct(outer.n * inner[0], outer.m * inner[1], outer.p * inner[2])
    pieces: list[list[IntArray]] = [[], [], [], []]
    for group in (*groups, *singles):
        members = [terms[r] for r in group.members]
        if any(t.factors[group.slot] != members[0].factors[group.slot] for t in members):
            raise UsageError("the terms of a group do not share its factor")
        piece = _multiplied(members, scheme.ring, outer, group.slot, inner, scheme_of)
        for into, rows in zip(pieces, piece, strict=True):
            into.append(rows)
    u, v, w, denominators = (np.concatenate(rows) for rows in pieces)
    ring = scheme.ring
    if ring is Ring.ZT and not all(ring.contains(factor) for factor in (u, v, w)):
        ring = Ring.Z
    result = Scheme(target, ring, u, v, w, denominators)
    return reduced(target, ring, normal_terms(result))


def _multiplied(
    terms: Sequence[Term],
    ring: Ring,
    outer: MatrixProduct,
    slot: int,
    inner: Sides,
    scheme_of: SchemeTable,
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Return U, V, W and denominators of terms that share a slot, times their inner scheme."""
    sides = grown(inner, slot, len(terms))
    block = scheme_of(*sides)
    if block.ring is not ring or matrix_format(block).sides != sides:
        raise UsageError(f"{block!r} is not a scheme for {sides} over {ring}")
    n, m, p = outer.sides
    a, b, c = inner
    outer_shapes, inner_shapes = ((n, m), (m, p), (p, n)), ((a, b), (b, c), (c, a))
    # the common factor stays in normal form; scalars go into another slot on a common denominator
    common = math.lcm(*(term.scalar.denominator for term in terms))
    scaled = (slot + 1) % 3
    factors = []
    for place in range(3):
        grid = block.factors[place].reshape(block.rank, sides[place], sides[(place + 1) % 3])
        axis = 1 if sides[place] != inner[place] else 2
        step = inner_shapes[place][axis - 1]
        shape = (block.rank, outer.dimensions[place] * math.prod(inner_shapes[place]))
        total, bound = np.zeros(shape, dtype=np.int64), np.zeros(shape)
        for k, term in enumerate(terms[:1] if place == slot else terms):
            cut = grid
            if place != slot:
                window = slice(k * step, (k + 1) * step)
                cut = grid[:, window] if axis == 1 else grid[:, :, window]
            scalar = int(term.scalar * common) if place == scaled else 1
            vector = _checked([scalar * x for x in term.factors[place]])
            rows = kronecker_rows(
                vector[None], cut.reshape(block.rank, -1), outer_shapes[place], inner_shapes[place]
            )
            total += rows[0]
            bound += np.abs(rows[0])
        check_size(bound.max(initial=0))
        factors.append(ring.balanced(total))
    u, v, w = factors
    return u, v, w, checked_product(block.denominators, _checked([common]))


def _checked(numbers: list[int]) -> IntArray:
    """Return integers as an array; refuse integers of 2^62 or more."""
    check_size(max(map(abs, numbers), default=0))
    return np.array(numbers, dtype=np.int64)
