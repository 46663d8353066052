import numpy as np
import pytest

from flipsearch.errors import UsageError
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.search.schedules import Schedule
from flipsearch.search.strategies.cyclic import (
    LOOSENED_SCHEDULES,
    MIRRORED_SCHEDULES,
    PATIENCE,
    SCHEDULES,
    STEPS,
    CyclicStrategy,
)
from flipsearch.verify import is_valid
from flipsearch.walk.engine import walk
from flipsearch.walk.quotient.task import QuotientTask, write_out
from flipsearch.walk.task import WalkOutcome, WalkTask, unpack

QUICK = (Schedule(20_000, 2_000, 9), Schedule(50_000, 5_000, 6, 2))


def strategy(n: int = 3, seed: int = 1, **options: object) -> CyclicStrategy:
    settings: dict[str, object] = {"schedules": QUICK}
    return CyclicStrategy(parse_format(f"{n}x{n}x{n}"), seed, **(settings | options))  # type: ignore[arg-type]


def run(task: WalkTask) -> WalkOutcome:
    return walk(task)


@pytest.mark.parametrize("mirrored", [False, True])
def test_runs_reach_low_ranks(mirrored: bool) -> None:
    search = strategy(3, mirrored=mirrored, target=23)
    for _ in range(30):
        search.tell(run(search.ask()))
        if search.best_rank == 23:
            break
    assert search.best_rank == 23
    found = search.found()
    assert min(scheme.rank for scheme in found) == search.best_rank
    assert not search.found()
    assert all(is_valid(scheme) for scheme in found)
    for pool in search.groups:
        assert min(pool.pools.levels) == pool.pools.best_rank
        for rank, states in pool.pools.levels.items():
            for orbits, cubes in states:
                state = write_out(orbits, cubes, 3, pool.mirrored)
                assert len(state) == rank
                assert is_valid(unpack(search.format, Ring.F2, state))


def test_a_course_goes_on_from_where_its_last_task_ended() -> None:
    search = strategy(3, without=0.0, restart=1.0)
    task = search.ask()
    assert isinstance(task, QuotientTask)
    lengths = []
    for _ in range(4):
        length, end = 0, None
        while True:
            outcome = walk(task)
            search.tell(outcome)
            length, end = length + 1, outcome.final_orbits
            task = search.ask()
            assert isinstance(task, QuotientTask)
            if not np.array_equal(task.start, end):
                break
        np.testing.assert_array_equal(task.start, strategy(3).ask().start)
        lengths.append(length)
    assert min(lengths) >= PATIENCE


def test_courses_of_small_sides_are_short() -> None:
    for side in (3, 5, 7):
        format_ = parse_format(f"{side}x{side}x{side}")
        task = CyclicStrategy(format_, seed=1).ask()
        assert task.steps == min(20_000_000, STEPS * format_.naive_rank**2)


def test_some_tasks_go_on_without_symmetry() -> None:
    search = strategy(3, without=0.5)
    kinds = set()
    for _ in range(12):
        task = search.ask()
        kinds.add(type(task))
        if isinstance(task, QuotientTask):
            search.tell(run(task))
        else:
            assert len(task.start) == search.best_rank
            assert is_valid(unpack(task.format, task.ring, task.start))
    assert kinds == {WalkTask, QuotientTask}


def test_mirrored_searches_go_on_under_c3() -> None:
    search = strategy(3, mirrored=True, without=0.0, loosened=0.5)
    groups = set()
    for _ in range(12):
        task = search.ask()
        assert isinstance(task, QuotientTask)
        groups.add(task.mirrored)
        state = write_out(task.start, task.cubes, 3, task.mirrored)
        assert is_valid(unpack(search.format, Ring.F2, state))
        search.tell(run(task))
    assert groups == {True, False}
    *mirrored, loose = (group.pools for group in search.groups)
    assert loose.best_rank == search.best_rank <= min(pool.best_rank for pool in mirrored)
    resumed = strategy(3, mirrored=True, without=0.0, loosened=0.5)
    resumed.restore(search.state())
    assert resumed.sizes == search.sizes


def test_courses_under_c3_after_c3_x_z2_have_schedules_of_their_own() -> None:
    *mirrored, loose = strategy(3, mirrored=True).groups
    assert {group.schedules for group in mirrored} == {MIRRORED_SCHEDULES}
    assert loose.schedules == LOOSENED_SCHEDULES
    assert strategy(3).groups[0].schedules == SCHEDULES


def test_without_mirror_images_there_is_one_group() -> None:
    search = strategy(3, without=0.0, loosened=1.0)
    assert all(not pool.mirrored for pool in search.groups)
    assert len(search.groups) == 1


def test_replay_and_resume() -> None:
    first = strategy(3, seed=5, without=0.0)
    second = strategy(3, seed=5, without=0.0)
    for _ in range(6):
        one, two = first.ask(), second.ask()
        assert one.seed == two.seed
        assert np.array_equal(one.start, two.start)
        first.tell(run(one))
        second.tell(run(two))
    resumed = strategy(3, seed=5, without=0.0)
    resumed.restore(first.state())
    for _ in range(4):
        one, two = first.ask(), resumed.ask()
        assert one.seed == two.seed
        assert np.array_equal(one.start, two.start)
        first.tell(run(one))
        resumed.tell(run(two))
    assert resumed.best_rank == first.best_rank


def test_outcomes_of_forgotten_tasks_are_ignored() -> None:
    search = strategy()
    task = search.ask()
    search.restore(search.state())
    best = search.best_rank
    search.tell(run(task))
    assert search.best_rank == best


def test_refusals() -> None:
    with pytest.raises(UsageError, match="n x n x n"):
        CyclicStrategy(parse_format("2x2x3"), 0)
    with pytest.raises(UsageError, match="n x n x n"):
        CyclicStrategy(parse_format("ss:3x3x3"), 0)
    with pytest.raises(UsageError, match="not of this cyclic run"):
        strategy(seed=1).restore(strategy(seed=2).state())
