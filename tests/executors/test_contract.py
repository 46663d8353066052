"""The contract of every executor: threads, a device, both, a Ray cluster of this machine.

The device is `walk.cu` compiled for this machine.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from host_device import HostDevice, needs_compiler
from odd_walks import refuse_odd, stand_still

from flipsearch.errors import FlipsearchError, UsageError
from flipsearch.executors import executor_named
from flipsearch.executors.device import DeviceExecutor, Together
from flipsearch.executors.threads import ThreadExecutor
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme
from flipsearch.search.schedules import Schedule
from flipsearch.search.strategies.cyclic import CyclicStrategy
from flipsearch.search.strategies.diagonal import DiagonalStrategy
from flipsearch.search.strategies.pool import PoolStrategy
from flipsearch.search.strategies.rotation import RotationStrategy
from flipsearch.search.strategy import task_seed
from flipsearch.walk import engine
from flipsearch.walk.task import Policy, WalkOutcome, WalkTask, pack

Make = Callable[..., Any]


KINDS = [
    "threads",
    pytest.param("device", marks=needs_compiler),
    pytest.param("together", marks=needs_compiler),
    pytest.param("ray", marks=pytest.mark.ray),
]


def too_large(*_: Any, **__: Any) -> None:
    raise UsageError("too large for the chip")


@pytest.fixture(scope="module")
def shared() -> Iterator[list[Any]]:
    """Hold the executor on Ray that most tests share: its actors take seconds to start."""
    kept: list[Any] = []
    yield kept
    for executor in kept:
        executor.close()


@pytest.fixture(params=KINDS)
def make(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, shared: list[Any]
) -> Iterator[Make]:
    opened: list[Any] = []
    kind = request.param

    def build(workers: int | None = 2, own: bool = False, **options: Any) -> Any:
        if kind == "ray":
            from ray_support import shared_cluster

            own = own or not workers or bool(options)
            while own and workers and shared:  # the cluster has two cores
                shared.pop().close()
            if own or not shared:
                address = shared_cluster().address
                executor: Any = executor_named("ray")(workers, address=address, **options)
            if not own:
                shared[:] = shared or [executor]
                assert shared[0].pending == 0
                return shared[0]
        elif kind == "threads":
            make_threads = ThreadExecutor if options else executor_named("threads")
            executor = make_threads(workers, **(options or {"gpu": "off"}))
        else:
            if "walk" in options:  # which is for tasks that the device does not take
                monkeypatch.setattr("flipsearch.walk.gpu.batch.shape_for", too_large)
            walkers = None if workers is None else 32 * workers
            executor = DeviceExecutor(HostDevice(), walkers, **options)
            if kind == "together":
                executor = Together(ThreadExecutor(workers, **options), executor)
        opened.append(executor)
        return executor

    yield build
    for executor in opened:
        executor.close()


def tasks(count: int, ring: Ring = Ring.F2, format_: str = "3x3x3") -> list[WalkTask]:
    shape = parse_format(format_)
    start = pack(naive_scheme(shape, ring))
    policy = Policy(2_000, 4)
    return [WalkTask(shape, ring, start, task_seed(5, k), 20_000, policy, k) for k in range(count)]


def collect(executor: Any, count: int, seconds: float = 120.0) -> dict[int, WalkOutcome]:
    found: dict[int, WalkOutcome] = {}
    deadline = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < deadline:
        outcome = executor.next_outcome(0.25)
        if outcome is not None:
            assert outcome.number not in found
            found[outcome.number] = outcome
    return found


def assert_same(one: WalkOutcome, other: WalkOutcome) -> None:
    assert type(one) is type(other)
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
        elif field.name == "best":
            assert len(a) == len(b)
            for x, y in zip(a, b, strict=True):
                np.testing.assert_array_equal(x, y)
        else:
            assert a == b, field.name


@pytest.mark.parametrize("ring", [Ring.F2, Ring.ZT])
def test_every_task_comes_back_once_as_the_walk_says(make: Make, ring: Ring) -> None:
    executor = make()
    asked = tasks(12, ring)
    asked[3] = dataclasses.replace(asked[3], policy=Policy(2_000, 4, 25, 3, 500))
    for task in asked:
        executor.submit(task)
    assert executor.pending == 12
    found = collect(executor, 12)
    assert sorted(found) == list(range(12))
    assert executor.pending == 0
    for task in asked:
        assert_same(found[task.number], engine.walk(task))
    assert executor.next_outcome(0.01) is None


def test_symmetric_walks_come_back_as_such(make: Make) -> None:
    strategy = CyclicStrategy(parse_format("3x3x3"), seed=1, schedules=(Schedule(5_000, 500, 6),))
    rotation = RotationStrategy(parse_format("ss:3x3x3"), Ring.F3, seed=1, steps=5_000)
    executor = make(1)
    asked: list[WalkTask] = [strategy.ask(), strategy.ask()]
    asked += [dataclasses.replace(rotation.ask(), number=number) for number in (2, 3)]
    diagonal = DiagonalStrategy(parse_format("us:3x3x3"), Ring.F3, seed=1, steps=5_000)
    asked.append(dataclasses.replace(diagonal.ask(), number=4))
    for task in asked:
        executor.submit(task)
    found = collect(executor, 5)
    for task in asked:
        assert_same(found[task.number], engine.walk(task))


def test_there_is_room_for_running_and_waiting_tasks(make: Make) -> None:
    executor = make(2)
    assert executor.pending == 0
    room = executor.capacity
    assert room > executor.workers
    some = tasks(room)
    for task in some:
        executor.submit(dataclasses.replace(task, steps=50))
    assert executor.pending == room
    assert len(collect(executor, room)) == room
    assert executor.pending == 0


def test_waiting_for_nothing_ends_in_time(make: Make) -> None:
    executor = make(1)
    collect(executor, 1, 0.01)
    start = time.monotonic()
    assert executor.next_outcome(0.2) is None
    assert 0.15 < time.monotonic() - start < 10  # neither at once nor for ever


def test_in_a_hurry_what_waits_is_dropped_and_what_comes_is_sound(make: Make) -> None:
    executor = make(1)
    asked = [dataclasses.replace(task, steps=300_000) for task in tasks(12)]
    for task in asked:
        executor.submit(task)
    first = collect(executor, 1)
    executor.hurry()
    found, deadline = dict(first), time.monotonic() + 60
    while executor.pending and time.monotonic() < deadline:
        outcome = executor.next_outcome(0.25)
        if outcome is not None:
            found[outcome.number] = outcome
    assert executor.pending == 0
    for number, outcome in found.items():
        walked = dataclasses.replace(asked[number], steps=outcome.steps)
        assert_same(outcome, engine.walk(walked))
    executor.submit(tasks(13)[12])
    assert collect(executor, 1, 60.0).keys() == {12}


def test_no_worker_is_refused(make: Make) -> None:
    with pytest.raises(UsageError, match=r"at least one (walker|worker)"):
        make(0)


def test_a_strategy_makes_its_way(make: Make) -> None:
    strategy = PoolStrategy(parse_format("2x2x2"), Ring.F2, seed=2, target=7, steps=2_000)  # type: ignore[arg-type]
    executor = make()
    deadline = time.monotonic() + 60
    while not strategy.finished and time.monotonic() < deadline:
        while executor.pending < executor.capacity:
            executor.submit(strategy.ask())
        outcome = executor.next_outcome(0.25)
        if outcome is not None:
            strategy.tell(outcome)
    assert strategy.best_rank == 7
    executor.hurry()
    while executor.pending:
        executor.next_outcome(0.25)


def test_what_a_walk_raises_is_raised_and_the_rest_goes_on(make: Make) -> None:
    executor = make(2, walk=refuse_odd)
    for task in tasks(4):
        executor.submit(dataclasses.replace(task, start=task.start.copy()))
    found, errors = set(), []
    deadline = time.monotonic() + 60
    while len(found) + len(errors) < 4 and time.monotonic() < deadline:
        try:
            outcome = executor.next_outcome(0.25)
        except FlipsearchError as error:
            errors.append(str(error))
        else:
            found |= {outcome.number} if outcome is not None else set()
    assert found == {0, 2}, errors
    assert len(errors) == 2
    assert all("is odd" in error for error in errors)
    assert executor.pending == 0


def test_large_starts_arrive_whole_and_may_be_written_to(make: Make) -> None:
    shape = parse_format("12x12x12")
    start = pack(naive_scheme(shape, Ring.F2))
    executor = make(2, walk=stand_still)
    for number in range(6):
        executor.submit(WalkTask(shape, Ring.F2, start.copy(), 1, 10, Policy(), number))
    found = collect(executor, 6)
    assert len(found) == 6
    for outcome in found.values():
        np.testing.assert_array_equal(outcome.final, start)


def test_closing_drops_what_waits(make: Make) -> None:
    executor = make(1, own=True)
    for task in tasks(6):
        executor.submit(dataclasses.replace(task, steps=1_000_000))
    start = time.monotonic()
    executor.close()
    assert time.monotonic() - start < 20
