"""Lifting from F2 (or F3): seconds a scheme, one thread.

Two figures a scheme. `seconds_to_lift` is `flipsearch.lift.lift` from the scheme mod p to a proved
scheme over ZT, Z or Q, with its result. `seconds_to_factor` is the part of it that grows
fastest, on all coefficients: the Jacobian mod p eliminated, with the consistency of the first
step decided in every row (`step_seconds`: one later Hensel step on the same elimination).

Without ``--scheme`` the schemes are made here by halving into products with Strassen's; their
ranks are above the best known ones, and the systems larger than those of the figures to reach
 (4x5x10:148 in 1 s, 4x5x9:133 factored in 1 s, 6x6x7:183 in 20 s). With ``--scheme FILE`` all
schemes of a file or folder are measured, those over Z and Q after reduction mod p.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.common import benchmark_parser, emit, emit_dgemm, seconds_of
from benchmarks.verify import of_sides
from flipsearch.files import read_schemes
from flipsearch.formats import parse_format
from flipsearch.lift import LiftResult, NotLiftedError, find_lift
from flipsearch.lift.hensel import Steps
from flipsearch.lift.jacobian import WholeSystem, support_first
from flipsearch.lift.trilinear import frame_of
from flipsearch.rings import Ring, parse_ring
from flipsearch.scheme import Scheme
from flipsearch.transform import random_sandwich


def schemes(formats: list[str], path: str | None, ring: Ring) -> Iterator[Scheme]:
    """Yield the schemes to measure, over F2 or F3."""
    if path is not None:
        for read in read_schemes(path):
            if read.scheme is not None:
                yield read.scheme.over(ring)
        return
    for text in formats:
        yield of_sides(*parse_format(text).sides, {}).over(ring)


def lifted(scheme: Scheme) -> tuple[LiftResult | None, NotLiftedError | None]:
    """Return the lift, or why there is none."""
    try:
        return find_lift(scheme), None
    except NotLiftedError as failure:
        return None, failure


def factored(scheme: Scheme) -> tuple[Steps, bool]:
    """Eliminate the Jacobian in all coefficients; return whether the first step has a solution."""
    p = scheme.ring.characteristic
    frame = frame_of(scheme.format)
    factors = frame.factors(scheme)
    system = WholeSystem(frame, factors, p, support_first(factors, p, None, 1.0))
    steps = Steps(system, frame, factors, np.random.default_rng(0))
    return steps, steps.begin()


def measure(scheme: Scheme, repetitions: int, as_json: bool, kind: str) -> None:
    """Print both figures of one scheme."""
    keys = {"format": str(scheme.format), "rank": scheme.rank, "ring": str(scheme.ring)}
    keys |= {"threads": 1, "kind": kind, "nonzeros": scheme.nonzeros}
    times = [seconds_of(lambda: lifted(scheme)) for _ in range(repetitions)]
    result, failure = lifted(scheme)
    outcome = {"result": "none", "step": failure.step, "final": failure.final} if failure else {}
    if result is not None:
        outcome = {
            "result": str(result.scheme.ring),
            "step": result.steps,
            "support_kept": result.support_kept,
        }
    emit(as_json, "seconds_to_lift", statistics.median(times), "s", **keys, **outcome)
    times = [seconds_of(lambda: factored(scheme)) for _ in range(repetitions)]
    steps, consistent = factored(scheme)
    zeros = np.zeros(steps.system.columns, dtype=np.int8)
    p = steps.system.p
    step = statistics.median(
        seconds_of(lambda: steps.solve(steps.start, p, zeros)) for _ in range(3)
    )
    emit(
        as_json,
        "seconds_to_factor",
        statistics.median(times),
        "s",
        **keys,
        unknowns=steps.system.columns,
        equations=steps.system.rows,
        jacobian_rank=steps.elimination.rank,
        consistent=consistent,
        step_seconds=float(f"{step:.3g}"),
    )


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--format", default="4x4x4,4x5x9,4x5x10,6x6x7", help="formats to build")
    parser.add_argument("--ring", type=parse_ring, default=Ring.F2, help="F2 or F3")
    parser.add_argument("--scheme", help="a file or folder of schemes to measure instead")
    parser.add_argument("--dense", action="store_true", help="after a random change of basis")
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    emit_dgemm(arguments.json)
    with threadpool_limits(limits=1):
        warm = of_sides(2, 2, 3, {}).over(arguments.ring)
        factored(warm)[0].kernel()
        lifted(warm)
        lifted(of_sides(4, 4, 4, {}).over(arguments.ring))
        for scheme in schemes(arguments.format.split(","), arguments.scheme, arguments.ring):
            if arguments.dense:
                scheme = random_sandwich(scheme, np.random.default_rng(0))
            kind = "file" if arguments.scheme else "product"
            kind += " dense" if arguments.dense else ""
            measure(scheme, arguments.repetitions, arguments.json, kind)


if __name__ == "__main__":
    main()
