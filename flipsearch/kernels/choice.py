"""Choose the stored scheme with the fastest kernel; say from which size on it beats numpy."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from flipsearch.errors import FormatError, NotFoundError
from flipsearch.formats import Format, MatrixProduct
from flipsearch.formats.sparse import SparseTensor
from flipsearch.kernels.builtin import builtin_scheme
from flipsearch.kernels.plan import unproved_algorithm
from flipsearch.kernels.runtime.algorithm import best_levels
from flipsearch.kernels.runtime.compiled import HAS_COMPILER
from flipsearch.kernels.runtime.driver import planned_levels
from flipsearch.kernels.runtime.execute import default_threads, run
from flipsearch.kernels.runtime.fields import field_levels, multiply_residues
from flipsearch.kernels.runtime.tuning import predicted_ratio
from flipsearch.kernels.stability import growth
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.transform import ORDERS, permute

if TYPE_CHECKING:
    from flipsearch.catalogue import Catalogue

JUDGED = 4096
"""Side of the square matrices at which schemes are compared."""

JUDGED_OVER_FIELDS = 32768
"""The same over F2 and F3, where matrices are small: 128 MB."""

CANDIDATES = 64
"""Stored schemes of least rank, then of fewest nonzeros, that are compared."""

TRIAL, ROUNDS, RIVALS = 2048, 5, 4
"""Side of the products by which close schemes are timed; rounds of them; schemes at most."""

SIDES = tuple(2**k for k in range(6, 15))
"""Sides at which a kernel is compared with numpy: 64 to 16384."""


FIELD_SIDES = tuple(2**k for k in range(9, 18))
"""Sides at which a kernel over F2 or F3 is compared with its leaf alone: 512 to 131072."""


def find_scheme(
    name: str,
    database: str | None = None,
    cost: Callable[[Scheme], Any] | None = None,
    ring: Ring = Ring.Q,
) -> Scheme:
    """Return a stored scheme by hash prefix, or the best one of a format.

    `name` is a format such as ``4x4x4`` or ``gt:4x4x4``, or at least 6 hex digits of a hash. The
    least `cost` wins, by default the predicted time of the scheme's kernel. The scheme has to hold
    over `ring`; Q includes ZT and Z, which F2 and F3 include reduced. A `NotFoundError` says that
    nothing is stored under that name, a `UsageError` that no kernel can be written for the format.
    """
    from flipsearch.catalogue import Catalogue
    from flipsearch.catalogue.arguments import is_hash

    with Catalogue.open(database, read_only=True) as catalogue:
        if is_hash(name):
            found = catalogue.schemes.get(name).scheme
            return _over(found, ring)
        return fastest_scheme(catalogue, catalogue.format(name), cost, ring)


def fastest_scheme(
    catalogue: Catalogue,
    format_: Format,
    cost: Callable[[Scheme], Any] | None = None,
    ring: Ring = Ring.Q,
) -> Scheme:
    """Return the stored scheme of a format whose kernel is predicted to be fastest.

    Schemes may be stored in any order of the sides; parameters and errors as in `find_scheme`.
    """
    return min(candidates(catalogue, format_, ring), key=cost or kernel_seconds)


def most_accurate(catalogue: Catalogue, format_: Format) -> tuple[Scheme, str]:
    """Return the stored scheme of least rank with the least gamma2 of a format, and why.

    Among the schemes of least rank over ZT, Z and Q the `CANDIDATES` of least growth factor emax
    are compared. Raises as `find_scheme` does.
    """
    schemes = candidates(catalogue, format_, sort="rank,growth")
    least = min(scheme.rank for scheme in schemes)
    near = [scheme for scheme in schemes if scheme.rank == least]
    factors = {scheme: growth(scheme) for scheme in near}
    best = min(near, key=lambda scheme: (factors[scheme].gamma2, scheme.nonzeros))
    known = f"{len(near)} known scheme{'s' * (len(near) > 1)} of rank {least}"
    return best, f"the most accurate of {known}, growth factor {factors[best].gamma2:.6g}"


def fastest_here(catalogue: Catalogue, format_: Format, ring: Ring = Ring.Q) -> tuple[Scheme, str]:
    """Return the stored scheme of a format whose kernel is fastest on this machine, and why.

    Schemes within a tenth of the least predicted time are timed, one for each predicted time, in
    alternation on one thread; with FLIPSEARCH_TUNING=default the prediction alone decides.
    Parameters and errors as in `fastest_scheme`.
    """
    schemes = candidates(catalogue, format_, ring)
    costs = {kernel_seconds(scheme): scheme for scheme in reversed(schemes)}
    ranked = sorted(costs.items(), key=lambda item: item[0])
    near = [scheme for cost, scheme in ranked if cost[0] <= 1.1 * ranked[0][0][0]][:RIVALS]
    known = f"{len(schemes)} known scheme{'s' * (len(schemes) > 1)}"
    untimed = not HAS_COMPILER or os.environ.get("FLIPSEARCH_TUNING") == "default"
    if len(near) == 1 or untimed or not isinstance(format_, MatrixProduct):
        return near[0], f"the fastest of {known} by prediction"
    trials = [_trial(scheme) for scheme in near]
    for trial in trials:
        trial()
    rounds = [[_cpu_seconds(trial) for trial in trials] for _ in range(ROUNDS)]
    seconds = [statistics.median(column) for column in zip(*rounds, strict=True)]
    best = min(range(len(near)), key=seconds.__getitem__)
    return near[best], f"the fastest of {len(near)} timed here, of {known}"


def _trial(scheme: Scheme) -> Callable[[], Any]:
    """Return a product by one level of a scheme on one thread, to be timed."""
    algorithm = unproved_algorithm(scheme)
    a = (np.arange(TRIAL * TRIAL).reshape(TRIAL, TRIAL) % 7 - 3).astype(float)
    if algorithm.modulus:
        bits = a.astype(np.int8)
        return partial(multiply_residues, algorithm, bits, bits, None, 1, 1)
    return partial(run, algorithm, a, a.T, np.zeros_like(a), 1, 1, a.dtype)


def _cpu_seconds(call: Callable[[], Any]) -> float:
    start = time.thread_time()
    call()
    return time.thread_time() - start


def candidates(
    catalogue: Catalogue, format_: Format, ring: Ring = Ring.Q, sort: str = "rank,nonzeros"
) -> list[Scheme]:
    """Return the known schemes of a format among which a kernel's is chosen, first by an order.

    Schemes of characteristic 0 are reduced for F2 and F3. Raises as `find_scheme` does.
    """
    schemes = []
    for stored in (ring, Ring.Q) if ring.characteristic else (ring,):
        found = catalogue.schemes.records(format=format_, ring=stored, sort=sort, limit=CANDIDATES)
        for record in found:
            with suppress(FormatError):  # a denominator that the characteristic divides
                if record.survives is None:
                    schemes.append(_over(_turned(record.scheme, format_), ring))
    known = builtin_scheme(format_)
    if known is not None:
        schemes.append(_over(known, ring))
    if not schemes:
        wanted = "ZT, Z or Q" if ring is Ring.Q else ring
        raise NotFoundError(
            f"no scheme for {format_} over {wanted} is stored: find one with "
            f"`search {format_} --ring {'ZT' if ring is Ring.Q else ring}`, or lift one"
        )
    return list({scheme.content_hash: scheme for scheme in schemes}.values())


def _over(scheme: Scheme, ring: Ring) -> Scheme:
    """Return the scheme reduced to a finite field, or as it is."""
    return scheme.over(ring) if ring.characteristic else scheme


def kernel_seconds(scheme: Scheme) -> tuple[float, int]:
    """Return the modelled seconds of a scheme's kernel on one thread, and its nonzeros.

    The time of a tensor's kernel goes with its multiplications: its rank stands for the seconds.
    """
    if not isinstance(scheme.format, MatrixProduct):
        return float(scheme.rank), scheme.nonzeros
    algorithm = unproved_algorithm(scheme)
    if algorithm.modulus:
        seconds = field_levels(algorithm, (JUDGED_OVER_FIELDS,) * 3, 1)[1]
    else:
        seconds = best_levels(algorithm, (JUDGED,) * 3, 1, 8)[1]
    return seconds, scheme.nonzeros


def verdict(scheme: Scheme, dtype: Any = np.float64, threads: int | None = None) -> str:
    """Say in one line from which size on the scheme's kernel is expected to beat numpy here.

    Of a tensor's scheme: how many multiplications it takes.
    """
    if isinstance(scheme.format, SparseTensor):
        sizes = " and ".join(map(str, scheme.format.sizes[:2]))
        return (
            f"vectors of {sizes} numbers: {scheme.rank} multiplications, "
            f"{scheme.format.naive_rank} as the map is written"
        )
    algorithm, dtype = unproved_algorithm(scheme), np.dtype(dtype)
    threads = threads or default_threads()
    if algorithm.modulus:
        for side in FIELD_SIDES:
            levels = field_levels(algorithm, (side,) * 3, threads)[0]
            if levels:
                return f"the scheme is used from side {side} on; below it the leaf alone is faster"
        return f"the leaf alone is the better choice here, and the kernel uses it up to {side}"
    half = isinstance(scheme.format, MatrixProduct) and scheme.format.is_gram
    title = f"{dtype} on {threads} thread{'s' * (threads > 1)}"
    for side in SIDES:
        question = algorithm, (side, side, side), dtype, threads, half
        levels = planned_levels(*question)
        if levels >= 0:
            way = f"{levels} level{'s' * (levels != 1)}" if levels else "the classical leaf"
            return (
                f"{title}: numpy is called below {side}; from there {way}, "
                f"{predicted_ratio(*question):.2f} times as fast as numpy by prediction"
            )
    return f"{title}: numpy is the better choice here, and the kernel calls it up to {SIDES[-1]}"


def _turned(scheme: Scheme, format_: Format) -> Scheme:
    """Return the scheme for the asked order of the sides; it may be stored in another one."""
    stored = scheme.format
    if stored == format_ or not isinstance(stored, MatrixProduct):
        return scheme
    order = next(order for order in ORDERS if stored.permuted(order) == format_)
    return permute(scheme, order)
