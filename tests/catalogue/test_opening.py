from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from catalogue_schemes import strassen, variant

from flipsearch.catalogue import Catalogue
from flipsearch.catalogue.places import checkout, resolve
from flipsearch.errors import CatalogueError, NotFoundError, UsageError
from flipsearch.formats.tensors import polynomial
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme


def test_records_in_memory_give_their_schemes_while_one_iterates() -> None:
    tensor = naive_scheme(polynomial(2, 2), Ring.ZT)
    with Catalogue.open("sqlite://") as catalogue:
        catalogue.schemes.add_many([strassen(), variant(1), tensor])
        with Catalogue.open("sqlite://") as empty:
            for record in catalogue.schemes.records():
                empty.schemes.add(record.scheme)
                catalogue.schemes.annotate(record.id, {"seen": True})
            assert len(empty.schemes) == 3


def test_the_default_lies_in_the_checkout() -> None:
    root = checkout()
    assert root is not None
    assert resolve().path == root / "db" / "catalogue.sqlite"


def test_installed_it_lies_in_the_data_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("flipsearch.catalogue.places.checkout", lambda: None)
    monkeypatch.setattr("flipsearch.catalogue.places.data_folder", lambda: tmp_path / "user")
    assert resolve().path == tmp_path / "user" / "catalogue.sqlite"
    with Catalogue.open() as catalogue:
        assert len(catalogue.schemes) == 0


def test_the_environment_names_a_catalogue(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLIPSEARCH_DB", str(tmp_path / "mine.sqlite"))
    assert resolve().path == tmp_path / "mine.sqlite"
    assert resolve(tmp_path / "other.sqlite").path == tmp_path / "other.sqlite"


def test_addresses() -> None:
    assert resolve("sqlite:////a/b.sqlite").path == Path("/a/b.sqlite")
    assert resolve("b.sqlite").path == Path.cwd() / "b.sqlite"
    assert resolve("sqlite://").path is None
    url = resolve("postgresql://user:secret@host/base")
    assert url.url.drivername == "postgresql+psycopg"
    assert "secret" not in url.label
    for bad in ("mysql://host/base", "://", "postgresql:/\\", "", "sqlite:///"):
        if "://" in bad or not bad:
            with pytest.raises(UsageError):
                resolve(bad)


def test_a_catalogue_in_memory() -> None:
    with Catalogue.open("sqlite://") as catalogue:
        catalogue.schemes.add(strassen())
        assert catalogue.best("2x2x2").scheme == strassen()  # type: ignore[union-attr]


def test_strange_but_legal_paths(tmp_path: Path) -> None:
    path = tmp_path / "a folder, new" / "50% ?mode=rw#ü.sqlite"
    for expected in (True, False):
        with Catalogue.open(path) as catalogue:
            assert catalogue.schemes.add(strassen()).new is expected
    assert path.exists()


def test_wal_and_full_synchronous(tmp_path: Path) -> None:
    with Catalogue.open(tmp_path / "c.sqlite") as catalogue:
        with catalogue.database.writing() as connection:
            values = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "trusted_schema")
            }
        assert values == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "trusted_schema": 0,
        }
        with (
            catalogue.database.reading() as connection,
            pytest.raises(Exception, match="readonly"),
        ):
            connection.exec_driver_sql("DELETE FROM schemes")


