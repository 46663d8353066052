"""Strategy `numerical`: from the command line's settings to proved schemes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import flipsearch as fs
from flipsearch.errors import UsageError
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.search.strategies.numerical import NumericalStrategy
from flipsearch.verify import verify
from flipsearch.walk import engine

SETTINGS = {"strategy": "numerical", "gpu": "off", "budget": "60s"}


def run(search: NumericalStrategy, tasks: int) -> None:
    for _ in range(tasks):
        if not search.finished:
            search.tell(engine.walk(search.ask()))


def test_a_search_reaches_its_target() -> None:
    found = fs.search("2x2x3", target=11, seed=1, **SETTINGS)
    assert found.scheme.rank == 11
    verify(found.scheme)
    assert found.lifted is found.scheme


def test_a_symmetric_search_reaches_its_target() -> None:
    found = fs.search("2x2x2", target=7, seed=1, symmetry="C3", **SETTINGS)
    assert found.scheme.rank == 7


def test_a_restored_search_goes_on_alike() -> None:
    one = NumericalStrategy(parse_format("2x2x2"), seed=3, target=7)
    one.moves = 10
    run(one, 4)
    text = json.dumps(one.state(), default=lambda array: array.tolist())
    other = NumericalStrategy(parse_format("2x2x2"), seed=3, target=7).restore(json.loads(text))
    other.moves = 10
    for search in (one, other):
        run(search, 30)
        assert search.finished
    np.testing.assert_array_equal(one.best_states()[0], other.best_states()[0])
    assert one.notes() == other.notes()


def test_a_stopped_run_goes_on(tmp_path: Path) -> None:
    with fs.Catalogue.open(tmp_path / "c.sqlite", shipped=False) as catalogue:
        options = {"catalogue": catalogue, "run": "mine", "gpu": "off"}
        study = fs.Study("2x2x3", strategy="numerical", target=11, seed=2, **options)
        study.callbacks.append(lambda study: study.pause())
        assert study.run("60s").interrupted
        again = fs.Study(run="mine", catalogue=catalogue, gpu="off")
        assert isinstance(again.strategy, NumericalStrategy)
        found = again.run("60s")
        assert found.scheme is not None
        assert found.scheme.rank == 11


@pytest.mark.parametrize(
    ("format_", "options", "message"),
    [
        ("2x2x2", {}, "give it by target"),
        ("3x3x3", {"target": 18}, r"19 is a lower bound \(rank: Bl"),
        ("2x3x4", {"target": 20, "symmetry": "C3"}, "C3 does not fix 2x3x4"),
        ("16x16x16", {"target": 2500}, "unknowns, whose equations take"),
        ("2x2x2", {"target": 7, "ring": "F2"}, "runs over Q, not over F2"),
        ("2x2x2", {"target": 7, "mirrored": True}, "mirrored has no effect"),
    ],
)
def test_bad_input_is_one_line(format_: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        fs.search(format_, seed=1, **SETTINGS, **options)
    assert "\n" not in str(caught.value)


def test_other_strategies_refuse_a_symmetry() -> None:
    with pytest.raises(UsageError, match="symmetry has no effect"):
        fs.search("2x2x2", ring="F2", symmetry="C3")


def test_diverging_attempts_are_told() -> None:
    search = NumericalStrategy(parse_format("2x2x2"), Ring.Q, 1, 7)
    search._ends.update({"STUCK": 2, "DIVERGING": 1})
    search._grown = "the largest entry grows like residual^-0.33, to 9.0 at a residual of 1e-05"
    counts, border = search.notes()
    assert counts == "3 attempts: 2 at a local minimum, 1 diverging"
    assert border.startswith("border rank <= 7, it seems: the largest entry grows")
