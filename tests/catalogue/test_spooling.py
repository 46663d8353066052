"""What cannot be stored is kept and goes in later: full disks, locks, damaged spool files."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest
from catalogue_schemes import strassen, variant

from flipsearch.catalogue import Catalogue, Provenance, SpooledError
from flipsearch.catalogue.codec import scheme_from_json, scheme_to_json
from flipsearch.catalogue.places import Place, resolve, shared_folder
from flipsearch.catalogue.spool import pending, read_spool, write_spool
from flipsearch.errors import CatalogueError, FormatError
from flipsearch.formats import parse_format
from flipsearch.formats.tensors import cyclic
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme, rational_scheme


def _fill_up(catalogue: Catalogue) -> None:
    with catalogue.database.writing() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    schemes = [variant(k) for k in range(400)]
    stored = 0
    with Catalogue.open(path) as catalogue:
        run = catalogue.runs.start("2x2x2", "Z")
        _fill_up(catalogue)
        with pytest.raises(SpooledError, match="disk is full") as caught:  # noqa: PT012
            for scheme in schemes:
                catalogue.schemes.add(scheme, Provenance(run=run.id, task=3))
                stored += 1
        assert len(catalogue.schemes) == stored
        assert caught.value.spool is not None
        assert caught.value.spool.parent == tmp_path
        with pytest.raises(SpooledError, match=r"kept in"):
            catalogue.schemes.add_many(schemes[stored + 1 :], Provenance(run=run.id))
    assert len(pending(resolve(path))) == 2
    with Catalogue.open(path) as catalogue:
        assert len(catalogue.schemes) == len(schemes)
        assert {r.hash for r in catalogue.schemes.records(run=run.id)} == {
            scheme.content_hash for scheme in schemes
        }
    assert pending(resolve(path)) == []


def test_readers_leave_spool_files_alone(tmp_path: Path) -> None:
    place = resolve(tmp_path / "c.sqlite")
    Catalogue.open(place.path).close()
    write_spool(place, [(strassen(), None)])
    with Catalogue.open(place.path, read_only=True) as catalogue:
        assert len(catalogue.schemes) == 0
        assert len(catalogue.health().spool_files) == 1
    with Catalogue.open(place.path) as catalogue:
        assert len(catalogue.schemes) == 1


def test_a_lock_by_another_program_is_waited_out(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    with Catalogue.open(path) as catalogue:
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(1.5, lambda: other.execute("ROLLBACK")).start()
        assert catalogue.schemes.add(strassen()).new
        other.close()


def test_a_lock_that_does_not_go_spools(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    with Catalogue.open(path, patience=0.1) as catalogue:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(SpooledError, match="locked by another program"):
            catalogue.schemes.add(strassen())
        with pytest.raises(CatalogueError, match="locked by another program"):
            catalogue.runs.start("2x2x2", "F2")
        other.execute("ROLLBACK")
        other.close()
        assert catalogue.schemes.absorb() == 1
        assert catalogue.schemes.get(strassen().content_hash).scheme == strassen()


def test_spools_go_elsewhere_when_the_folder_is_full(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("", "utf-8")
    place = resolve(tmp_path / "blocked" / "c.sqlite")
    path = write_spool(place, [(strassen(), None)])
    assert path is not None
    assert path.is_relative_to(tmp_path / "data")
    assert pending(place) == [path]


def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Return a place whose spool files can only lie in the shared temporary folder."""
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o777)
    monkeypatch.setattr("tempfile.tempdir", str(shared))
    for name in ("blocked", "data"):
        (tmp_path / name).write_text("", "utf-8")
    return resolve(tmp_path / "blocked" / "c.sqlite")


def test_the_shared_folder_is_used_only_while_it_is_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = _elsewhere(tmp_path, monkeypatch)
    path = write_spool(place, [(strassen(), None)])
    assert path is not None
    folder = path.parent
    assert folder == shared_folder()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert pending(place) == [path]
    for mode in (0o750, 0o701, 0o777):
        folder.chmod(mode)
        assert pending(place) == []
        assert write_spool(place, [(strassen(), None)]) is None
    folder.chmod(0o700)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)
    (folder.parent / "flipsearch-4000000").symlink_to(folder)
    assert pending(place) == []
    assert write_spool(place, [(strassen(), None)]) is None
    (folder.parent / "flipsearch-4000000").unlink()
    folder.rename(folder.parent / "flipsearch-4000000")  # a folder that somebody else made
    assert pending(place) == []
    assert write_spool(place, [(strassen(), None)]) is None


