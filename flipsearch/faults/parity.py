"""Parity products (PSMMs): further products that repair a union's fatal sets.

One product is chosen by trying all candidates, two by trying all pairs: two may repair together
a set that neither repairs alone. More are sought by descent with the union held fixed.

Invariant: (FC(kmin), FC(kmin + 1), FC(kmin + 2)) is minimised in lexicographic order; the caller
certifies the result.
"""

from __future__ import annotations

import itertools

import numpy as np

from flipsearch.faults.descent import Descent
from flipsearch.faults.union import FaultTolerantScheme
from flipsearch.rings import IntArray

_P = 1e-4


def with_parities(
    union: FaultTolerantScheme,
    count: int,
    left: IntArray,
    right: IntArray,
    *,
    steps: int = 200,
    seed: int = 0,
) -> FaultTolerantScheme:
    """Return the union with the `count` parity products that lower its failure most.

    Parameters
    ----------
    union : FaultTolerantScheme
    count : int
        1 and 2 are exhaustive over the candidates; more are searched in `steps` steps.
    left, right : int64 arrays, shapes (Pu, dU), (Pv, dV)
        Factors of the candidates.
    steps, seed : int
        Of the descent for more than two.
    """
    n, kmin = union.workers, union.certificate().kmin
    u = np.vstack([union.u, np.repeat(left[:1], count, axis=0)])
    v = np.vstack([union.v, np.repeat(right[:1], count, axis=0)])

    def search(depth: int) -> Descent:
        return Descent(union.format, left, right, p=_P, depth=depth, seed=seed)

    if count == 1:
        best = search(kmin + 2).step(u, v, n)
    elif count == 2:
        firsts = list(itertools.product(range(len(left)), range(len(right))))
        for depth in (kmin, kmin + 1, kmin + 2):  # deeper only for ties
            one = search(depth)
            codes = []
            for i, j in firsts:
                u[n], v[n] = left[i], right[j]
                codes.append(one.step(u, v, n + 1))
            best = min(codes, key=lambda code: code.score)
            firsts = [
                first
                for first, code in zip(firsts, codes, strict=True)
                if code.score <= best.score * (1 + 1e-9)
            ]
    else:
        codes = list(itertools.islice(search(kmin + 2).run(u, v, fixed=n), steps))
        best = min(codes, key=lambda code: code.score)
    origin = (*(union.origin or ("",) * n), *["parity"] * count)
    return FaultTolerantScheme(
        union.format,
        best.u,
        best.v,
        origin,
        f"{union.name or 'union'} and {count} parity products",
    )
