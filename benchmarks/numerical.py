"""numerical: descents a second against scipy, attempts to an exact scheme, seconds to a rank.

`starts_per_second` counts descents from random points to the end of the stage `FIT`, whichever
end it is, by CPU seconds of one thread. `least_squares` of scipy gets the same random points, the
same residual and its Jacobian from `flipsearch.numerical.reference`; its tolerances are 1e-10.
`seconds_to_rank` is as in `benchmarks.rank`, over Q.

    python -m benchmarks.numerical [--format 3x3x3] [--seeds 10] [--starts 20] [--json]
"""

from __future__ import annotations

import statistics
import sys
import time

from scipy.optimize import least_squares

from benchmarks.common import benchmark_parser, emit, emit_dgemm
from benchmarks.rank import seconds_to_rank
from flipsearch.formats import Format
from flipsearch.formats.named import named_format
from flipsearch.numerical.attempt import Search, Stage
from flipsearch.numerical.problem import SOLVED
from flipsearch.numerical.reference import PlainProblem
from flipsearch.numerical.task import one_blas_thread
from flipsearch.search.strategies.numerical import NumericalStrategy
from flipsearch.walk import engine

CASES = [
    *(("2x2x2", 7, "", 1.0), ("2x2x3", 11, "", 1.0), ("2x3x3", 15, "", 10.0)),
    *(("2x3x4", 20, "", 10.0), ("3x3x3", 23, "", 60.0), ("ss:2x2x2", 5, "", 10.0)),
    *(("st:3x3x3", 10, "", 10.0), ("quaternion", 8, "", 10.0), ("complex:1x1x1", 3, "", 10.0)),
]
AGAINST_SCIPY = ("2x2x2", "2x2x3", "2x3x3")


def ours(format_: Format, rank: int, starts: int) -> tuple[float, int]:
    """Return the CPU seconds of so many descents, and how many converged."""
    began, converged = time.process_time(), 0
    for seed in range(starts):
        search = Search(format_, rank, "", seed)
        attempt = search.begun()
        while attempt.stage is Stage.FIT:
            attempt, _ = search.moved(attempt)
        converged += attempt.stage is Stage.SPARSIFY
    return time.process_time() - began, converged


def theirs(format_: Format, rank: int, starts: int) -> tuple[float, int]:
    """Return the same for scipy."""
    began, converged = time.process_time(), 0
    for seed in range(starts):
        search = Search(format_, rank, "", seed, PlainProblem)
        problem, unknowns = PlainProblem(format_, rank), search.unknowns
        found = least_squares(
            lambda x, p=problem, k=unknowns: p.error(k, x),
            search.begun().values,
            lambda x, p=problem, k=unknowns: p.jacobian(k, x),
            ftol=1e-10,
            xtol=1e-10,
            gtol=1e-10,
            max_nfev=400,
        )
        converged += 2 * found.cost < max(SOLVED, 1e-12)
    return time.process_time() - began, converged


def main() -> int:
    """Print the figures."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--format", help="only this format")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--starts", type=int, default=20, help="descents to compare with scipy")
    options = parser.parse_args()
    emit_dgemm(options.json)
    for name, rank, symmetry, limit in CASES:
        if options.format not in (None, name):
            continue
        format_ = named_format(name)
        strategies = [
            NumericalStrategy(format_, seed=seed, target=rank, symmetry=symmetry)
            for seed in range(options.seeds)
        ]
        engine.walk(strategies[0].samples()[0])
        keys = {"format": name, "rank": rank}
        if name in AGAINST_SCIPY:
            with one_blas_thread():
                for who, descend in (("flipsearch", ours), ("scipy", theirs)):
                    seconds, converged = descend(format_, rank, options.starts)
                    share = converged / options.starts
                    emit(
                        *(options.json, "starts_per_second", options.starts / seconds, "1/s"),
                        **keys,
                        by=who,
                        converged=share,
                        threads=1,
                    )
        times = [seconds_to_rank(strategy, limit) for strategy in strategies]
        median = statistics.median(limit if t is None else t for t in times)
        reached = sum(t is not None for t in times)
        emit(
            *(options.json, "seconds_to_rank", median, "s"),
            **keys,
            ring="Q",
            strategy="numerical",
            seeds=len(times),
            reached=reached,
            limit=limit,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
