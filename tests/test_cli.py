"""Bad input: one clear line on standard error, the documented exit code, nothing written."""

import importlib.util
import json
from pathlib import Path

import pytest

from flipsearch.cli import main
from flipsearch.cli.search import parse_budget
from flipsearch.errors import UsageError


@pytest.fixture
def database(tmp_path):
    return str(tmp_path / "catalogue.sqlite")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "4x4"], "unknown format"),
        (["search", "4x4x17"], "out of range"),
        (["search", "0x4x4"], "out of range"),
        (["search", "qq:4x4x4"], "unknown operands"),
        (["search", "ug:4x5x4"], "square"),
        (["search", "4x4x4", "--ring", "F5"], "unknown ring"),
        (["search", "4x4x4", "--ring", "Z"], "F2, F3 and ZT"),
        (["search", "4x4x4", "--budget", "soon"], "no time"),
        (["search", "4x4x4", "--budget", "0s"], "no time"),
        (["search", "4x4x4", "--target", "65"], "no rank of 4x4x4"),
        (["search", "4x4x4", "--target", "-1"], "no rank of 4x4x4"),
        (["search", "4x4x4", "--target", "15"], "fewer than 16 products"),
        (["search", "4x4x4", "--workers", "0"], "at least 1"),
        (["search"], "which format"),
        (["search", "3x3x3", "--strategy", "symmetric", "--from", "1"], "leave out --from"),
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
    arguments = ["search", "2x2x2", "--ring", "F2", "--target", "7", "--budget", "20s"]
    assert main([*arguments, "--seed", "1", "--json", "--db", database]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
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


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], "base"),
        (["list"], "base"),
        (["-v", "report", "-o", "site"], "all"),
        (["plot", "-o", "a.png"], "all"),
        (["test"], "all"),
        (["search", "2x2x2", "--executor", "ray"], "all"),
        (["search", "2x2x2", "--executor=threads"], "base"),
        (["bench-kernel", "mm.py", "--plot=a.png"], "all"),
        (["bench-kernel", "mm.py"], "base"),
    ],
)
def test_a_checkout_installs_what_the_command_needs(arguments, wanted):
    path = Path(__file__).resolve().parent.parent / "run.py"
    spec = importlib.util.spec_from_file_location("checkout_run", path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    assert program.wanted_set(arguments) == wanted


@pytest.mark.parametrize(
    "command", [["search", "2x2x2"], ["reduce", "2x2x2"], ["protect", "2x2x2"]]
)
def test_seeds_are_not_negative(command, database, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*command, "--seed", "-1", "--db", database])
    assert caught.value.code == 2
    assert "no whole number from 0 on" in capsys.readouterr().err