def test_only_the_usual_catalogue_is_made_by_reading(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for given in (tmp_path / "typo.sqlite", f"sqlite:///{tmp_path}/typo.sqlite"):
        with pytest.raises(NotFoundError, match=r"no catalogue .*typo\.sqlite: check "):
            Catalogue.open(given, read_only=True)
    monkeypatch.setenv("FLIPSEARCH_DB", str(tmp_path / "typo.sqlite"))
    with pytest.raises(NotFoundError, match=r"typo\.sqlite"):
        Catalogue.open(read_only=True)
    assert os.listdir(tmp_path) == []
    monkeypatch.delenv("FLIPSEARCH_DB")
    monkeypatch.setattr("flipsearch.catalogue.places.checkout", lambda: None)
    monkeypatch.setattr("flipsearch.catalogue.places.data_folder", lambda: tmp_path / "user")
    with Catalogue.open(read_only=True) as catalogue:
        assert catalogue.bounds.known("4x4x4", "Z").value == 49  # type: ignore[union-attr]


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "photos.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE photos (id INTEGER)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(CatalogueError, match="not a flipsearch catalogue"):
        Catalogue.open(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["photos.sqlite"]


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam,\n" * 100, "utf-8")
    with pytest.raises(CatalogueError, match="not an SQLite database"):
        Catalogue.open(path)


def test_a_folder_and_an_impossible_folder(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="is a folder"):
        Catalogue.open(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CatalogueError, match="no regular file"):
        Catalogue.open(tmp_path / "pipe")
    (tmp_path / "file").write_text("x", "utf-8")
    with pytest.raises(CatalogueError, match="cannot make the folder"):
        Catalogue.open(tmp_path / "file" / "c.sqlite")


def test_a_newer_schema_is_refused_with_the_command(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    Catalogue.open(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE flipsearch_version SET version_num='0099'")
    connection.close()
    with pytest.raises(CatalogueError, match=r"schema 0099.*schemas up to.*git pull"):
        Catalogue.open(path)


def test_an_empty_file_becomes_a_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    path.touch()
    with Catalogue.open(path) as catalogue:
        assert len(catalogue.schemes) == 0


def test_an_unreachable_server() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(CatalogueError) as caught:
        Catalogue.open("postgresql://nobody:secret@127.0.0.1:9/none")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_closed_catalogue_says_so(tmp_path: Path) -> None:
    catalogue = Catalogue.open(tmp_path / "c.sqlite")
    stored = catalogue.schemes.add(strassen())
    record = catalogue.schemes.get(stored.hash)
    catalogue.close()
    catalogue.close()
    with pytest.raises(CatalogueError, match="closed"):
        _ = record.scheme


def test_opening_again_does_not_import_alembic(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    with Catalogue.open(path) as catalogue:
        catalogue.schemes.add(strassen())
    code = (
        "import sys; from flipsearch.catalogue import Catalogue, shipped\n"
        "shipped.shipped_folder = lambda: None\n"
        f"with Catalogue.open({str(path)!r}) as c: assert len(c.schemes) == 1\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'alembic', 'mako', 'numba',"
        " 'galois', 'psycopg', 'ray', 'scipy'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_shipped_schemes_fill_a_fresh_catalogue(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from flipsearch.catalogue import shipped
    from flipsearch.files.native import to_text

    folder = tmp_path / "schemes"
    (folder / "2x2x2").mkdir(parents=True)
    meta = {"found-by": "flip graph walk", "seed": "12"}
    (folder / "2x2x2" / "7.txt").write_text(to_text(strassen(), meta), "utf-8")
    (folder / "2x2x2" / "10.txt").write_text(to_text(variant(1)), "utf-8")
    (folder / "2x2x2" / "torn.txt").write_text(to_text(variant(2))[:-20], "utf-8")
    (folder / "2x2x2" / "notes.txt").write_text("not a scheme", "utf-8")
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: folder)
    with Catalogue.open(tmp_path / "c.sqlite") as catalogue:
        assert len(catalogue.schemes) == 2
        record = catalogue.schemes.get(strassen().content_hash)
        (provenance,) = catalogue.schemes.provenance(record)
        assert provenance.source == "schemes/2x2x2/7.txt"
        assert (provenance.seed, provenance.method) == (12, "flip graph walk")
        assert shipped.shipped_folder() == folder
        again = catalogue.schemes.add_many(shipped.read_folder(folder), on_invalid="quarantine")
        assert [s.new for s in again] == [False, False]


def test_shipped_programs_lie_with_their_schemes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from flipsearch.files.native import to_text
    from flipsearch.kernels.additions import reduce_additions

    folder, path = tmp_path / "schemes" / "2x2x2", tmp_path / "c.sqlite"
    folder.mkdir(parents=True)
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: folder.parent)
    (folder / "7.txt").write_text(to_text(variant(1)), "utf-8")
    with Catalogue.open(path) as catalogue:
        assert catalogue.schemes.get(variant(1).content_hash).reduction is None
    best = reduce_additions(variant(1), passes=20)
    record = {"format": "2x2x2", "programs": best.to_dict()}
    (folder / "7.json").write_text(json.dumps(record), "utf-8")
    missing = reduce_additions(strassen(), passes=1)
    record = {"format": "2x2x2", "programs": missing.to_dict()}
    (folder / "missing.json").write_text(json.dumps(record), "utf-8")
    (folder / "torn.json").write_text("{", "utf-8")
    (folder / "list.json").write_text("[]", "utf-8")
    with Catalogue.open(path) as catalogue:
        (found,) = catalogue.schemes.records()
        assert found.fewest_additions == best.additions < found.additions
        assert found.reduction is not None
        assert found.reduction.programs == best.programs


def test_each_shipped_program_is_that_of_a_shipped_scheme() -> None:
    from flipsearch.catalogue import shipped

    root = checkout()
    assert root is not None
    folder = root / "schemes"
    hashes = {scheme.content_hash for scheme, _ in shipped.read_folder(folder)}
    found = [reduction for reduction, _ in shipped.read_programs(folder)]
    assert len(found) == len(list(folder.rglob("*.json")))
    assert {reduction.scheme.content_hash for reduction in found} <= hashes
    assert all(reduction.additions < reduction.scheme.additions for reduction in found)


def test_what_ships_later_is_taken_in_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from flipsearch.catalogue import shipped
    from flipsearch.files.native import to_text

    folder, path = tmp_path / "schemes" / "2x2x2", tmp_path / "c.sqlite"
    folder.mkdir(parents=True)
    (folder / "7.txt").write_text(to_text(strassen()), "utf-8")
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: folder.parent)
    with Catalogue.open(path) as catalogue:
        catalogue.schemes.add(variant(2))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE bound_tables SET sha256 = 'older'")
        connection.execute("UPDATE bounds SET value = 99 WHERE format = '2x2x2'")
    connection.close()
    for number in (1, 2, 3):
        (folder / f"{number}.txt").write_text(to_text(variant(number)), "utf-8")
    with Catalogue.open(path, read_only=True) as catalogue:
        assert len(catalogue.schemes) == 2
    lock = os.open(tmp_path / "c.sqlite.lock", os.O_RDWR)  # as another process holds it
    fcntl.flock(lock, fcntl.LOCK_EX)
    with Catalogue.open(path) as catalogue:
        assert len(catalogue.schemes) == 2
    os.close(lock)
    with Catalogue.open(path) as catalogue:
        assert len(catalogue.schemes) == 4
        (provenance,) = catalogue.schemes.provenance(
            catalogue.schemes.get(variant(3).content_hash)
        )
        assert provenance.source == "schemes/2x2x2/3.txt"
        assert catalogue.schemes.provenance(catalogue.schemes.get(variant(2).content_hash)) == []
        assert catalogue.runs.quarantined() == []
        assert catalogue.bounds.known("2x2x2", "Z").value == 7  # type: ignore[union-attr]
        table = tmp_path / "mine.csv"
        table.write_text("format,ZT,Z,Q,F2,F3,source\n2x2x2,,6,,,,me\n", "utf-8")
        catalogue.bounds.update(table)
        with catalogue.database.writing() as connection:
            connection.exec_driver_sql("DELETE FROM shipments")
    with Catalogue.open(path) as catalogue:
        assert len(catalogue.schemes) == 4
        assert catalogue.bounds.known("2x2x2", "Z").value == 6  # type: ignore[union-attr]
    monkeypatch.setattr(shipped, "take", None)
    with Catalogue.open(path) as catalogue:
        assert len(catalogue.schemes) == 4


def test_damage_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    with Catalogue.open(path) as catalogue:
        catalogue.schemes.add_many([variant(k) for k in range(50)])
    raw = bytearray(path.read_bytes())
    raw[4096:] = os.urandom(len(raw) - 4096)
    path.write_bytes(raw)
    with pytest.raises(CatalogueError) as caught, Catalogue.open(path) as catalogue:
        list(catalogue.schemes.records())
    assert "\n" not in str(caught.value)


def test_a_nearly_full_disk_is_no_damage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("flipsearch.catalogue.audit.LEAST_FREE_BYTES", 1 << 62)
    with Catalogue.open(tmp_path / "c.sqlite") as catalogue:
        health = catalogue.health()
        assert health.problems == []
        assert "MB free" in health.warnings[0]


def test_a_link_to_a_catalogue_has_the_same_lock(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.sqlite").symlink_to(tmp_path / "real" / "c.sqlite")
    assert resolve(tmp_path / "link.sqlite").lock == tmp_path / "real" / "c.sqlite.lock"


def test_health(tmp_path: Path) -> None:
    with Catalogue.open(tmp_path / "c.sqlite") as catalogue:
        catalogue.schemes.add(strassen())
        health = catalogue.health()
        assert health.counts == {"schemes": 1, "provenance": 0, "runs": 0, "quarantine": 0}
        assert str(os.getpid()) in (health.writer or "")
        assert json.dumps(health.__dict__)
