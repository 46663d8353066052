from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from catalogue_schemes import strassen, variant, winograd

from flipsearch import cli
from flipsearch.catalogue import Catalogue, Provenance
from flipsearch.catalogue.columns import JSON_NAMES
from flipsearch.errors import NotFoundError
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme

Run = Callable[..., tuple[int, str, str]]
KEYS = ["scheme", "format", "ring", "rank", "known_bound", "additions", "verified", "source"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "c.sqlite"
    with Catalogue.open(path) as catalogue:
        run = catalogue.runs.start("2x2x2", "ZT", name="night", seed=4)
        catalogue.schemes.add(strassen(), Provenance(run=run.id, task=2))
        catalogue.schemes.add(
            naive_scheme(parse_format("3x2x2"), Ring.F2), Provenance(source="naive")
        )
        catalogue.schemes.add_many([variant(k) for k in range(3)], Provenance(source="made up"))
        catalogue.runs.heartbeat(run, flips=123456, seconds=2.0, best_rank=7)
        catalogue.runs.finish(run)
        catalogue.runs.quarantine("wrong", run=run, source="worker 3", task={"seed": 1})
    return path


@pytest.fixture
def run(path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command against the catalogue; return exit code, output and errors."""
    monkeypatch.setattr(cli, "GROUPS", ("listing", "show", "catalogue", "doctor"))

    def call(*words: str, db: bool = True) -> tuple[int, str, str]:
        arguments = [*words, "--db", str(path)] if db else list(words)
        code = cli.main(arguments)
        output = capsys.readouterr()
        return code, output.out, output.err

    return call


def _objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_list_for_programs(run: Run) -> None:
    code, out, _ = run("list", "--json", "--sort", "rank")
    assert code == 0
    objects = _objects(out)
    assert len(objects) == 5
    assert all(list(item) == KEYS for item in objects)
    assert objects[0]["scheme"] == strassen().content_hash
    assert objects[0]["known_bound"] == 7
    assert objects[0]["source"] == "run 1 task 2"
    _, out, _ = run("list", "--csv", "--sort", "rank")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["scheme"] for row in rows] == [item["scheme"] for item in objects]
    assert tuple(rows[0]) == JSON_NAMES
    assert run("query", "--gap=..-9", "--csv")[1].strip() == ",".join(JSON_NAMES)
    assert run("list", "9x9x9", "--best", "--csv")[1].strip() == ",".join([*KEYS, "gap", "over"])


def test_list_for_people_in_pages(run: Run) -> None:
    code, out, err = run("list", "--limit", "2", "--sort", "rank:desc")
    assert code == 0
    assert [line.split()[3] for line in out.splitlines()[1:]] == ["12", "10"]
    assert "3 more: --offset 2" in err
    _, out, err = run("list", "--limit", "2", "--sort", "rank:desc", "--offset", "4")
    assert len(out.splitlines()) == 2
    assert err == ""


def test_list_by_format_and_ring(run: Run) -> None:
    _, out, _ = run("list", "2x2x3", "--json")
    assert [item["format"] for item in _objects(out)] == ["3x2x2"]
    assert run("list", "2x2x3", "--exact", "--json")[1] == ""
    _, out, _ = run("list", "--ring", "zt", "--json")
    assert [item["rank"] for item in _objects(out)] == [7]
    assert len(_objects(run("list", "--ring", "Q", "--json")[1])) == 4


def test_the_best_of_everything(run: Run) -> None:
    _, out, err = run("list", "--best")
    assert "2 over F2 and F3 by reduction of one over ZT, Z or Q" in err
    lines = {line.split("  ")[0]: line for line in out.splitlines()}
    assert "7/7" in lines["2x2x2"]
    assert "12/11 +1" in lines["2x2x3"]
    assert "-/11" in lines["2x2x3"]
    assert "4x4x4" not in lines
    _, out, _ = run("list", "--best", "--all")
    assert "-/47" in next(line for line in out.splitlines() if line.startswith("4x4x4 "))
    _, out, _ = run("list", "3x2x2", "--best", "--ring", "F2", "--json")
    (item,) = _objects(out)
    assert list(item)[: len(KEYS)] == KEYS
    assert (item["rank"], item["known_bound"], item["gap"], item["over"]) == (12, 11, 1, "F2")


def test_query_filters(run: Run) -> None:
    def ranks(*words: str) -> list[int]:
        code, out, _ = run("query", "--json", *words)
        assert code == 0
        return sorted(item["rank"] for item in _objects(out))

    assert ranks("--gap", "0") == [7]
    assert ranks("--gap=-5..0") == ranks("--gap", "..0") == [7]
    assert ranks("--gap", "-1") == ranks("--gap", "-3") == []
    assert ranks("--gap", "1-") == [10, 10, 10, 12]
    assert ranks("--rank", "8-11") == [10, 10, 10]
    assert ranks("--rank=-9") == ranks("--rank", "-9") == [7]
    assert ranks("--source", "MADE") == [10, 10, 10]
    assert ranks("--run", "night") == ranks("--run", "1") == [7]
    assert ranks("--growth", "12") == [7]
    assert ranks("--since", "2020-01-01", "--until", "2020-12-31") == []
    assert ranks("2x2x2", "--additions", "18") == [7]
    assert {"gap", "growth", "omega"} <= set(_objects(run("query", "--json")[1])[0])


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("list", "4x4"), 2, "unknown format"),
        (("list", "33x2x2"), 2, "out of range"),
        (("list", "--ring", "R"), 2, "unknown ring"),
        (("list", "--sort", "colour"), 2, "cannot sort by"),
        (("query", "--rank", "few"), 2, "--rank"),
        (("query", "--rank", "49-47"), 2, "--rank 49-47 is empty"),
        (("query", "--growth", "nan"), 2, "growth must be a number"),
        (("query", "--since", "yesterday"), 2, "--since"),
        (("query", "--until", "0001-01-01T00:00+14:00"), 2, "--until"),
        (("show", "strassen"), 2, "no ID"),
        (("show", "xyz"), 2, "unknown format"),
        (("show", "abcdef012345"), 1, "no scheme"),
        (("bounds", "list", "ss:9x9x9"), 1, "no bound"),
        (("bounds", "update", "/nowhere/x.csv"), 1, "No such file"),
    ],
)
def test_mistakes_get_one_line_and_a_code(
    run: Run, words: tuple[str, ...], code: int, message: str
) -> None:
    found, out, err = run(*words)
    assert found == code
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_options_that_would_be_ignored_are_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words, message in (
        (("list", "--best", "--sort", "rank"), "--sort does not go with --best"),
        (("list", "--best", "--front"), "--front does not go with --best"),
        (("query", "--best", "--gap", "0"), "--gap does not go with --best"),
        (("query", "--all"), "--all goes with --best"),
        (("doctor", "--catalogue", "--workers", "-1"), "--workers must be 1 or more"),
    ):
        code, out, err = run(*words)
        assert (code, out) == (2, "")
        assert message in err
    assert "'many' is no whole number" in run("list", "--limit", "many")[2]
    monkeypatch.setenv("FLIPSEARCH_DB", "")
    assert cli.build_parser().parse_args(["list"]).db is None


def test_show(run: Run) -> None:
    name = strassen().content_hash
    code, out, _ = run("show", name[:8], "--products")
    assert code == 0
    assert out.split()[:2] == ["scheme:", name]
    assert "run 1" in out
    assert [line[:5] for line in out.splitlines() if line.startswith("m")] == [
        f"m{number} = " for number in range(1, 8)
    ]
    assert [line[:6] for line in out.splitlines() if line.startswith("c1")] == ["c11 = ", "c12 = "]
    _, out, _ = run("show", name[:12], "--json", "--products")
    (item,) = _objects(out)
    assert item["provenance"] == [{"run": 1, "task": 2}]
    assert len(item["products"]) == 7
    assert item["growth"] == 12


def test_show_takes_a_format_for_its_best_scheme(run: Run) -> None:
    name = strassen().content_hash
    assert run("show", "2x2x2")[1] == run("show", name)[1]
    assert run("show", "2x2x2", "--ring", "ZT")[1] == run("show", name)[1]
    assert "reduces to" not in run("show", "2x2x2", "--ring", "ZT")[1]
    (item,) = _objects(run("show", "2x2x2", "--ring", "F2", "--json")[1])
    assert (item["scheme"], item["ring"], item["reduces_to"]) == (name, "ZT", "F2")
    assert run("show", "2x2x3", "--ring", "F3")[0] == 1
    code, out, err = run("show", "9x9x9")
    assert (code, out) == (1, "")
    assert err == "flipsearch: no scheme of 9x9x9 over ZT, Z or Q is stored: search for one\n"
    assert run("show", name, "--ring", "Z")[0] == 2


def test_show_tells_the_orbit(run: Run, path: Path) -> None:
    name = strassen().content_hash[:8]
    (item,) = _objects(run("show", name, "--orbit", "--json")[1])
    assert item["orbit"]["automorphisms"] == 36
    assert item["orbit"]["type"] == "X^2Y^2Z^2 + 6XYZ"
    (item,) = _objects(run("show", name, "--anatomy", "--json")[1])
    assert sum(each["products"] for each in item["anatomy"]["by_number"]) == item["rank"]
    assert "indices touched" in run("show", name, "--anatomy")[1]
    _, out, _ = run("show", name, "--orbit")
    facts = dict(line.split(":", 1) for line in out.splitlines() if ":" in line)
    assert facts["class"].strip() == "not computed"
    assert facts["automorphisms"].strip() == "36"
    assert "infinite" in facts["note"]
    with Catalogue.open(path) as catalogue:
        stored = catalogue.schemes.add(strassen(Ring.F2))
    (item,) = _objects(run("show", stored.hash, "--orbit", "--json")[1])
    assert (item["orbit"]["automorphisms"], item["orbit"]["orbit_size"]) == (36, 36)
    assert len(item["orbit"]["class"]) == 64


def test_programs_are_listed_found_and_shown(run: Run, path: Path) -> None:
    with Catalogue.open(path) as catalogue:
        kept = catalogue.programs.add(winograd(), Provenance(method="reduce"))
    name = kept.scheme.short
    _, out, _ = run("list", "2x2x2", "--sort", "rank,additions")
    first = out.splitlines()[1].split()
    assert (first[0], first[6:8]) == (name, ["24", "15"])
    (item,) = _objects(run("query", "--additions", "15", "--json")[1])
    assert (item["scheme"], item["additions"], item["fewest_additions"]) == (
        kept.scheme.hash,
        24,
        15,
    )
    (item,) = _objects(run("show", name, "--json")[1])
    assert item["programs"] == {"additions": 15, "left": 4, "right": 4, "output": 7}
    assert "15 additions: 4 + 4 + 7" in run("show", name)[1]
    (item,) = _objects(run("list", "2x2x2", "--best", "--ring", "ZT", "--json")[1])
    assert item["scheme"] == kept.scheme.hash


def test_structured_formats_show_their_recursive_calls(run: Run, path: Path) -> None:
    with Catalogue.open(path) as catalogue:
        stored = catalogue.schemes.add(naive_scheme(parse_format("ug:2x2x2"), Ring.ZT))
    _, out, _ = run("list", "ug:2x2x2")
    head, row = (line.split() for line in out.splitlines())
    assert head[-3:] == ["calls", "gamma", "source"]
    assert row[-3:] == ["4", "0.66667", "unknown"]
    (item,) = _objects(run("list", "ug:2x2x2", "--json")[1])
    assert (item["calls"], item["gamma"]) == (4, 2 / 3)
    (item,) = _objects(run("show", stored.hash, "--json")[1])
    assert item["recursion"]["calls"] == [4, 0, 0]
    assert item["recursion"]["gamma_exact"] == "2/3"
    assert "calls by kind" in run("show", stored.hash)[1]
    assert len(_objects(run("query", "--gamma", "0.7", "--json")[1])) == 1
    assert _objects(run("query", "--gamma", "0.6", "--json")[1]) == []


def test_the_table_of_a_front_has_its_figures(run: Run, path: Path) -> None:
    _, out, _ = run("list", "2x2x2", "--ring", "Z", "--front")
    assert out.splitlines()[0].split() == [
        *("scheme", "format", "ring", "rank", "known", "gap", "additions", "growth"),
        *("denominator", "source"),
    ]
    assert len(out.splitlines()) == 2  # Strassen's; nothing else of the catalogue holds up
    (item,) = _objects(run("list", "2x2x2", "--ring", "Z", "--front", "--json")[1])
    assert item["scheme"] == strassen().content_hash
    assert (item["growth"], item["greatest_denominator"]) == (12.0, 1)


@pytest.mark.parametrize("number", [77, 2**63 - 1, 2**63, 10**30])
def test_there_is_no_such_run(run: Run, path: Path, number: int) -> None:
    with Catalogue.open(path) as catalogue:
        assert catalogue.runs.find(number) is None
        assert catalogue.runs.find(str(number)) is None
        for call in (catalogue.runs.get, catalogue.runs.resume, catalogue.runs.heartbeat):
            with pytest.raises(NotFoundError, match="there is no run"):
                call(number)  # type: ignore[operator]
        assert catalogue.runs.last_checkpoint(number) is None
        with pytest.raises(NotFoundError):
            catalogue.schemes.get(number)
    code, out, err = run("query", "--run", str(number), "--json")
    assert (code, out) == (1, "")
    assert "there is no run" in err
    assert run("query", "--rank", f"{number}-", "--json") == (0, "", "")
    assert run("query", "--gap", str(number), "--offset", str(number), "--json") == (0, "", "")
    assert run("runs", "--limit", str(number))[0] == 0


def test_runs(run: Run) -> None:
    _, out, _ = run("runs")
    assert out.splitlines()[1].split()[:7] == ["1", "night", "2x2x2", "ZT", "done", "7", "123,456"]
    (item,) = _objects(run("runs", "--json")[1])
    assert (item["run"], item["status"], item["rank"], item["flips"]) == (1, "done", 7, 123456)
    assert "wrong" in run("runs", "--quarantine")[1]
    assert _objects(run("runs", "--quarantine", "--json")[1])[0]["task"] == {"seed": 1}


def test_bounds(run: Run, tmp_path: Path) -> None:
    rows = run("bounds", "list", "5x4x3")[1].splitlines()
    assert [row.split()[:2] for row in rows[1:]] == [[ring, "47"] for ring in Ring]
    assert "newest already" in run("bounds", "update")[1]
    table = tmp_path / "t.csv"
    table.write_text("format,ZT,Z,Q,F2,F3,source\n4x4x4,,,,46,,me\n", "utf-8")
    told = run("bounds", "update", str(table))[1].splitlines()
    assert told[0] == "1 bounds loaded, 1 changed"
    assert told[2].split() == ["4x4x4", "F2", "47", "46", "me"]
    assert "46" in run("bounds", "list", "4x4x4")[1].splitlines()[1]


def test_doctor(run: Run, path: Path) -> None:
    code, out, _ = run("doctor")
    assert code == 0
    assert "the catalogue is sound" in out
    assert "numpy" in out
    (report,) = _objects(run("doctor", "--json", "--catalogue", "--workers", "1")[1])
    assert report["catalogue"]["sound"] is True
    assert report["catalogue"]["checked"] == 5
    assert report["packages"]["numba"]
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE factors SET data = x'00' WHERE scheme_id = 2")
    connection.close()
    assert run("doctor")[0] == 0  # the quick look does not prove
    code, out, _ = run("doctor", "--catalogue")
    assert code == 1
    assert "the catalogue is not sound" in out
    assert out.count("problem: scheme") == 1


def test_doctor_of_something_else(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("hello" * 200, "utf-8")
    code, out, err = run("doctor", "--db", str(tmp_path / "x.txt"), db=False)
    assert code == 1
    assert "not an SQLite database" in out
    assert err == ""


def test_a_mistyped_catalogue_is_not_made(run: Run, tmp_path: Path) -> None:
    typo = str(tmp_path / "typo.sqlite")
    for words in (
        ("list",),
        ("query", "--rank", "7"),
        ("list", "--best"),
        ("show", "2x2x2"),
        ("runs",),
        ("bounds", "list", "2x2x2"),
        ("doctor",),
        ("doctor", "--catalogue", "--json"),
    ):
        code, _, err = run(*words, "--db", typo, db=False)
        assert code == 1
        assert f"there is no catalogue {typo}" in err
    assert not (tmp_path / "typo.sqlite").exists()


def test_listings_suit_a_terminal_that_knows_only_ascii(path: Path) -> None:
    with Catalogue.open(path) as catalogue:
        run = catalogue.runs.start("2x2x2", "F2", name="Käse")
        catalogue.schemes.add(variant(9), Provenance(run=run.id))
        catalogue.schemes.add(variant(10), Provenance(source="Karatsuba–Ofman, Доклады"))
        catalogue.runs.quarantine("größer", source="Käse")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    for words in (
        ["list"],
        ["list", "--csv"],
        ["runs"],
        ["runs", "--quarantine"],
        ["show", "SHORT"],
    ):
        words = [variant(10).content_hash[:12] if word == "SHORT" else word for word in words]
        done = subprocess.run(
            [sys.executable, "-m", "flipsearch", *words, "--db", str(path)],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        assert "\\x" in done.stdout or "\\u" in done.stdout
