from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from flipsearch.errors import UsageError
from flipsearch.executors.base import Executor
from flipsearch.formats import parse_format
from flipsearch.lift import lift
from flipsearch.rings import Ring
from flipsearch.search.driver import compile_ahead
from flipsearch.search.strategies.rotation import BEGINNING, PATIENCE, RotationStrategy
from flipsearch.verify import is_valid, verify
from flipsearch.walk import engine
from flipsearch.walk.rotation.task import RotationTask
from flipsearch.walk.task import WalkTask, unpack


def strategy(
    name: str = "ss:3x3x3", ring: Ring = Ring.F3, seed: int = 1, target: int = 0
) -> RotationStrategy:
    return RotationStrategy(parse_format(name), ring, seed, target, steps=20_000)


def run(search: RotationStrategy, tasks: int) -> None:
    for _ in range(tasks):
        search.tell(engine.walk(search.ask()))
        if search.finished:
            return


@pytest.mark.parametrize(
    ("name", "ring", "rank"),
    [("ss:3x3x3", Ring.F3, 15), ("sk:3x3x3", Ring.F3, 12), ("sg:4x4x4", Ring.ZT, 40)],
)
def test_runs_reach_low_ranks(name: str, ring: Ring, rank: int) -> None:
    search = strategy(name, ring, target=rank)
    run(search, 400)
    assert search.best_rank <= rank
    for lowest, states in search.levels.items():
        for state in states:
            assert len(state) == lowest
            assert is_valid(unpack(search.format, ring, state))
    assert search.sizes[search.best_rank] >= 1
    assert min(search.levels) == search.best_rank


def test_what_it_finds_lifts() -> None:
    search = strategy(target=15)
    run(search, 400)
    lifted = lift(unpack(search.format, Ring.F3, search.best_states()[0]))
    verify(lifted)
    assert lifted.rank == search.best_rank


def test_it_begins_over_the_integers_and_goes_on_over_f3() -> None:
    search = strategy()
    symmetric = []
    for _ in range(3 * BEGINNING):
        task = search.ask()
        if isinstance(task, RotationTask):
            symmetric.append(task.integral)
            if task.integral:
                assert is_valid(unpack(task.format, Ring.ZT, task.start))
        search.tell(engine.walk(task))
    assert len(symmetric) < 3 * BEGINNING  # some went on without symmetry
    assert symmetric == BEGINNING * [True] + (len(symmetric) - BEGINNING) * [False]


def test_an_attempt_is_given_up_for_a_new_one() -> None:
    search = strategy("sk:2x2x2")
    integral = []
    for _ in range(3 * (BEGINNING + PATIENCE)):
        task = search.ask()
        if isinstance(task, RotationTask):
            integral.append(task.integral)
        search.tell(engine.walk(task))
    assert not all(integral[BEGINNING : BEGINNING + PATIENCE])
    assert sum(integral) > 2 * BEGINNING


def test_groups_take_turns() -> None:
    search = strategy("ss:4x4x4", Ring.ZT)
    orders = []
    while len(set(orders)) < 2 and len(orders) < 1000:
        task = search.ask()
        if isinstance(task, RotationTask):
            orders.append(task.order)
            assert len(task.start) % task.order == 0
        search.tell(engine.walk(task))
    assert sorted(set(orders), reverse=True) == [4, 2] == list(search.orders)


@pytest.mark.parametrize("ring", [Ring.F3, Ring.ZT])
def test_replay_and_resume(ring: Ring) -> None:
    first, second = strategy(ring=ring, seed=5), strategy(ring=ring, seed=5)
    for _ in range(60):
        one, two = first.ask(), second.ask()
        assert one.seed == two.seed
        assert np.array_equal(one.start, two.start)
        first.tell(engine.walk(one))
        second.tell(engine.walk(two))
    resumed = strategy(ring=ring, seed=5)
    resumed.restore(first.state())
    assert resumed.sizes == first.sizes
    for _ in range(20):
        one, two = first.ask(), resumed.ask()
        assert (one.seed, one.policy, type(one)) == (two.seed, two.policy, type(two))
        assert np.array_equal(one.start, two.start)
        first.tell(engine.walk(one))
        resumed.tell(engine.walk(two))
    assert resumed.best_rank == first.best_rank


class Recorder(Executor):
    """Takes note of what it is asked to compile."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[WalkTask] = []

    def each(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        idle: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[str, Any]]:
        self.items += items
        return iter(())


def test_walks_are_compiled_ahead_on_whole_orbits() -> None:
    recorder = Recorder()
    compile_ahead(strategy("ss:4x4x4"), recorder)
    rotated = [task for task in recorder.items if isinstance(task, RotationTask)]
    assert {task.order for task in rotated} == {4, 2}
    for task in rotated:
        assert len(task.start) % task.order == 0
    for order in (4, 2):
        assert min(len(task.start) for task in rotated if task.order == order) < 2 * order


def test_outcomes_of_forgotten_tasks_are_ignored() -> None:
    search = strategy()
    task = search.ask()
    search.restore(search.state())
    assert not search.tell(engine.walk(task))
    assert search.best_rank == search.format.naive_rank


def test_refusals() -> None:
    with pytest.raises(UsageError, match="does not fix us:3x3x3"):
        strategy("us:3x3x3")
    with pytest.raises(UsageError, match="F3 and ZT, not over F2"):
        strategy(ring=Ring.F2)
    for other in (strategy(seed=2), strategy("sw:3x3x3"), strategy(ring=Ring.ZT)):
        with pytest.raises(UsageError, match="not of this rotation run"):
            strategy().restore(other.state())
