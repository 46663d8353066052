"""seconds_to_rank of tensors: from nothing to each known bound of `tensor_ranks.csv`.

Each row and ring is searched by the strategy `pool`, as `search --fresh` does it, without
catalogue and lifting; compiling is apart. A seed that is late counts as the limit.
`constructed` is the rank that `construct` gives, from which `search` starts.

    python -m benchmarks.tensors [--ring F2] [--format poly:5x5] [--seeds 3] [--limit 60] [--json]
"""

from __future__ import annotations

import csv
import statistics
import sys
from importlib import resources

from benchmarks.common import benchmark_parser, emit, emit_dgemm
from benchmarks.rank import seconds_to_rank
from flipsearch.constructors import offers
from flipsearch.formats.named import named_format
from flipsearch.rings import Ring, parse_ring
from flipsearch.search.strategies.pool import PoolStrategy
from flipsearch.walk import engine


def table() -> list[tuple[str, Ring, int]]:
    """Return (name, ring, bound) of each bound over F2, F3 and ZT, easy ones first."""
    text = (resources.files("flipsearch.data") / "tensor_ranks.csv").read_text()
    rows = [
        (row["format"], ring, int(row[ring]))
        for row in csv.DictReader(text.splitlines())
        for ring in (Ring.F2, Ring.F3, Ring.ZT)
        if row[ring]
    ]
    return sorted(rows, key=lambda row: named_format(row[0]).naive_rank)


def main() -> int:
    """Print the figures."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--ring", help="only this ring")
    parser.add_argument("--format", action="append", help="only these tensors")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds a seed may take")
    options = parser.parse_args()
    ring = parse_ring(options.ring) if options.ring else None
    emit_dgemm(options.json)
    for name, over, rank in table():
        if ring not in (None, over) or (options.format and name not in options.format):
            continue
        tensor, best, times = named_format(name), [], []
        for seed in range(1, options.seeds + 1):
            strategy = PoolStrategy(tensor, over, seed, target=rank)
            engine.warm_up(tensor, over, strategy.starts[0])
            times.append(seconds_to_rank(strategy, options.limit))
            best.append(strategy.best_rank)
        emit(
            options.json,
            "seconds_to_rank",
            statistics.median(options.limit if t is None else t for t in times),
            "s",
            format=name,
            ring=str(over),
            rank=rank,
            best=min(best),
            seeds=len(times),
            reached=sum(t is not None for t in times),
            limit=options.limit,
            constructed=next((found for found, _ in offers(tensor, over)), None),
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
