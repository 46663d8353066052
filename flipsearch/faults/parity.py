"""Add parity products (PSMMs), which repair fatal sets of a union.

For one product all candidates are tried. For two all pairs are tried, because two products may
repair a set that neither repairs alone. For more a descent searches with the union held fixed.

Invariant: (FC(kmin), FC(kmin + 1), FC(kmin + 2)) is minimised in lexicographic order. The caller
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
    """Add the `count` parity products that lower the probability of failure most.

    For 1 and 2 all candidates are tried; for more the descent takes `steps` steps. Factors of the
    candidates are `left` and `right`, int64 of shapes (Pu, dU) and (Pv, dV).
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
