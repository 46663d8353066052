"""Find a union that survives any F losses.

Four searches share the time. The first adds checksums with growing vectors to a scheme. The
second joins a scheme with partners from its orbit. The third uses spare workers for parity
products. The last improves free codes of small formats by coordinate descent. The aim is the
fewest workers or, for a given number of workers, the least probability of failure among the unions
that survive F losses.

Invariant: a returned union survives F losses by its exact certificate. The same seed and enough
time give the same candidates.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from flipsearch.algebra.deadline import OutOfTimeError, deadline
from flipsearch.errors import InvalidSchemeError, NotFoundError, UsageError
from flipsearch.faults.base import base_schemes
from flipsearch.faults.checksums import improving_pairs
from flipsearch.faults.descent import Descent, ternary_vectors
from flipsearch.faults.orbit import two_by_two_orbit
from flipsearch.faults.parity import with_parities
from flipsearch.faults.presets import presets
from flipsearch.faults.union import LARGEST_ENUMERATION, FaultTolerantScheme, union_of
from flipsearch.formats import MatrixProduct
from flipsearch.rings import IntArray
from flipsearch.scheme import Scheme
from flipsearch.transform import random_sandwich

Present = Callable[[], tuple[FaultTolerantScheme | None, bool]]
"""Returns the best union until now, and whether it meets the demand."""
LARGEST_POOL = 20_000
LARGEST_COMPLETE_SEARCH = 20  # most workers for which every candidate's certificate is complete
_P = 0.05


@dataclass(frozen=True)
class Found:
    """The union that `protect` found.

    `tried` is the number of candidates of each search, empty for a shipped union. `seconds` is the
    duration of the search, and `interrupted` tells whether Ctrl-C ended it.
    """

    union: FaultTolerantScheme
    tried: dict[str, int]
    seconds: float
    interrupted: bool = False


def merit(union: FaultTolerantScheme, survive: int, workers: int | None) -> tuple[float, ...]:
    """Return the objective, which the search minimises in lexicographic order.

    The first entry is the number of losses and workers by which the demand is missed. The second
    is the number of workers, or P_fail(0.05) for a given number. P_fail and the sum of all
    absolute coefficients follow.
    """
    if union.workers <= LARGEST_COMPLETE_SEARCH:
        certificate = union.certificate()
    else:
        certificate = union.certificate_until_fatal(survive)
        beyond = sum(math.comb(union.workers, k) for k in range(survive + 2))
        if certificate.survives >= survive and beyond <= LARGEST_ENUMERATION:
            certificate = union.certificate(survive + 1)
    short = max(0, survive - certificate.survives)
    fatal = (
        certificate.counts[certificate.kmin] if certificate.kmin < len(certificate.counts) else 0
    )
    chance = certificate.failure_bounds(_P)[0]
    size = float(np.abs(union.u).sum() + np.abs(union.v).sum())
    if workers is not None:
        short += max(0, union.workers - workers)
        return (short, chance, union.workers, size)
    return (short, union.workers, fatal if short else chance, size)


def protect(
    format_: MatrixProduct,
    survive: int,
    bases: Sequence[tuple[str, Scheme]],
    *,
    workers: int | None = None,
    budget: float = 60.0,
    seed: int = 0,
    use_presets: bool = True,
    progress: Callable[[str], None] | None = None,
) -> Found:
    """Find products for a general format that survive any `survive` lost workers, at least one.

    A shipped union that meets the demand is returned at once. Ctrl-C ends the search and returns
    the best union if it meets the demand.

    Parameters
    ----------
    bases : (label, scheme) pairs
        Schemes of the format to start from, over ZT, Z or Q.
    workers : int, optional
        Largest number of workers; all of them may be used to lower P_fail.
    budget : float
        Seconds to search.
    use_presets : bool
        Whether a shipped union may be returned, and others may be starting points.
    progress : callable, optional
        Is given a line of text for each improvement.

    Raises
    ------
    UsageError, NotFoundError
        `survive` is not positive; or no union with at most `workers` workers was found, and the
        message names the best one.
    """
    if survive < 1:
        raise UsageError("--survive takes the number of lost workers to survive, 1 or more")
    begin = time.monotonic()
    best: FaultTolerantScheme | None = None
    value: tuple[float, ...] = ()
    tried: dict[str, int] = {}
    latest = 0
    interrupted = False

    def offer(union: FaultTolerantScheme, how: str) -> None:
        nonlocal best, value, latest
        tried[how] = tried.get(how, 0) + 1
        latest = union.workers
        new = merit(union, survive, workers)
        if best is None or new < value:
            best, value = union, new
            if progress is not None:
                state = "survives" if not new[0] else "does not yet survive"
                progress(f"{how}: {union.workers} workers, {state} any {survive}")

    def present() -> tuple[FaultTolerantScheme | None, bool]:
        return best, best is not None and not value[0]

    if use_presets:
        for union in presets(format_, survive):
            offer(union, "preset")
        if best is not None and not value[0]:
            return Found(best, {}, time.monotonic() - begin)
    generator = np.random.default_rng(seed)
    searches: tuple[tuple[str, float, Iterator[FaultTolerantScheme | None]], ...] = (
        ("checksums", 0.35, _checksums(format_, survive, bases, workers, generator)),
        ("orbit", 0.25, _partners(format_, bases, workers, generator)),
        ("parity", 0.2, _parities(format_, present, workers)),
        ("descent", 1.0, _free(format_, survive, bases, present, workers, seed)),
    )
    try:
        for how, share, candidates in searches:
            left = max(0.0, budget - (time.monotonic() - begin))
            end = time.monotonic() + share * left
            with suppress(OutOfTimeError), deadline(left if best is None else share * left):
                for candidate in candidates:
                    if candidate is not None:
                        offer(candidate, how)
                    if best is not None and time.monotonic() > end:
                        break
    except KeyboardInterrupt:
        if best is None or value[0]:
            raise
        interrupted = True
    seconds = time.monotonic() - begin
    if best is None or value[0]:
        raise NotFoundError(_nothing(format_, survive, workers, best, latest, budget))
    return Found(best, tried, seconds, interrupted)


def _nothing(
    format_: MatrixProduct,
    survive: int,
    workers: int | None,
    best: FaultTolerantScheme | None,
    latest: int,
    budget: float,
) -> str:
    """Return the message of a search without a union that meets the demand."""
    if best is None and not latest:
        return (
            f"{budget:.3g} s do not suffice to make a union of {format_}: give a longer --budget"
        )
    if best is None:
        sets = sum(math.comb(latest, k) for k in range(survive + 1))
        return (
            f"{budget:.3g} s do not suffice to prove that {latest} workers for {format_} survive "
            f"any {survive} losses, {sets:.1e} sets of them: ask for fewer losses or give a "
            "longer --budget"
        )
    survives = best.certificate_until_fatal(survive).survives
    return (
        f"no union of {format_} found that survives any {survive} losses"
        + (f" with {workers} workers" if workers else "")
        + f"; the best has {best.workers} workers and survives any {survives}: give more "
        "workers or a longer --budget"
    )


def _checksums(
    format_: MatrixProduct,
    survive: int,
    bases: Sequence[tuple[str, Scheme]],
    workers: int | None,
    generator: np.random.Generator,
) -> Iterator[FaultTolerantScheme | None]:
    """Add `survive` checksums, or more if there are workers for them, with growing vectors."""
    counts = [survive]
    if workers is not None:
        rank = min(scheme.rank for _, scheme in bases)
        counts = [max(1, min(survive + 2, (workers - rank) // format_.m))]
    for largest in (1, 2, 3, 4, 6):
        sources = [
            improving_pairs(scheme, count, largest, generator, label)
            for label, scheme in bases
            for count in counts
        ]
        for _ in range(150 if largest < 6 else 1_000_000):
            for source in sources:
                yield next(source)


def _partners(
    format_: MatrixProduct,
    bases: Sequence[tuple[str, Scheme]],
    workers: int | None,
    generator: np.random.Generator,
) -> Iterator[FaultTolerantScheme | None]:
    """Join the first base with members of its orbit, if there are workers for two schemes."""
    label, scheme = bases[0]
    if workers is not None and 2 * scheme.rank > workers:
        return
    partners: Iterator[Scheme | tuple[IntArray, IntArray]]
    if format_.sides == (2, 2, 2):
        partners = itertools.chain(two_by_two_orbit(1), two_by_two_orbit(2))
    else:
        partners = (random_sandwich(scheme, generator) for _ in itertools.count())
    for partner in partners:
        parts = [scheme, partner]
        yield union_of(format_, parts, [label, "orbit"], f"{label} and an orbit partner")


def _parities(
    format_: MatrixProduct, present: Present, workers: int | None
) -> Iterator[FaultTolerantScheme | None]:
    """Use the workers that the best union leaves for parity products, up to two at a time."""
    union, _ = present()
    pool = _pool(format_) if workers is not None else None
    if workers is None or pool is None or union is None:
        return
    while union.workers < workers and len(pool[0]) * len(pool[1]) <= 2000:
        union = with_parities(union, min(2, workers - union.workers), *pool)
        yield union


def _pool(format_: MatrixProduct) -> tuple[IntArray, IntArray] | None:
    """Return the ternary factors of all candidates of a free code, or None for large formats.

    The number of nonzeros in a factor is the largest for which the pool stays within
    `LARGEST_POOL`.
    """
    sizes = format_.dimensions[:2]
    for most in range(max(sizes), 1, -1):
        counts = [
            sum(math.comb(size, k) << (k - 1) for k in range(1, min(size, most) + 1))
            for size in sizes
        ]
        if math.prod(counts) <= LARGEST_POOL:
            left, right = (ternary_vectors(size, min(size, most)) for size in sizes)
            return left, right
    return None


def _free(
    format_: MatrixProduct,
    survive: int,
    bases: Sequence[tuple[str, Scheme]],
    present: Present,
    workers: int | None,
    seed: int,
) -> Iterator[FaultTolerantScheme | None]:
    """Descend on free ternary codes; take one worker fewer after each success."""
    pool = _pool(format_)
    if pool is None:
        return
    generator = np.random.default_rng(seed)
    for attempt in range(1_000_000):
        before, survives = present()
        _, scheme = bases[attempt % len(bases)]
        size = workers
        if size is None:
            size = scheme.rank + survive * format_.m
            if before is not None and survives:
                size = before.workers - 1
        if size < scheme.rank + 1:
            return
        u, v = _start(scheme, size, pool, generator)
        depth = survive + (workers is not None)
        descent = Descent(
            format_, *pool, p=0.01 if workers is None else _P, depth=depth, seed=seed + attempt
        )
        score, idle = np.inf, 0
        for code in descent.run(u, v):
            idle += 1
            yield None
            if code.score < score * (1 - 1e-9):
                score, idle = code.score, 0
                try:
                    yield FaultTolerantScheme(format_, code.u, code.v, (), "free ternary code")
                except InvalidSchemeError:
                    continue
                if workers is None and present()[1] and present()[0] is not before:
                    break
            if idle > 40 * size * size:
                break


def _start(
    scheme: Scheme, size: int, pool: tuple[IntArray, IntArray], generator: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Return `size` products: those of the scheme, and random candidates."""
    more = size - scheme.rank
    left, right = pool
    u = np.concatenate([scheme.u, left[generator.integers(len(left), size=more)]])
    v = np.concatenate([scheme.v, right[generator.integers(len(right), size=more)]])
    return u, v


def find_union(
    format_: MatrixProduct, survive: int, address: str | None = None, budget: float = 20.0
) -> FaultTolerantScheme:
    """Return a shipped union that survives any `survive` losses, or else search for one.

    `format_` is general and `survive` at least 1. The search starts from a scheme of the catalogue
    at `address` and takes `budget` seconds.
    """
    if shipped := presets(format_, survive) if survive >= 1 else []:
        return shipped[0]
    return protect(format_, survive, base_schemes(format_, address), budget=budget).union
