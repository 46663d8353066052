"""Prove the fewest workers within a pool of products, by an exact covering programme.

Products X decode iff every linear form that does not vanish on all outputs is nonzero on one of
X. They survive any f losses iff every such form is nonzero on f + 1 of X. Forms that vanish on as
many products of the pool as possible suffice. The programme is solved with the constraints found
until then, and the constraints that its solution violates are added. When a solution is certified,
it is optimal.

Invariant: the returned bound is valid for the pool even if the search was stopped. Each constraint
is exact: it comes from a set of products whose span lacks an output.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from flipsearch.algebra import exact
from flipsearch.algebra.deadline import OutOfTimeError, deadline, seconds_left, waiting
from flipsearch.faults.checksums import checksum_products, directions_up_to
from flipsearch.faults.patterns import fatal_counts, fatal_patterns
from flipsearch.faults.union import FaultTolerantScheme, general, target_forms
from flipsearch.formats import Format
from flipsearch.rings import IntArray
from flipsearch.scheme import Scheme

LARGEST_POOL = 48


@dataclass(frozen=True)
class FewestWorkers:
    """The result of the covering programme for a pool.

    No choice of fewer than `bound` products of the pool survives; len(pool) + 1 stands for none at
    all. `chosen` is a choice of `bound` products that survives, or None if none was found.
    """

    bound: int
    chosen: tuple[int, ...] | None


def fewest_workers(
    format_: Format, u: IntArray, v: IntArray, survive: int, *, budget: float = 30.0, seed: int = 0
) -> FewestWorkers:
    """Find the fewest products of a pool that survive any `survive` losses.

    The pool is `u` and `v`, int64 of shapes (N, dU) and (N, dV); a product that is in it twice may
    be chosen twice. After `budget` seconds the bound proved until then is returned. `seed` orders
    the constraints to sharpen.
    """
    products = (u[:, :, None] * v[:, None, :]).reshape(len(u), -1)
    targets = target_forms(format_)
    size = len(products)
    generator = np.random.default_rng(seed)
    cuts: dict[bytes, IntArray] = {}
    chosen: list[int] = []
    bound = 1
    with suppress(OutOfTimeError), deadline(budget):
        if not _survives(products, targets, survive):
            return FewestWorkers(size + 1, None)
        while True:
            for lost in _violations(products, targets, chosen, survive):
                rest = [r for i, r in enumerate(chosen) if i not in set(lost)]
                for _ in range(4):
                    cut = _cut(products, targets, rest, generator)
                    cuts.setdefault(cut.tobytes(), cut)
            programme = partial(
                milp,
                np.ones(size),
                constraints=LinearConstraint(
                    csr_array(np.stack(list(cuts.values()))), lb=survive + 1
                ),
                integrality=np.ones(size),
                bounds=Bounds(0, 1),
                options={"time_limit": max(0.1, seconds_left())},
            )
            solution = waiting(programme)
            if solution.mip_dual_bound is not None and np.isfinite(solution.mip_dual_bound):
                bound = max(bound, int(np.ceil(solution.mip_dual_bound - 1e-6)))
            if solution.x is None or solution.status != 0:
                break
            chosen = np.flatnonzero(solution.x > 0.5).tolist()
            if _survives(products[chosen], targets, survive):
                return FewestWorkers(len(chosen), tuple(chosen))
    return FewestWorkers(bound, None)


def bound_around(
    union: FaultTolerantScheme, bases: Sequence[Scheme], survive: int, budget: float
) -> tuple[int, int] | None:
    """Return (bound, size of the pool): no fewer products of the pool survive as many losses.

    The pool holds the products of the union and of the base schemes of its format, and as many
    ternary checksum products as fit. None stands for a pool that is too large, or a budget below
    half a second.
    """
    format_ = general(union.format)
    parts = [(union.u, union.v), *((scheme.u, scheme.v) for scheme in bases)]
    rows = _distinct(parts)
    if len(rows) > LARGEST_POOL or budget < 0.5:
        return None
    n, _, p = format_.sides
    with deadline(budget):
        for x, y in itertools.product(directions_up_to(n, 1), directions_up_to(p, 1)):
            if len(rows) == LARGEST_POOL or seconds_left() < budget / 2:
                break
            more = _distinct([*parts, checksum_products(format_, x, y)])
            if len(more) <= LARGEST_POOL:
                parts.append(checksum_products(format_, x, y))
                rows = more
        cut = union.u.shape[1]
        left = max(0.0, seconds_left())
        result = fewest_workers(format_, rows[:, :cut], rows[:, cut:], survive, budget=left)
    return result.bound, len(rows)


def _distinct(parts: Iterable[tuple[IntArray, IntArray]]) -> IntArray:
    return np.unique(np.concatenate([np.concatenate(part, axis=1) for part in parts]), axis=0)


def _survives(products: IntArray, targets: IntArray, survive: int) -> bool:
    found = exact.combination(products, targets)
    if found is None:
        return False
    return not any(fatal_counts(exact.relations(products), found[0], survive))


def _violations(
    products: IntArray, targets: IntArray, chosen: list[int], survive: int
) -> list[tuple[int, ...]]:
    """Return up to 20 fatal sets of the smallest fatal size, as positions in the choice."""
    if not chosen:
        return [()]
    found = exact.combination(products[chosen], targets)
    if found is None:
        return [()]
    checks = exact.relations(products[chosen])
    for size in range(1, survive + 1):
        patterns = fatal_patterns(checks, found[0], size)
        if patterns:
            return patterns[:: max(1, len(patterns) // 20)][:20]
    return []


def _cut(
    products: IntArray, targets: IntArray, rest: list[int], generator: np.random.Generator
) -> IntArray:
    """Extend products that do not decode as far as possible; mark the products left out."""
    inside = list(rest)
    for r in generator.permutation(len(products)):
        if r not in inside and exact.combination(products[[*inside, r]], targets) is None:
            inside.append(int(r))
    cut = np.ones(len(products), dtype=np.int64)
    cut[inside] = 0
    return cut
