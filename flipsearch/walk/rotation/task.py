"""Define walks by orbits of rotated indices, over F3 and ZT.

The rotation i -> i + n/d modulo n of rows and columns maps general, symmetric and skew-symmetric
matrices to matrices of the same kind, and a product to the product of the images. This cyclic
group of order d therefore fixes the targets of n x n x n and of ``sg kg wg ss sk sw kk ww``. It
moves every naive term, in orbits of d. A walk that flips whole orbits has d times fewer units to
combine, and finds schemes that walks term by term do not find, for instance ``sw:5x5x5`` of rank
60.

A state holds all rows: row o d + t is the t-th image of row o d. The walk itself does not need the
group, because a flip of rows x and y of different orbits is made for all their images x + t and
y + t. Rows of one orbit are not flipped with each other.

Invariant: the sum of the rows never changes, and each orbit is closed under the rotation. Every
state is an ordinary scheme whose rank is divisible by d.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.formats import Format, MatrixProduct
from flipsearch.rings import Ring
from flipsearch.walk.task import WalkTask, Words

OPERANDS = ("gg", "sg", "kg", "wg", "ss", "sk", "sw", "kk", "ww")
"""Operands whose targets the rotation fixes: neither triangular nor with packed outputs."""
LARGEST_SIDE = 8


@dataclass(frozen=True, eq=False)
class RotationTask(WalkTask):
    """A walk by orbits of the rotation.

    Parameters
    ----------
    start : uint64 array, shape (R, 3, 2)
        Row o d + t is the t-th image of row o d.
    order : int
        The order d of the group, a divisor of the side and of the rank.
    integral : bool
        Whether a walk over F3 keeps the scheme valid over the integers with coefficients -1, 0, 1,
        as walks over ZT do. From the naive scheme it then reaches lower ranks, because groups of
        products with a common factor cannot become random bases of their span.
    """

    order: int = 1
    integral: bool = False

    @property
    def orbit(self) -> int:
        """The number of successive rows that are images of each other."""
        return self.order

    @property
    def capacity(self) -> int:
        """The largest number of rows: an orbit more than rank + band."""
        return self.rank + self.policy.band + self.order


def orders(format_: Format, ring: Ring) -> tuple[int, ...]:
    """Return the orders of the groups of rotations that fix a format's target, largest first.

    Raises `UsageError` if the rotation does not fix the target, or the ring is neither F3 nor ZT.
    """
    if ring not in (Ring.F3, Ring.ZT):
        raise UsageError(f"walks by rotated orbits run over F3 and ZT, not over {ring}")
    if (
        not isinstance(format_, MatrixProduct)
        or format_.operands not in OPERANDS
        or not 2 <= format_.n == format_.m == format_.p <= LARGEST_SIDE
        or format_.corner
    ):
        raise UsageError(
            f"rotating the indices does not fix {format_}: take n x n x n, n from 2 to "
            f"{LARGEST_SIDE}, with operands {' '.join(OPERANDS)}"
        )
    return tuple(d for d in range(format_.n, 1, -1) if format_.n % d == 0)


def naive_orbits(format_: MatrixProduct, order: int) -> Words:
    """Return the naive scheme in orbits of the rotation by n / order, shape (R, 3, 2).

    The factors of a row are the entries A[i, j], B[j, k] and C[i, k] as linear forms with their
    signs. Its images are the rows for the rotated indices. Raises `UsageError` if the rotation
    does not fix the format's target, or the order does not divide the side.
    """
    if order not in orders(format_, Ring.F3):
        raise UsageError(f"{format_} has no rotation of order {order}")
    n = format_.n
    rows = []
    for i in range(n // order):
        for j in range(n):
            for k in range(n):
                for shift in range(0, n, n // order):
                    a, b, c = ((index + shift) % n for index in (i, j, k))
                    left, right = format_.left.entry(a, b), format_.right_entry(b, c)
                    output = format_.output_index(a, c)
                    if left is not None and right is not None and output is not None:
                        rows.append((left, right, (output, 1)))
    state = np.zeros((len(rows), 3, 2), dtype=np.uint64)
    for number, row in enumerate(rows):
        for slot, (entry, sign) in enumerate(row):
            state[number, slot] = 1 << entry, (sign < 0) << entry
    return state