def test_planted_pipes_and_links_do_not_hang_an_opening(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    place = resolve(path)
    Catalogue.open(path).close()
    os.mkfifo(tmp_path / "c.sqlite.spool-0.jsonl")
    (tmp_path / "c.sqlite.spool-1.jsonl").symlink_to("/dev/zero")
    (tmp_path / "c.sqlite.spool-2.jsonl").mkdir()
    assert pending(place) == []
    with Catalogue.open(path) as catalogue:
        assert len(catalogue.schemes) == 0
    for number in (0, 1, 2):
        with pytest.raises(OSError, match=r"c\.sqlite\.spool"):
            next(read_spool(tmp_path / f"c.sqlite.spool-{number}.jsonl"))


def test_foreign_lines_in_a_spool_file_are_quarantined(tmp_path: Path) -> None:
    place = resolve(tmp_path / "c.sqlite")
    Catalogue.open(place.path).close()
    u, v, w = strassen().factors
    wrong = Scheme(strassen().format, Ring.Z, u, v, 2 * w)
    path = write_spool(
        place, [(strassen(), Provenance(run=77, source="x")), (wrong, None), (variant(1), None)]
    )
    assert path is not None
    with path.open("a", encoding="utf-8") as file:
        file.write('{"format": "2x2x2"}\nnonsense\n[]\n{"a": ' + "[" * 5000 + "\n")
    with Catalogue.open(place.path) as catalogue:
        assert len(catalogue.schemes) == 2
        record = catalogue.schemes.get(strassen().content_hash)
        assert catalogue.schemes.provenance(record) == [
            Provenance(source="x")
        ]  # there is no run 77
        reasons = sorted(item.reason for item in catalogue.runs.quarantined())
        assert len(reasons) == 5
        assert any("not a scheme for 2x2x2" in reason for reason in reasons)
    assert not path.exists()


def test_the_json_form_is_exact() -> None:
    u, v, w = (matrix.tolist() for matrix in strassen().factors)
    from fractions import Fraction

    v[0] = [Fraction(x, 7) for x in v[0]]
    for scheme in (
        strassen(Ring.F2),
        variant(2**40),
        rational_scheme(parse_format("2x2x2"), u, v, w),
        naive_scheme(cyclic(3), Ring.F3),
    ):
        provenance = Provenance(run=3, seed=2**77, details={"a": [1]})
        text = json.dumps(scheme_to_json(scheme, provenance))
        assert scheme_from_json(json.loads(text)) == (scheme, provenance)


@pytest.mark.parametrize(
    "change",
    [
        {"u": [[1.5] * 4] * 7},
        {"u": [[1]]},
        {"u": [[10**30] * 4] * 7},
        {"u": "abc"},
        {"format": 3},
        {"ring": "R"},
        {"denominators": [0] * 7},
        {"w": None},
    ],
)
def test_malformed_json_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(FormatError):
        scheme_from_json({**scheme_to_json(strassen()), **change})


@pytest.mark.parametrize(
    "given", [{"evil": 1, "source": "x", "run": "three", "task": 2**70, "details": []}, [1], "x"]
)
def test_a_provenance_of_another_version_costs_no_scheme(given: object) -> None:
    record = {**scheme_to_json(strassen()), "provenance": given}
    scheme, provenance = scheme_from_json(record)
    assert scheme == strassen()
    assert provenance == (Provenance(source="x") if isinstance(given, dict) else None)


def test_reading_a_spool_says_which_line(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps(scheme_to_json(strassen())) + "\n{}\n", "utf-8")
    good, bad = read_spool(path)
    assert not isinstance(good, str)
    np.testing.assert_array_equal(good[0].u, strassen().u)
    assert isinstance(bad, str)
    assert "line 2" in bad
