"""Exact proof that a scheme computes its format: the Brent equations, all of them.

A scheme is valid when sum_r (1/d_r) u_r (x) v_r (x) w_r equals the target tensor over its ring:
dU*dV*dW equations, the Brent equations. Here they are all evaluated, exactly, whatever the size
of the coefficients. The bound on every partial sum is computed first; below 2^53 the sums run in
float64 matrix products, which are then exact whatever the order of summation; otherwise in
Python integers.

Invariant: this module shares no code with the search or the lift; it imports values only.
`flipsearch.paranoid` is a second, independent checker with no code in common even with this one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from flipsearch.errors import InvalidSchemeError
from flipsearch.scheme import Scheme

_EXACT_FLOAT = 2**53
_BLOCK_BYTES = 1 << 25


@dataclass(frozen=True)
class Defect:
    """A Brent equation that fails: the sum found at (a, b, c), and the target there.

    Both are multiplied by `scale`, the common denominator of the scheme (1 unless rational).
    """

    a: int
    b: int
    c: int
    found: int
    expected: int
    scale: int = 1


def defect(scheme: Scheme) -> Defect | None:
    """Return the first Brent equation that fails, in order (a, b, c), or None if none does.

    Cost: dU dV dW R multiply-adds; 8x8x8 at rank 343 about 90 million.
    """
    scale = math.lcm(1, *scheme.denominators.tolist())
    weights = [scale // d for d in scheme.denominators.tolist()]
    if scheme.rank == 0:
        bound = 0
    else:
        largest = [[int(x) for x in np.abs(matrix).max(axis=1)] for matrix in scheme.factors]
        bound = sum(a * b * c * weight for a, b, c, weight in zip(*largest, weights, strict=True))
    target_bound = scale * int(np.abs(scheme.format.target[:, 3]).max(initial=0))
    if bound + target_bound < _EXACT_FLOAT:
        return _defect_float(scheme, weights, scale)
    return _defect_integers(scheme, weights, scale)


def verify(scheme: Scheme) -> None:
    """Prove the scheme, or say which Brent equation fails.

    Raises
    ------
    InvalidSchemeError
        Some Brent equation fails; the message names the first one.
    """
    found = defect(scheme)
    if found is not None:
        a, b, c = (
            scheme.format.variable(slot, index)
            for slot, index in enumerate((found.a, found.b, found.c))
        )
        raise InvalidSchemeError(
            f"not a scheme for {scheme.format} over {scheme.ring}: at {a} {b} {c} its terms sum "
            f"to {_ratio(found.found, found.scale)} instead of "
            f"{_ratio(found.expected, found.scale)}"
        )


def is_valid(scheme: Scheme) -> bool:
    """Whether every Brent equation holds."""
    return defect(scheme) is None


def _ratio(numerator: int, denominator: int) -> str:
    return str(numerator) if denominator == 1 else f"{numerator}/{denominator}"


def _defect_float(scheme: Scheme, weights: list[int], scale: int) -> Defect | None:
    """Evaluate the equations in float64, exact because every partial sum is below 2^53."""
    p = scheme.ring.characteristic
    du, dv, dw = scheme.format.dimensions
    u = scheme.u.astype(np.float64)
    v = scheme.v.astype(np.float64)
    w = scheme.w * np.array(weights, dtype=np.float64)[:, None]
    target = scheme.format.target
    step = max(1, _BLOCK_BYTES // (8 * dv * max(scheme.rank, dw, 1)))
    for start in range(0, du, step):
        rows = u[:, start : start + step]
        products = (rows.T[:, None, :] * v.T[None, :, :]).reshape(-1, scheme.rank)
        sums = (products @ w).reshape(-1, dv, dw)
        here = target[(target[:, 0] >= start) & (target[:, 0] < start + step)]
        sums[here[:, 0] - start, here[:, 1], here[:, 2]] -= here[:, 3] * float(scale)
        wrong = np.remainder(sums, p) != 0 if p else sums != 0
        if wrong.any():
            a, b, c = (int(x) for x in np.argwhere(wrong)[0])
            at = (here[:, 0] - start == a) & (here[:, 1] == b) & (here[:, 2] == c)
            expected = int(here[at, 3].sum()) * scale
            found = int(sums[a, b, c]) + expected
            if p:
                found, expected = found % p, expected % p
            return Defect(a + start, b, c, found, expected, scale)
    return None


def _defect_integers(scheme: Scheme, weights: list[int], scale: int) -> Defect | None:
    """Evaluate the equations in Python integers."""
    p = scheme.ring.characteristic
    sums: dict[tuple[int, int, int], int] = {}
    for u, v, w, weight in zip(*(m.tolist() for m in scheme.factors), weights, strict=True):
        vs = [(b, y) for b, y in enumerate(v) if y]
        ws = [(c, z * weight) for c, z in enumerate(w) if z]
        for a, x in enumerate(u):
            if x:
                for b, y in vs:
                    for c, z in ws:
                        sums[a, b, c] = sums.get((a, b, c), 0) + x * y * z
    expected = {(a, b, c): value * scale for a, b, c, value in scheme.format.target.tolist()}
    for key in sorted(sums.keys() | expected.keys()):
        difference = sums.get(key, 0) - expected.get(key, 0)
        if difference % p if p else difference:
            return Defect(*key, sums.get(key, 0), expected.get(key, 0), scale)
    return None
