"""Define walks modulo diagonal terms: a triangular matrix times a symmetric one, over F3.

In C = U S the diagonal entry s_bb of the symmetric S meets only the entries u_ib and c_ib of each
row i. Its slice of the target has one term for each row that reaches it, and every scheme needs
this number of terms for it. These walks look for schemes that use only *free terms*
u_ib (x) * (x) c_ib, one for each entry of U, with any second factor *. The sum of the other terms
at (u_ib, *, c_ib) is then arbitrary, and s_bb does not occur in them.

The last row of U has one entry u and costs its n naive terms in any scheme: they vanish for u = 0,
and each of the n outputs of that row needs one. It is left out too. A walk of ``us:4x4x4`` begins
with 27 rows and ends with 15, at rank 28. A walk term by term begins with 40 rows and ends at 29.

A free term also allows further moves at no cost: see `flipsearch.walk.diagonal.kernel`. Packed
states outside this module are complete schemes; the terms left out are added again.

Invariant: outside the free pairs the rows sum to the target of all rows of U but the last.
Together with the terms left out they are a scheme.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.formats import Format, MatrixProduct
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.walk.task import WalkTask, Words, unpack

LARGEST_SIDE = 5
ROWS = 64
"""Largest number of rows of a walk, without the free terms."""


@dataclass(frozen=True, eq=False)
class DiagonalTask(WalkTask):
    """A walk modulo diagonal terms; its start may be any scheme over F3."""

    @property
    def capacity(self) -> int:
        """The largest number of rows, for any band; free terms do not count."""
        return ROWS

    @functools.cached_property
    def rank(self) -> int:
        """The rank of the start, including its free terms."""
        free = diagonal(self.format, self.ring)
        return without(free, unpack(self.format, self.ring, self.start)).rank + always(free)


class Diagonal(NamedTuple):
    """The free terms of a format.

    `pairs` are entries of the first and of the third slot; no entry is in two pairs. `kept` are
    the entries of each slot that occur in the rows of a walk. `last` is the number of outputs of
    the last row.
    """

    pairs: tuple[tuple[int, int], ...]
    kept: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    last: int


def diagonal(format_: Format, ring: Ring = Ring.F3) -> Diagonal:
    """Return the free terms of a format.

    Raises `UsageError` if the format is no triangular times symmetric product up to 5 x 5, or the
    ring is not F3.
    """
    if ring is not Ring.F3:
        raise UsageError(f"walks modulo diagonal terms run over F3, not over {ring}")
    if (
        not isinstance(format_, MatrixProduct)
        or format_.operands != "us"
        or format_.corner
        or not 2 <= format_.n <= LARGEST_SIDE
    ):
        raise UsageError(
            f"{format_} has no walk modulo diagonal terms: take us:n x n x n, n from 2 to "
            f"{LARGEST_SIDE}"
        )
    last = format_.n - 1
    rest = [t for t in format_.naive_terms.tolist() if format_.left.position(t[0])[0] < last]
    pairs = tuple((t[0], t[2]) for t in rest if len({*format_.right.position(t[1])}) == 1)
    kept = tuple(tuple(sorted({t[slot] for t in rest})) for slot in range(3))
    diagonal_ = {e for e in kept[1] if len({*format_.right.position(e)}) == 1}
    walked = (kept[0], tuple(e for e in kept[1] if e not in diagonal_), kept[2])
    return Diagonal(pairs, walked, format_.dimensions[2] - len(kept[2]))


def without(free: Diagonal, scheme: Scheme) -> Scheme:
    """Return the terms of a scheme without the free terms and those of the last row."""
    factors = []
    for matrix, kept in zip(scheme.factors, free.kept, strict=True):
        factors.append(np.zeros_like(matrix))
        factors[-1][:, kept] = matrix[:, kept]
    rows = [
        row
        for row in range(scheme.rank)
        if all(matrix[row].any() for matrix in factors)
        and _single(factors[0][row], factors[2][row]) not in free.pairs
    ]
    return Scheme(scheme.format, scheme.ring, *(matrix[rows] for matrix in factors))


def always(free: Diagonal) -> int:
    """Return the number of free terms and of terms of the last row."""
    return len(free.pairs) + free.last


def completed(free: Diagonal, rest: Scheme) -> Scheme:
    """Add the free terms and the naive terms of the last row to the rows of a walk."""
    target = rest.format.naive_terms.tolist()
    naive = [term for term in target if term[0] not in free.kept[0]]
    u, v, w = (
        np.zeros((len(free.pairs) + len(naive), dimension), np.int64)
        for dimension in rest.format.dimensions
    )
    for row, (a, c) in enumerate(free.pairs):
        u[row, a] = w[row, c] = 1
        v[row] = -(rest.factors[0][:, a] * rest.factors[2][:, c]) @ rest.factors[1]
        for term in target:
            v[row, term[1]] += term[0] == a and term[2] == c
    for row, term in enumerate(naive, len(free.pairs)):
        u[row, term[0]] = v[row, term[1]] = w[row, term[2]] = 1
    v = (v + 1) % 3 - 1
    factors = (np.vstack(pair) for pair in zip(rest.factors, (u, v, w), strict=True))
    return Scheme(rest.format, rest.ring, *factors)


def _single(first: Words, second: Words) -> tuple[int, int] | None:
    """Return the entries of two factors with one nonzero entry each, else None."""
    entries = np.flatnonzero(first), np.flatnonzero(second)
    if len(entries[0]) != 1 or len(entries[1]) != 1:
        return None
    return int(entries[0][0]), int(entries[1][0])
