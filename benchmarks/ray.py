"""Ray against threads, and how many outcomes one driver absorbs.

    python -m benchmarks.ray [--json] [--seconds 60] [--workers 2] [--format 4x4x4] [--ring F2]

- ``ray_over_threads``: flips/s of N Ray walkers over flips/s of N threads, same tasks, measured in
  turns in one process after both have warmed up: half of ``--seconds`` a turn, two turns each.
- ``outcomes_per_second``: outcomes that one driver asks for, sends, receives, checks and tells its
  strategy in a second, when walkers answer at once with what a walk of a second found
  (simulated workers).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.common import benchmark_parser, emit, emit_dgemm, ratio
from flipsearch.executors.ray import RayExecutor
from flipsearch.executors.threads import ThreadExecutor, available_cores
from flipsearch.formats import parse_format
from flipsearch.rings import parse_ring
from flipsearch.search.pool import PoolStrategy
from flipsearch.walk.task import WalkOutcome, WalkTask


def at_once(task: WalkTask) -> WalkOutcome:
    """Return an outcome without walking: another order of the products, the same rank."""
    state = task.start[::-1].copy()
    return WalkOutcome(task.number, (task.start,), state, (), task.steps, 0, 0, 0, "budget")


class Fixed(PoolStrategy):
    """Forgets what it is told, so that every walk starts alike on both executors."""

    def tell(self, outcome: WalkOutcome) -> bool:
        """Take nothing in."""
        return False


def walk_for(executor: Any, strategy: PoolStrategy, seconds: float) -> tuple[int, int, float]:
    """Drive a strategy; return outcomes and flips after the first outcome, and their seconds."""
    outcomes = flips = 0
    start = last = time.perf_counter()
    counting = False
    while time.perf_counter() - start < seconds:
        while executor.pending < executor.capacity:
            executor.submit(strategy.ask())
        outcome = executor.next_outcome(0.25)
        if outcome is None:
            continue
        strategy.tell(outcome)
        last = time.perf_counter()
        if counting:
            outcomes += 1
            flips += outcome.flips
        else:  # from the first that comes to the last: what is in flight counts once
            counting, start = True, last
    return outcomes, flips, last - start


def drain(executor: Any, strategy: PoolStrategy) -> None:
    while executor.pending:
        outcome = executor.next_outcome(1.0)
        if outcome is not None:
            strategy.tell(outcome)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each executor")
    parser.add_argument("--workers", type=int, default=available_cores())
    parser.add_argument("--format", default="4x4x4")
    parser.add_argument("--ring", default="F2")
    options = parser.parse_args(arguments)
    emit_dgemm(options.json)
    shape, ring = parse_format(options.format), parse_ring(options.ring)
    keys = {"format": str(shape), "ring": str(ring), "workers": options.workers}

    speeds: dict[str, list[float]] = {"threads": [], "ray": []}
    with RayExecutor(options.workers) as ray, ThreadExecutor(options.workers) as threads:
        executors: tuple[Any, Any] = (threads, ray)
        strategies = [Fixed(shape, ring, seed=1) for _ in executors]
        for executor, searching in zip(executors, strategies, strict=True):
            walk_for(executor, searching, 3.0)
            drain(executor, searching)
        for _ in range(2):
            for executor, searching in zip(executors, strategies, strict=True):
                _, flips, elapsed = walk_for(executor, searching, options.seconds / 2)
                drain(executor, searching)
                speeds[executor.name].append(flips / elapsed)
        for name, measured in speeds.items():
            value = sum(measured) / len(measured)
            emit(options.json, "flips_per_second", value, "1/s", executor=name, **keys)
        inverse = [[1 / speed for speed in speeds[name]] for name in ("threads", "ray")]
        value = ratio(inverse[0], inverse[1])
        emit(options.json, "ray_over_threads", value, "", seconds=options.seconds, **keys)
    with RayExecutor(options.workers, walk=at_once) as simulated:
        searching = PoolStrategy(shape, ring, seed=1)
        walk_for(simulated, searching, 5.0)
        count, _, elapsed = walk_for(simulated, searching, min(10.0, options.seconds))
    emit(options.json, "outcomes_per_second", count / elapsed, "1/s", **keys)
    return 0


if __name__ == "__main__":
    sys.exit(main())
