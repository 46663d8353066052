"""The commands verify, import, export and lift, on a catalogue of their own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scheme_samples import changed_basis, samples, strassen

import flipsearch as fs
from flipsearch.catalogue import Catalogue, portions
from flipsearch.catalogue.portions import bytes_of
from flipsearch.catalogue.schemes import Schemes
from flipsearch.cli import schemes as group
from flipsearch.cli._schemes import _provenance
from flipsearch.cli.output import complain
from flipsearch.cli.parser import Parser
from flipsearch.constructors import construct
from flipsearch.errors import FlipsearchError
from flipsearch.files import Read, to_bytes
from flipsearch.formats import parse_format
from flipsearch.formats.sparse import sparse_tensor, tensor_text
from flipsearch.formats.tensors import polynomial
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme


def run(*arguments: object) -> int:
    parser = Parser()
    group.register(parser.add_subparsers())
    parsed = parser.parse_args([str(argument) for argument in arguments])
    try:
        return int(parsed.handler(parsed))
    except FlipsearchError as error:
        complain(str(error))
        return error.exit_code


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    chosen = [strassen(), strassen(Ring.F2), naive_scheme(parse_format("ug:2x2x2"), Ring.Z)]
    for number, scheme in enumerate(chosen):
        (folder / f"{number}.json").write_bytes(to_bytes(scheme, "json"))
    (folder / "again.m").write_bytes(to_bytes(strassen(), "m"))
    (folder / "moved.json").write_bytes(to_bytes(changed_basis(strassen(Ring.F2), 1), "json"))
    (folder / "wrong.txt").write_text("1 1 1 1\n1\n1\n6\n")
    return folder


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the place of a catalogue that starts empty, not with the schemes of the project."""
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)
    return tmp_path / "catalogue.sqlite"


def test_verify_files(files: Path, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify", files / "0.json", "--paranoid", "--db", db) == 0
    assert "2x2x2 of rank 7 over ZT, proved, by both checkers" in capsys.readouterr().out
    assert run("verify", files / "0.json", "--format", "3x3x3", "--db", db) == 1
    assert "it is for 2x2x2, not for 3x3x3" in capsys.readouterr().out
    assert run("verify", files, "--json", "--db", db) == 1
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["valid"] for record in records] == [True] * 5 + [False]
    assert "instead of 1" in records[-1]["reason"]
    assert run("verify", files / "nothing.json", "--db", db) == 1
    assert "there is no file or folder" in capsys.readouterr().err


def test_rejects_are_grouped_by_reason(
    tmp_path: Path, db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, rejects = tmp_path / "foreign", tmp_path / "rejects.tsv"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number:02}.py").write_text("import numpy\n")
        (folder / f"{number:02}.txt").write_text(f"2 2 2 {number + 100}\n")
    (folder / "50.json").write_bytes(to_bytes(strassen(), "json"))
    assert run("import", folder, "--db", db, "--rejects", rejects, "--source", "\udcff\0x") == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("00.py: it is in no scheme format known here")
    assert "40 like " in second
    assert "rank 100 is absurd" in second
    lines = rejects.read_text().splitlines()
    assert len(lines) == 80
    assert all(".py\t" in line for line in lines[:40])
    with Catalogue.open(db, read_only=True) as catalogue:
        assert catalogue.schemes.get(strassen().content_hash).source == "??x, imported"
    assert run("import", folder, "--db", db, "--rejects", tmp_path) == 2
    assert "it is a folder" in capsys.readouterr().err
    assert run("import", folder, "--db", "~nosuchuser/x.sqlite") == 2
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert run("import", pipe, "/proc/self", "--db", db) == 1
    assert "no regular file" in capsys.readouterr().err


