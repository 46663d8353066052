# mypy: allow-untyped-defs
"""Read residues modulo M as fractions by rational reconstruction.

A residue is read as a congruent fraction a/b with |a| and b at most sqrt(M/2). There is at most
one (Wang 1981). The extended Euclidean algorithm finds it if it is stopped half-way.

Invariant: a found fraction is congruent, reduced and small. It is a guess: the caller has to prove
that it is the wanted number.
"""

from __future__ import annotations

import math

import numpy as np

from flipsearch.algebra import IntArray
from flipsearch.algebra.jit import njit


def height_bound(modulus: int) -> int:
    """Return the largest numerator and denominator that are unique modulo `modulus`."""
    return math.isqrt(modulus // 2)


@njit
def _fraction(residue, modulus, bound):
    """Return (numerator, denominator), or (0, 0) if no fraction is within the bound."""
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
    """Write the fractions of all residues; return whether each residue has one."""
    for i in range(residues.size):
        numerators[i], denominators[i] = _fraction(residues[i], modulus, bound)
        if denominators[i] == 0:
            return False
    return True


def fractions_of(residues: IntArray, modulus: int) -> tuple[IntArray, IntArray] | None:
    """Return numerators and denominators of all residues, or None if one has no small fraction.

    The int64 residues, of any shape, are in 0..modulus-1; the modulus is a power of a prime, below
    2^63.
    """
    numerators, denominators = np.zeros((2, residues.size), dtype=np.int64)
    flat = np.ascontiguousarray(residues).reshape(-1)
    if not _fractions(flat, modulus, height_bound(modulus), numerators, denominators):
        return None
    return numerators.reshape(residues.shape), denominators.reshape(residues.shape)
