"""Fault-tolerant products: time to result with losses, tails against the model, P_fail drawn.

    python -m benchmarks.faults --json                       # everything, below ten minutes
    python -m benchmarks.faults --only p_fail latency        # some sections

`time`: unions and plain copies of Strassen's scheme on the same worker processes, one BLAS thread
each, with 0, 1 and 2 workers killed by SIGKILL and with one straggler that sleeps as long as three
products take. With fewer processes than products the products queue, and the figure measures total
work. On as many machines as products it would measure the slowest product waited for, which the
latency figures model. Every answer is checked by a random vector.

`shares`: processor time of checks and of decoding over that of all products with forming their
operands, one thread; medians.

`checks`: the check of floats: its tolerance over the rounding errors seen, the smallest error of
one entry that it finds, and the share of paired errors that it misses.

`latency`: tiny products on as many threads as products, each delayed by 1 + Exp(1) units, against
the exact model P(T > 1 + t) = P_fail(e^-t).

`p_fail`: drawn erasure patterns, decoded by the emitted module's own solver, which shares no code
with the certificate.
"""

from __future__ import annotations

import importlib
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.common import benchmark_parser, emit, emit_dgemm, integers
from flipsearch.faults import FaultTolerantScheme, baselines, union_of, write_fault_tolerant_kernel
from flipsearch.faults.presets import presets
from flipsearch.formats import parse_format
from flipsearch.kernels.builtin import strassen, winograd

SECTIONS = ("p_fail", "latency", "checks", "shares", "time")
TWO = parse_format("2x2x2")
TIMED = ("1 copy", "2 copies", "3 copies", "9 workers, any 1", "12 workers, any 2")
DELAYED = (*TIMED, "S+W+2 parities", "16 ternary, any 3")
PARITIES = ([[1, -1, 1, 0], [1, 1, 1, 1]], [[1, 1, -1, -1], [1, 1, 1, 0]])


def unions() -> dict[str, FaultTolerantScheme]:
    """Return what is compared, plain copies first."""
    s = strassen()
    chosen = {
        "1 copy": union_of(TWO, [s]),
        "2 copies": union_of(TWO, [s, s]),
        "3 copies": union_of(TWO, [s, s, s]),
        "S+W+2 parities": union_of(TWO, [s, winograd(), PARITIES]),
    }
    for union in presets(TWO):
        survives = union.certificate().survives
        kind = "ternary" if survives == 3 and "ternary" in union.name else "workers"
        chosen.setdefault(f"{union.workers} {kind}, any {survives}", union)
    return chosen


@contextmanager
def modules(chosen: dict[str, FaultTolerantScheme]) -> Iterator[dict[str, ModuleType]]:
    """Emit and import a module for each union."""
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, folder)
        made = {}
        try:
            for i, (name, union) in enumerate(chosen.items()):
                write_fault_tolerant_kernel(union, Path(folder, f"benchmarked_{i}.py"), losses=2)
                importlib.invalidate_caches()
                made[name] = importlib.import_module(f"benchmarked_{i}")
            yield made
        finally:
            sys.path.remove(folder)


