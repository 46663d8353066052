"""Wrong outcomes of walks of any kind: found out by the driver, quarantined, kept out of pools."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from flipsearch.catalogue import Catalogue
from flipsearch.executors.threads import ThreadExecutor
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.search.driver import Driver
from flipsearch.search.schedules import Schedule
from flipsearch.search.strategies.cyclic import CyclicStrategy
from flipsearch.search.strategies.diagonal import DiagonalStrategy
from flipsearch.search.strategies.rotation import RotationStrategy
from flipsearch.verify import is_valid
from flipsearch.walk import engine
from flipsearch.walk.quotient.task import QuotientOutcome, QuotientTask, write_out
from flipsearch.walk.task import WalkOutcome, WalkTask, unpack

WRONG = 0
"""The number of the task whose outcome is wrong."""


def without_an_orbit(task: WalkTask) -> WalkOutcome:
    """Walk; from one outcome leave an orbit, or as many rows, out: too good to be true."""
    outcome = engine.walk(task)
    if task.number != WRONG:
        return outcome
    if isinstance(task, QuotientTask) and isinstance(outcome, QuotientOutcome):
        orbits, cubes = outcome.best_orbits[1:], outcome.best_cubes
        best = write_out(orbits, cubes, 3, task.mirrored)
        return dataclasses.replace(
            outcome, best=(best,), final=best, best_orbits=orbits, final_orbits=orbits
        )
    best = outcome.best[0][3:]
    return dataclasses.replace(outcome, best=(best,), final=best)


def made(kind: str) -> CyclicStrategy | RotationStrategy | DiagonalStrategy:
    if kind == "quotient":
        square = parse_format("3x3x3")
        return CyclicStrategy(square, seed=3, target=23, schedules=(Schedule(20_000, 500, 6),))  # type: ignore[arg-type]
    if kind == "rotation":
        return RotationStrategy(parse_format("ss:3x3x3"), Ring.F3, seed=3, target=20, steps=5_000)  # type: ignore[arg-type]
    return DiagonalStrategy(parse_format("us:3x3x3"), Ring.F3, seed=3, target=14, steps=20_000)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["quotient", "rotation", "diagonal"])
def test_a_wrong_outcome_poisons_nothing(kind: str, tmp_path: Path) -> None:
    strategy = made(kind)
    with (
        Catalogue.open(tmp_path / "c.sqlite", shipped=False) as catalogue,
        ThreadExecutor(2, without_an_orbit) as executor,
    ):
        run = catalogue.runs.start(strategy.format, strategy.ring, seed=3)
        result = Driver(strategy, executor, catalogue, run).run(15.0, lift=False)
        assert {entry.task["number"] for entry in catalogue.runs.quarantined()} == {WRONG}
        assert result.stored
        for digest in result.stored:
            assert is_valid(catalogue.schemes.get(digest).scheme)
    assert result.scheme is not None
    assert result.progress.best_rank == result.scheme.rank == strategy.best_rank
    for state in strategy.best_states():
        assert len(state) == strategy.best_rank
        assert is_valid(unpack(strategy.format, strategy.ring, np.asarray(state)))
