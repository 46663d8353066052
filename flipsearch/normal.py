"""Bring factors into normal form, sort terms and write them as text: the ground of content hashes.

Invariant: the results depend on the terms only, not on the process, platform or version. Arrays of
one byte an entry serve wherever the integers allow it; thousands of schemes are hashed at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from flipsearch.errors import FormatError
from flipsearch.rings import IntArray, Ring

LARGEST_COEFFICIENT = 2**62
"""No coefficient of a scheme reaches this in absolute value."""


def narrow(matrix: IntArray) -> npt.NDArray[Any]:
    """Return integers as one byte each if none is 128 or more in absolute value."""
    if not matrix.size or matrix.min() <= -128 or matrix.max() >= 128:
        return matrix
    return matrix.astype(np.int8)


def sorting_order(columns: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.intp]:
    """Return the order in which the rows of matrices next to each other are sorted."""
    rows = np.concatenate(columns, axis=1, dtype=np.result_type(*map(narrow, columns)))
    # of integers from 0 with the highest byte first, the order is that of the bytes
    kind = np.dtype(f">u{rows.itemsize}")
    keys = (rows ^ np.iinfo(rows.dtype).min).astype(kind, order="C")
    return np.argsort(keys.view(f"V{keys.itemsize * keys.shape[1]}").ravel(), kind="stable")


def lines_of(columns: Sequence[npt.NDArray[Any]], wide: bool) -> bytes:
    """Return terms as text, a line each; ``1,0,-1;0,1,0;1,0,1;1`` is u, v, w, denominator."""
    if wide:
        lists = zip(*(matrix.tolist() for matrix in columns), strict=True)
        text = "".join(";".join(str(row)[1:-1] for row in term) + "\n" for term in lists)
        return text.replace(" ", "").encode()
    rows = np.concatenate(columns, axis=1)
    # three bytes an entry: a sign (dropped if positive), a digit, a separator
    entries = np.full((*rows.shape, 3), ord(","), dtype=np.uint8)
    entries[..., 0] = ord("-")
    entries[..., 1] = np.abs(rows) + ord("0")
    entries[:, np.cumsum([matrix.shape[1] for matrix in columns[:3]]) - 1, 2] = ord(";")
    entries[:, -1, 2] = ord("\n")
    kept = np.ones(entries.shape, dtype=bool)
    kept[..., 0] = rows < 0
    return entries[kept].tobytes()


def normal_rows(matrix: IntArray, ring: Ring) -> tuple[IntArray, IntArray]:
    """Return (scalars, normal forms) whose products are the rows of a matrix.

    The first nonzero entry of a normal form is positive; over Z and Q its entries are coprime.
    Two rows span the same line exactly when their normal forms are equal. A zero row has scalar 0.
    """
    if ring is Ring.F2 or not matrix.size:
        return np.asarray(matrix.any(axis=1), dtype=np.int64), matrix
    lead = (matrix != 0).argmax(axis=1)
    scalars: IntArray = np.asarray(np.sign(matrix[np.arange(len(matrix)), lead]))
    if ring in (Ring.Z, Ring.Q):
        scalars = np.asarray(scalars * np.gcd.reduce(matrix, axis=1), dtype=np.int64)
    return scalars, matrix // np.where(scalars == 0, 1, scalars)[:, None]


def scaled(matrix: npt.NDArray[Any], scalars: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the rows of a matrix times scalars; refuse coefficients of 2^62 or more."""
    largest = np.abs(matrix).max(axis=1, initial=0).tolist()
    products = (x * abs(y) for x, y in zip(largest, scalars.tolist(), strict=True))
    bound = max(products, default=0)
    if bound >= LARGEST_COEFFICIENT:
        raise FormatError("normalising the scheme needs a coefficient of 2^62 or more")
    kind: Any = np.int8 if bound < 128 else np.int64
    scaled: npt.NDArray[Any] = matrix.astype(kind) * scalars.astype(kind)[:, None]
    return scaled
