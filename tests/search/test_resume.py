"""Runs that are stopped and go on: deterministic ones end as if they had not been stopped."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fault_support import assert_nothing_lost, pool, recorded

from flipsearch.catalogue import Catalogue
from flipsearch.catalogue.codec import pack_state, unpack_state
from flipsearch.cli import main
from flipsearch.errors import CatalogueError, FormatError
from flipsearch.executors.threads import ThreadExecutor
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.search.checkpoint import outstanding_tasks, trimmed, with_outstanding
from flipsearch.search.driver import Driver
from flipsearch.search.members import formats_within
from flipsearch.search.result import Result
from flipsearch.search.schedules import Schedule
from flipsearch.search.strategies.cyclic import CyclicStrategy
from flipsearch.search.strategies.diagonal import DiagonalStrategy
from flipsearch.search.strategies.meta import MetaStrategy
from flipsearch.search.strategies.pool import PoolStrategy
from flipsearch.search.strategies.rotation import RotationStrategy
from flipsearch.walk import engine
from flipsearch.walk.quotient.task import QuotientTask
from flipsearch.walk.rotation.task import RotationTask
from flipsearch.walk.task import WalkOutcome, WalkTask

TARGET = 24


class PowerCutError(BaseException):
    """Ends a search at once, as a kill does: nothing is caught, nothing is saved."""


@pytest.fixture(autouse=True)
def no_shipped_schemes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)


def cutting(strategy: PoolStrategy, after: int) -> PoolStrategy:
    """Return the strategy, with a power cut when so many more outcomes are told."""
    tell, left = strategy.tell, [after]

    def telling(outcome: WalkOutcome) -> bool:
        left[0] -= 1
        if left[0] < 0:
            raise PowerCutError
        return tell(outcome)

    strategy.tell = telling  # type: ignore[method-assign]
    return strategy


def go(
    database: Path, strategy: PoolStrategy, executor: Any = None
) -> tuple[Result | None, list[str]]:
    """Start the run ``it`` or go on with it; None for a run that was cut off."""
    with Catalogue.open(database) as catalogue:
        acknowledged = recorded(catalogue)
        run = catalogue.runs.find("it")
        outstanding: list[WalkTask] = []
        if run is None:
            run = catalogue.runs.start(strategy.format, strategy.ring, name="it", seed=7)
        else:
            run = catalogue.runs.resume(run)
            state = catalogue.runs.last_checkpoint(run)
            if state is not None:
                strategy.restore(state)
                outstanding = outstanding_tasks(state, strategy)
        executor = executor or ThreadExecutor(2)
        with executor:
            try:
                result = Driver(
                    *(strategy, executor, catalogue, run),
                    deterministic=True,
                    outstanding=outstanding,
                    checkpoint_seconds=0.0,
                ).run(60, lift=False)
            except PowerCutError:
                return None, acknowledged
        return result, acknowledged


@pytest.mark.slow
def test_a_run_killed_three_times_ends_as_one_that_was_not(tmp_path: Path) -> None:
    whole = pool(7, TARGET)
    result, _ = go(tmp_path / "whole.sqlite", whole)
    assert result is not None
    told = whole.told
    cut, acknowledged = tmp_path / "cut.sqlite", []
    for after in (1, told // 3, told // 3):
        ended, stored = go(cut, cutting(pool(7, TARGET), after))
        assert ended is None
        acknowledged += stored
    resumed = pool(7, TARGET)
    ended, stored = go(cut, resumed)
    assert ended is not None
    assert pack_state(resumed.state()) == pack_state(whole.state())
    assert ended.progress.best_rank == result.progress.best_rank
    with Catalogue.open(tmp_path / "whole.sqlite") as one, Catalogue.open(cut) as other:
        assert one.runs.get("it").flips == other.runs.get("it").flips > 0
        names = {record.hash for record in one.schemes.records(run=one.runs.get("it").id)}
        run = other.runs.get("it").id
        assert names <= {record.hash for record in other.schemes.records(run=run)}
    assert_nothing_lost(cut, acknowledged + stored)


@pytest.mark.ray
def test_threads_and_ray_give_the_same_run(tmp_path: Path) -> None:
    from ray_support import shared_cluster

    from flipsearch.executors.ray import RayExecutor

    one, other = pool(7, TARGET), pool(7, TARGET)
    first, _ = go(tmp_path / "threads.sqlite", one)
    executor = RayExecutor(2, address=shared_cluster().address)
    second, _ = go(tmp_path / "ray.sqlite", other, executor)
    assert first is not None
    assert second is not None
    assert pack_state(one.state()) == pack_state(other.state())
    assert first.progress.flips == second.progress.flips
    assert first.stored == second.stored


def meta() -> MetaStrategy:
    quick = ((3_000, 500, 3), (5_000, 1_000, 2))
    return MetaStrategy(formats_within(2, 3), Ring.F2, 5, width=3, schedules=quick)


def symmetric() -> CyclicStrategy:
    quick = (Schedule(5_000, 500, 9), Schedule(8_000, 1_000, 6, 2))
    general = parse_format("3x3x3")
    return CyclicStrategy(general, 5, width=3, without=0.1, schedules=quick)


def rotation() -> RotationStrategy:
    return RotationStrategy(parse_format("sw:4x4x4"), Ring.F3, 5, steps=5_000)


def diagonal() -> DiagonalStrategy:
    return DiagonalStrategy(parse_format("us:4x4x4"), Ring.F3, 5, steps=5_000)


@pytest.mark.parametrize(
    "make",
    [lambda: pool(3), meta, symmetric, rotation, diagonal],
    ids=["pool", "meta", "symmetric", "rotation", "diagonal"],
)
def test_outstanding_tasks_are_walked_alike_after_a_restore(make: Any, tmp_path: Path) -> None:
    strategy = make()
    waiting = [strategy.ask() for _ in range(5)]
    for _ in range(12):
        strategy.tell(engine.walk(waiting.pop(0)))
        waiting.append(strategy.ask())
    saved = with_outstanding(strategy.state(), waiting)
    with Catalogue.open(tmp_path / "c.sqlite") as catalogue:
        run = catalogue.runs.start("3x3x3", "F2")
        catalogue.runs.checkpoint(run, saved)
        state = catalogue.runs.last_checkpoint(run)
    assert state is not None
    again = make()
    again.restore(state)
    assert again.format == strategy.format
    assert (again.asked, again.told) == (strategy.asked, strategy.told)
    others = outstanding_tasks(state, again)
    for _ in range(12):
        old, new = waiting.pop(0), others.pop(0)
        assert type(old) is type(new)
        assert (old.number, old.seed, old.steps, old.policy, old.format) == (
            *(new.number, new.seed, new.steps),
            *(new.policy, new.format),
        )
        np.testing.assert_array_equal(old.start, new.start)
        if isinstance(old, QuotientTask):
            np.testing.assert_array_equal(old.cubes, new.cubes)
            assert (old.mirrored, old.plus_below) == (new.mirrored, new.plus_below)
            assert old.largest_rank == new.largest_rank
        if isinstance(old, RotationTask):
            assert (old.order, old.integral) == (new.order, new.integral)
        strategy.tell(engine.walk(old))
        again.tell(engine.walk(new))
        waiting.append(strategy.ask())
        others.append(again.ask())
    assert pack_state(strategy.state()) == pack_state(again.state())


def test_without_outstanding_tasks_a_state_forgets_them() -> None:
    strategy = pool(3)
    for _ in range(4):
        strategy.ask()
    again = pool(3)
    again.restore(strategy.state())
    assert again.asked == again.told == 4
    assert outstanding_tasks(strategy.state(), strategy) == []


def test_a_state_too_large_is_trimmed_and_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    strategy = pool(3)
    for _ in range(40):
        strategy.tell(engine.walk(strategy.ask()))
    size = len(pack_state(strategy.state()))
    small = trimmed(strategy.state(), size)
    assert "oldest states" in caplog.text
    again = pool(3)
    again.restore(small)
    assert again.best_rank == strategy.best_rank
    for rank, states in again.levels.items():
        kept = strategy.levels[rank][-len(states) :]
        assert all(np.array_equal(a, b) for a, b in zip(states, kept, strict=True))
    assert again.sizes != strategy.sizes
    assert trimmed(strategy.state(), 10**9) == strategy.state()


def test_one_limit_for_packing_and_unpacking(monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"levels": {"7": [np.arange(1000, dtype=np.uint64)] * 4}}
    exact = len(zlib.decompress(pack_state(state)[len(b"flipsearch state 1\n") :]))
    monkeypatch.setattr("flipsearch.catalogue.codec.LARGEST_STATE_BYTES", exact)
    assert len(unpack_state(pack_state(state))["levels"]["7"]) == 4
    packed = pack_state(state)
    monkeypatch.setattr("flipsearch.catalogue.codec.LARGEST_STATE_BYTES", exact - 1)
    with pytest.raises(CatalogueError, match="too large"):
        pack_state(state)
    with pytest.raises(FormatError, match="too large"):
        unpack_state(packed)


@pytest.mark.parametrize("make", [lambda: pool(3), meta, symmetric, rotation, diagonal])
def test_every_strategy_goes_on_from_a_trimmed_state(make: Any) -> None:
    strategy = make()
    for _ in range(20):
        strategy.tell(engine.walk(strategy.ask()))
    again = make()
    again.restore(trimmed(strategy.state(), 1))
    assert again.best_rank == strategy.best_rank
    for _ in range(5):
        again.tell(engine.walk(again.ask()))


def test_a_run_that_fails_keeps_what_it_found(tmp_path: Path) -> None:
    def failing(task: WalkTask) -> WalkOutcome:
        if task.number == 20:
            raise ZeroDivisionError("a fault of the program")
        return engine.walk(task)

    with pytest.raises(ZeroDivisionError):
        go(tmp_path / "c.sqlite", pool(7), ThreadExecutor(1, failing))
    with Catalogue.open(tmp_path / "c.sqlite") as catalogue:
        run = catalogue.runs.get("it")
        assert run.status == "interrupted"
        assert run.message == "a fault of the program"
        assert catalogue.runs.last_checkpoint(run) is not None
    result, _ = go(tmp_path / "c.sqlite", pool(7, TARGET))
    assert result is not None
    assert result.progress.best_rank <= TARGET


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(list(arguments)) == 0
    summary: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return summary


def test_the_same_command_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = ["--db", str(tmp_path / "c.sqlite"), "--json", "--workers", "1"]
    common = ["search", "2x2x2", "--run", "it", "--budget", "200ms", *database]
    first = command(capsys, *common)
    second = command(capsys, *common)
    third = command(capsys, "resume", "it", "--budget", "200ms", *database)
    assert first["run"] == second["run"] == third["run"]
    assert first["rank"] >= second["rank"] >= third["rank"] == 7
    with Catalogue.open(tmp_path / "c.sqlite") as catalogue:
        run = catalogue.runs.get("it")
        assert run.flips == first["flips"] + second["flips"] + third["flips"]


def test_at_most_an_interval_of_walking_is_lost(tmp_path: Path) -> None:
    ended, _ = go(tmp_path / "c.sqlite", cutting(pool(5), 60), ThreadExecutor(1))
    assert ended is None
    with Catalogue.open(tmp_path / "c.sqlite") as catalogue:
        state = catalogue.runs.last_checkpoint(catalogue.runs.get("it"))
    assert state is not None
    # a checkpoint follows every outcome here, so the one told last is there
    assert state["told"] == 60
