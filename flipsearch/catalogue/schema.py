"""Which schema a database has, and bringing it to the newest one.

Versions are alembic revisions, under a table name of our own so that other programs' versions in
the same server do not clash. The check is one small query; alembic itself is imported only when
something has to be migrated.

Invariant: a database that is not ours, or newer than this program, is never changed.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection

import flipsearch
from flipsearch.catalogue.models import VERSION_TABLE
from flipsearch.catalogue.places import Place, checkout
from flipsearch.errors import CatalogueError

REVISIONS = ("0001", "0002", "0003", "0004")
NEWEST = REVISIONS[-1]
APPLICATION_ID = 0x666C6970
MIGRATIONS = Path(__file__).with_name("migrations")


def revision_of(connection: Connection, place: Place) -> str | None:
    """Return the schema's revision, or None for an empty database.

    Raises
    ------
    CatalogueError
        The database belongs to something else, or is newer than this program.
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
    """Bring the database to a revision, inside the caller's transaction.

    Parameters
    ----------
    connection : Connection
        In a transaction that may write.
    to : str
        One of `REVISIONS`.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")
