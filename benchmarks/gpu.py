"""flips_per_second of one GPU, all walks checked against the CPU's, and time to known ranks.

With --check, thousands of walks are done on the device and by the plain reference or the numba
engine, and every number and state of their outcomes is compared. Figures: flips/s of a full device
at a fixed rank (plus transitions now and then, rows not merged at once, as in a search), by ring
and format; seconds from the naive scheme to a rank with the pool strategy on one GPU.

Each section is a process of its own, with a limit of time: one that fails, or hangs, or leaves the
device in a state in which nothing more can be done by its process, takes nothing else with it. Its
line `section_seconds` says how it ended, and the exit code is 1. Everything ends within 8 minutes.
Without a GPU: one line that says why, exit code 1.

    python -m benchmarks.gpu [--check] [--only rates|ranks] [--seconds 5] [--team 1|32] [--json]
"""

from __future__ import annotations

import importlib
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.common import benchmark_parser, emit, emit_dgemm
from benchmarks.walk import strassen
from flipsearch.executors.device import DeviceExecutor
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme
from flipsearch.search.pools import can_flip
from flipsearch.search.strategies.pool import PoolStrategy
from flipsearch.search.strategy import task_seed
from flipsearch.transform import product
from flipsearch.walk import engine
from flipsearch.walk.gpu.batch import Batch, walk_many
from flipsearch.walk.gpu.device import Device, shape_for
from flipsearch.walk.gpu.presence import availability
from flipsearch.walk.task import Policy, WalkOutcome, WalkTask, Words, pack, unpack

RATES = [("F2", "4x4x4", 49), ("F3", "4x4x4", 49), ("ZT", "4x4x4", 49), ("F2", "8x8x8", 343)]
RANKS = [("F2", "4x4x4", 47, 80.0), ("F2", "5x5x5", 97, 80.0)]
CHECKED = [Ring.F2, Ring.F3, Ring.ZT]
STATE_SECONDS = 15.0
CHECK_LIMIT, RATE_LIMIT = 75.0, 60.0
START_SECONDS = 20.0
"""To start a process and compile what it needs."""
ALL_SECONDS = 465.0
CUDA = "flipsearch.walk.gpu.device:CudaDevice"
SEARCH_STEPS = 1_000_000
SLICES = 5
FIELDS = ("number", "steps", "flips", "reductions", "escapes", "history", "reason", "rank")

Walk = Callable[[WalkTask], WalkOutcome]


def same(one: WalkOutcome, other: WalkOutcome) -> bool:
    """Whether two outcomes are equal, bit for bit."""
    if any(getattr(one, name) != getattr(other, name) for name in FIELDS):
        return False
    states = (*one.best, one.final), (*other.best, other.final)
    return len(states[0]) == len(states[1]) and all(map(np.array_equal, *states))


def naive_tasks(ring: Ring, name: str, steps: int, policies: list[Policy]) -> list[WalkTask]:
    """Return one walk from the naive scheme for each policy."""
    format_ = parse_format(name)
    start = pack(naive_scheme(format_, ring))
    return [
        WalkTask(format_, ring, start, task_seed(7, k), steps, policy, k)
        for k, policy in enumerate(policies)
    ]


def checks(
    ring: Ring, share: float = 1.0
) -> Iterator[tuple[str, list[WalkTask], Walk, int | None]]:
    """Yield format, tasks, the engine to compare with, and threads a walker."""
    few = [
        Policy(plus_after, band, stop, collect, 40, merge)
        for plus_after in (0, 37, 200)
        for band in (0, 3)
        for stop, collect in ((0, 1), (7, 1), (7, 4), (26, 3))
        for merge in (False, True)
    ]
    some = [Policy(2_000, 4, 40, 2, 100, bool(k % 2)) for k in range(max(2, int(2048 * share)))]
    for team in (1, 32):
        yield "2x2x2", naive_tasks(ring, "2x2x2", 300, few), engine.reference, team
        yield "3x5x7", naive_tasks(ring, "3x5x7", 100, few[:4]), engine.reference, team
    yield "4x4x4", naive_tasks(ring, "4x4x4", int(20_000 * share), some), engine.walk, None
    for name in ("1x9x10", "1x13x15", "6x7x8"):  # 2 and 4 words; hundreds of rows
        yield name, naive_tasks(ring, name, 30, few[:3]), engine.reference, None


