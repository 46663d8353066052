"""The trilinear map of a scheme and its remainder modulo powers of p, exact.

Slots are put in the order (E, P, Q): E is the slot of the largest dimension, whose part of the
Jacobian has block structure (see `flipsearch.lift.jacobian`). A tensor is then a matrix with a
row for each coordinate e of E and a column for each pair (p, q).

Invariant: every function is exact. Matrix products run in float64 with all partial sums below
2^53; larger moduli are handled by splitting one factor into limbs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flipsearch.formats import Format
from flipsearch.rings import IntArray
from flipsearch.scheme import Scheme

LARGEST_MODULUS = 2**31
"""Moduli are at most this, so that products of two balanced residues stay below 2^60."""

Factors = tuple[IntArray, IntArray, IntArray]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """The order of slots used for one format, and its target in that order.

    Parameters
    ----------
    order : (int, int, int)
        Which of the slots 0, 1, 2 stands for E, P and Q.
    dimensions : (int, int, int)
        dE, dP, dQ.
    target : int64 array, shape (dE, dP * dQ)
    """

    order: tuple[int, int, int]
    dimensions: tuple[int, int, int]
    target: IntArray

    def factors(self, scheme: Scheme) -> Factors:
        """Return the scheme's factors as (E, P, Q)."""
        e, p, q = (scheme.factors[slot].copy() for slot in self.order)
        return e, p, q

    def in_slot_order(self, factors: Factors) -> Factors:
        """Return (E, P, Q) as (U, V, W)."""
        u, v, w = (factors[self.order.index(slot)] for slot in range(3))
        return u, v, w


def frame_of(format_: Format) -> Frame:
    """Return the slots with the largest dimension first, ties in the order U, V, W."""
    sizes = format_.dimensions
    e, p, q = sorted(range(3), key=lambda slot: -sizes[slot])
    dimensions = sizes[e], sizes[p], sizes[q]
    target = np.zeros(dimensions, dtype=np.int64)
    entries = format_.target
    np.add.at(target, (entries[:, e], entries[:, p], entries[:, q]), entries[:, 3])
    return Frame((e, p, q), dimensions, target.reshape(sizes[e], -1))


def balanced(values: IntArray, modulus: int) -> IntArray:
    """Return the representatives in (-modulus/2, modulus/2]."""
    residues: IntArray = values % modulus
    return np.where(residues > modulus // 2, residues - modulus, residues)


def pair_products(P: IntArray, Q: IntArray) -> IntArray:
    """Return the rows p_r (x) q_r; shapes (R, dP), (R, dQ) to (R, dP * dQ)."""
    return (P[:, :, None] * Q[:, None, :]).reshape(len(P), P.shape[1] * Q.shape[1])


def product_modulo(A: IntArray, B: IntArray, modulus: int) -> IntArray:
    """Return A @ B modulo `modulus`, exactly, in 0..modulus-1.

    Parameters
    ----------
    A, B : int64 arrays, shapes (m, R), (R, n)
        Balanced residues.
    modulus : int
        At most `LARGEST_MODULUS`.
    """
    inner = max(1, A.shape[1])
    # |limb| <= 2^bits, |B| <= modulus / 2: the sum of `inner` products stays below 2^53
    bits = 53 - (modulus // 2).bit_length() - inner.bit_length()
    right = B.astype(np.float64)
    total = np.zeros((A.shape[0], B.shape[1]), dtype=np.int64)
    rest, weight = A, 1
    while True:
        limb = ((rest + (1 << (bits - 1))) & ((1 << bits) - 1)) - (1 << (bits - 1))
        rest = (rest - limb) >> bits
        part = (limb.astype(np.float64) @ right).astype(np.int64) % modulus
        total = (total + part * weight) % modulus
        weight = (weight << bits) % modulus
        if not rest.any():
            return total


def remainder(frame: Frame, factors: Factors, modulus: int) -> IntArray:
    """Return T - F(x) modulo `modulus`, in 0..modulus-1; shape (dE, dP * dQ)."""
    E, P, Q = (balanced(matrix, modulus) for matrix in factors)
    pairs = balanced(pair_products(P, Q), modulus)
    return (frame.target - product_modulo(E.T, pairs, modulus)) % modulus
