"""The tables of the catalogue, as SQLAlchemy 2.0 typed models.

Invariant: the models describe the newest schema; `migrations` makes it from nothing and from
every older one, and a test compares the two. A scheme is keyed by its content hash; its factors
lie in a table of their own, so that listings never read them.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

VERSION_TABLE = "flipsearch_version"

Identifier = BigInteger().with_variant(Integer, "sqlite")


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


class Base(DeclarativeBase):
    """Registry of the tables, with names for every constraint, as migrations need them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class SchemeRow(Base):
    """A verified scheme; `tabulated` is its format with the sides in order.

    `additions` are those of the scheme as written, `fewest` what its best stored programs need,
    or the same. `calls` and `gamma` are the recursive calls of a structured format and its
    recursion factor. `workers` and `survives` are what the provenance of a fault-tolerant union
    of schemes says. `denominator` is the product of those of 2 and 3 that divide a denominator:
    the characteristics over which a scheme over Q has no image (1, 2, 3 or 6).
    """

    __tablename__ = "schemes"
    __table_args__ = (
        Index(
            "ix_schemes_best", "tabulated", "ring", "rank", "fewest", "id", "hash", "denominator"
        ),
        Index("ix_schemes_stored", "stored"),
    )

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    format: Mapped[str] = mapped_column(String(64))
    tabulated: Mapped[str] = mapped_column(String(64))
    ring: Mapped[str] = mapped_column(String(2))
    rank: Mapped[int]
    nonzeros: Mapped[int]
    additions: Mapped[int]
    fewest: Mapped[int] = mapped_column(Integer, server_default="0")
    calls: Mapped[int | None]
    gamma: Mapped[float | None] = mapped_column(Double)
    growth: Mapped[float | None] = mapped_column(Double)
    omega: Mapped[float] = mapped_column(Double)
    stored: Mapped[dt.datetime] = mapped_column(Moment)
    verified: Mapped[dt.datetime] = mapped_column(Moment)
    invariants: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    workers: Mapped[int | None]
    survives: Mapped[int | None]
    denominator: Mapped[int | None]


class TensorRow(Base):
    """The definition of a format whose name does not say what it is: a sparse tensor file."""

    __tablename__ = "tensors"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    definition: Mapped[str] = mapped_column(Text)


class FactorsRow(Base):
    """The factors of a scheme, packed by `flipsearch.catalogue.packing`."""

    __tablename__ = "factors"

    scheme_id: Mapped[int] = mapped_column(
        Identifier, ForeignKey("schemes.id", ondelete="CASCADE"), primary_key=True
    )
    data: Mapped[bytes] = mapped_column(LargeBinary)


class ProgramsRow(Base):
    """The addition-reduced form of a scheme: its programs with the fewest additions known."""

    __tablename__ = "programs"

    scheme_id: Mapped[int] = mapped_column(
        Identifier, ForeignKey("schemes.id", ondelete="CASCADE"), primary_key=True
    )
    additions: Mapped[int]
    data: Mapped[bytes] = mapped_column(LargeBinary)
    label: Mapped[str] = mapped_column(Text)
    stored: Mapped[dt.datetime] = mapped_column(Moment)


class ProvenanceRow(Base):
    """One way in which a scheme came here; `digest` keeps a repeated one from being kept twice."""

    __tablename__ = "provenance"
    __table_args__ = (UniqueConstraint("scheme_id", "digest"),)

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    scheme_id: Mapped[int] = mapped_column(ForeignKey("schemes.id", ondelete="CASCADE"))
    digest: Mapped[str] = mapped_column(String(32))
    label: Mapped[str] = mapped_column(Text)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id"), index=True)
    seed: Mapped[str | None] = mapped_column(String(64))
    task: Mapped[int | None] = mapped_column(BigInteger)
    parent: Mapped[str | None] = mapped_column(String(64))
    lifted_from: Mapped[str | None] = mapped_column(String(64))
    source: Mapped[str | None] = mapped_column(Text)
    method: Mapped[str | None] = mapped_column(Text)
    details: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    recorded: Mapped[dt.datetime] = mapped_column(Moment)


class RunRow(Base):
    """A search: its parameters, signs of life, and last checkpoint."""

    __tablename__ = "runs"

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    name: Mapped[str | None] = mapped_column(String(200), unique=True)
    format: Mapped[str] = mapped_column(String(64))
    ring: Mapped[str] = mapped_column(String(2))
    strategy: Mapped[str] = mapped_column(String(64))
    seed: Mapped[str | None] = mapped_column(String(64))
    parameters: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(String(16))
    started: Mapped[dt.datetime] = mapped_column(Moment)
    heartbeat: Mapped[dt.datetime] = mapped_column(Moment)
    finished: Mapped[dt.datetime | None] = mapped_column(Moment)
    flips: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float] = mapped_column(Double)
    best_rank: Mapped[int | None]
    message: Mapped[str | None] = mapped_column(Text)
    process: Mapped[str | None] = mapped_column(String(300))
    checkpointed: Mapped[dt.datetime | None] = mapped_column(Moment)
    checkpoint: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)


class BoundTableRow(Base):
    """A table of known bounds that was loaded: its name and the digest of its file."""

    __tablename__ = "bound_tables"

    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    loaded: Mapped[dt.datetime] = mapped_column(Moment)


class BoundRow(Base):
    """A cited bound of a table; `current` marks the newest one for its format and ring."""

    __tablename__ = "bounds"

    format: Mapped[str] = mapped_column(String(64), primary_key=True)
    ring: Mapped[str] = mapped_column(String(2), primary_key=True)
    version: Mapped[int] = mapped_column(ForeignKey("bound_tables.version"), primary_key=True)
    value: Mapped[int]
    source: Mapped[str] = mapped_column(Text)
    current: Mapped[bool]


class ShipmentRow(Base):
    """A set of shipped schemes that was taken in, by the stamp of its files."""

    __tablename__ = "shipments"

    stamp: Mapped[str] = mapped_column(String(64), primary_key=True)
    taken: Mapped[dt.datetime] = mapped_column(Moment)


class QuarantineRow(Base):
    """A result that was not accepted, with its reason; never deleted silently."""

    __tablename__ = "quarantine"

    id: Mapped[int] = mapped_column(Identifier, primary_key=True)
    reason: Mapped[str] = mapped_column(Text)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("runs.id"))
    source: Mapped[str | None] = mapped_column(Text)
    task: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    payload: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    recorded: Mapped[dt.datetime] = mapped_column(Moment)
