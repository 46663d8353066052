# mypy: allow-untyped-defs
"""From residues modulo M = p^k back to fractions, and from fractions to an exact scheme.

A residue is read as the fraction a/b with |a|, b <= sqrt(M/2) that it is congruent to: there is
at most one (Wang 1981), found by the extended Euclidean algorithm stopped half-way. A fraction
that is found is a guess; `flipsearch.verify` decides.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from flipsearch.algebra.jit import njit
from flipsearch.errors import FormatError
from flipsearch.formats import Format
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import LARGEST_COEFFICIENT, Scheme


def height_bound(modulus: int) -> int:
    """Return the largest numerator and denominator that are unique modulo `modulus`."""
    return math.isqrt(modulus // 2)


@njit
def _fraction(residue, modulus, bound):
    """Return (numerator, denominator), or (0, 0) if there is none within the bound."""
    r0, r1 = modulus, residue
    t0, t1 = 0, 1
    while r1 > bound:
        quotient = r0 // r1
        r0, r1 = r1, r0 - quotient * r1
        t0, t1 = t1, t0 - quotient * t1
    if t1 < 0:
        r1, t1 = -r1, -t1
    if t1 == 0 or t1 > bound:
        return 0, 0
    a, b = abs(r1), t1
    while b:
        a, b = b, a % b
    return (r1, t1) if a == 1 else (0, 0)


@njit
def _fractions(residues, modulus, bound, numerators, denominators):
    for i in range(residues.size):
        numerators[i], denominators[i] = _fraction(residues[i], modulus, bound)
        if denominators[i] == 0:
            return False
    return True


def fractions_of(
    residues: IntArray, modulus: int
) -> tuple[IntArray, npt.NDArray[np.int64]] | None:
    """Return numerators and denominators of all residues, or None if one has no small fraction.

    Parameters
    ----------
    residues : int64 array, any shape
        Residues in 0..modulus-1.
    modulus : int
        A power of a prime.
    """
    numerators, denominators = np.zeros((2, residues.size), dtype=np.int64)
    flat = np.ascontiguousarray(residues).reshape(-1)
    if not _fractions(flat, modulus, height_bound(modulus), numerators, denominators):
        return None
    return numerators.reshape(residues.shape), denominators.reshape(residues.shape)


def scheme_of_residues(
    format_: Format, factors: tuple[IntArray, IntArray, IntArray], modulus: int
) -> Scheme | None:
    """Return the canonical scheme that three matrices of residues stand for, if they are small.

    Parameters
    ----------
    format_ : Format
        What it computes.
    factors : three int64 arrays, shapes (R, dU), (R, dV), (R, dW)
        Residues in 0..modulus-1.
    modulus : int
        A power of a prime.

    Returns
    -------
    Scheme or None
        Over its natural ring (ZT, Z or Q), not yet verified; None if a coefficient has no small
        fraction, or a common denominator is out of range.
    """
    matrices = []
    common = np.ones(len(factors[0]), dtype=np.int64)
    for residues in factors:
        found = fractions_of(residues, modulus)
        if found is None:
            return None
        numerators, denominators = found
        multiple = _row_multiple(denominators)
        if multiple is None:
            return None
        weights = multiple[:, None] // denominators
        if _too_large(weights, numerators) or _too_large(common, multiple):
            return None
        matrices.append(numerators * weights)
        common = common * multiple
    u, v, w = matrices
    try:
        scheme = Scheme(format_, Ring.Q, u, v, w, common).canonical
        return scheme.over(scheme.natural_ring)
    except FormatError:
        return None


def _row_multiple(denominators: IntArray) -> IntArray | None:
    """Return the least common denominator of each row, or None where it is out of range."""
    multiple = np.ones(len(denominators), dtype=np.int64)
    for column in denominators.T:
        factor = column // np.gcd(multiple, column)
        if _too_large(multiple, factor):
            return None
        multiple = multiple * factor
    return multiple


def _too_large(first: IntArray, second: IntArray) -> bool:
    """Whether a product of entries could reach the largest coefficient."""
    products = np.abs(first.astype(np.float64) * second)
    return bool(products.max(initial=0) > 0.999 * LARGEST_COEFFICIENT)
