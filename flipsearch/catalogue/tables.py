"""Define the tables of the catalogue, except the table of schemes, which `columns` defines.

Invariant: the tables describe the newest schema. `migrations` makes the same schema in an empty
database and from every older schema, and a test compares the two. A scheme's factors lie in a
separate table, because listings never read them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Integer, LargeBinary, MetaData, String, Table, Text
from sqlalchemy.engine import Connection

VERSION_TABLE = "flipsearch_version"
IDENTIFIER = BigInteger().with_variant(Integer, "sqlite")
VALUES = sa.JSON(none_as_null=True)
METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(sa.TypeDecorator[dt.datetime]):
    """A point in time: aware UTC in Python, naive UTC in every database."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> Any:
        """Convert to naive UTC."""
        return None if value is None else value.astimezone(dt.UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> dt.datetime | None:
        """Convert to aware UTC."""
        return None if value is None else value.replace(tzinfo=dt.UTC)


_may_lack = sa.Column
_has = partial(sa.Column, nullable=False)
_key = partial(sa.Column, primary_key=True)


def _of_scheme() -> sa.ForeignKey:
    return sa.ForeignKey("schemes.id", ondelete="CASCADE")


# definitions of the formats that are sparse tensor files
TENSORS = Table("tensors", METADATA, _key("name", String(64)), _has("definition", Text))

# the factors of each scheme, packed by `codec`
FACTORS = Table(
    "factors", METADATA, _key("scheme_id", IDENTIFIER, _of_scheme()), _has("data", LargeBinary)
)

# the programs of a scheme with the fewest additions known, packed by `codec`
PROGRAMS = Table(
    "programs",
    METADATA,
    _key("scheme_id", IDENTIFIER, _of_scheme()),
    _has("additions", Integer),
    _has("data", LargeBinary),
    _has("label", Text),
    _has("stored", Moment),
)

# every provenance of a scheme; the digest prevents equal ones
PROVENANCE = Table(
    "provenance",
    METADATA,
    _key("id", IDENTIFIER),
    _has("scheme_id", IDENTIFIER, _of_scheme()),
    _has("digest", String(32)),
    _has("label", Text),
    _may_lack("run_id", IDENTIFIER, sa.ForeignKey("runs.id"), index=True),
    _may_lack("seed", String(64)),
    _may_lack("task", BigInteger),
    _may_lack("parent", String(64)),
    _may_lack("lifted_from", String(64)),
    _may_lack("source", Text),
    _may_lack("method", Text),
    _may_lack("details", VALUES),
    _has("recorded", Moment),
    sa.UniqueConstraint("scheme_id", "digest"),
)

# searches: their parameters, heartbeats and last checkpoints
RUNS = Table(
    "runs",
    METADATA,
    _key("id", IDENTIFIER),
    _may_lack("name", String(200), unique=True),
    _has("format", String(64)),
    _has("ring", String(2)),
    _has("strategy", String(64)),
    _may_lack("seed", String(64)),
    _has("parameters", sa.JSON),
    _has("status", String(16)),
    _has("started", Moment),
    _has("heartbeat", Moment),
    _may_lack("finished", Moment),
    _has("flips", BigInteger),
    _has("seconds", sa.Double),
    _may_lack("best_rank", Integer),
    _may_lack("message", Text),
    _may_lack("process", String(300)),
    _may_lack("checkpointed", Moment),
    _may_lack("checkpoint", LargeBinary),
)

# loaded tables of known bounds, with the digests of their files
BOUND_TABLES = Table(
    "bound_tables",
    METADATA,
    _key("version", Integer),
    _has("name", Text),
    _has("sha256", String(64)),
    _has("loaded", Moment),
)

# cited bounds; `current` marks the newest for its format and ring
BOUNDS = Table(
    "bounds",
    METADATA,
    _key("format", String(64)),
    _key("ring", String(2)),
    _key("version", Integer, sa.ForeignKey("bound_tables.version")),
    _has("value", Integer),
    _has("source", Text),
    _has("current", sa.Boolean),
)

# sets of shipped schemes that were stored, by their stamps
SHIPMENTS = Table("shipments", METADATA, _key("stamp", String(64)), _has("taken", Moment))

# rejected results with the reasons; never deleted silently
QUARANTINE = Table(
    "quarantine",
    METADATA,
    _key("id", IDENTIFIER),
    _has("reason", Text),
    _may_lack("run_id", IDENTIFIER, sa.ForeignKey("runs.id")),
    _may_lack("source", Text),
    _may_lack("task", VALUES),
    _may_lack("payload", VALUES),
    _has("recorded", Moment),
)


def insert_rows(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert the rows whose keys are not there yet."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:  # a tenth of a second to import, which nobody else is to wait for
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
    connection.execute(insert(table).on_conflict_do_nothing(), rows)