def time_to_result(
    as_json: bool, made: dict[str, ModuleType], size: int, processes: int, rounds: int
) -> None:
    """Print seconds to result by code and by what goes wrong."""
    generator = np.random.default_rng(0)
    a, b = generator.random((size, size)), generator.random((size, size))
    probe = generator.random(size)
    expected, out = a @ (b @ probe), np.zeros((size, size))
    cases: dict[str, dict[int, Any]] = {
        "0 lost": {},
        "1 lost": {2: "kill"},
        "2 lost": {2: "kill", 5: "kill"},
        "straggler": {0: 1.5e-11 * size**3},  # about as late as three products take
    }
    plain: dict[str, float] = {}
    for name in TIMED:
        found: dict[str, list[tuple[float, Any]]] = {case: [] for case in cases}
        with made[name].workers(processes) as pool:
            made[name].multiply(a, b, executor=pool, out=out)  # all memory has been touched now
            for _ in range(rounds):
                for case, drill in cases.items():
                    begin = time.perf_counter()
                    outcome = made[name].multiply(
                        a, b, executor=pool, check=True, drill=drill, retries=3, out=out
                    )
                    found[case].append((time.perf_counter() - begin, outcome))
                    assert np.allclose(out @ probe, expected)
        for case, runs in found.items():
            elapsed, outcome = sorted(runs, key=lambda run: run[0])[len(runs) // 2]
            emit(
                as_json,
                "seconds_to_result",
                elapsed,
                "s",
                code=name,
                case=case,
                workers=made[name].CODE.workers,
                over_one_copy=round(elapsed / plain.setdefault(case, elapsed), 3),
                resubmitted=len(outcome.resubmitted),
                decode_seconds=round(outcome.decode_seconds, 4),
                check_seconds=round(outcome.check_seconds, 4),
                dtype="float64",
                size=size,
                threads=processes,
            )


def shares(as_json: bool, made: dict[str, ModuleType], size: int, rounds: int) -> None:
    """Print the processor time of checking and of decoding over that of all products."""
    generator = np.random.default_rng(0)
    a, b = generator.random((size, size)), generator.random((size, size))
    for name in ("1 copy", "9 workers, any 1", "12 workers, any 2", "16 ternary, any 3"):
        module = made[name]
        code, out = module.CODE, np.zeros((size, size))
        operands = module.Operands(code, a, b)
        found: dict[str, list[float]] = {"check_share": [], "decode_share": []}
        with threadpool_limits(limits=1, user_api="blas"):
            begin = time.process_time()
            products = {}
            for r in range(code.workers):
                left, right, blocks = operands.needs(r)
                products[r] = module.product_of_blocks(
                    operands.shapes, left, right, None, None, *blocks
                )
            whole = time.process_time() - begin
            for _ in range(rounds):
                begin = time.process_time()
                checks = module.Freivalds(code, a, b)
                assert all(checks.is_right(r, product) for r, product in products.items())
                found["check_share"].append((time.process_time() - begin) / whole)
                begin = time.process_time()
                module.decode(code, code.decoding(frozenset()), products, a, b, out)
                found["decode_share"].append((time.process_time() - begin) / whole)
        for label, values in found.items():
            emit(
                as_json,
                label,
                statistics.median(values),
                "of all products",
                code=name,
                dtype="float64",
                size=size,
                threads=1,
            )


def checks(as_json: bool, made: dict[str, ModuleType], rounds: int) -> None:
    """Print how the tolerance of the check of floats compares with rounding and with errors.

    `tolerance_over_rounding` is the least quotient, over rows and products, of tolerance and
    difference seen. `smallest_detected` is the least error of a single entry that `rounds`
    checks all find, over the root mean square of the product; `missed_pairs` is the share of
    checks that miss two equal errors of ten tolerances in a row.
    """
    name = "12 workers, any 2"
    module = made[name]
    code = module.CODE
    for kind, size in itertools.product((np.float32, np.float64), (256, 1024, 4096)):
        generator = np.random.default_rng(size)
        a, b = (generator.standard_normal((size, size)).astype(kind) for _ in range(2))
        operands = module.Operands(code, a, b)
        left, right, blocks = operands.needs(0)
        product = module.product_of_blocks(operands.shapes, left, right, None, None, *blocks)
        found = [module.Freivalds(code, a, b, seed) for seed in range(rounds)]
        tolerance = found[0]._tolerance(0, found[0]._exact_norms())
        seen = max((check.difference(0, product) / tolerance).max() for check in found)
        typical = float(np.sqrt(np.mean(np.abs(product) ** 2)))
        low, high = 0.0, 10 * float(tolerance[0])
        while high - low > 0.01 * high:
            middle = (low + high) / 2
            wrong = product.copy()
            wrong[0, 0] += middle
            detected = not any(check.is_right(0, wrong) for check in found)
            low, high = (low, middle) if detected else (middle, high)
        wrong = product.copy()
        wrong[0, :2] += kind(10 * tolerance[0])
        missed = statistics.mean(check.is_right(0, wrong) for check in found)
        keys = {"code": name, "dtype": kind.__name__, "size": size}
        emit(as_json, "tolerance_over_rounding", float(1 / seen), "", **keys)
        emit(as_json, "smallest_detected", high / typical, "of an entry", **keys)
        emit(as_json, "missed_pairs", float(missed), "of the checks", **keys)


def latency(
    as_json: bool, made: dict[str, ModuleType], chosen: dict[str, Any], runs: int, unit: float
) -> None:
    """Print mean and p99 of the time to result with drawn stragglers, and the model's."""
    generator = np.random.default_rng(1)
    a, b = np.ones((4, 4)), np.ones((4, 4))
    for name in DELAYED:
        module = made[name]
        n = module.CODE.workers
        module.CODE.decoding(frozenset())
        times = []
        with ThreadPoolExecutor(12 * n) as pool:  # late ones of earlier runs do not hold it up
            for _ in range(runs):
                delays = unit * (1 + generator.exponential(size=n))
                begin = time.perf_counter()
                module.multiply(a, b, executor=pool, drill=dict(enumerate(delays.tolist())))
                times.append((time.perf_counter() - begin) / unit)
        mean, late = baselines.latency(chosen[name].certificate())
        keys = {"code": name, "workers": n, "runs": runs}
        emit(as_json, "latency_mean", statistics.mean(times), "task times", model=mean, **keys)
        p99 = float(np.quantile(times, 0.99))
        emit(as_json, "latency_p99", p99, "task times", model=late, **keys)


def p_fail(
    as_json: bool, made: dict[str, ModuleType], chosen: dict[str, Any], draws: int, p: float
) -> None:
    """Print the share of drawn patterns that does not decode, and the certificate's P_fail."""
    generator = np.random.default_rng(2)
    for name, module in made.items():
        n = module.CODE.workers
        masks = (generator.random((draws, n)) < p) @ (1 << np.arange(n))
        failed = 0
        for mask, times in zip(*np.unique(masks, return_counts=True), strict=True):
            lost = frozenset(r for r in range(n) if int(mask) >> r & 1)
            if module.CODE.decoding(lost) is None:
                failed += int(times)
        exact = chosen[name].certificate().failure_probability(p)
        emit(
            as_json,
            "p_fail",
            failed / draws,
            "probability",
            code=name,
            workers=n,
            p=p,
            draws=draws,
            certificate=exact,
            standard_errors=round(
                (failed / draws - exact) / (exact * (1 - exact) / draws) ** 0.5, 2
            ),
        )


def main() -> None:
    """Print all sections, or those asked for."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--sizes", type=integers, default=[4096, 8192], help="such as 4096,8192")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--runs", type=int, default=200, help="of the latency figures")
    parser.add_argument("--unit", type=float, default=0.03, help="seconds of one task time")
    parser.add_argument("--draws", type=int, default=100_000)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS)
    arguments = parser.parse_args()
    emit_dgemm(arguments.json)
    chosen = unions()
    with modules(chosen) as made:
        for name, union in chosen.items():
            emit(arguments.json, "worker_overhead", union.workers / 7, "of one copy", code=name)
        if "p_fail" in arguments.only:
            p_fail(arguments.json, made, chosen, arguments.draws, 0.1)
        if "latency" in arguments.only:
            latency(arguments.json, made, chosen, arguments.runs, arguments.unit)
        if "checks" in arguments.only:
            checks(arguments.json, made, 20)
        if "shares" in arguments.only:
            shares(arguments.json, made, arguments.sizes[0], 5)
        if "time" in arguments.only:
            for size in arguments.sizes:
                time_to_result(arguments.json, made, size, arguments.processes, arguments.rounds)


if __name__ == "__main__":
    main()
