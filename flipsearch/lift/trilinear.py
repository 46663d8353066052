# mypy: allow-untyped-defs
"""Evaluate the trilinear map of a scheme, and its remainder modulo powers of p, exactly.

Slots are put in the order (E, P, Q). E is the slot of the largest dimension, because its part of
the Jacobian has block structure (see `flipsearch.lift.jacobian`). A tensor is then a matrix with a
row for each coordinate e of E and a column for each pair (p, q).

Invariant: every function is exact. Up to modulus 2^31 matrix products run in float64: one factor
is split into limbs, and all partial sums stay below 2^53. Above, arithmetic runs in 64-bit words.
It wraps modulo powers of two and follows Montgomery (1985) modulo odd numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flipsearch.algebra.jit import njit
from flipsearch.formats import Format
from flipsearch.rings import IntArray
from flipsearch.scheme import Scheme

LARGEST_MODULUS = 2**62
_LARGEST_IN_FLOATS = 2**31

Factors = tuple[IntArray, IntArray, IntArray]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """The order (E, P, Q) of a format's slots, and its target in that order.

    `order` holds the slots (0, 1 or 2) of E, P and Q, `dimensions` dE, dP, dQ. The target has
    shape (dE, dP * dQ).
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
    """Return the frame with the largest dimension first; equal ones keep the order U, V, W."""
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
    """Return the matrix with rows p_r (x) q_r, from shapes (R, dP), (R, dQ) to (R, dP * dQ)."""
    return (P[:, :, None] * Q[:, None, :]).reshape(len(P), P.shape[1] * Q.shape[1])


def product_modulo(A: IntArray, B: IntArray, modulus: int) -> IntArray:
    """Return A @ B modulo `modulus`, at most 2^31, exactly, with entries in 0..modulus-1.

    A and B are int64 arrays of balanced residues, shapes (m, R), (R, n).
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
    """Return T - F(x) modulo `modulus`, in 0..modulus-1; shape (dE, dP * dQ).

    The factors are x as (E, P, Q), any representatives. The modulus is a power of 2 or 3, at most
    `LARGEST_MODULUS`.
    """
    if modulus > _LARGEST_IN_FLOATS:
        u, v, w = (np.ascontiguousarray(matrix % modulus).view(np.uint64) for matrix in factors)
        inverse, square = (0, 0) if modulus % 2 == 0 else _montgomery(modulus)
        values = np.zeros(frame.dimensions, dtype=np.uint64)
        numbers = np.uint64(modulus), np.uint64(inverse), np.uint64(square)
        _wide_values(u, v, w, *numbers, values)
        found = values.view(np.int64).reshape(frame.target.shape)
        return (frame.target - found) % modulus
    E, P, Q = (balanced(matrix, modulus) for matrix in factors)
    pairs = balanced(pair_products(P, Q), modulus)
    return (frame.target - product_modulo(E.T, pairs, modulus)) % modulus


def _montgomery(modulus: int) -> tuple[int, int]:
    """Return -1/modulus mod 2^64 and 2^128 mod modulus."""
    return -pow(modulus, -1, 2**64) % 2**64, 2**128 % modulus


@njit
def _high(a, b):
    """Return the upper word of a 128-bit product."""
    half = np.uint64(32)
    low = np.uint64(0xFFFFFFFF)
    a0, a1, b0, b1 = a & low, a >> half, b & low, b >> half
    middle = a1 * b0 + ((a0 * b0) >> half)
    other = a0 * b1 + (middle & low)
    return a1 * b1 + (middle >> half) + (other >> half)


@njit
def _reduced_product(a, b, modulus, inverse):
    """Return a b / 2^64 mod an odd modulus below 2^62."""
    low = a * b
    factor = low * inverse
    # low + (factor modulus mod 2^64) is 0 or 2^64
    carry = np.uint64(1) if low else np.uint64(0)
    result = _high(a, b) + _high(factor, modulus) + carry
    return result - modulus if result >= modulus else result


@njit
def _wide_values(E, P, Q, modulus, inverse, square, values):
    """Set values[e, p, q] to sum_r E[r, e] P[r, p] Q[r, q]; `inverse` 0 for powers of two."""
    one = np.uint64(1)
    terms, size = E.shape
    if inverse:
        for matrix in (E, P, Q):
            for r in range(terms):
                for i in range(matrix.shape[1]):
                    matrix[r, i] = _reduced_product(matrix[r, i], square, modulus, inverse)
    for p in range(P.shape[1]):
        for q in range(Q.shape[1]):
            for r in range(terms):
                if P[r, p] == 0 or Q[r, q] == 0:
                    continue
                if inverse:
                    pair = _reduced_product(P[r, p], Q[r, q], modulus, inverse)
                    for e in range(size):
                        product = _reduced_product(E[r, e], pair, modulus, inverse)
                        total = values[e, p, q] + product
                        values[e, p, q] = total - modulus if total >= modulus else total
                else:
                    pair = P[r, p] * Q[r, q]
                    for e in range(size):
                        values[e, p, q] += E[r, e] * pair
            for e in range(size):
                if inverse:
                    values[e, p, q] = _reduced_product(values[e, p, q], one, modulus, inverse)
                else:
                    values[e, p, q] &= modulus - one
