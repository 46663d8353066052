"""The journal of a run counts each task once, through pauses and checkpoints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fault_support import pool

import flipsearch as fs
from flipsearch.cli import main
from flipsearch.search.journal import FINDS, TABLES, Journal, Tally
from flipsearch.search.study import Study
from flipsearch.walk import engine


def test_tasks_are_counted_by_start_schedule_and_kind() -> None:
    strategy, journal = pool(1), Journal()
    lower = steps = 0
    for _ in range(12):
        task = strategy.ask()
        outcome = engine.walk(task)
        best = strategy.tell(outcome)
        journal.count(strategy.format, task, outcome, best)
        lower += outcome.rank < task.rank
        steps += outcome.steps
    for table in TABLES:
        tallies = journal.tables[table].values()
        assert sum(tally.tasks for tally in tallies) == 12
        assert sum(tally.lower for tally in tallies) == lower
        assert sum(tally.steps for tally in tallies) == steps
    assert set(journal.tables["kind"]) == {"plain"}
    assert "27" in journal.tables["start"]
    assert all(len(key.split(", ")) == 2 for key in journal.tables["schedule"])
    again = Journal.loaded(json.loads(json.dumps({"journal": journal.saved()})))
    assert again == journal
    assert Journal.loaded(None) == Journal.loaded({}) == Journal()


def test_the_journal_goes_on_with_the_run(tmp_path: Path) -> None:
    with fs.Catalogue.open(tmp_path / "c.sqlite", shipped=False) as catalogue:
        options = {"run": "it", "catalogue": catalogue, "gpu": "off", "workers": 1}
        first = Study("2x2x2", ring="F3", target=7, seed=1, **options)  # type: ignore[arg-type]
        result = first.run(10, lift=False)
        again = Study(**options)  # type: ignore[arg-type]
        assert again.history == first.history == result.history
        again.run(1, lift=False)
        assert again.history[: len(first.history)] == first.history
        tasks = sum(tally.tasks for tally in result.journal.tables["kind"].values())
        assert tasks == result.progress.tasks > 0


def test_runs_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = str(tmp_path / "c.sqlite")
    with fs.Catalogue.open(database, shipped=False) as catalogue:
        for name, seconds in (("a", 1.5), ("b", 2.5)):
            run = catalogue.runs.start("2x2x2", "F2", seed=1, name=name)
            tables = {"start": {"8": [4, 1, 1, 900]}, "schedule": {"1000, 2": [4, 1, 1, 900]}}
            saved = {"history": [[0.0, 0, 8], [seconds, 900, 7]], "tables": tables}
            catalogue.runs.checkpoint(run, {"journal": saved}, flips=3_000_000, seconds=2.0)
            catalogue.runs.finish(run, best_rank=7)
    assert main(["runs", "compare", "a", "2", "--db", database]) == 0
    printed = capsys.readouterr().out
    lines = [line.split() for line in printed.splitlines()]
    assert ["1", "a", "2x2x2", "F2", "pool", "1", "7", "2.0", "1.5"] in lines
    assert ["7", "1.50", "2.50"] in lines
    assert ["1000,", "2", "4", "100.0", "25.0", "1", "4", "100.0", "25.0", "1"] in lines
    assert "kind of walk" not in printed
    assert main(["runs", "compare", "a", "--json", "--db", database]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["history"] == [[0.0, 0, 8], [1.5, 900, 7]]
    assert Tally(**found["tables"]["start"]["8"]) == Tally(4, 1, 1, 900)
    assert main(["runs", "compare", "a", "c", "--db", database]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_find_is_walked_again_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = str(tmp_path / "c.sqlite")
    with fs.Catalogue.open(database, shipped=False) as catalogue:
        study = Study(
            "2x2x2", ring="F3", target=7, seed=1, catalogue=catalogue, gpu="off", workers=1
        )
        result = study.run(10, lift=False)
        [*_, task] = result.journal.finds
    assert main(["runs", "replay", "1", task, "--json", "--db", database]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rank"], found["stored"]) == (7, True)
    assert found["scheme"] in result.stored
    assert main(["runs", "replay", "1", task, "--db", database]) == 0
    assert found["scheme"][:12] in capsys.readouterr().out
    assert main(["runs", "replay", "1", "123456", "--db", database]) == 1
    assert f"no log of task 123456; it has those of: {', '.join(result.journal.finds)}" in (
        capsys.readouterr().err
    )


def test_the_log_holds_the_latest_finds() -> None:
    strategy, journal = pool(1), Journal()
    for _ in range(FINDS + 2):
        journal.log(strategy.ask())
    assert list(journal.finds) == [str(number) for number in range(2, FINDS + 2)]
