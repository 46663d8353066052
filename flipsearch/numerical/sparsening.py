"""Move an exact scheme along its variety to one with fewer nonzeros or simpler coefficients.

The scheme is a numerical solution already. It is moved to a sparse point and rounded to a grid
like any other solution, again and again with other weights of the entries.

Invariant: every scheme returned has the same format and rank, and is proved.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from flipsearch.numerical.attempt import SPARSE_POINTS, Search
from flipsearch.numerical.problem import refuse_too_large
from flipsearch.numerical.task import one_blas_thread
from flipsearch.numerical.unknowns import Floats
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme


def is_inside(scheme: Scheme, toward: str) -> bool:
    """Return whether the coefficients of a scheme of characteristic 0 are inside an aim.

    The aim is ``ZT``, ``Z`` or ``halves``: coefficients of which only powers of 2 are
    denominators.
    """
    below, ring = scheme.canonical.denominators, scheme.natural_ring
    return {
        "ZT": ring is Ring.ZT,
        "Z": ring is not Ring.Q,
        "halves": bool((below & (below - 1) == 0).all()),
    }[toward]


def cost(scheme: Scheme, toward: str) -> tuple[bool, int, int]:
    """Return whether a scheme is outside the aim, its nonzeros, and its largest number."""
    form = scheme.canonical
    parts = (*form.factors, form.denominators)
    largest = max(int(np.abs(part).max(initial=0)) for part in parts)
    return not is_inside(scheme, toward), form.nonzeros, largest


def sparser_schemes(scheme: Scheme, toward: str = "halves", seed: int = 0) -> Iterator[Scheme]:
    """Yield schemes of lower and lower `cost`, and the best one so far after each attempt.

    Raises `UsageError` if the equations do not fit the machine's memory.
    """
    refuse_too_large(scheme.format, scheme.rank * sum(scheme.format.dimensions))
    best, tried = scheme, False
    while True:
        search = Search(scheme.format, scheme.rank, "", seed, grid=toward)
        attempt = search.from_solution(balanced(best), tried and SPARSE_POINTS - 1)
        seed, tried, found = seed + 1, True, None
        while not attempt.stage.is_end:
            with one_blas_thread():
                attempt, found = search.moved(attempt)
            yield best
        if found is not None and cost(found, toward) < cost(best, toward):
            best = found
            yield best


def balanced(scheme: Scheme) -> Floats:
    """Return the entries of all factors, with the same largest entry in the factors of a term."""
    factors = [matrix.astype(np.float64) for matrix in scheme.factors]
    factors[2] = factors[2] / scheme.denominators[:, None]
    largest = np.array([np.abs(matrix).max(axis=1) for matrix in factors])
    common = np.cbrt(largest.prod(axis=0))
    scaled = [matrix * (common / m)[:, None] for matrix, m in zip(factors, largest, strict=True)]
    return np.concatenate([matrix.reshape(-1) for matrix in scaled])