def test_import_twice(files: Path, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rejects = files.parent / "rejects.tsv"
    assert run("import", files / "0.json", "--format", "3x3x3", "--db", db) == 1
    assert "it is for 2x2x2, not for 3x3x3" in capsys.readouterr().err
    assert run("import", files, "--db", db, "--rejects", rejects) == 1
    shown = capsys.readouterr()
    assert "5 schemes proved, " in shown.out
    assert ", 1 rejected" in shown.out
    assert "wrong.txt: not a scheme for 1x1x1" in shown.err
    assert rejects.read_text().count("\n") == 1
    assert run("import", files / "0.json", files / "again.m", "--db", db, "--json") == 0
    *_, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert last["summary"] == {"read": 2, "new": 0, "duplicate": 2, "rejected": 0}
    with Catalogue.open(db) as catalogue:
        record = catalogue.schemes.get(strassen().content_hash[:12])
        assert record.scheme == strassen()
        assert any("0.json" in (p.source or "") for p in catalogue.schemes.provenance(record))


def test_import_by_equivalence(files: Path, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = (files / "1.json", files / "moved.json")
    assert run("import", *chosen, "--equivalence", "--db", db, "--json") == 0
    *_, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert last["summary"]["equivalent"] + last["summary"]["new"] == 2
    assert last["summary"]["equivalent"] >= 1
    # the other scheme of the class over the integers, and the first one once more
    again = files.parent / "turned.json"
    fs.write(changed_basis(strassen(Ring.ZT).over(Ring.Z), 3), again)
    assert run("import", files / "0.json", again, "--equivalence", "--db", db, "--json") == 0
    *_, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert last["summary"]["equivalent"] + last["summary"]["new"] == 2
    assert last["summary"]["equivalent"] >= 1
    assert last["summary"]["undecided"] == 0
    assert run("import", files / "0.json", "--db", db, "--json") == 0
    assert run("import", files / "0.json", "--equivalence", "--db", db, "--json") == 0
    *_, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (last["summary"]["duplicate"], last["summary"]["equivalent"]) == (1, 0)


def test_dry_run_stores_nothing(files: Path, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("import", files / "0.json", "--dry-run", "--db", db) == 0
    assert "1 schemes proved, 0 rejected" in capsys.readouterr().out
    assert not db.exists()


def test_bad_arguments(files: Path, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("import", files / "none", "--db", db) == 1
    assert run("import", files, "--ring", "R", "--db", db) == 2
    assert run("import", files, "--workers", "0", "--db", db) == 2
    assert not db.exists()
    assert run("export", "0123456789", "--db", db) == 1
    capsys.readouterr()


def test_export_in_every_format(files: Path, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("import", files / "0.json", files / "2.json", "--db", db)
    capsys.readouterr()
    name = strassen().content_hash[:10]
    for to in ("json", "txt", "exp", "m", "mpl", "scheme", "npz", "npy"):
        out = files.parent / f"out.{to}"
        assert run("export", name, "--to", to, "-o", out, "--db", db) == 0
        assert fs.read(out) == strassen()
    assert run("export", name, "--to", "npz", "--db", db) == 2
    assert "-o FILE" in capsys.readouterr().err
    assert run("export", name, "-o", files.parent / "out.json", "--db", db) == 2
    assert "add force to replace it" in capsys.readouterr().err
    assert run("export", name, "--to", "scheme", "--db", db) == 0
    assert capsys.readouterr().out.startswith("format: 2x2x2\nring: ZT\n")
    assert run("export", name, "-o", files.parent / "none" / "out.json", "--db", db) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert str(files.parent / "none") in message
    assert "make that folder first" in message
    assert run("export", name, "-o", f"{files.parent / 'fresh'}/", "--db", db) == 0
    assert [fs.read(path) for path in (files.parent / "fresh").iterdir()] == [strassen()]
    assert run("export", name, "--to", "reduced", "--db", db) == 1
    assert "`reduce --keep" in capsys.readouterr().err
    for to in ("sms", "slp"):
        threefold = files.parent / to / f"s.{to}"
        threefold.parent.mkdir()
        assert run("export", name, "--to", to, "-o", threefold, "--db", db) == 0
        assert sorted(p.stem for p in threefold.parent.iterdir()) == ["s_L", "s_P", "s_R"]
        assert fs.read(threefold.parent) == strassen()
    folder = files.parent / "many"
    assert run("export", name, samples()[2].content_hash, "-o", folder, "--db", db) == 1
    other = naive_scheme(parse_format("ug:2x2x2"), Ring.Z).content_hash
    assert run("export", name, other, "-o", folder, "--force", "--db", db) == 0
    assert len(list(folder.iterdir())) == 2


def test_verify_and_lift_stored_schemes(
    files: Path, db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("import", files / "moved.json", "--db", db)
    capsys.readouterr()
    name = changed_basis(strassen(Ring.F2), 1).content_hash[:8]
    tensor = files.parent / "tensor.json"
    fs.write(naive_scheme(polynomial(2, 2), Ring.ZT), tensor)
    assert run("verify", tensor, "--db", db) == 0
    assert run("verify", tensor, "--paranoid", "--db", db) == 0
    assert "by both checkers" in capsys.readouterr().out
    assert run("verify", name, "--paranoid", "--db", db) == 0
    assert "by both checkers" in capsys.readouterr().out
    assert run("lift", name, "--json", "--db", db) == 0
    lifted = json.loads(capsys.readouterr().out)["lifted"]
    assert lifted["rank"] == 7
    assert lifted["ring"] in ("ZT", "Z", "Q")
    assert run("verify", "ffffffffff", "--db", db) == 1


def test_a_file_may_have_any_bytes_for_a_name(
    files: Path, db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, rejects = files / "odd", files.parent / "rejects.tsv"
    folder.mkdir()
    for name in (b"\xff.json", b"\x1b[2J.txt"):
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:
            file.write(to_bytes(strassen(), "json") if name.endswith(b"json") else b"nothing")
    assert run("verify", folder, "--db", db) == 1
    out = capsys.readouterr().out
    assert "odd/?.json: 2x2x2 of rank 7" in out
    assert "\x1b" not in out
    assert run("import", folder, "--rejects", rejects, "--db", db) == 1
    assert rejects.read_text().startswith(f"{folder}/?[2J.txt\t")
    with Catalogue.open(db, read_only=True) as catalogue:
        origins = catalogue.schemes.provenance(catalogue.schemes.get(strassen().content_hash))
    assert "?.json" in [origin.source for origin in origins]
    none = files / "none" / "r.tsv"
    assert run("import", folder, "--rejects", none, "--db", db) == 1
    assert "make that folder first" in capsys.readouterr().err


def test_a_file_that_boasts_is_not_believed() -> None:
    """That a union survives losses is shown as a fact, so it is proved."""
    union = strassen()
    twice = Scheme(
        union.format,
        Ring.Q,
        *(np.concatenate([matrix, matrix]) for matrix in union.factors),
        np.full(14, 2),
    )
    for scheme, claim, holds in (
        (union, "0", True),
        (union, "1", False),
        (twice, "1", True),
        (twice, "2", False),
        (twice, "9" * 30, False),
        (union.over(Ring.F2), "0", False),
    ):
        meta = {"workers": str(scheme.rank), "survives": claim, "file": "x", "source": "\x1b[2J"}
        origin = _provenance(Read("a.txt", "scheme", scheme, meta=meta | {"a": "b" * 999}), None)
        said = origin.details or {}
        assert (origin.source, len(said["a"])) == ("?[2J", 500)
        assert (said.get("survives") == claim) is holds
        assert ("claimed-survives" in said) is not holds
        assert said["file"] == "a.txt"


def test_a_commit_is_bounded_in_number_bytes_and_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    nbytes = bytes_of(strassen())

    def sizes(count: int, scheme: Scheme | None = strassen()) -> list[int]:  # noqa: B008
        return [len(portion) for portion in portions.portions([scheme] * count, bytes_of)]

    assert sizes(2500) == [1000, 1000, 500]
    assert sizes(0) == []
    monkeypatch.setattr(portions, "MOST_BYTES", 3 * nbytes)
    assert sizes(7) == [3, 3, 1]
    assert sizes(7, None) == [7]
    monkeypatch.setattr(portions, "MOST_SECONDS", -1.0)
    assert sizes(3) == [1, 1, 1]


def test_an_import_commits_large_schemes_a_few_at_a_time(
    tmp_path: Path, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = naive_scheme(parse_format("4x4x4"), Ring.ZT)
    nbytes = sum(matrix.nbytes for matrix in large.factors)
    for number in range(7):
        (tmp_path / f"{number}.exp").write_bytes(to_bytes(large, "exp"))
    held: list[int] = []
    add_many = Schemes.add_many

    def counted(schemes: Schemes, items: Any, *rest: Any, **options: Any) -> Any:
        chosen = list(items)
        held.append(sum(m.nbytes for scheme, _ in chosen for m in scheme.factors))
        return add_many(schemes, chosen, *rest, **options)

    monkeypatch.setattr(Schemes, "add_many", counted)
    monkeypatch.setattr(portions, "MOST_BYTES", 3 * nbytes)
    assert run("import", *sorted(tmp_path.glob("*.exp")), "--db", db) == 0
    assert [size for size in held if size] == [3 * nbytes, 3 * nbytes, nbytes]


def test_a_table_of_a_tensor_is_read_back(tmp_path: Path, db: Path) -> None:
    scheme = construct("poly:2x3", "Q")
    for tensor in (scheme.format, sparse_tensor("mine", scheme.format.entries)):
        mine = Scheme(tensor, scheme.ring, *scheme.factors, scheme.denominators)
        path = tmp_path / f"{tensor.label}.txt"
        path.write_bytes(to_bytes(mine, "txt"))
        definition = tmp_path / "mine.tns"
        definition.write_text(tensor_text(tensor))
        named = () if tensor.label == "poly-2x3" else ("--format", definition)
        assert run("verify", path, *named, "--db", db) == 0
        assert fs.read(path, format=tensor).format == tensor
    with pytest.raises(FlipsearchError, match="nobody here makes tensors called 'mine'"):
        fs.read(path)
    with pytest.raises(FlipsearchError, match="it is for lengths"):
        fs.read(path, format=polynomial(2, 2))
