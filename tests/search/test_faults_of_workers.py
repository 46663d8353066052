"""Workers and nodes that die, hang or lie: the search goes on and loses nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_support import assert_nothing_lost, hurt, pool
from odd_walks import Odd
from ray_support import add_node, kill, processes, shared_cluster

from flipsearch.catalogue import Catalogue
from flipsearch.executors.ray import RayExecutor
from flipsearch.walk.task import WalkOutcome

pytestmark = pytest.mark.ray


@pytest.fixture(autouse=True)
def no_shipped_schemes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)


@pytest.fixture
def executors() -> Iterator[Any]:
    opened: list[RayExecutor] = []

    def build(workers: int, **options: Any) -> RayExecutor:
        opened.append(RayExecutor(workers, address=shared_cluster().address, **options))
        return opened[-1]

    yield build
    for executor in opened:
        executor.close()


def storm(
    executor: RayExecutor, nodes: list[Any], database: Path, kills: int, at_once: int = 1
) -> list[int]:
    """Kill workers, remove all the nodes, check that nothing is lost; return who was killed."""
    cluster = shared_cluster()
    victims = itertools.count()
    every = max(1, kills // (len(nodes) + 1))
    killed: list[int] = []
    strategy, told = pool(), [0]

    def harm() -> bool:
        # somebody has walked since the last kill, else this would only be a contest with restarts
        for _ in range(at_once if strategy.told > told[0] else 0):
            alive = [process for process in processes(executor) if process not in killed]
            if len(killed) < kills and alive:
                process = alive[next(victims) % len(alive)]
                if kill(process):
                    killed.append(process)
                    told[0] = strategy.told
                    if nodes and len(killed) % every == 0:
                        cluster.remove_node(nodes.pop(), allow_graceful=False)
        return len(killed) >= kills and not nodes and bool(processes(executor))

    result, acknowledged = hurt(
        executor, database, harm, strategy=strategy, seconds=60 + 10 * kills
    )
    assert len(killed) == kills
    assert not nodes
    assert result.interrupted
    assert result.progress.best_rank < 27
    assert_nothing_lost(database, acknowledged)
    with Catalogue.open(database) as catalogue:
        assert not catalogue.runs.quarantined()
    return killed


def test_ten_workers_killed_and_two_nodes_lost(executors: Any, tmp_path: Path) -> None:
    cluster = shared_cluster()
    nodes = [add_node(cluster), add_node(cluster)]
    executor = executors(4)
    killed = storm(executor, nodes, tmp_path / "c.sqlite", 10)
    assert len(set(killed)) == 10
    assert executor.deaths >= 10
    assert not nodes


def test_wrong_answers_are_quarantined_and_the_search_goes_on(
    executors: Any, tmp_path: Path
) -> None:
    how = {1: "wrong", 2: "always poor"}
    executor = executors(1, walk=Odd(str(tmp_path), how))
    database = tmp_path / "c.sqlite"
    done: set[int] = set()
    given_up: set[int] = set()
    strategy = pool()
    tell = strategy.tell

    def telling(outcome: WalkOutcome) -> bool:
        (given_up if outcome.reason == "broken" else done).add(outcome.number)
        return tell(outcome)

    def over() -> bool:  # the task whose answers are always wrong takes a new worker each time
        return len(done) > 8 and bool(given_up)

    strategy.tell = telling  # type: ignore[method-assign]
    result, acknowledged = hurt(executor, database, over, strategy=strategy)
    assert 1 in done
    assert given_up == {2}
    assert 2 not in done
    assert 20 < result.progress.best_rank < 27
    assert_nothing_lost(database, acknowledged)
    with Catalogue.open(database) as catalogue:
        kept = catalogue.runs.quarantined()
    rejected = [item for item in kept if "rejected" in item.reason]
    assert sorted(item.task["number"] for item in rejected) == [1, 2, 2, 2]
    assert all(item.run == result.run.id and item.task["worker"] for item in rejected)
    assert [item.task["number"] for item in kept if item not in rejected] == [2]


def test_workers_that_hang_or_die_or_run_out_of_memory(executors: Any, tmp_path: Path) -> None:
    how = {1: "hang", 2: "die", 3: "raise"}
    executor = executors(1, walk=Odd(str(tmp_path), how), hang_seconds=3.0)
    database = tmp_path / "c.sqlite"
    done: set[int] = set()
    strategy = pool()
    tell = strategy.tell

    def telling(outcome: WalkOutcome) -> bool:
        done.add(outcome.number)
        return tell(outcome)

    strategy.tell = telling  # type: ignore[method-assign]
    _, acknowledged = hurt(executor, database, lambda: {1, 2, 3} <= done, strategy=strategy)
    assert {1, 2, 3} <= done
    assert all((tmp_path / str(number)).exists() for number in how)
    assert executor.deaths >= 2
    assert_nothing_lost(database, acknowledged)
