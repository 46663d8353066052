"""Ray against threads, and how many outcomes one driver absorbs.

    python -m benchmarks.ray [--json] [--seconds 60] [--workers 2] [--format 4x4x4] [--ring F2]
                             [--kills 3]

- ``ray_over_threads``: flips/s of a search on N Ray walkers over flips/s of the same search on N
  threads, in turns in one process after both have warmed up: half of ``--seconds`` a turn, two
  turns each.
- ``outcomes_per_second``: outcomes that one driver asks for, sends, receives, checks and tells its
  strategy in a second, when walkers answer at once with what a walk of a second found
  (simulated workers).
- ``resume_loss_seconds``: walking lost when a driver is killed with SIGKILL: from the last
  durable checkpoint to the kill, the most of ``--kills`` runs, each killed at another moment of
  its second interval and resumed. The run finds nothing new; only the clock makes it
  checkpoint, every 10 s. ``flips_kept`` is the number of flips with which the resumed run begins.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.common import benchmark_parser, emit, emit_dgemm, ratio
from flipsearch.algebra.cores import available_cores
from flipsearch.catalogue import Catalogue, Run
from flipsearch.executors.ray import RayExecutor
from flipsearch.executors.threads import ThreadExecutor
from flipsearch.formats import parse_format
from flipsearch.rings import parse_ring
from flipsearch.search.driver import CHECKPOINT_SECONDS
from flipsearch.search.strategies.pool import PoolStrategy
from flipsearch.walk.task import WalkOutcome, WalkTask


def at_once(task: WalkTask) -> WalkOutcome:
    """Return an outcome without walking: another order of the products, the same rank."""
    state = task.start[::-1].copy()
    return WalkOutcome(task.number, (task.start,), state, (), task.steps, 0, 0, 0, "budget")


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


def killed_run(database: Path, seconds: float) -> tuple[float, int]:
    """Kill a driver some seconds after its first checkpoint; return seconds lost, flips kept."""
    command = [
        sys.executable,
        "-m",
        "flipsearch",
        "search",
        "2x2x2",
        "--run",
        "it",
        "--gpu",
        "off",
    ]
    command += ["--seed", "1", "--workers", "1", "--db", str(database), "--budget"]

    def run_of() -> Run | None:
        with Catalogue.open(database, read_only=True) as catalogue:
            return catalogue.runs.find("it")

    Catalogue.open(database).close()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([*command, "10m"], **quiet)  # type: ignore[call-overload]
    try:
        while (run := run_of()) is None or run.checkpointed is None:
            time.sleep(0.2)
        time.sleep(seconds)
    finally:
        process.kill()
        process.wait()
    killed = datetime.now(UTC)
    run = run_of()
    assert run is not None
    assert run.checkpointed is not None
    lost = (killed - run.checkpointed.replace(tzinfo=UTC)).total_seconds()
    subprocess.run([*command, "1s"], check=True, **quiet)  # type: ignore[call-overload]
    resumed = run_of()
    assert resumed is not None
    if not (resumed.id == run.id and resumed.flips > run.flips > 0):
        raise RuntimeError("the run did not go on from its checkpoint")
    return lost, run.flips


def main(arguments: Sequence[str] | None = None) -> int:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each executor")
    parser.add_argument("--workers", type=int, default=available_cores())
    parser.add_argument("--format", default="4x4x4")
    parser.add_argument("--ring", default="F2")
    parser.add_argument("--kills", type=int, default=3, help="drivers killed; 0: none")
    options = parser.parse_args(arguments)
    emit_dgemm(options.json)
    shape, ring = parse_format(options.format), parse_ring(options.ring)
    keys = {"format": str(shape), "ring": str(ring), "workers": options.workers}

    speeds: dict[str, list[float]] = {"threads": [], "ray": []}
    with RayExecutor(options.workers) as ray, ThreadExecutor(options.workers) as threads:
        executors: tuple[Any, Any] = (threads, ray)
        strategies = [PoolStrategy(shape, ring, seed=1) for _ in executors]
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
    losses = []
    with TemporaryDirectory() as folder:
        for number in range(options.kills):
            # 9.5, 6.5, 3.5 s into the second interval
            after = CHECKPOINT_SECONDS * (1.95 - 0.3 * (number % 4))
            losses.append(killed_run(Path(folder) / f"{number}.sqlite", after))
    if losses:
        lost, kept = max(losses)
        keys = {"kills": options.kills, "interval": CHECKPOINT_SECONDS, "flips_kept": kept}
        emit(options.json, "resume_loss_seconds", lost, "s", **keys)
    return 0


if __name__ == "__main__":
    sys.exit(main())
