"""A structured matrix times a general one, column by column, for every n.

A symmetric matrix times a vector takes n(n+1)/2 products, since a_ij (b_j c_i + b_i c_j) is
-a_ij (b_i - b_j) (c_i - c_j) and a part of (sum over j of a_ij) b_i c_i. With signs the same holds
for a skew-symmetric matrix with a free diagonal. A skew-symmetric one takes (n+2)(n-1)/2: the
rank-one forms (b_i + b_j) (c_i - c_j), i < j, and (b_1 - b_j) (c_1 + c_j) span all forms
b_i c_i - b_j c_j, and with them all b_j c_i - b_i c_j.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from flipsearch.constructors.skew import entries
from flipsearch.errors import UsageError
from flipsearch.formats import Format, MatrixProduct
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme


def column_scheme(format_: Format) -> Scheme:
    """Return a scheme for ``sg``, ``wg`` or ``kg``, one column of the right operand at a time.

    Parameters
    ----------
    format_ : MatrixProduct
        A symmetric or skew-symmetric n x n matrix times a general n x p one.

    Returns
    -------
    Scheme
        p n(n+1)/2 products over ZT, or p (n+2)(n-1)/2 over Q for ``kg``.

    Raises
    ------
    UsageError
        The format is another.
    """
    if not isinstance(format_, MatrixProduct) or format_.operands not in ("sg", "wg", "kg"):
        raise UsageError(f"{format_} has no such construction: use sg, wg or kg")
    if format_.corner:
        raise UsageError(f"{format_}: the construction computes every corner")
    n, p = format_.n, format_.p
    A, unit = entries(format_.left), np.eye(n, dtype=np.int64)
    skew = format_.operands == "kg"
    products: list[tuple[IntArray, IntArray, IntArray]] = []
    for i, j in combinations(range(n), 2):
        if format_.operands == "sg":
            products.append((-A[i, j], unit[i] - unit[j], unit[i] - unit[j]))
        elif i or not skew:
            products.append(((1 + skew) * A[i, j], unit[i] + unit[j], unit[i] - unit[j]))
    sums = A.sum(axis=1)
    if skew:
        for j in range(1, n):
            products.append((2 * A[0, j] + sums[j], unit[0] + unit[j], unit[0] - unit[j]))
            products.append((sums[j], unit[0] - unit[j], unit[0] + unit[j]))
    else:
        for i in range(n):
            own = sums[i] if format_.operands == "sg" else 2 * A[i, i] - sums[i]
            products.append((own, unit[i], unit[i]))
    u, v, w = (np.array(factor) for factor in zip(*products, strict=True))
    right, outputs = np.zeros((p, n, n * p), np.int64), np.zeros((p, n, n * p), np.int64)
    for k in range(p):
        for i in range(n):
            right[k, i, i * p + k] = outputs[k, i, k * n + i] = 1
    scheme = Scheme(
        format_,
        Ring.Q,
        np.tile(u, (p, 1)),
        np.concatenate(v @ right),
        np.concatenate(w @ outputs),
        np.full(p * len(u), 1 + skew),
    )
    return scheme.canonical.over(scheme.natural_ring)
