"""Multiply schemes: the Kronecker product, whose sides and ranks are products.

Invariant: no entry of a result overflows; a product that could reach 2^62 is refused.
"""

from __future__ import annotations

import numpy as np

from flipsearch.errors import FormatError, UsageError
from flipsearch.formats import MatrixProduct
from flipsearch.normal import LARGEST_COEFFICIENT
from flipsearch.rings import IntArray
from flipsearch.scheme import Scheme
from flipsearch.transform.dimensions import matrix_format


def product(first: Scheme, second: Scheme) -> Scheme:
    """Return the Kronecker product of two schemes for general formats: sides and ranks multiply.

    Row ``row1 * n2 + row2`` of the result is row2 of block row1; inner indices and columns are
    numbered likewise. Raises `UsageError` if a format is structured, the rings differ, or a side
    exceeds the limit; `FormatError` if a coefficient reaches 2^62.
    """
    one, two = matrix_format(first), matrix_format(second)
    for format_ in (one, two):
        if not format_.is_general:
            raise UsageError(f"{format_} is structured: its blocks are not, so it has no product")
    if first.ring is not second.ring:
        raise UsageError(f"cannot multiply a scheme over {first.ring} by one over {second.ring}")
    format_ = MatrixProduct(one.n * two.n, one.m * two.m, one.p * two.p)
    shapes = [[(f.n, f.m), (f.m, f.p), (f.p, f.n)] for f in (one, two)]
    rank = first.rank * second.rank
    u, v, w = (
        kronecker_rows(left, right, shape1, shape2).reshape(rank, -1)
        for left, right, shape1, shape2 in zip(first.factors, second.factors, *shapes, strict=True)
    )
    denominators = checked_product(first.denominators[:, None], second.denominators[None, :])
    return Scheme(format_, first.ring, u, v, w, denominators.reshape(rank)).canonical


def kronecker_rows(
    left: IntArray, right: IntArray, shape1: tuple[int, int], shape2: tuple[int, int]
) -> IntArray:
    """Return the Kronecker products of all pairs of rows, read as matrices of the given shapes.

    Their shape is (R1, R2, d1 * d2).
    """
    products = checked_product(
        left.reshape(-1, 1, shape1[0], 1, shape1[1], 1),
        right.reshape(1, -1, 1, shape2[0], 1, shape2[1]),
    )
    return products.reshape(len(left), len(right), -1)


def checked_product(left: IntArray, right: IntArray) -> IntArray:
    """Return left * right (broadcast); refuse arrays whose product could reach 2^62."""
    check_size(int(np.abs(left).max(initial=0)) * int(np.abs(right).max(initial=0)))
    return left * right


def check_size(coefficient: float) -> None:
    """Raise a `FormatError` if the largest absolute coefficient of a result is 2^62 or more."""
    if coefficient >= LARGEST_COEFFICIENT:
        raise FormatError("a coefficient of the result is 2^62 or more in absolute value")
