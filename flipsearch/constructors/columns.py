"""Structured times general or triangular matrices, one vector at a time, for every n.

A symmetric matrix times a vector takes n(n+1)/2 products, since a_ij (x_j y_i + x_i y_j) is
-a_ij (x_i - x_j) (y_i - y_j) and a part of (sum over j of a_ij) x_i y_i. With signs the same holds
for a skew-symmetric matrix with a free diagonal. A skew-symmetric one takes (n+2)(n-1)/2: the
rank-one forms (x_i + x_j) (y_i - y_j), i < j, and (x_1 - x_j) (y_1 + y_j) span all forms
x_i y_i - x_j y_j, and with them all x_j y_i - x_i y_j.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from flipsearch.constructors.skew import checked, entries
from flipsearch.formats import Format
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme

Product = tuple[IntArray, IntArray, IntArray]


def vector_products(matrix: IntArray, letter: str) -> list[Product]:
    """Return products that sum to y^T M x, or to twice that if M is skew-symmetric.

    The matrix has shape (n, n, parameters): the entries of M as forms in its parameters. The
    letter ``s``, ``w`` or ``k`` tells how M is structured. A product is (form in M, form in x,
    form in y).
    """
    n = len(matrix)
    unit, sums = np.eye(n, dtype=np.int64), matrix.sum(axis=1)
    products = []
    for i, j in combinations(range(n), 2):
        if letter == "s":
            products.append((-matrix[i, j], unit[i] - unit[j], unit[i] - unit[j]))
        elif letter == "w":
            products.append((matrix[i, j], unit[i] + unit[j], unit[i] - unit[j]))
        elif i:
            products.append((2 * matrix[i, j], unit[i] + unit[j], unit[i] - unit[j]))
    if letter == "k":
        for j in range(1, n):
            ahead = 2 * matrix[0, j] + sums[j]
            products.append((ahead, unit[0] + unit[j], unit[0] - unit[j]))
            products.append((sums[j], unit[0] - unit[j], unit[0] + unit[j]))
    else:
        for i in range(n):
            own = sums[i] if letter == "s" else 2 * matrix[i, i] - sums[i]
            products.append((own, unit[i], unit[i]))
    return products


def column_scheme(format_: Format) -> Scheme:
    """Return a scheme for ``sg``, ``wg`` or ``kg``, one column of the right operand at a time.

    It has p n(n+1)/2 products over ZT, or p (n+2)(n-1)/2 over Q for ``kg``. Raises `UsageError` if
    the format is another.
    """
    form = checked(format_, ("sg", "wg", "kg"))
    n, p = form.n, form.p
    u, v, w = (
        np.array(factor).reshape(-1, size)
        for factor, size in zip(
            zip(*vector_products(entries(form.left), form.operands[0]), strict=True),
            (form.left.parameters, n, n),
            strict=True,
        )
    )
    right, outputs = np.zeros((p, n, n * p), np.int64), np.zeros((p, n, n * p), np.int64)
    for k in range(p):
        for i in range(n):
            right[k, i, i * p + k] = outputs[k, i, k * n + i] = 1
    factors = np.tile(u, (p, 1)), np.concatenate(v @ right), np.concatenate(w @ outputs)
    twice = np.full(p * len(u), 2 if form.operands == "kg" else 1)
    scheme = Scheme(form, Ring.Q, *factors, twice).canonical
    return scheme.over(scheme.natural_ring)


def row_scheme(format_: Format) -> Scheme:
    """Return a scheme for ``us``, ``uw`` or ``uk``, one row of the triangular operand at a time.

    The first row times the structured matrix is a vector's product, and the first column of the
    other rows takes one product for each entry of the triangle: n(n+1)(2n+1)/6 products, n less
    for ``uk``. Raises `UsageError` if the format is another.
    """
    form = checked(format_, ("us", "uw", "uk"), least=2 if format_.name[:2] == "uk" else 1)
    n, letter = form.n, form.operands[1]
    terms = []
    A, B = entries(form.left), entries(form.right)
    C = np.eye(n * n, dtype=np.int64).reshape(n, n, n * n).swapaxes(0, 1)
    for i in range(n):
        if letter != "k" or i < n - 1:
            block = B[i:, i:].swapaxes(0, 1)
            for form_b, x, y in vector_products(block, letter):
                twice = 2 if letter == "k" else 1
                terms.append((x @ A[i, i:], form_b, y @ C[i, i:], twice))
        for row in range(i + 1, n):
            terms += [(A[row, j], B[j, i], C[row, i], 1) for j in range(row, n)]
    u, v, w, denominators = (np.array(column) for column in zip(*terms, strict=True))
    scheme = Scheme(form, Ring.Q, u, v, w, denominators).canonical
    return scheme.over(scheme.natural_ring)
