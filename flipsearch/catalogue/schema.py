"""Check the schema of a database and bring it to the newest one.

Versions are alembic revisions in a table with its own name, which does not clash with other
programs on the same server. The check is one small query. Alembic is imported only for a
migration.

Invariant: a database that is not ours, or newer than this program, is never changed.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Column, MetaData, String, Table, insert, inspect, or_, select, text, update
from sqlalchemy.engine import Connection

import flipsearch
from flipsearch.catalogue import bounds, shipped
from flipsearch.catalogue.arguments import TENSOR_PREFIX
from flipsearch.catalogue.codec import format_of, unpack_scheme
from flipsearch.catalogue.columns import SCHEMES, measured
from flipsearch.catalogue.connection import Database
from flipsearch.catalogue.places import Place, checkout
from flipsearch.catalogue.tables import FACTORS, METADATA, TENSORS, VERSION_TABLE
from flipsearch.errors import CatalogueError, FlipsearchError
from flipsearch.rings import Ring

REVISIONS = ("0001", "0002", "0003", "0004", "0005")
NEWEST = REVISIONS[-1]
APPLICATION_ID = 0x666C6970
MIGRATIONS = Path(__file__).with_name("migrations")
_CREATION_SECONDS = 60.0
_ADDED = ("calls", "gamma", "denominator", "greatest_denominator")


def revision_of(connection: Connection, place: Place) -> str | None:
    """Return the schema's revision, or None for an empty database.

    A database of another program, or newer than this one, raises a `CatalogueError`.
    """
    if place.is_sqlite:
        names = set(connection.exec_driver_sql("SELECT name FROM sqlite_master").scalars())
    else:
        names = set(inspect(connection).get_table_names())
    if VERSION_TABLE not in names:
        if names:
            raise CatalogueError(
                f"{place.label} is a database, but not a flipsearch catalogue: give another path "
                "or an empty database with --db"
            )
        return None
    revision = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
    if revision not in REVISIONS:
        update = "git pull" if checkout() else "pip install --upgrade flipsearch"
        raise CatalogueError(
            f"catalogue {place.label} has schema {revision}, and flipsearch "
            f"{flipsearch.__version__} knows schemas up to {NEWEST}: run {update}"
        )
    return str(revision)


def migrate(connection: Connection, to: str = NEWEST) -> None:
    """Bring the database to one of `REVISIONS`, in the caller's transaction, which may write."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def _create(connection: Connection) -> None:
    """Make the newest tables in an empty database; importing alembic would take longer."""
    METADATA.create_all(connection)
    version = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32), primary_key=True))
    version.create(connection)
    connection.execute(insert(version).values(version_num=NEWEST))
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")


def make_ready(database: Database, fill: bool = True) -> None:
    """Bring the schema of a database to the newest one; usually this is one small query.

    A fresh database also gets the shipped schemes if `fill` is set. A database that cannot be
    made, or is no catalogue, raises a `CatalogueError`.
    """
    place = database.place
    if place.path is not None and place.path.is_dir():
        raise CatalogueError(f"{place.path} is a folder: give the path of a file with --db")
    if place.path is not None and place.path.exists() and not place.path.is_file():
        raise CatalogueError(f"{place.path} is no regular file: give another path with --db")
    if place.path is None or (place.path.exists() and place.path.stat().st_size):
        with database.reading() as connection:
            if revision_of(connection, place) == NEWEST:
                return
    if place.path is not None:
        try:
            place.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CatalogueError(
                f"cannot make the folder {place.path.parent}: {error.strerror or error}; choose "
                "another catalogue with --db"
            ) from None
    if not database.read_only:
        _make(database, fill)
        return
    maker = Database(place, patience=database.patience)
    try:
        _make(maker, fill)
    finally:
        maker.close()


def _make(database: Database, fill: bool) -> None:
    """Make or migrate the tables; fresh ones get bounds and schemes in the same transaction."""
    with database.writing(lease_seconds=_CREATION_SECONDS) as connection:
        if not database.place.is_sqlite:
            # two programs may open an empty database at once: they take turns
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({APPLICATION_ID})")
        before = revision_of(connection, database.place)
        if before == NEWEST:
            return
        if before is not None:
            migrate(connection)
            _fill_in(connection)
        else:
            _create(connection)
            bounds.load(connection, *bounds.shipped_table())
            folder = shipped.shipped_folder()
            if fill and folder is not None:
                shipped.take(connection, folder, shipped.stamp(folder))
    database.release()


def _fill_in(connection: Connection) -> None:
    """Measure the missing columns of rows of an older schema: calls, gamma, denominators."""
    s = SCHEMES.c
    structured = s.format.contains(":") & ~s.format.startswith(TENSOR_PREFIX)
    statement = (
        select(s.id, s.format, s.ring, s.rank, TENSORS.c.definition, FACTORS.c.data)
        .join(FACTORS, FACTORS.c.scheme_id == s.id)
        .outerjoin(TENSORS, TENSORS.c.name == s.format)
        .where(or_(s.greatest_denominator.is_(None), structured & s.calls.is_(None)))
    )
    for number, name, ring, rank, definition, data in connection.execute(statement).all():
        try:
            scheme = unpack_scheme(data, format_of(name, definition), Ring(ring), rank)
        except (FlipsearchError, ValueError):
            continue  # damaged: flipsearch doctor reports it
        found = measured(scheme)
        lacking = {key: found[key] for key in _ADDED}
        connection.execute(update(SCHEMES).where(s.id == number).values(lacking))