def check(device: Device, as_json: bool, ring: Ring, share: float = 1.0) -> bool:
    """Compare outcomes of the device with the CPU's; print how many are equal."""
    sound = True
    for name, tasks, walk, team in checks(ring, share):
        found = walk_many(device, tasks, team=team)
        equal = sum(same(ours, walk(task)) for ours, task in zip(found, tasks, strict=True))
        sound &= equal == len(tasks)
        keys = {"ring": str(ring), "format": name, "walks": len(tasks), "device": device.name}
        emit(as_json, "walks_equal", equal, "walks", **keys, team=team or "auto")
    return sound


def search(
    device: Device, ring: Ring, name: str, target: int, seconds: float, mobile: bool
) -> tuple[PoolStrategy, float]:
    """Search on one device alone until the rank is reached; mobile: by a state that has a flip."""
    strategy = PoolStrategy(parse_format(name), ring, 1, target=target, steps=SEARCH_STEPS)
    started = time.perf_counter()

    def reached() -> bool:
        states = strategy.levels.get(target, [])
        return any(can_flip(s, ring) for s in states) if mobile else strategy.finished

    with DeviceExecutor(device) as executor:
        while not reached() and time.perf_counter() - started < seconds:
            asked = 0
            while executor.pending < executor.capacity and asked < 2000:
                executor.submit(strategy.ask())
                asked += 1
            while (outcome := executor.next_outcome(0.0 if asked else 0.05)) is not None:
                strategy.tell(outcome)
                if reached():
                    break
    return strategy, time.perf_counter() - started


def state_of(device: Device, ring: Ring, name: str, rank: int, seconds: float) -> Words:
    """Return a packed state of that rank with flips, or of the lowest such rank found in time."""
    if (name, rank) == ("8x8x8", 343):
        factor = unpack(parse_format("4x4x4"), ring, state_of(device, ring, "4x4x4", 49, seconds))
        return pack(product(factor, strassen(ring)))
    strategy, _ = search(device, ring, name, rank, seconds, mobile=True)
    for level in sorted(strategy.levels):
        for state in strategy.levels[level]:
            if level >= rank and can_flip(state, ring):
                return state
    return strategy.starts[0]


def flips_per_second(
    device: Device, ring: Ring, name: str, state: Words, seconds: float, team: int | None
) -> tuple[float, dict[str, Any]]:
    """Return the median rate of a full device over slices, and what it was measured with."""
    policy = Policy(plus_after=50_000, band=2, merge=False)
    tasks = [WalkTask(parse_format(name), ring, state, 0, 10**15, policy)]
    shape = shape_for(tasks[0], team=team)
    walkers = device.walkers(shape)
    batch = Batch(device, shape, walkers, 1)
    seeds, ended = itertools.count(), 0

    def launch() -> float:
        nonlocal ended
        # a walk that got stuck makes room for another
        ended += sum(outcome.flips for _, outcome in batch.finished() if outcome is not None)
        fresh = [replace(tasks[0], seed=next(seeds)) for _ in range(batch.free)]
        batch.load(fresh)
        return batch.advance()

    started = time.perf_counter()
    while launch() < 0.2 and time.perf_counter() - started < seconds:
        pass
    rates = []
    for _ in range(SLICES):
        before, began = ended + batch.flips(), time.perf_counter()
        while time.perf_counter() - began < seconds / SLICES:
            launch()
        rates.append((ended + batch.flips() - before) / (time.perf_counter() - began))
    keys = {"team": shape.team, "rows": shape.rows, "walkers": batch.walkers}
    return statistics.median(rates), keys


