"""Strategy `diagonal`: what it asks for, what it reaches, when it gives up."""

from __future__ import annotations

import pytest

from flipsearch.errors import UsageError
from flipsearch.formats import parse_format
from flipsearch.lift import lift
from flipsearch.rings import Ring
from flipsearch.search.strategies.diagonal import DiagonalStrategy
from flipsearch.verify import is_valid, verify
from flipsearch.walk import engine
from flipsearch.walk.diagonal.task import DiagonalTask
from flipsearch.walk.task import unpack


def strategy(name: str = "us:3x3x3", seed: int = 1, target: int = 0) -> DiagonalStrategy:
    return DiagonalStrategy(parse_format(name), Ring.F3, seed, target, steps=50_000)


def run(search: DiagonalStrategy, tasks: int) -> None:
    for _ in range(tasks):
        search.tell(engine.walk(search.ask()))
        if search.finished:
            return


def test_it_reaches_low_ranks_that_lift() -> None:
    search = strategy(target=14)
    run(search, 200)
    assert search.best_rank == 14
    for lowest, states in search.levels.items():
        for state in states:
            assert len(state) == lowest
            assert is_valid(unpack(search.format, Ring.F3, state))
    lifted = lift(unpack(search.format, Ring.F3, search.best_states()[0]))
    verify(lifted)
    assert lifted.rank == 14
    assert search.sizes[14] == len(search.best_states())


def test_a_descent_goes_on_where_it_stopped_until_it_is_given_up() -> None:
    search = strategy("us:4x4x4")
    naive = search.ask()
    assert isinstance(naive, DiagonalTask)
    assert naive.rank == search.format.naive_rank
    outcome = engine.walk(naive)
    assert search.tell(outcome)
    begun = 1
    lowest, lower = outcome.rank, True
    for _ in range(30):
        task = search.ask()
        if not lower:
            assert task.rank == search.format.naive_rank
            begun, lowest = begun + 1, search.format.naive_rank
        else:
            assert (task.start == outcome.final).all()
        outcome = engine.walk(task)
        search.tell(outcome)
        lower = outcome.rank < lowest
        lowest = min(lowest, outcome.rank)
    assert begun > 2


def test_descents_wait_side_by_side() -> None:
    search = strategy()
    first, second = search.ask(), search.ask()
    assert (first.start == second.start).all()
    assert first.seed != second.seed
    outcomes = engine.walk(first), engine.walk(second)
    search.tell(outcomes[1])
    search.tell(outcomes[0])
    assert (search.ask().start == outcomes[1].final).all()
    assert (search.ask().start == outcomes[0].final).all()


def test_a_state_of_another_run_is_refused() -> None:
    with pytest.raises(UsageError, match="not of this diagonal run"):
        strategy(seed=2).restore(strategy(seed=1).state())
    with pytest.raises(UsageError, match="take us:n x n x n"):
        strategy("us:6x6x6")
