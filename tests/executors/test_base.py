"""The base class of executors and their registry: a toy of another package, in one class."""

from __future__ import annotations

import importlib.metadata
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from test_contract import assert_same, tasks

from flipsearch.catalogue import Catalogue
from flipsearch.errors import UsageError
from flipsearch.executors import (
    Executor,
    base,
    executor_named,
    executor_names,
    register_executor,
)
from flipsearch.executors.device import DeviceExecutor, Together, local_executor
from flipsearch.executors.ray import RayExecutor
from flipsearch.executors.threads import ThreadExecutor
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.search.driver import Driver
from flipsearch.search.strategies.pool import PoolStrategy
from flipsearch.walk import engine
from flipsearch.walk.task import WalkOutcome, WalkTask


class Here(Executor):
    """Walk in the calling thread, one task at a time."""

    name = "here"
    capacity = 3
    pending = 0

    def __init__(self, **_: Any) -> None:
        super().__init__()
        self._tasks: deque[WalkTask] = deque()
        self.published: list[int] = []

    def submit(self, task: WalkTask) -> None:
        self.pending += 1
        self._tasks.append(task)

    def next_outcome(self, timeout: float) -> WalkOutcome | None:
        if not self._tasks:
            return None
        self.pending -= 1
        return engine.walk(self._tasks.popleft())

    def hurry(self) -> None:
        self._tasks.clear()
        self.pending = 0

    def close(self) -> None:
        self.hurry()


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base.EXECUTORS, "added", {})
    register_executor("here", Here)


@pytest.mark.usefixtures("registered")
def test_a_toy_runs_a_search_to_its_end(tmp_path: Path) -> None:
    strategy = PoolStrategy(parse_format("2x2x2"), Ring.F2, seed=2, target=7, steps=5_000)
    with (
        Catalogue.open(tmp_path / "c.sqlite", shipped=False) as catalogue,
        executor_named("here")(workers=None) as executor,
    ):
        run = catalogue.runs.start("2x2x2", "F2", seed=2)
        result = Driver(strategy, executor, catalogue, run).run(60.0)
    assert result.progress.best_rank == 7
    assert result.lifted is not None
    assert executor.pending == 0


def test_the_base_class_declares_all_that_a_driver_reads() -> None:
    executor = Here()
    assert (executor.workers, executor.jobs, executor.checks_answers) == (1, 1, False)
    assert executor.rejections == []
    executor.publish(1.0, 7, {7: 1})
    calls: list[int] = []

    def half(number: int) -> int:
        if number % 2:
            raise UsageError(f"{number} is odd")
        return number // 2

    answers = list(executor.each(half, [4, 3, 2], lambda: calls.append(1)))
    assert answers == [("value", 2), ("error", "3 is odd"), ("value", 1)]
    assert len(calls) == 3
    with pytest.raises(ZeroDivisionError):  # a programming mistake is not an answer
        list(executor.each(lambda x: 1 // x, [0]))
    for kind in (ThreadExecutor, DeviceExecutor, Together, RayExecutor, Here):
        assert issubclass(kind, Executor)
        for name in ("capacity", "pending", "submit", "next_outcome", "hurry", "close"):
            assert getattr(kind, name) is not getattr(Executor, name), (kind, name)


def test_outcomes_of_a_toy_are_those_of_the_engine() -> None:
    asked = tasks(3)
    with Here() as executor:
        for task in asked:
            executor.submit(task)
        for task in asked:
            outcome = executor.next_outcome(0)
            assert outcome is not None
            assert_same(outcome, engine.walk(task))
        assert executor.next_outcome(0) is None


@pytest.mark.usefixtures("registered")
def test_names(monkeypatch: pytest.MonkeyPatch) -> None:
    assert executor_names() == ["threads", "ray", "here"]
    assert executor_named("threads") is local_executor
    assert executor_named("ray") is RayExecutor
    assert executor_named("here") is Here
    register_executor("here", Here)
    with pytest.raises(UsageError, match=r"no executor 'there' .*: there are threads, ray, here"):
        executor_named("there")
    for name in ("threads", "ray", "here"):
        with pytest.raises(UsageError, match=f"there is an executor '{name}' already"):
            register_executor(name, ThreadExecutor)
    point = importlib.metadata.EntryPoint("there", f"{__name__}:Here", base.EXECUTORS.group)
    found = importlib.metadata.EntryPoints([point])
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **which: found.select(**which))
    assert executor_names() == ["threads", "ray", "here", "there"]
    assert executor_named("there").__name__ == "Here"


def test_threads_refuse_an_address() -> None:
    with pytest.raises(UsageError, match="address is a cluster's"):
        executor_named("threads")(workers=1, gpu="off", address="auto")
