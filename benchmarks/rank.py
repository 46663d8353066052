"""seconds_to_rank: from the naive scheme to a rank, on all cores, over seeds.

A strategy runs on the thread executor exactly as `search` runs it, without catalogue and lifting;
compiling is apart. Each line has the median, in which a seed that does not arrive counts as the
limit, how many seeds arrived, and the fitted rate of arrival with its interval (see
`benchmarks.arrivals`). With --steps the unit is a million steps, of one walk after the other. Such
figures depend on the seeds only: they need no quiet machine and are the same on every other.

    python -m benchmarks.rank [--ring F2] [--format 4x4x4] [--seeds 10] [--limit 60] [--json]
    python -m benchmarks.rank --format 4x4x4 --ring F2 --steps 1000
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
import time

from benchmarks.arrivals import fitted
from benchmarks.common import benchmark_parser, emit, emit_dgemm
from flipsearch.executors.threads import ThreadExecutor
from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.rings import Ring, parse_ring
from flipsearch.search.strategies.cyclic import CyclicStrategy
from flipsearch.search.strategies.diagonal import DiagonalStrategy
from flipsearch.search.strategies.pool import PoolStrategy
from flipsearch.search.strategies.rotation import RotationStrategy
from flipsearch.search.strategy import Strategy
from flipsearch.walk import engine

CASES = [
    ("F2", "3x3x3", 23, 10.0, "pool"),
    ("F2", "4x4x4", 47, 40.0, "pool"),
    ("ZT", "4x4x4", 49, 60.0, "pool"),
    ("F2", "2x3x4", 20, 5.0, "pool"),
    ("F2", "3x4x5", 47, 20.0, "pool"),
    ("F3", "3x3x3", 23, 10.0, "pool"),
    ("F3", "2x3x4", 20, 5.0, "pool"),
    ("F3", "3x4x5", 47, 20.0, "pool"),
    ("F3", "4x4x4", 49, 40.0, "pool"),
]
LONG = [
    ("F3", "ss:5x5x5", 60, 120.0, "symmetric"),
    ("F3", "ss:5x5x5", 55, 300.0, "symmetric"),
    ("F3", "sw:5x5x5", 60, 300.0, "symmetric"),
    ("F3", "us:4x4x4", 28, 300.0, "diagonal"),
    ("F2", "5x5x5", 93, 300.0, "symmetric"),
    ("F2", "6x6x6", 153, 600.0, "mirrored"),
    ("F2", "5x5x5", 97, 600.0, "pool"),
    ("F2", "4x4x5", 60, 300.0, "pool"),
]


def strategy_for(kind: str, name: str, ring: Ring, seed: int, rank: int) -> Strategy:
    """Return a strategy that ends at a rank."""
    format_ = parse_format(name)
    if kind in ("symmetric", "mirrored"):
        assert isinstance(format_, MatrixProduct)
        if ring is Ring.F2:
            return CyclicStrategy(format_, seed, rank, mirrored=kind == "mirrored")
        return RotationStrategy(format_, ring, seed, rank)
    if kind == "diagonal":
        assert isinstance(format_, MatrixProduct)
        return DiagonalStrategy(format_, ring, seed, rank)
    return PoolStrategy(format_, ring, seed, target=rank)


def seconds_to_rank(strategy: Strategy, limit: float) -> float | None:
    """Return the seconds until the rank was reached, or None if it was not within the limit."""
    started = time.perf_counter()
    with ThreadExecutor() as executor:
        while time.perf_counter() - started < limit:
            while executor.pending < executor.capacity:
                executor.submit(strategy.ask())
            outcome = executor.next_outcome(timeout=0.5)
            if outcome is not None:
                strategy.tell(outcome)
            if strategy.finished:
                return time.perf_counter() - started
    return None


def steps_to_rank(strategy: Strategy, limit: float) -> float | None:
    """Return the million steps until the rank was reached, or None if they passed the limit."""
    spent = 0
    while spent < 1e6 * limit:
        outcome = engine.walk(strategy.ask())
        strategy.tell(outcome)
        spent += outcome.steps
        if strategy.finished:
            return spent / 1e6
    return None


def main() -> int:
    """Print the figures."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--ring", help="only this ring")
    parser.add_argument("--format", help="only this format")
    parser.add_argument("--seeds", type=int, default=None, help="default 10 (3 for slow cases)")
    parser.add_argument("--limit", type=float, default=None, help="seconds a seed may take")
    parser.add_argument(
        "--steps", type=float, default=None, help="million steps a seed may take, not seconds"
    )
    parser.add_argument(
        "--long",
        action="store_true",
        help="5x5x5:93 and 97, 6x6x6:153, 4x4x5:60, structured 5x5x5 too",
    )
    options = parser.parse_args()
    emit_dgemm(options.json)
    for ring_name, name, rank, limit, kind in CASES + (LONG if options.long else []):
        if options.ring not in (None, ring_name) or options.format not in (None, name):
            continue
        ring = parse_ring(ring_name)
        if kind != "pool":
            engine.walk(
                dataclasses.replace(strategy_for(kind, name, ring, 0, rank).ask(), steps=1)
            )
        if kind == "pool" or ring is not Ring.F2:
            format_ = parse_format(name)
            engine.warm_up(format_, ring, PoolStrategy(format_, ring).starts[0])
        limit = options.steps or options.limit or limit
        seeds = range(options.seeds or (10 if limit <= 60 else 3))
        searches = (strategy_for(kind, name, ring, seed, rank) for seed in seeds)
        measured, unit = (steps_to_rank, "M steps") if options.steps else (seconds_to_rank, "s")
        times = [measured(search, limit) for search in searches]
        median = statistics.median(limit if t is None else t for t in times)
        fit = fitted(times, limit)._asdict()
        keys = {"ring": ring_name, "format": name, "rank": rank, "seeds": len(times)}
        keys |= {"strategy": kind, "limit": limit, "reached": sum(t is not None for t in times)}
        keys |= {key: float(f"{value:.3g}") for key, value in fit.items()}
        emit(options.json, measured.__name__, median, unit, **keys)
    return 0


if __name__ == "__main__":
    sys.exit(main())
