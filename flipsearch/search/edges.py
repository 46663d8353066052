"""Fit schemes to other formats: turned, extended by naive products, and projected.

The ranks of merges and products are arithmetic, which `flipsearch.constructors.plan` does. The
rank of a projection depends on the scheme and its basis. Ranks are estimated first, and only
schemes that would be kept are made.

Invariant: every yielded scheme is valid if the given ones are, because only `flipsearch.transform`
makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import gt

import numpy as np

from flipsearch.constructors.recipes import Sides
from flipsearch.errors import UsageError
from flipsearch.formats import Format, MatrixProduct
from flipsearch.formats.named import short_name
from flipsearch.formats.sparse import SparseTensor, sparse_tensor
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.transform import ORDERS, project, random_sandwich
from flipsearch.transform.dimensions import Part, assemble, matrix_format, terms_left
from flipsearch.transform.symmetry import oriented, oriented_sides

MERGES_HOPED_FOR = 0.15
"""Largest share of the terms after a projection that is expected to merge."""

PROJECTED_BASES = 16
"""Number of bases in which a scheme over a field is projected.

In different bases 5x5x5:93 leaves 78 to 89 terms for 4x5x5.
"""


def sorted_scheme(scheme: Scheme) -> Scheme:
    """Return the scheme with its sides in ascending order."""
    sides = matrix_format(scheme).sides
    if list(sides) == sorted(sides):
        return scheme
    return oriented(scheme, tuple(sorted(sides)))  # type: ignore[arg-type]


def fitted(scheme: Scheme, format_: Format) -> Scheme:
    """Extend a scheme to a larger format by naive products.

    The scheme has the operands of the format and sides up to its sides, in any order if both are
    general; or both are tensors. The format has no corner suffix unless it is the scheme's own.
    Raises `UsageError` if the scheme's format does not fit into the other one.
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
    """Return the scheme of a tensor from one of a smaller tensor.

    The lengths of A, B and C of the smaller one are at most those of the other. Each entry in
    which they differ becomes a naive product.
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


def cuts(
    scheme: Scheme, held: Callable[..., int], generator: np.random.Generator
) -> Iterator[Scheme]:
    """Yield projections of a general scheme that are below the ranks held.

    ``held(n, m, p)`` is the least rank held for these sides. The generator draws bases, over a
    field.
    """
    sides = matrix_format(scheme).sides
    for d in range(3):
        smaller = changed(sides, d, sides[d] - 1)
        if sides[d] < 3 or held(*smaller) < scheme.rank // 2:
            continue
        for basis in range(PROJECTED_BASES if scheme.ring.characteristic else 1):
            turned = random_sandwich(scheme, generator) if basis else scheme
            for index, left in enumerate(terms_left(turned, d)):
                if left - int(MERGES_HOPED_FOR * left) < held(*smaller):
                    cut = project(turned, d, index)
                    if cut.rank < held(*smaller):
                        yield cut


def changed(sides: Sides, d: int, side: int) -> Sides:
    """Return the sides with side number d replaced."""
    result = list(sides)
    result[d] = side
    return result[0], result[1], result[2]
