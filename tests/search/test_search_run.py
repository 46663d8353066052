"""The driver: what is found is proved, stored and lifted, whatever happens on the way."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest

from flipsearch.catalogue import Catalogue, SpooledError
from flipsearch.errors import LiftError
from flipsearch.executors.threads import ThreadExecutor
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme
from flipsearch.search import driver, keeper, lifting
from flipsearch.search.driver import Driver
from flipsearch.search.progress import Stop
from flipsearch.search.strategies.pool import PoolStrategy
from flipsearch.verify import is_valid, verify
from flipsearch.walk import engine
from flipsearch.walk.task import WalkOutcome, WalkTask, unpack


@pytest.fixture
def catalogue(tmp_path):
    with Catalogue.open(tmp_path / "catalogue.sqlite", shipped=False) as opened:
        yield opened


def run_search(catalogue, strategy, walk=engine.walk, budget=20.0, **options):
    run = catalogue.runs.start(strategy.format, strategy.ring, seed=strategy.seed)
    with ThreadExecutor(2, walk) as executor:
        return Driver(strategy, executor, catalogue, run, **options).run(budget)


def test_finds_lifts_and_stores(catalogue):
    strategy = PoolStrategy(parse_format("2x3x3"), Ring.F2, seed=2, target=15)
    result = run_search(catalogue, strategy)
    assert result.progress.best_rank == 15
    assert result.lifted is not None
    assert result.lifted.ring.characteristic == 0
    verify(result.lifted)
    for digest in result.stored:
        assert is_valid(catalogue.schemes.get(digest).scheme)
    lifted = catalogue.schemes.get(result.lifted.content_hash)
    assert catalogue.schemes.provenance(lifted)[0].lifted_from in result.stored
    [run] = catalogue.runs.all()
    assert (run.status, run.best_rank) == ("done", 15)


def test_what_does_not_lift_does_not_hide_what_does(catalogue, monkeypatch):
    asked = []

    def picky(scheme):
        asked.append(scheme.rank)
        if scheme.rank == 23:
            raise LiftError("as if it were 4x4x4 of rank 47")
        return lift_of(scheme)

    lift_of = lifting.lifted
    monkeypatch.setattr(lifting, "lifted", picky)
    strategy = PoolStrategy(parse_format("3x3x3"), Ring.F2, seed=5, target=23)
    result = run_search(catalogue, strategy)
    ranks = sorted(strategy.levels)
    assert result.progress.best_rank == ranks[0] == 23
    assert result.lifted is not None
    assert result.lifted.rank == ranks[1]
    assert asked.count(23) <= len(strategy.levels[23])
    verify(result.lifted)


def test_lifting_ends_when_the_catalogue_is_in_trouble(catalogue, monkeypatch):
    allowed, refused = [25], []

    def lower_each_time(scheme):
        if scheme.rank < allowed[0]:
            raise LiftError("not yet")
        allowed[0] = scheme.rank - 1
        return lift_of(scheme)

    def full(self, scheme, provenance):
        if scheme.ring.characteristic == 0:
            refused.append(scheme.rank)
            raise SpooledError("the disk is full", None)
        store(self, scheme, provenance)

    lift_of, store = lifting.lifted, keeper.Keeper.store
    monkeypatch.setattr(lifting, "lifted", lower_each_time)
    monkeypatch.setattr(keeper.Keeper, "store", full)
    strategy = PoolStrategy(parse_format("3x3x3"), Ring.F2, seed=5, target=23)
    with pytest.raises(SpooledError):
        run_search(catalogue, strategy)
    assert len(refused) == 1


@pytest.mark.parametrize(("name", "expected"), [("2x2x2", 256), ("5x5x5", 32)])
def test_costly_lifts_are_tried_less_often(name, expected):
    assert lifting.tries(naive_scheme(parse_format(name), Ring.F2)) == expected


@pytest.mark.slow
def test_deterministic_runs_are_equal(tmp_path):
    def outcome(name: str, workers: int) -> set[str]:
        strategy = PoolStrategy(parse_format("3x3x3"), Ring.F2, seed=3, target=23, steps=100_000)
        with Catalogue.open(tmp_path / name, shipped=False) as catalogue:
            run = catalogue.runs.start("3x3x3", "F2", seed=3)
            with ThreadExecutor(workers) as executor:
                Driver(strategy, executor, catalogue, run, deterministic=True).run(
                    60.0, lift=False
                )
        format_, ring = strategy.format, strategy.ring
        return {unpack(format_, ring, s).content_hash for s in strategy.best_states()}

    assert outcome("one.sqlite", 1) == outcome("three.sqlite", 3)


def corrupted(task: WalkTask) -> WalkOutcome:
    """Return a lower outcome whose one bit is wrong, for every second task."""
    outcome = engine.walk(task)
    if task.number % 2 or outcome.rank == task.rank:
        return outcome
    wrong = outcome.best[0].copy()
    wrong[0, 0, 0] ^= np.uint64(1)
    return dataclasses.replace(outcome, best=(wrong,), final=wrong)


def test_wrong_answers_are_quarantined_and_the_search_goes_on(catalogue):
    wrong = set()

    def faulty(task: WalkTask) -> WalkOutcome:
        outcome = corrupted(task)
        if not is_valid(unpack(task.format, task.ring, outcome.final)):
            wrong.add(task.number)
        return outcome

    strategy = PoolStrategy(parse_format("2x2x3"), Ring.F2, seed=4, target=11)
    result = run_search(catalogue, strategy, faulty)
    assert strategy.best_rank == 11
    assert wrong
    assert {entry.task["number"] for entry in catalogue.runs.quarantined()} == wrong
    assert result.stored
    assert all(is_valid(catalogue.schemes.get(digest).scheme) for digest in result.stored)
    for states in strategy.levels.values():
        assert all(is_valid(unpack(strategy.format, Ring.F2, state)) for state in states)


def test_a_broken_walk_is_quarantined_with_its_task(catalogue):
    def broken(task: WalkTask) -> WalkOutcome:
        outcome = engine.walk(task)
        return dataclasses.replace(outcome, reason="broken") if task.number < 3 else outcome

    strategy = PoolStrategy(parse_format("2x2x2"), Ring.F2, seed=5, target=7, steps=1000)
    run_search(catalogue, strategy, broken)
    assert {entry.task["number"] for entry in catalogue.runs.quarantined()} == {0, 1, 2}
    assert strategy.best_rank == 7


@pytest.mark.parametrize("where", ["ask", "tell", "keep", "lift", "state"])
@pytest.mark.parametrize("deterministic", [False, True])
def test_an_error_anywhere_ends_the_run_and_keeps_a_checkpoint(
    catalogue, monkeypatch, where, deterministic
):
    target = 7 if where == "lift" else 0
    strategy = PoolStrategy(parse_format("2x2x2"), Ring.F2, seed=5, target=target, steps=100)
    owner, name = {
        "keep": (keeper.Keeper, where),
        "lift": (lifting.Lifting, "run"),
    }.get(where, (PoolStrategy, where))
    whole, calls = getattr(owner, name), []

    def failing(self, *arguments):
        calls.append(where)
        if len(calls) > {"lift": 0, "ask": 20}.get(where, 3):
            raise ZeroDivisionError("a fault of the program")
        return whole(self, *arguments)

    monkeypatch.setattr(owner, name, failing)
    with pytest.raises(ZeroDivisionError):
        run_search(catalogue, strategy, deterministic=deterministic, checkpoint_seconds=0.0)
    monkeypatch.undo()
    [run] = catalogue.runs.all()
    assert (run.status, run.message) == ("interrupted", "a fault of the program")
    state = catalogue.runs.last_checkpoint(run)
    assert state["asked"] > 0
    again = PoolStrategy(parse_format("2x2x2"), Ring.F2, seed=5, target=7)
    again.restore(state)
    assert run_search(catalogue, again).progress.best_rank == 7


def test_ctrl_c_in_a_notebook_ends_the_run(catalogue):
    def interrupted(task: WalkTask) -> WalkOutcome:
        raise KeyboardInterrupt

    strategy = PoolStrategy(parse_format("2x2x2"), Ring.F2, seed=5)
    with pytest.raises(KeyboardInterrupt):
        run_search(catalogue, strategy, interrupted)
    [run] = catalogue.runs.all()
    assert (run.status, run.message) == ("interrupted", "KeyboardInterrupt")


def test_lifting_ends_at_its_share_of_the_budget(catalogue, monkeypatch):
    def slow(scheme):
        time.sleep(30)
        return lift_of(scheme)

    lift_of = lifting.lifted
    monkeypatch.setattr(lifting, "lifted", slow)
    monkeypatch.setattr(driver, "LIFTING_SECONDS", 0.3)
    monkeypatch.setattr(lifting, "FIRST_SECONDS", 0.0)
    strategy = PoolStrategy(parse_format("2x3x3"), Ring.F2, seed=2, target=15)
    messages = []
    began = time.monotonic()
    result = run_search(
        catalogue, strategy, budget=1.0, report=lambda p: messages.append(p.message)
    )
    assert time.monotonic() - began < 20
    assert result.lifted is None
    assert "0 s lifts" in result.lift_failure
    assert 0.3 <= result.lifting_seconds < 5
    assert "lifting, for 0 s at most" in messages
    assert catalogue.runs.all()[0].status == "done"


def test_a_signal_during_a_lift_ends_it(catalogue, monkeypatch):
    stop = Stop()

    def slow(scheme):
        stop.asked += 1
        time.sleep(30)
        return lift_of(scheme)

    lift_of = lifting.lifted
    monkeypatch.setattr(lifting, "lifted", slow)
    strategy = PoolStrategy(parse_format("2x2x2"), Ring.F2, seed=2, target=7)
    began = time.monotonic()
    result = run_search(catalogue, strategy, stop=stop)
    assert time.monotonic() - began < 20
    assert result.interrupted
    assert catalogue.runs.all()[0].status == "interrupted"


def test_a_stop_drains_and_saves(catalogue):
    stop = Stop()

    def stopping(task: WalkTask) -> WalkOutcome:
        if task.number == 6:
            stop.asked = 1
        return engine.walk(task)

    strategy = PoolStrategy(parse_format("4x4x4"), Ring.F2, seed=6, steps=50_000)
    result = run_search(catalogue, strategy, stopping, stop=stop)
    assert result.interrupted
    [run] = catalogue.runs.all()
    assert run.status == "interrupted"
    again = PoolStrategy(parse_format("4x4x4"), Ring.F2, seed=6, steps=50_000)
    again.restore(catalogue.runs.last_checkpoint(run))
    assert again.sizes == strategy.sizes
    assert again.asked == strategy.asked
