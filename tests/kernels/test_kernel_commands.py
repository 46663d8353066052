"""The commands kernel, bench-kernel and reduce, end to end."""

import json
import re
from dataclasses import replace
from fractions import Fraction

import pytest

from flipsearch.catalogue import Catalogue
from flipsearch.cli import main
from flipsearch.formats import parse_format
from flipsearch.kernels import (
    fastest_here,
    fastest_scheme,
    find_scheme,
    import_kernel,
    time_against_numpy,
    verdict,
    write_kernel,
)
from flipsearch.kernels.builtin import strassen, winograd
from flipsearch.kernels.runtime import products
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme, rational_scheme
from flipsearch.transform import permute


@pytest.fixture
def database(database):
    with Catalogue.open(database) as catalogue:
        catalogue.schemes.add(strassen())
        catalogue.schemes.add(permute(naive_scheme(parse_format("2x3x4"), Ring.Z), (2, 0, 1)))
    return database


def test_a_kernel_is_written_and_timed(tmp_path, database, capsys):
    path = tmp_path / "mm.py"
    assert main(["kernel", "2x2x2", "-o", str(path), "--db", database, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["rank"] == 7
    picture = tmp_path / "ratio.png"
    command = ["bench-kernel", str(path), "--sizes", "64,96", "--threads", "1", "--pairs", "1"]
    assert main([*command, "--json", "--plot", str(picture)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["size"] for line in lines] == [64, 96]
    assert all(line["value"] > 0 and line["scheme"] == record["scheme"] for line in lines)
    assert picture.stat().st_size > 1000


def test_the_fastest_stored_scheme_becomes_the_kernel(tmp_path, capsys):
    path = str(tmp_path / "catalogue.db")
    naive = naive_scheme(parse_format("2x2x2"), Ring.ZT)
    halves = rational_scheme(
        winograd().format, [[2 * x for x in row] for row in winograd().u.tolist()],
        winograd().v.tolist(), [[Fraction(x, 2) for x in row] for row in winograd().w.tolist()],
    )  # fmt: skip
    with Catalogue.open(path) as catalogue:
        for scheme in (naive, halves, strassen()):
            catalogue.schemes.add(scheme)
        # of one rank, Winograd's has more terms to read and write than Strassen's
        fastest = fastest_scheme(catalogue, strassen().format)
    assert (fastest.rank, fastest.nonzeros) == (7, strassen().nonzeros)
    kernel = str(tmp_path / "mm.py")
    assert main(["kernel", "2x2x2", "-o", kernel, "--db", path]) == 0
    said = capsys.readouterr().out
    assert fastest.content_hash[:12] in said
    # by the shipped table, one level is just faster than a BLAS as fast as our leaf
    assert re.search(r"numpy is called below \d+; from there 1 level, 1\.\d\d times as fast", said)


def test_close_schemes_are_timed(database, monkeypatch):
    monkeypatch.delenv("FLIPSEARCH_TUNING")
    monkeypatch.setattr("flipsearch.kernels.choice.TRIAL", 64)
    monkeypatch.setattr("flipsearch.kernels.choice.RIVALS", 2)
    times = iter([3.0, 1.0] * 5)
    monkeypatch.setattr("flipsearch.kernels.choice._cpu_seconds", lambda trial: next(times))
    with Catalogue.open(database) as catalogue:
        catalogue.schemes.add(winograd())
        scheme, why = fastest_here(catalogue, strassen().format)
    assert scheme.nonzeros == winograd().nonzeros  # second by prediction, first by the clock
    assert re.fullmatch(r"the fastest of 2 timed here, of \d+ known schemes", why)


def test_where_numpy_is_better_the_kernel_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("flipsearch.kernels.choice.SIDES", (64, 128))
    assert verdict(strassen(), threads=1) == (
        "float64 on 1 thread: numpy is the better choice here, and the kernel calls it up to 128"
    )
    module = import_kernel(write_kernel(strassen(), tmp_path / "mm.py"))
    assert module.plan(20).endswith("numpy, since the matrices are small")
    assert "numpy; the kernel's predicted speed is" in module.plan(1000)
    assert "levels of the scheme" in module.plan(8192, threads=1) or "1 level" in module.plan(8192)
    assert "x".join(map(str, (9000, 50, 70))) in module.plan(9000, 50, 70, "int64", 2)
    timing = time_against_numpy(module, 80, threads=1, pairs=1)
    assert timing.levels == -1
    assert str(timing).endswith("numpy called")
    slow = replace(timing, levels=1, ratio=0.95)
    assert str(slow).endswith("ratio 0.95, 1 level; numpy is the better choice here")


def test_the_levels_of_a_file_are_those_that_are_timed(tmp_path, monkeypatch):
    module = import_kernel(write_kernel(strassen(), tmp_path / "mm.py", levels=1))
    monkeypatch.setattr(module, "multiply_products", products.multiply_products)
    assert time_against_numpy(module, 80, threads=1, pairs=1).levels == 1


def test_levels_and_tuning(tmp_path, database, capsys, monkeypatch):
    monkeypatch.setenv("FLIPSEARCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FLIPSEARCH_TUNING")
    path = tmp_path / "mm.py"
    assert main(["kernel", "2x2x2", "-o", str(path), "--db", database, "--levels", "1"]) == 0
    assert "levels: Any = 1" in path.read_text()
    capsys.readouterr()
    module = import_kernel(path)
    # its own copy is compiled in test_an_emitted_module_stands_alone
    monkeypatch.setattr(module, "multiply_products", products.multiply_products)
    monkeypatch.setattr(module, "SIZES", (64, 160))
    monkeypatch.setattr(module, "THOROUGH", 0.001)
    command = ["bench-kernel", str(path), "--sizes", "160", "--threads", "1", "--pairs", "1"]
    assert main([*command, "--tune", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    speeds, ratios = lines[:2], lines[2:]
    assert [line["size"] for line in speeds] == [64, 160]
    assert all(line["value"] > 0 and line["name"] == "host_speed" for line in speeds)
    assert module.speeds_file().parent == tmp_path / "cache"
    assert list(json.loads(module.speeds_file().read_text())) == ["float64 1"]
    assert [line["levels"] for line in ratios] == [0, 1]
    assert sum(line["chosen"] for line in ratios) <= 1


def test_structured_kernels_are_timed_on_their_operands(tmp_path, monkeypatch):
    for name in ("gt:2x2x2", "uu:2x2x2"):
        scheme = naive_scheme(parse_format(name), Ring.Z)
        module = import_kernel(write_kernel(scheme, tmp_path / f"{name[:2]}.py"))
        monkeypatch.setattr(module, "multiply_products", products.multiply_products)
        timing = time_against_numpy(module, 70, "float64", 1, 1, levels=1)
        assert timing.error < 1e-12


def test_a_fault_tolerant_kernel_needs_a_stored_union(tmp_path, database, capsys):
    path = tmp_path / "ft.py"
    command = ["kernel", "2x2x2", "-o", str(path), "--db", database, "--faults", "9"]
    assert main(command) == 1
    assert "protect 2x2x2 --survive 9" in capsys.readouterr().err
    with Catalogue.open(database) as catalogue:
        stored = {r.survives for r in catalogue.schemes.records(format="2x2x2") if r.survives}
    command[-1] = str(min(stored))
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["survives"] >= min(stored)
    assert path.stat().st_size > 1000


def test_a_scheme_is_found_in_any_order_and_by_prefix(database):
    assert str(find_scheme("3x4x2", database).format) == "3x4x2"
    assert find_scheme(strassen().content_hash[:8], database) == strassen()


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (["kernel", "gt:11x11x11", "-o", "k.py"], 1, "no scheme for gt:11x11x11"),
        (["kernel", "2x2x2", "-o", "k.txt"], 2, "mm.py"),
        (["kernel", "2x2x2", "-o", "nowhere/k.py"], 2, "create it first"),
        (["kernel", "2xx2", "-o", "k.py"], 2, "unknown format"),
        (["kernel", "2x2x2", "-o", "k.py", "--levels", "many"], 2, "--levels"),
        (["kernel", "abcdef12", "-o", "k.py"], 1, "abcdef12"),
        (["bench-kernel", "missing.py"], 1, "no kernel there"),
        (["bench-kernel", "missing.py", "--sizes", "many"], 2, "integers"),
        (["bench-kernel", "missing.py", "--dtype", "cheese"], 2, "cheese"),
        (["reduce", "2x2x2", "--budget", "soon"], 2, "budget"),
    ],
)
def test_bad_input_is_one_line(command, code, message, database, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    where = [] if command[0] == "bench-kernel" else ["--db", database]
    assert main([*command, *where]) == code
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


def test_reduce_stores_a_scheme_with_fewer_additions(tmp_path, database, capsys):
    path = tmp_path / "programs.json"
    before = find_scheme("2x2x2", database).content_hash
    command = ["reduce", "2x2x2", "--budget", "2s", "--db", database, "--json", "-o", str(path)]
    assert main(command) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["additions"] == 15
    assert record["from"] == before
    with Catalogue.open(database) as catalogue:
        stored = catalogue.schemes.get(record["scheme"])
        assert stored.scheme.rank == 7
    programs = json.loads(path.read_text())["programs"]
    assert sum(len(program["steps"]) for program in programs.values()) == 15


def test_reduce_counts_xors_and_its_programs_are_exported(tmp_path, database, capsys):
    command = ["reduce", "2x2x2", "--ring", "F2", "--budget", "1s", "--db", database]
    assert main([*command, "-o", str(tmp_path / "programs.json")]) == 0
    assert ": 15 XORs (" in capsys.readouterr().out
    record = json.loads((tmp_path / "programs.json").read_text())
    assert (record["ring"], record["programs"]["ring"]) == ("F2", "F2")
    path = tmp_path / "xors.slp"
    assert (
        main(["export", record["scheme"], "--to", "slp", "-o", str(path), "--db", database]) == 0
    )
    texts = [(tmp_path / f"xors_{part}.slp").read_text() for part in "LRP"]
    assert sum(text.count("+") for text in texts) == 15
    assert "-" not in "".join(texts)
    other = str(tmp_path / "other.sqlite")
    assert main(["import", str(tmp_path / "xors_L.slp"), "--ring", "F2", "--db", other]) == 0
    with Catalogue.open(other) as catalogue:
        found = catalogue.schemes.get(record["scheme"])
        assert found.fewest_additions == 15
        assert found.reduction.scheme.ring is Ring.F2
