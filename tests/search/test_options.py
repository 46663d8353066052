"""Options without an effect are refused, in one line; a run is recorded once it can run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flipsearch.catalogue import Catalogue
from flipsearch.cli import main
from flipsearch.errors import UsageError
from flipsearch.formats.sparse import sparse_tensor
from flipsearch.formats.tensors import polynomial
from flipsearch.rings import Ring
from flipsearch.search.budget import parse_budget
from flipsearch.search.strategies.pool import PoolStrategy


@pytest.fixture(autouse=True)
def no_shipped_schemes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)


@pytest.fixture
def database(tmp_path: Path) -> str:
    return str(tmp_path / "c.sqlite")


def search(database: str, *arguments: str) -> int:
    fixed = ["--budget", "100ms", "--workers", "1", "--gpu", "off", "--db", database]
    return main(["search", *arguments, *fixed])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["2x2x2", "--within", "2..2"], "a format has no effect with --strategy meta"),
        (
            ["--within", "2..2", "--strategy", "pool"],
            "--within has no effect with --strategy pool",
        ),
        (["--within", "2..2", "--target", "7"], "--target has no effect with --strategy meta"),
        (["2x2x2", "--mirrored"], "--mirrored has no effect with --strategy pool"),
        (["2x2x2", "--address", "auto"], "--address is a cluster's"),
        (["2x2x2", "--strategy", "symmetric", "--from", "1"], "--from has no effect"),
        (
            ["2x2x2", "--strategy", "symmetric", "--ring", "ZT", "--mirrored"],
            "take --strategy cyclic",
        ),
        (["--strategy", "meta"], "--within 2..4"),
        ([], "which format"),
        (["2x2x2", "--stale", "soon"], "'soon' is no time"),
    ],
)
def test_idle_options_are_refused(
    database: str, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    assert search(database, *arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert complaint in line


def test_a_gpu_alone_has_no_workers(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "2x2x2", "--gpu", "only", "--workers", "1", "--db", database]) == 2
    assert "leave it out with --gpu only" in capsys.readouterr().err


@pytest.mark.parametrize(
    "changed",
    [
        ["2x2x3"],
        ["2x2x2", "--ring", "ZT"],
        ["2x2x2", "--seed", "8"],
        ["2x2x2", "--target", "8"],
        ["2x2x2", "--strategy", "symmetric"],
        ["--within", "2..3"],
        ["2x2x2", "--mirrored"],
    ],
)
def test_a_run_goes_on_as_it_is_or_not_at_all(
    database: str, capsys: pytest.CaptureFixture[str], changed: list[str]
) -> None:
    assert search(database, "2x2x2", "--run", "it", "--seed", "7", "--target", "7") == 0
    with Catalogue.open(database) as catalogue:
        before = catalogue.runs.get("it")
    capsys.readouterr()
    assert search(database, *changed, "--run", "it") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("flipsearch: run it has")
    with Catalogue.open(database) as catalogue:
        assert catalogue.runs.get("it") == before
    assert search(database, "2x2x2", "--run", "it", "--seed", "7", "--ring", "F2") == 0
    assert search(database, "--run", "it") == 0


def test_without_an_executor_no_run_is_recorded(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**options: object) -> None:
        raise UsageError("there is no GPU here")

    assert search(database, "2x2x2", "--run", "it") == 0
    with Catalogue.open(database) as catalogue:
        before = catalogue.runs.all()
    monkeypatch.setattr("flipsearch.executors.device.local_executor", refused)
    assert search(database, "2x2x2") == 2
    assert search(database, "2x2x2", "--run", "other") == 2
    assert search(database, "2x2x2", "--run", "it") == 2
    with Catalogue.open(database) as catalogue:
        assert catalogue.runs.all() == before


def test_ctrl_c_while_it_compiles_leaves_no_run(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(strategy: object, executor: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("flipsearch.search.study.compile_ahead", interrupted)
    assert search(database, "2x2x2") == 130
    assert capsys.readouterr().err.splitlines()[-1] == "flipsearch: interrupted"
    with Catalogue.open(database) as catalogue:
        assert catalogue.runs.all() == []


def test_a_run_on_a_tensor_is_resumed(database: str) -> None:
    tensor = sparse_tensor("mine", polynomial(2, 2).entries)  # of a name that nobody makes
    parameters = {"target": 3, "start": [], "within": None, "mirrored": False}
    with Catalogue.open(database) as catalogue:
        run = catalogue.runs.start(tensor, "F2", parameters=parameters, seed=1, name="poly")
        strategy = PoolStrategy(tensor, Ring.F2, 1, target=3)
        catalogue.runs.checkpoint(run, strategy.state())
        catalogue.runs.finish(run, "interrupted")
    assert main(["resume", "poly", "--budget", "5s", "--db", database, "--gpu", "off"]) == 0
    with Catalogue.open(database) as catalogue:
        assert (catalogue.runs.get("poly").status, catalogue.runs.get("poly").best_rank) == (
            "done",
            3,
        )


@pytest.mark.parametrize("text", ["inf", "nan", "9" * 400, "99999d", "0", "-1", "1e3", ""])
def test_a_budget_ends(text: str) -> None:
    with pytest.raises(UsageError, match="is no time"):
        parse_budget(text)
    assert parse_budget("2h") == 7200


def test_a_search_that_brings_nothing_ends(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["search", "2x2x2", "--budget", "1h", "--stale", "300ms", "--workers", "1"]
    assert main([*command, "--gpu", "off", "--json", "--db", database]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rank"] == 7
    assert found["seconds"] < 60
