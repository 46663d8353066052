"""Apply the discrete symmetries, which turn a scheme into another of the same rank.

- `permute` puts the sides of a general product into any of six orders. It combines the cyclic
  shift (U, V, W) -> (V, W, U) and the transposition (U, V, W) -> (V^T, U^T, W^T). Both are exact
  because W holds the output transposed.
- `transpose` uses (A B)^T = B^T A^T if the operands allow it.
- `dual` exchanges formats with the same tensor: ``ug`` with ``gt``, ``uu`` with ``ut``.

The continuous symmetries are in `flipsearch.transform.sandwich`.

Invariant: a result is valid exactly when its argument is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.formats import Layout, MatrixProduct
from flipsearch.rings import IntArray
from flipsearch.scheme import Scheme
from flipsearch.transform.dimensions import matrix_format

Order = tuple[int, int, int]
ORDERS: tuple[Order, ...] = ((0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (1, 0, 2), (2, 1, 0))
DUALS = {"ug": "gt", "gt": "ug", "uu": "ut", "ut": "uu"}


def permute(scheme: Scheme, order: Order) -> Scheme:
    """Put the sides (n, m, p) of a general scheme into another order.

    The new sides are ``sides[order[0]]`` and so on. Raises `UsageError` if the format is
    structured or has a corner suffix, or the order is no permutation of (0, 1, 2).
    """
    format_ = matrix_format(scheme)
    if order not in ORDERS:
        raise UsageError(f"{order} is no order of the three sides")
    if format_.corner:
        raise UsageError(f"{format_}: a format without its corner does not permute")
    target = format_.permuted(order)
    n, m, p = format_.sides
    matrices = [
        factor.reshape(-1, *shape)
        for factor, shape in zip(scheme.factors, ((n, m), (m, p), (p, n)), strict=True)
    ]
    shift = order[0]
    if order in ((0, 2, 1), (1, 0, 2), (2, 1, 0)):
        # the transposed sides are (p, m, n); the shift brings the first wanted side to the front
        left, right, output = (matrix.transpose(0, 2, 1) for matrix in matrices)
        matrices = [right, left, output]
        shift = {2: 0, 1: 1, 0: 2}[order[0]]
    u, v, w = (matrices[(k + shift) % 3].reshape(scheme.rank, -1) for k in range(3))
    return Scheme(target, scheme.ring, u, v, w, scheme.denominators)


def oriented_sides(sides: Order, order: Order) -> Order:
    """Return the sides in another order."""
    return sides[order[0]], sides[order[1]], sides[order[2]]


def oriented(scheme: Scheme, wanted: Order | MatrixProduct) -> Scheme:
    """Return the scheme with its sides in the given order, or of the given format by its dual.

    Raises `UsageError` if the sides are not a permutation of its own, or the format is another and
    no dual.
    """
    if isinstance(wanted, MatrixProduct) and not wanted.is_general:
        turned = scheme if scheme.format == wanted else dual(scheme)
        if turned.format != wanted:
            raise UsageError(f"{scheme.format} has no other side that is {wanted}")
        return turned
    sides = wanted.sides if isinstance(wanted, MatrixProduct) else wanted
    own = matrix_format(scheme).sides
    for order in ORDERS:
        if oriented_sides(own, order) == sides:
            return scheme if sides == own else permute(scheme, order)
    raise UsageError(f"{scheme.format} has no order of its sides {'x'.join(map(str, sides))}")


def cyclic(scheme: Scheme, steps: int = 1) -> Scheme:
    """Turn a scheme: (U, V, W) -> (V, W, U), sides (n, m, p) -> (m, p, n), `steps` times."""
    return permute(scheme, ((0, 1, 2), (1, 2, 0), (2, 0, 1))[steps % 3])


def transpose(scheme: Scheme) -> Scheme:
    """Return the scheme for (A B)^T = B^T A^T.

    General formats become p x m x n. ``ss``, ``kk``, ``ww``, ``ul`` and ``gg`` with a corner
    suffix keep their format. So does ``uu``, with all indices reversed. Raises `UsageError` if the
    transposed product has other operands.
    """
    format_ = matrix_format(scheme)
    if format_.is_general:
        return permute(scheme, (2, 1, 0))
    if format_.operands not in ("gg", "ss", "kk", "ww", "ul", "uu"):
        raise UsageError(f"the transposed product of {format_} is no format")
    if format_.operands == "uu" and format_.corner in ("a", "b"):
        raise UsageError(f"reversing indices moves the corner of {format_}")
    n = format_.n

    def flip(i: int) -> int:
        return n - 1 - i if format_.operands == "uu" else i

    u = _relaid(scheme.v, format_.right, format_.left, flip)
    v = _relaid(scheme.u, format_.left, format_.right, flip)
    w = np.zeros_like(scheme.w)
    for index in range(format_.dimensions[2]):
        i, k = format_.output_position(index)
        place = format_.output_index(flip(k), flip(i))
        if place is not None:
            w[:, place] = scheme.w[:, index]
    return Scheme(format_, scheme.ring, u, v, w, scheme.denominators)


def _relaid(factor: IntArray, old: Layout, new: Layout, flip: Callable[[int], int]) -> IntArray:
    """Turn factor rows for X into rows for its transpose; `flip` maps the indices."""
    result = np.zeros((len(factor), new.parameters), dtype=np.int64)
    for parameter in range(old.parameters):
        i, j = old.position(parameter)
        place = new.entry(flip(j), flip(i))
        if place is None:
            raise UsageError("the transposed operand has another structure")
        result[:, place[0]] = factor[:, parameter] * place[1]
    return result


def dual(scheme: Scheme) -> Scheme:
    """Return the scheme for the format with the same tensor up to the order of factors.

    sum u_ij b_jk c_ki over i <= j (``ug`` n x n x p) is sum x_ij y_kj c_ik over i <= k (``gt`` n x
    p x n) with u and c exchanged; likewise for ``uu`` and ``ut``. Ranks agree. Recursive calls
    need not, because a Gram format can also use products of a matrix with its own transpose.
    Raises `UsageError` if the format is none of ``ug``, ``gt``, ``uu``, ``ut`` without corner
    suffix.
    """
    format_ = matrix_format(scheme)
    partner = DUALS.get(format_.operands)
    if partner is None or format_.corner:
        raise UsageError(f"{format_} has no dual: only ug, gt, uu and ut have one")
    n, m, p = format_.sides
    u, v, w = scheme.factors
    if format_.operands == "ug":
        sides = (n, p, n)
        u, w = w.reshape(-1, p, n).transpose(0, 2, 1).reshape(scheme.rank, -1), u
    elif format_.operands == "gt":
        sides = (n, n, m)
        u, w = w, u.reshape(-1, n, m).transpose(0, 2, 1).reshape(scheme.rank, -1)
    else:
        sides = (n, n, n)
        u, w = w, u
    return Scheme(MatrixProduct(*sides, partner), scheme.ring, u, v, w, scheme.denominators)
