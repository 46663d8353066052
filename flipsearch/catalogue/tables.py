"""The tables of the catalogue beside the one of schemes, which `columns` defines.

Invariant: the tables describe the newest schema; `migrations` makes it from nothing and from every
older one, and a test compares the two. A scheme's factors lie in a table of their own, apart from
its columns: listings never read them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

VERSION_TABLE = "flipsearch_version"
IDENTIFIER = BigInteger().with_variant(Integer, "sqlite")
VALUES = JSON(none_as_null=True)
METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(TypeDecorator[dt.datetime]):
    """A point in time: aware UTC in Python, naive UTC in the database, on every database."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> Any:
        """Convert to naive UTC."""
        return None if value is None else value.astimezone(dt.UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> dt.datetime | None:
        """Convert to aware UTC."""
        return None if value is None else value.replace(tzinfo=dt.UTC)


def _key() -> Column[Any]:
    return Column("id", IDENTIFIER, primary_key=True)


def _of_scheme(**options: Any) -> Column[Any]:
    owner = ForeignKey("schemes.id", ondelete="CASCADE")
    return Column("scheme_id", IDENTIFIER, owner, nullable=False, **options)


# the definition of each format whose name does not say what it is: a sparse tensor file
TENSORS = Table(
    "tensors",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("definition", Text, nullable=False),
)

# the factors of a scheme, packed by `codec`
FACTORS = Table(
    "factors", METADATA, _of_scheme(primary_key=True), Column("data", LargeBinary, nullable=False)
)

# the programs of a scheme with the fewest additions known, packed by `codec`
PROGRAMS = Table(
    "programs",
    METADATA,
    _of_scheme(primary_key=True),
    Column("additions", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("label", Text, nullable=False),
    Column("stored", Moment, nullable=False),
)

# every way in which a scheme came here; the digest keeps a repeated one from being kept twice
PROVENANCE = Table(
    "provenance",
    METADATA,
    _key(),
    _of_scheme(),
    Column("digest", String(32), nullable=False),
    Column("label", Text, nullable=False),
    Column("run_id", IDENTIFIER, ForeignKey("runs.id"), index=True),
    Column("seed", String(64)),
    Column("task", BigInteger),
    Column("parent", String(64)),
    Column("lifted_from", String(64)),
    Column("source", Text),
    Column("method", Text),
    Column("details", VALUES),
    Column("recorded", Moment, nullable=False),
    UniqueConstraint("scheme_id", "digest"),
)

# searches: their parameters, signs of life and last checkpoints
RUNS = Table(
    "runs",
    METADATA,
    _key(),
    Column("name", String(200), unique=True),
    Column("format", String(64), nullable=False),
    Column("ring", String(2), nullable=False),
    Column("strategy", String(64), nullable=False),
    Column("seed", String(64)),
    Column("parameters", JSON, nullable=False),
    Column("status", String(16), nullable=False),
    Column("started", Moment, nullable=False),
    Column("heartbeat", Moment, nullable=False),
    Column("finished", Moment),
    Column("flips", BigInteger, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("best_rank", Integer),
    Column("message", Text),
    Column("process", String(300)),
    Column("checkpointed", Moment),
    Column("checkpoint", LargeBinary),
)

# tables of known bounds that were loaded, with the digests of their files
BOUND_TABLES = Table(
    "bound_tables",
    METADATA,
    Column("version", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("loaded", Moment, nullable=False),
)

# cited bounds; `current` marks the newest one for its format and ring
BOUNDS = Table(
    "bounds",
    METADATA,
    Column("format", String(64), primary_key=True),
    Column("ring", String(2), primary_key=True),
    Column("version", Integer, ForeignKey("bound_tables.version"), primary_key=True),
    Column("value", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("current", Boolean, nullable=False),
)

# sets of shipped schemes that were taken in, by the stamps of their files
SHIPMENTS = Table(
    "shipments",
    METADATA,
    Column("stamp", String(64), primary_key=True),
    Column("taken", Moment, nullable=False),
)

# results that were not accepted, with the reasons; never deleted silently
QUARANTINE = Table(
    "quarantine",
    METADATA,
    _key(),
    Column("reason", Text, nullable=False),
    Column("run_id", IDENTIFIER, ForeignKey("runs.id")),
    Column("source", Text),
    Column("task", VALUES),
    Column("payload", VALUES),
    Column("recorded", Moment, nullable=False),
)


def insert_rows(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows, leaving alone those that are there already."""
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    connection.execute(make(table).on_conflict_do_nothing(), rows)
