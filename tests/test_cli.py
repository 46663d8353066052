"""Bad input: one clear line on standard error, the documented exit code, nothing written."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from flipsearch.cli import main
from flipsearch.errors import UsageError
from flipsearch.search.budget import parse_budget


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "4x4"], "unknown format"),
        (["search", "4x4x33"], "out of range"),
        (["search", "0x4x4"], "out of range"),
        (["search", "qq:4x4x4"], "unknown operands"),
        (["search", "ug:4x5x4"], "square"),
        (["search", "4x4x4", "--ring", "F5"], "unknown ring"),
        (["search", "4x4x4", "--ring", "Z"], "F2, F3 and ZT"),
        (["search", "4x4x4", "--budget", "soon"], "no time"),
        (["search", "4x4x4", "--budget", "0s"], "no time"),
        (["search", "4x4x4", "--target", "65"], "no rank of 4x4x4"),
        (["search", "4x4x4", "--target", "15"], "fewer than 16 products"),
        (["search", "4x4x4", "--workers", "0"], "at least 1"),
        (["search"], "which format"),
        (["search", "3x3x3", "--strategy", "symmetric", "--from", "1"], "--from has no effect"),
        (["search", "--strategy", "meta"], "--within"),
        (["search", "--within", "2-4"], "LOW..HIGH"),
    ],
)
def test_bad_arguments_of_search(arguments, message, database, capsys):
    assert main([*arguments, "--db", database]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert "Traceback" not in error


def test_a_format_without_kernels_is_refused_before_the_search(tmp_path, database, capsys):
    out = tmp_path / "out"
    arguments = ["search", "ss:2x2x2", "--ring", "F3", "--kernel", str(out), "--db", database]
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("flipsearch: no kernel for ss:2x2x2")
    assert not shown.out
    assert not out.exists()


def test_a_kernel_folder_that_is_a_file(tmp_path, database, capsys):
    (tmp_path / "out").write_text("")
    arguments = ["search", "2x2x2", "--kernel", str(tmp_path / "out"), "--db", database]
    assert main(arguments) == 2
    assert "not a folder" in capsys.readouterr().err


def test_a_database_that_is_not_ours(tmp_path, capsys):
    place = tmp_path / "other.sqlite"
    place.write_bytes(b"this is no database" * 100)
    assert main(["search", "2x2x2", "--db", str(place)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert place.read_bytes() == b"this is no database" * 100


def test_resuming_what_is_not_there(database, capsys):
    assert main(["resume", "77", "--db", database]) == 1
    assert "77" in capsys.readouterr().err


def test_search_to_kernel_and_back(tmp_path, database, capsys):
    arguments = ["search", "2x2x2", "--fresh", "--target", "7", "--budget", "20s"]
    assert main([*arguments, "--seed", "1", "--json", "--db", database]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["rank"], record["lifted_rank"], record["known_bound"]) == (7, 7, 7)
    assert main(["verify", record["lifted_scheme"][:12], "--paranoid", "--db", database]) == 0
    assert main(["list", "2x2x2", "--json", "--db", database]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line[:1] == "{"]
    assert record["scheme"] in {row["scheme"] for row in listed}


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), ("500ms", 0.5)]
)
def test_budgets(text, seconds):
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-5s", "5 parsecs", "1e9", "nan"])
def test_budgets_that_are_no_time(text):
    with pytest.raises(UsageError):
        parse_budget(text)


def checkout_program():
    path = Path(__file__).resolve().parent.parent / "run.py"
    spec = importlib.util.spec_from_file_location("checkout_run", path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return program


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], "base"),
        (["list"], "base"),
        (["-v", "report", "-o", "site"], "plot"),
        (["plot", "-o", "a.png"], "plot"),
        (["test"], "all"),
        (["search", "2x2x2", "--executor", "ray"], "ray"),
        (["search", "2x2x2", "--executor=threads"], "base"),
        (["bench-kernel", "mm.py", "--plot=a.png"], "plot"),
        (["bench-kernel", "mm.py"], "base"),
    ],
)
def test_a_checkout_installs_what_the_command_needs(arguments, wanted):
    assert checkout_program().wanted_set(arguments) == wanted


def test_what_is_installed_is_not_installed_again(tmp_path, monkeypatch):
    program = checkout_program()
    monkeypatch.setattr(program, "VENV", tmp_path)
    monkeypatch.setattr(program, "PYTHON", tmp_path / "python")
    assert not program.is_installed("base")
    (tmp_path / "flipsearch-ray").write_text(program.digest("ray"))
    assert not program.is_installed("base")  # the mark of an environment that lost its Python
    (tmp_path / "python").touch()
    assert [name for name in program.SETS if program.is_installed(name)] == ["base", "ray"]
    (tmp_path / "flipsearch-ray").write_text("a digest of an older lock file")
    assert not program.is_installed("base")
    (tmp_path / "flipsearch-all").write_text(program.digest("all"))
    missing = [name for name in program.SETS if not program.is_installed(name)]
    assert missing == ["gpu", "gpu12"]


def test_lock_files_agree_and_name_no_registry():
    pins = {}
    for path in (Path(__file__).resolve().parent.parent / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "://" not in text
        assert "--index" not in text
        assert "--find-links" not in text
        pins[path.stem] = set(re.findall(r"^(\S+)==(\S+)", text, re.MULTILINE))
    for name, own in pins.items():
        assert pins["base"] <= own, name
        shared = {package for package, _ in own} & {package for package, _ in pins["all"]}
        assert {pin for pin in own if pin[0] in shared} <= pins["all"], name


@pytest.mark.parametrize(
    "arguments",
    [
        ["search", "2x2x2", "--seed"],
        ["search", "2x2x2", "--target"],
        ["reduce", "2x2x2", "--seed"],
        ["protect", "2x2x2", "--seed"],
    ],
)
def test_counts_and_seeds_are_not_negative(arguments, database, capsys):
    assert main([*arguments, "-1", "--db", database]) == 2
    assert "no whole number from 0 on" in capsys.readouterr().err
