"""Seconds until the search has, and lifts, each structured format's best known rank.

The table is `flipsearch/data/structured_ranks.csv`: 20 operand pairs, n = 2 to 5. A row whose best
ring is Z is searched over F2 and then, if nothing lifts, over F3; one with denominators of 2
(Z[1/2]) over F3, because no scheme over F2 lifts to it. (Over F2 symmetric and skew-symmetric are
the same: what is found there for ww may lift for ss only.) Each row is one run of the strategy
`pool` from the naive scheme on all cores, compiling apart, until a scheme of that rank lifts to
that ring; what is lifted is verified. `seconds_to_rank` is the time until the rank was reached,
`seconds_to_lifted` until it was lifted.

    python -m benchmarks.structured --sizes 2,3,4 --seconds 30
    python -m benchmarks.structured --format ss:4x4x4 --seeds 5
    python -m benchmarks.structured --sizes 5 --seconds 300 --write schemes

The default run takes sizes 2, 3 and 4 with at most 8 s a row: below 10 minutes on 2 cores.
"""

from __future__ import annotations

import csv
import statistics
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from benchmarks.common import benchmark_parser, emit, emit_dgemm, integers
from flipsearch.errors import LiftError
from flipsearch.executors.threads import ThreadExecutor
from flipsearch.files.native import to_text
from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.lift import lift
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.search.strategies.pool import PoolStrategy
from flipsearch.verify import verify
from flipsearch.walk import engine
from flipsearch.walk.task import unpack


@dataclass(frozen=True)
class Row:
    """One row of the table: what to find, where to look, where it must lift to."""

    format: MatrixProduct
    rank: int
    search: tuple[Ring, ...]
    best_ring: str


@dataclass(frozen=True)
class Run:
    """One run: the rank reached, when it was and when it was lifted, and the lifted scheme."""

    ring: Ring
    rank: int
    seconds: float
    flips: int
    lifted: Scheme | None
    lifted_seconds: float | None


def table() -> list[Row]:
    text = (resources.files("flipsearch.data") / "structured_ranks.csv").read_text()
    rows = []
    for entry in csv.DictReader(text.splitlines()):
        n = entry["n"]
        halves = entry["best_ring"] != "Z"
        rows.append(
            Row(
                parse_format(f"{entry['format']}:{n}x{n}x{n}"),
                int(entry["best_rank"]),
                (Ring.F3,) if halves else (Ring.F2, Ring.F3),
                entry["best_ring"],
            )
        )
    return rows


def run(row: Row, seed: int, seconds: float, workers: int | None) -> Run:
    found = run_over(row, row.search[0], seed, seconds, workers)
    for ring in row.search[1:]:
        if found.lifted is None:
            found = run_over(row, ring, seed, seconds, workers)
    return found


def run_over(row: Row, ring: Ring, seed: int, seconds: float, workers: int | None) -> Run:
    strategy = PoolStrategy(row.format, ring, seed, steps=1_000_000)
    engine.warm_up(row.format, ring, strategy.best_states()[0])
    flips = 0
    reached: float | None = None
    lifted: Scheme | None = None
    tried: set[str] = set()
    started = time.perf_counter()
    with ThreadExecutor(workers) as executor:
        while True:
            if strategy.best_rank <= row.rank:
                reached = reached or time.perf_counter() - started
                lifted = lifted_one(row, strategy, tried)
            took = time.perf_counter() - started
            if lifted is not None or took > seconds:
                break
            while executor.pending < executor.capacity:
                executor.submit(strategy.ask())
            outcome = executor.next_outcome(timeout=1.0)
            if outcome is not None:
                flips += outcome.flips
                strategy.tell(outcome)
    when = None if lifted is None else took
    return Run(ring, strategy.best_rank, reached or took, flips, lifted, when)


def lifted_one(row: Row, strategy: PoolStrategy, tried: set[str]) -> Scheme | None:
    """Return a scheme of the best rank lifted to the row's ring, of those not tried yet."""
    for state in strategy.best_states():
        scheme = unpack(row.format, strategy.ring, state)
        if scheme.content_hash in tried:
            continue
        tried.add(scheme.content_hash)
        try:
            found = lift(scheme)
        except LiftError:
            continue
        if is_in(found, row.best_ring):
            verify(found)
            return found
    return None


def is_in(scheme: Scheme, ring: str) -> bool:
    """Whether the scheme is over Z, or over Z[1/2] where the table says so."""
    denominators = scheme.canonical.denominators
    if ring == "Z":
        return bool((denominators == 1).all())
    return bool((denominators & (denominators - 1) == 0).all())


def keep(folder: Path, row: Row, found: Run, seed: int) -> None:
    """Write a lifted scheme below `folder`, unless one of its rank and ring is there."""
    scheme = found.lifted
    assert scheme is not None
    name = str(row.format).replace(":", "_")
    path = folder / name / f"{name}_{scheme.rank}_{scheme.natural_ring}.txt"
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    method = f"pool search over {found.ring} from the naive scheme, Hensel lift"
    path.write_text(
        to_text(scheme, {"found-by": method, "seed": str(seed), "seconds": f"{found.seconds:.1f}"})
    )


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--sizes", type=integers, default=[2, 3, 4])
    parser.add_argument("--format", action="append", help="only these formats")
    parser.add_argument("--seconds", type=float, default=8.0, help="at most, for each run")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--write", type=Path, help="folder to keep lifted schemes in")
    arguments = parser.parse_args()
    emit_dgemm(arguments.json)
    for row in table():
        if arguments.format:
            if str(row.format) not in arguments.format:
                continue
        elif row.format.n not in arguments.sizes:
            continue
        runs = []
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            runs.append(run(row, seed, arguments.seconds, arguments.workers))
            if arguments.write and runs[-1].lifted is not None:
                keep(arguments.write, row, runs[-1], seed)
        reached = [r for r in runs if r.rank <= row.rank]
        times = [r.lifted_seconds for r in runs if r.lifted_seconds is not None]
        rings = [str(r.lifted.natural_ring) for r in runs if r.lifted is not None]
        emit(
            arguments.json,
            "seconds_to_rank",
            statistics.median(r.seconds for r in runs) if len(reached) == len(runs) else None,
            "s",
            format=str(row.format),
            ring=str(runs[0].ring),
            rank=row.rank,
            best=min(r.rank for r in runs),
            seeds=len(runs),
            reached=len(reached),
            lifted=len(times),
            lifted_ring=max(rings, default=None),
            seconds_to_lifted=round(statistics.median(times), 3) if times else None,
        )


if __name__ == "__main__":
    main()
