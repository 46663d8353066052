"""Sandwich a scheme: the continuous symmetries U -> P U Q^-1, V -> Q V R^-1, W -> R W P^-1.

The matrices themselves become A -> P^T A Q^-T, B -> Q^T B R^-T and C -> R^T C P^-T. This keeps
tr(A B C), the target of a general product. A structured format keeps its target if the maps send
structured matrices to structured ones: with lower triangular P and Q for ``u``, with Q = P^-T for
``s`` and ``k``. The maps are applied to the parameters of the operands. For structured formats
they are checked to keep the target.

Invariant: the maps are exact in every ring, and the result is valid exactly when the argument is.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from flipsearch.algebra.exact import integral, inverse, rank
from flipsearch.errors import FormatError, UsageError
from flipsearch.formats import Layout, MatrixProduct
from flipsearch.invariants import spread
from flipsearch.normal import LARGEST_COEFFICIENT
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme
from flipsearch.transform.dimensions import matrix_format
from flipsearch.transform.kronecker import check_size
from flipsearch.transform.symmetry import dual

Matrix = Sequence[Sequence[int | Fraction]] | IntArray


def sandwich(scheme: Scheme, P: Matrix, Q: Matrix, R: Matrix) -> Scheme:
    """Change a scheme's factors to P U Q^-1, Q V R^-1, R W P^-1.

    Raises `UsageError` if a matrix is singular or of the wrong size, or the target is not kept;
    `FormatError` if a coefficient reaches 2^62.

    Parameters
    ----------
    scheme : Scheme
        For a matrix product, general or structured.
    P, Q, R : square matrices of int or Fraction, sides n, m, p
        Invertible over the ring's field: mod 2 or 3, or over the rationals. For a structured
        format they must keep the structure (see `random_sandwich`).

    Returns
    -------
    Scheme
        Over the same ring F2 or F3; otherwise over the smallest of ZT, Z and Q that holds the
        coefficients. A scheme over ZT may therefore come back over Z or Q.
    """
    format_ = matrix_format(scheme)
    p = scheme.ring.characteristic
    given = [_rows(matrix, side) for matrix, side in zip((P, Q, R), format_.sides, strict=True)]
    inverses = [_inverse(rows, p) for rows in given]
    maps, scale = _parameter_maps(format_, given, inverses, p)
    if not format_.is_general:
        _check_target(format_, maps, scale, p)
    factors = []
    for factor, image in zip(scheme.factors, maps, strict=True):
        rows = _exact_product(factor, image)
        factors.append(scheme.ring.balanced(rows % p) if p else rows)
    u, v, w = factors
    if p:
        return Scheme(format_, scheme.ring, u, v, w)
    denominators = scheme.denominators.astype(object) * scale
    if int(denominators.max(initial=1)) >= LARGEST_COEFFICIENT:
        raise FormatError("a denominator of the result is 2^62 or more")
    result = Scheme(format_, Ring.Q, u, v, w, denominators.astype(np.int64)).canonical
    return result.over(result.natural_ring)


def random_sandwich(
    scheme: Scheme, generator: np.random.Generator, steps: int | None = None
) -> Scheme:
    """Sandwich by random matrices that keep the format and the ring.

    Over F2 and F3 a matrix is uniform among the invertible ones, or triangular or diagonal if the
    structure requires it. In characteristic 0 it is a signed permutation times `steps` elementary
    unimodular matrices, by default as many as its side, and all coefficients stay integral. With a
    corner suffix only signs change.
    """
    format_ = matrix_format(scheme)
    if format_.operands == "ut" and not format_.corner:
        return dual(random_sandwich(dual(scheme), generator, steps))
    return sandwich(scheme, *structured_triple(format_, scheme.ring, generator, steps))


def structured_triple(
    format_: MatrixProduct, ring: Ring, generator: np.random.Generator, steps: int | None = None
) -> tuple[IntArray, IntArray, IntArray]:
    """Draw (P, Q, R) that keep the structure of a format.

    The operands become P^T A Q^-T and Q^T B R^-T. An operand ``u`` needs lower triangular matrices
    on both sides, ``l`` upper triangular ones. For ``s`` and ``k`` one matrix is the inverse
    transpose of the other; for ``w`` both are also signed permutations. A packed output needs
    triangular matrices. Formats with a corner suffix and other Gram formats get signs only.
    """
    p = ring.characteristic
    left, right = format_.operands[0], format_.operands[1]

    def general(side: int) -> IntArray:
        if p:
            return random_invertible(side, p, generator)
        return random_unimodular(side, generator, side if steps is None else steps)

    def triangular(side: int) -> IntArray:
        matrix = np.tril(generator.integers(-1, 2, (side, side)), -1)
        if not p:
            # sparse matrices keep coefficients small
            matrix *= generator.random((side, side)) < 1 / max(1, side)
        signs = generator.choice([-1, 1], side)
        return np.asarray(matrix + np.diag(signs), dtype=np.int64)

    def against(matrix: IntArray) -> IntArray:
        inverted, _ = integral(_inverse(matrix.tolist(), p))
        return np.array(inverted, dtype=np.int64).T

    n, m, side_p = format_.sides
    if format_.is_gram and left == "g" and not format_.corner:
        return triangular(n).T.copy(), general(m), triangular(n).T.copy()
    if format_.corner or format_.is_gram:
        P, Q, R = (np.diag(generator.choice([-1, 1], side)) for side in format_.sides)
        if left in "skw":
            P = Q
        return P, Q, Q if right in "skw" or (right == "t" and left in "skw") else R
    middle: IntArray
    if "w" in format_.operands:
        middle = signed_permutation(m, generator)
        if left in "ul" or right in "ul":
            middle = np.diag(generator.choice([-1, 1], m)).astype(np.int64)
    elif format_.operands == "ul":
        middle = np.diag(generator.choice([-1, 1], m)).astype(np.int64)
    elif left == "u" or right == "u":
        middle = triangular(m)
    else:
        middle = general(m)
    P = {"u": lambda: triangular(n), "g": lambda: general(n)}.get(left, lambda: against(middle))()
    R = {
        "u": lambda: triangular(side_p),
        "l": lambda: triangular(side_p).T.copy(),
        "g": lambda: general(side_p),
    }.get(right, lambda: against(middle))()
    return P, middle, R


def random_invertible(side: int, p: int, generator: np.random.Generator) -> IntArray:
    """Draw an invertible matrix mod p uniformly, with entries 0 to p - 1."""
    while True:
        matrix = generator.integers(0, p, (side, side), dtype=np.int64)
        if rank(matrix, p) == side:
            return matrix


def random_unimodular(side: int, generator: np.random.Generator, steps: int) -> IntArray:
    """Draw a signed permutation times `steps` row additions; its inverse is integral."""
    matrix = signed_permutation(side, generator)
    for _ in range(steps if side > 1 else 0):
        i, j = generator.choice(side, 2, replace=False)
        matrix[i] += int(generator.choice([-1, 1])) * matrix[j]
    return matrix


def signed_permutation(side: int, generator: np.random.Generator) -> IntArray:
    """Draw a permutation matrix with signs; shape (side, side)."""
    matrix = np.zeros((side, side), dtype=np.int64)
    matrix[np.arange(side), generator.permutation(side)] = generator.choice([-1, 1], side)
    return matrix


def _rows(matrix: Matrix, side: int) -> list[list[int | Fraction]]:
    rows = matrix.tolist() if isinstance(matrix, np.ndarray) else [list(row) for row in matrix]
    if len(rows) != side or any(len(row) != side for row in rows):
        raise UsageError(f"a matrix of the sandwich must be {side}x{side}")
    return rows


def _inverse(rows: list[list[int | Fraction]], p: int) -> list[list[Fraction]]:
    if p and any(Fraction(x).denominator != 1 for row in rows for x in row):
        raise UsageError(f"a matrix over F{p} has integer entries, not fractions")
    found = inverse(rows, p)
    if found is None:
        raise UsageError("a matrix to transform by is singular: give an invertible one")
    return found


def _parameter_maps(
    format_: MatrixProduct,
    given: list[list[list[int | Fraction]]],
    inverses: list[list[list[Fraction]]],
    p: int,
) -> tuple[list[IntArray], int]:
    """Return `scale` times the matrices by which factor rows are multiplied from the right.

    Row t of such a matrix M gives parameter t of an operand's image from the operand's parameters:
    <u M, a> = <u, image of a>.
    """
    forward: list[IntArray] = []
    backward: list[IntArray] = []
    scale = 1
    for rows, inverted in zip(given, inverses, strict=True):
        for into, matrix in ((forward, rows), (backward, inverted)):
            numerators, denominator = integral([[Fraction(x) for x in row] for row in matrix])
            into.append(np.array(numerators, dtype=np.int64 if p else object))
            scale *= denominator
    (P, Q, R), (P_, Q_, R_) = forward, backward
    # A -> P^T A Q^-T, B -> Q^T B R^-T, C^T -> R^T C^T P^-T; a Gram format's right layout is that
    # of B^T -> R^-1 B^T Q
    left = _operand_map(format_.left, P.T, Q_.T, p)
    right = _operand_map(format_.right, *((R_, Q) if format_.is_gram else (Q.T, R_.T)), p)
    maps = [left, right, _output_map(format_, R.T, P_.T)]
    return [m % p if p else m for m in maps], scale


def _operand_map(layout: Layout, before: IntArray, after: IntArray, p: int) -> IntArray:
    """Return M whose entry M[s, t] is parameter s of before E_t after, for basis matrices E_t."""
    if layout.letter == "g":
        return np.kron(before, after.T)
    images = before @ spread(layout, np.eye(layout.parameters, dtype=before.dtype)) @ after
    places = [layout.position(t) for t in range(layout.parameters)]
    parameters = images[:, [i for i, _ in places], [j for _, j in places]]
    wrong = images - spread(layout, parameters)
    if (wrong % p if p else wrong).any():
        raise UsageError(
            f"these matrices do not keep a {layout.rows}x{layout.columns} operand "
            f"'{layout.letter}' in its structure"
        )
    return np.asarray(parameters.T)


def _output_map(format_: MatrixProduct, before: IntArray, after: IntArray) -> IntArray:
    """Return M whose entry M[s, t] is coordinate s of before E_t after, E_t a basis of C^T."""
    if format_.is_general:
        return np.kron(before, after.T)
    positions = [format_.output_position(t) for t in range(format_.dimensions[2])]
    i, k = np.array(positions).T
    missing = [t for t, place in enumerate(positions) if format_.output_index(*place) is None]
    result: IntArray = before[np.ix_(k, k)] * after[np.ix_(i, i)].T
    result[:, missing] = result[missing] = 0
    return result


def _check_target(format_: MatrixProduct, maps: list[IntArray], scale: int, p: int) -> None:
    """Check that sum t_abc (a M_u) (b M_v) (c M_w) is `scale` times the target."""
    bound = len(format_.target) * max(1, scale)
    for m in maps:
        bound *= int(np.abs(m).max(initial=1))
    dtype = np.int64 if bound < LARGEST_COEFFICIENT else object
    maps = [m.astype(dtype) for m in maps]
    image = np.zeros(format_.dimensions, dtype=dtype)
    for a, b, c, value in format_.target.tolist():
        rows = [np.flatnonzero(m[x]) for m, x in zip(maps, (a, b, c), strict=True)]
        block = (
            maps[0][a, rows[0]][:, None, None]
            * maps[1][b, rows[1]][None, :, None]
            * maps[2][c, rows[2]][None, None, :]
        )
        image[np.ix_(*rows)] += value * block
    for a, b, c, value in format_.target.tolist():
        image[a, b, c] -= scale * value
    if (image % p if p else image).any():
        raise UsageError(f"these matrices do not keep the target of {format_}")


def _exact_product(factor: IntArray, image: IntArray) -> IntArray:
    """Return factor @ image over the integers; refuse entries of 2^62 or more."""
    largest = int(np.abs(image).max(initial=0))
    bound = int(np.abs(factor).max(initial=1)) * largest * max(1, factor.shape[1])
    if bound < LARGEST_COEFFICIENT:
        return factor @ image.astype(np.int64)
    exact = factor.astype(object) @ image
    check_size(int(np.abs(exact).max(initial=0)))
    return exact.astype(np.int64)
