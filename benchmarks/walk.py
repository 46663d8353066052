"""flips_per_second of one core: pure walking at a fixed rank, reductions detected.

Walks start from a scheme of the given rank that has flips and end as soon as the rank drops, when
the next one starts; no plus transitions. Only flips carried out count. Compiling is apart. The
8x8x8 state of rank 343 is the Kronecker product of the 4x4x4 one with that of Strassen, and may
drop after some thousand steps; then starting counts. Wide states are naive ones, which never drop.

    python -m benchmarks.walk [--ring F2] [--format 4x4x4] [--seconds 5] [--json]
"""

from __future__ import annotations

import statistics
import sys
import time

from benchmarks.common import benchmark_parser, emit, emit_dgemm
from flipsearch.formats import parse_format
from flipsearch.rings import Ring, parse_ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.search.pools import can_flip
from flipsearch.search.strategies.pool import PoolStrategy
from flipsearch.transform import product
from flipsearch.walk import engine
from flipsearch.walk.task import Policy, WalkTask, Words, pack, unpack

CASES = [
    ("F2", "4x4x4", 49),
    ("F3", "4x4x4", 49),
    ("ZT", "4x4x4", 49),
    ("F2", "3x3x3", 23),
    ("F2", "5x5x5", 97),
    ("F2", "8x8x8", 343),
    ("F2", "7x7x7", 343),
    ("F2", "9x9x9", 729),
    ("F2", "12x12x12", 1728),
    ("F2", "16x16x16", 4096),
]
SLICES = 5
SEARCH_SECONDS = 25.0


def state_of(ring: Ring, name: str, rank: int) -> Words:
    """Return a packed state of that rank, or the lowest above it that a short search finds.

    Of the states with flips the one is taken that walks longest before its rank drops: the figure
    measures walking, not starting.
    """
    if (name, rank) == ("8x8x8", 343):
        factor = unpack(parse_format("4x4x4"), ring, state_of(ring, "4x4x4", 49))
        return pack(product(factor, strassen(ring)))
    format_ = parse_format(name)
    if rank == format_.naive_rank:
        return pack(naive_scheme(format_, ring))
    strategy = PoolStrategy(format_, ring, seed=1, target=1)
    deadline = time.monotonic() + SEARCH_SECONDS
    while time.monotonic() < deadline and len(strategy.levels.get(rank, ())) < 64:
        strategy.tell(engine.walk(strategy.ask()))
    for level in sorted(r for r in strategy.levels if r >= rank):
        states = [state for state in strategy.levels[level] if can_flip(state, ring)]
        if states:
            policy = Policy(plus_after=0, band=0, stop_rank=level - 1)
            return max(
                states[:16],
                key=lambda s: engine.walk(WalkTask(format_, ring, s, 1, 10**7, policy)).steps,
            )
    raise SystemExit(f"no scheme of {name} over {ring} that can be flipped was found")


def strassen(ring: Ring) -> Scheme:
    """Return a 2x2x2 scheme of rank 7, found by a walk."""
    format_ = parse_format("2x2x2")
    start = pack(naive_scheme(format_, ring))
    outcome = engine.walk(WalkTask(format_, ring, start, 1, 10**8, Policy(5000, 2, stop_rank=7)))
    return unpack(format_, ring, outcome.best[0])


def flips_per_second(ring: Ring, name: str, state: Words, seconds: float) -> float:
    """Return the median rate over slices of walking."""
    format_, rates, seed = parse_format(name), [], 0
    policy = Policy(plus_after=0, band=0, stop_rank=len(state) - 1)
    engine.walk(WalkTask(format_, ring, state, 1, 1000, policy))
    for _ in range(SLICES):
        flips, started = 0, time.perf_counter()
        while (spent := time.perf_counter() - started) < seconds / SLICES:
            seed += 1
            flips += engine.walk(WalkTask(format_, ring, state, seed, 10**7, policy)).flips
        rates.append(flips / spent)
    return statistics.median(rates)


def main() -> int:
    """Print the figures."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--ring", help="only this ring")
    parser.add_argument("--format", help="only this format")
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds a figure")
    options = parser.parse_args()
    emit_dgemm(options.json)
    for ring_name, name, rank in CASES:
        if options.ring not in (None, ring_name) or options.format not in (None, name):
            continue
        ring = parse_ring(ring_name)
        state = state_of(ring, name, rank)
        rate = flips_per_second(ring, name, state, options.seconds)
        keys = {"ring": ring_name, "format": name, "rank": len(state), "threads": 1}
        emit(options.json, "flips_per_second", rate, "1/s", device="cpu", **keys)
    return 0


if __name__ == "__main__":
    sys.exit(main())