def rate(
    device: Device, as_json: bool, row: tuple[str, str, int], seconds: float, team: int | None
) -> None:
    """Print the rate of a full device."""
    ring, (_, name, rank) = Ring(row[0]), row
    state = state_of(device, ring, name, rank, STATE_SECONDS)
    value, keys = flips_per_second(device, ring, name, state, seconds, team)
    where = {"ring": row[0], "format": name, "rank": len(state), "device": device.name}
    emit(as_json, "flips_per_second", value, "1/s", **where, **keys)


def rank(device: Device, as_json: bool, row: tuple[str, str, int, float]) -> None:
    """Print the time from the naive scheme to a rank, or null where it was not reached."""
    ring_name, name, target, limit = row
    strategy, seconds = search(device, Ring(ring_name), name, target, limit, mobile=False)
    reached = strategy.best_rank <= target
    keys = {"ring": ring_name, "format": name, "rank": target, "device": device.name}
    value = seconds if reached else None
    emit(as_json, "seconds_to_rank", value, "s", **keys, best=strategy.best_rank, seeds=1)


def sections(checked: bool, only: str | None, seconds: float) -> list[tuple[str, float]]:
    """Return the names of what is to be done, and how many seconds each may take."""
    found = [(f"check:{ring}", CHECK_LIMIT) for ring in CHECKED if checked]
    if only != "ranks":
        found += [(f"rate:{k}", RATE_LIMIT + seconds) for k in range(len(RATES))]
    if only != "rates":
        found += [(f"rank:{k}", row[3] + START_SECONDS) for k, row in enumerate(RANKS)]
    return found


def run_section(name: str, options: Any) -> int:
    """Do one section in this process; return its exit code."""
    module, _, maker = options.device.partition(":")
    device = getattr(importlib.import_module(module), maker)()
    kind, _, which = name.partition(":")
    if kind == "check":
        return 0 if check(device, options.json, Ring(which), options.share) else 1
    if kind == "rate":
        rate(device, options.json, RATES[int(which)], options.seconds, options.team)
    else:
        rank(device, options.json, RANKS[int(which)])
    return 0


def run_all(names: Sequence[tuple[str, float]], arguments: Sequence[str], as_json: bool) -> bool:
    """Run each section as a process; print how each ended; return whether all did well."""
    started, well = time.perf_counter(), True
    for name, limit in names:
        began = time.perf_counter()
        left = ALL_SECONDS - (began - started)
        command = [sys.executable, "-m", "benchmarks.gpu", *arguments, "--section", name]
        try:
            done = subprocess.run(command, check=False, timeout=max(1.0, min(limit, left)))
            ended = "done" if done.returncode == 0 else f"failed with code {done.returncode}"
        except subprocess.TimeoutExpired:
            ended = "out of time"
        well &= ended == "done"
        seconds = time.perf_counter() - began
        emit(as_json, "section_seconds", seconds, "s", section=name, ended=ended)
    return well


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures."""
    parser = benchmark_parser(__doc__)
    parser.add_argument("--check", action="store_true", help="compare walks with the CPU's first")
    parser.add_argument("--only", choices=["rates", "ranks"], help="only these figures")
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds a rate")
    parser.add_argument("--team", type=int, choices=[1, 32], help="threads a walker, for rates")
    parser.add_argument("--share", type=float, default=1.0, help="of the walks of --check")
    parser.add_argument("--device", default=CUDA, metavar="MODULE:NAME", help="what makes it")
    parser.add_argument("--section", help="only this one, in this process")
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(given)
    if options.section:
        return run_section(options.section, options)
    if options.device == CUDA and (problem := availability()) is not None:
        print(problem, file=sys.stderr)
        return 1
    emit_dgemm(options.json)
    wanted = sections(options.check, options.only, options.seconds)
    return 0 if run_all(wanted, given, options.json) else 1


if __name__ == "__main__":
    sys.exit(main())
