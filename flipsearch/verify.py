"""Prove exactly that a scheme computes its format, by all Brent equations.

A scheme is valid when sum_r (1/d_r) u_r (x) v_r (x) w_r equals the target tensor over its ring.
These are dU dV dW equations, the Brent equations. This module evaluates all of them exactly, for
coefficients of any size. It first bounds every partial sum. Below 2^24 the sums run in float32
matrix products, below 2^53 in float64; within these bounds floating point is exact in any order
of summation. Larger sums run in Python integers.

Invariant: this module shares no code with the search or the lift; it imports values only.
`flipsearch.paranoid` is a second checker, which shares no code with this one either.
"""

from __future__ import annotations

import hmac
import math
import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from flipsearch.callables import make_callable
from flipsearch.errors import InvalidSchemeError
from flipsearch.rings import IntArray
from flipsearch.scheme import Scheme

Floats = npt.NDArray[np.floating[Any]]
_EXACT_FLOAT32 = 2**24
_EXACT_FLOAT64 = 2**53
_SHARED_BY_BLAS = 2**18
_key = [os.urandom(32)]


@dataclass(frozen=True)
class Defect:
    """A Brent equation that fails at (a, b, c), with the sum of the terms and the target there.

    Both are multiplied by `scale`, the common denominator of the scheme (1 unless over Q).
    """

    a: int
    b: int
    c: int
    found: int
    expected: int
    scale: int = 1


def defect(scheme: Scheme) -> Defect | None:
    """Return the first Brent equation that fails, in order (a, b, c), or None if none does.

    The cost is one multiply-add for each nonzero of U and each of the dV dW coordinates of V and
    W: at most dU dV dW R, about 90 million for 8x8x8 at rank 343.
    """
    scale = math.lcm(1, *scheme.denominators.tolist())
    weights = [scale // d for d in scheme.denominators.tolist()]
    largest = [np.abs(matrix).max(axis=1, initial=0).tolist() for matrix in scheme.factors]
    bound = sum(a * b * c * weight for a, b, c, weight in zip(*largest, weights, strict=True))
    target_bound = scale * int(np.abs(scheme.format.target[:, 3]).max(initial=1))
    if bound + target_bound < _EXACT_FLOAT64:
        return _defect_float(scheme, weights, scale, bound + target_bound)
    return _defect_integers(scheme, weights, scale)


def verify(scheme: Scheme) -> None:
    """Prove the scheme, or say which Brent equation fails.

    Raises
    ------
    InvalidSchemeError
        Some Brent equation fails; the message names the first one.

    Examples
    --------
    >>> from flipsearch.scheme import Scheme, naive_scheme
    >>> good = naive_scheme("2x2x2", "ZT")
    >>> verify(good)
    >>> verify(Scheme("2x2x2", "ZT", good.u[1:], good.v[1:], good.w[1:]))
    Traceback (most recent call last):
    flipsearch.errors.InvalidSchemeError: not a scheme for 2x2x2 over ZT: at a11 b11 c11 its ...
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


def prove_and_seal(scheme: Scheme) -> None:
    """Prove the scheme as `verify` does, and seal it for `is_proved`.

    The seal is a hash of the content hash under a key. Each process draws its key and shares it
    with no other than its own workers. A file can therefore hold no seal.
    """
    verify(scheme)
    scheme.__dict__["_seal"] = _seal(scheme)


def is_proved(scheme: Scheme, seal: bytes = b"") -> bool:
    """Return whether a scheme was sealed, here or in a worker of this process.

    `seal` is `seal_of` the scheme in the worker that proved it; the scheme keeps it if it is
    right.
    """
    held = seal or seal_of(scheme)
    if not held or not hmac.compare_digest(held, _seal(scheme)):
        return False
    scheme.__dict__["_seal"] = held
    return True


def seal_of(scheme: Scheme) -> bytes:
    """Return the seal that a scheme has; empty without one."""
    held: bytes = scheme.__dict__.get("_seal", b"")
    return held


def _seal(scheme: Scheme) -> bytes:
    return hmac.digest(seal_key(), scheme.content_hash.encode(), "sha256")


def seal_key(shared: bytes = b"") -> bytes:
    """Return the key of this process, after taking over the one that its parent shares."""
    if shared:
        _key[:] = [shared]
    return _key[0]


def is_valid(scheme: Scheme) -> bool:
    """Return whether every Brent equation holds."""
    return defect(scheme) is None


def _ratio(numerator: int, denominator: int) -> str:
    return str(numerator) if denominator == 1 else f"{numerator}/{denominator}"


def _defect_float(scheme: Scheme, weights: list[int], scale: int, bound: int) -> Defect | None:
    """Evaluate the equations in floating point; the bound on partial sums makes this exact.

    Each pass takes one coordinate a of the first factor and only the terms with a nonzero u
    there. In sparse schemes these are a fraction of the rank.
    """
    p = scheme.ring.characteristic
    kind: Any = np.float32 if bound < _EXACT_FLOAT32 else np.float64
    u: Floats = scheme.u.astype(kind)
    v: Floats = scheme.v.astype(kind)
    w: Floats = (scheme.w * np.array(weights, dtype=np.int64)[:, None]).astype(kind)
    target = scheme.format.target
    starts = np.searchsorted(target[:, 0], np.arange(u.shape[1] + 1))
    with _one_thread(v.shape[1] * w.shape[1] * len(u)):
        for a in range(u.shape[1]):
            terms = np.flatnonzero(u[:, a])
            sums: Floats = v[terms].T @ (w[terms] * u[terms, a, None])
            here = target[starts[a] : starts[a + 1]]
            sums[here[:, 1], here[:, 2]] -= here[:, 3] * kind(scale)
            if (sums.astype(np.int64) % p).any() if p else sums.any():
                return _first_of(sums, here, a, scale, p)
    return None


def _one_thread(multiplications: int) -> AbstractContextManager[Any]:
    """Keep BLAS on one thread for products that it would distribute over threads.

    Such a product takes well below 1 ms. Distributed over threads that a search kept busy, it was
    measured at 30 ms.
    """
    if multiplications < _SHARED_BY_BLAS:
        return nullcontext()
    limited: AbstractContextManager[Any] = _blas().limit(limits=1, user_api="blas")
    return limited


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def _first_of(sums: Floats, here: IntArray, a: int, scale: int, p: int) -> Defect:
    """Return the first nonzero difference of one coordinate a as a defect."""
    differences = sums.astype(np.int64)
    b, c = (int(x) for x in np.argwhere(differences % p if p else differences)[0])
    at = (here[:, 1] == b) & (here[:, 2] == c)
    expected = int(here[at, 3].sum()) * scale
    found = int(differences[b, c]) + expected
    if p:
        found, expected = found % p, expected % p
    return Defect(a, b, c, found, expected, scale)


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
            a, b, c = key
            return Defect(a, b, c, sums.get(key, 0), expected.get(key, 0), scale)
    return None


make_callable(__name__)
