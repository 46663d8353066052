"""A catalogue written by every earlier schema opens, upgraded, with nothing lost."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from catalogue_schemes import split, strassen, variant, winograd
from sqlalchemy import inspect

from flipsearch.catalogue import Catalogue
from flipsearch.catalogue import schema as schemas
from flipsearch.catalogue.columns import SCHEMES
from flipsearch.catalogue.connection import Database
from flipsearch.catalogue.places import resolve
from flipsearch.catalogue.tables import VERSION_TABLE
from flipsearch.formats import parse_format
from flipsearch.formats.sparse import sparse_tensor
from flipsearch.formats.tensors import polynomial
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme

HERE = Path(__file__).parent


def written_by(revision: str, folder: Path) -> Path:
    """Return a catalogue as the program with that schema left it."""
    path = folder / f"{revision}.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript((HERE / f"schema_{revision}.sql").read_text("utf-8"))
    connection.close()
    return path


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return written_by("0001", tmp_path)


@pytest.mark.parametrize("read_only", [False, True])
def test_schema_0001_is_upgraded(old: Path, read_only: bool) -> None:
    with Catalogue.open(old, read_only=read_only) as catalogue:
        assert catalogue.health().revision == schemas.NEWEST
        assert {r.scheme for r in catalogue.schemes.records()} == {strassen(), strassen(Ring.F2)}
        (provenance,) = catalogue.schemes.provenance(2)
        assert (provenance.run, provenance.seed) == (1, 12)
        run = catalogue.runs.get("night")
        assert (run.status, run.flips, run.best_rank) == ("interrupted", 1000, 7)
        assert catalogue.runs.last_checkpoint(run) == {"level": 7}
        bound = catalogue.bounds.known("2x2x2", "F2")
        assert bound is not None
        assert (bound.value, bound.source, bound.version) == (7, "Winograd 1971", "an old table")
        assert catalogue.audit().damaged == []
        assert catalogue.health().problems == []


def test_schema_0002_is_upgraded(tmp_path: Path) -> None:
    with Catalogue.open(written_by("0002", tmp_path)) as catalogue:
        assert catalogue.health().revision == schemas.NEWEST
        records = list(catalogue.schemes.records(sort="scheme"))
        assert len(records) == 4
        assert all(r.fewest_additions == r.additions for r in records)
        assert all(r.reduction is None for r in records)
        structured = catalogue.best("ug:2x2x2")
        assert structured is not None
        assert (structured.rank, structured.calls, structured.gamma) == (6, 4, 2 / 3)
        assert catalogue.schemes.invariants(1) == {"type": "6XYZ"}
        assert catalogue.runs.quarantined()[0].reason == "wrong"
        union = next(r for r in records if r.survives is not None)
        assert (union.workers, union.survives, union.rank) == (4, 0, 4)
        assert catalogue.audit().damaged == []


def test_schema_0003_is_upgraded(tmp_path: Path) -> None:
    with Catalogue.open(written_by("0003", tmp_path)) as catalogue:
        assert catalogue.health().revision == schemas.NEWEST
        kept = catalogue.schemes.get(winograd().scheme.content_hash)
        assert kept.reduction is not None
        assert (kept.additions, kept.fewest_additions) == (24, 15)
        line = naive_scheme(parse_format("1x1x2"), Ring.ZT)
        tensor = naive_scheme(sparse_tensor("poly2x2", polynomial(2, 2).entries), Ring.ZT)
        for whole, common, over in ((line, 2, Ring.F3), (tensor, 3, Ring.F2)):
            record = catalogue.best(whole.format, over)
            assert record is not None
            assert record.scheme == split(common, whole)
            assert catalogue.best(whole.format, "F2" if over is Ring.F3 else "F3") is None
        assert catalogue.audit().damaged == []


def test_schema_0004_is_upgraded(tmp_path: Path) -> None:
    with Catalogue.open(written_by("0004", tmp_path), read_only=True) as catalogue:
        assert catalogue.health().revision == schemas.NEWEST
        held = {r.hash: r.greatest_denominator for r in catalogue.schemes.records()}
        assert held == {r.hash: r.scheme.greatest_denominator for r in catalogue.schemes.records()}
        assert sorted(held.values()) == [1, 1, 1, 2, 3]
        assert catalogue.audit().damaged == []


@pytest.mark.parametrize("revision", schemas.REVISIONS[:-1])
def test_an_upgraded_catalogue_takes_everything_new(tmp_path: Path, revision: str) -> None:
    with Catalogue.open(written_by(revision, tmp_path)) as catalogue:
        catalogue.schemes.add(variant(1))
        kept = catalogue.programs.add(winograd())
        assert catalogue.schemes.get(kept.scheme.hash).fewest_additions == 15
        catalogue.schemes.annotate(1, {"type": "a"})
        catalogue.runs.quarantine("why not", run=1)
        assert catalogue.runs.resume("night").status == "running"
        assert catalogue.bounds.update() is not None
        assert catalogue.bounds.known("4x4x4", "Z").value == 49  # type: ignore[union-attr]


def test_every_revision_is_known_and_in_order() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(schemas.MIGRATIONS))
    revisions = [s.revision for s in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(revisions)) == schemas.REVISIONS


def test_every_earlier_schema_has_an_upgrade_test() -> None:
    for revision in schemas.REVISIONS[:-1]:
        assert (HERE / f"schema_{revision}.sql").exists()


def test_the_developers_configuration_finds_the_migrations() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    root = Path(schemas.MIGRATIONS).parents[2]
    script = ScriptDirectory.from_config(Config(str(root / "db" / "alembic.ini")))
    assert script.get_current_head() == schemas.NEWEST


@pytest.mark.parametrize("migrated", [False, True])
def test_migrations_and_models_agree(address: str, migrated: bool) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    if migrated:  # otherwise the tables are made at once
        database = Database(resolve(address))
        with database.writing() as connection:
            schemas.migrate(connection)
        database.close()
    with Catalogue.open(address) as catalogue, catalogue.database.reading() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, SCHEMES.metadata) == []
        names = set(inspect(connection).get_table_names())
        assert names == {*SCHEMES.metadata.tables, VERSION_TABLE}


def test_a_migration_that_fails_changes_nothing(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(connection: object, to: str = "") -> None:
        migrate(connection, to)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    migrate = schemas.migrate
    monkeypatch.setattr(schemas, "migrate", lambda connection: fail(connection, schemas.NEWEST))
    with pytest.raises(KeyboardInterrupt):
        Catalogue.open(old)
    database = Database(resolve(old), read_only=True)
    with database.reading() as connection:
        assert schemas.revision_of(connection, database.place) == "0001"
        assert "quarantine" not in inspect(connection).get_table_names()
    database.close()
