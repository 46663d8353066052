"""Read residues modulo p^k as the small fractions of an exact scheme.

Each fraction is a guess; `flipsearch.verify` decides.
"""

from __future__ import annotations

import numpy as np

from flipsearch.algebra.reconstruction import fractions_of
from flipsearch.errors import FormatError
from flipsearch.formats import Format
from flipsearch.normal import LARGEST_COEFFICIENT
from flipsearch.rings import IntArray, Ring
from flipsearch.scheme import Scheme


def scheme_of_residues(
    format_: Format, factors: tuple[IntArray, IntArray, IntArray], modulus: int
) -> Scheme | None:
    """Return the canonical scheme whose coefficients are the small fractions of the residues.

    The factors have shapes (R, dU), (R, dV), (R, dW) and entries 0..modulus-1, modulo a power of a
    prime. The scheme is over its natural ring (ZT, Z or Q), not yet verified. It is None if a
    residue stands for no small fraction, or a common denominator is out of range.
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
    """Return the least common denominator of each row, or None if one is out of range."""
    multiple = np.ones(len(denominators), dtype=np.int64)
    for column in denominators.T:
        factor = column // np.gcd(multiple, column)
        if _too_large(multiple, factor):
            return None
        multiple = multiple * factor
    return multiple


def _too_large(first: IntArray, second: IntArray) -> bool:
    """Return whether a product of entries could reach the largest coefficient."""
    products = np.abs(first.astype(np.float64) * second)
    return bool(products.max(initial=0) > 0.999 * LARGEST_COEFFICIENT)
