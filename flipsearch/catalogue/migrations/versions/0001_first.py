"""Make the first schema: schemes, factors, provenance, runs and known bounds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_identifier = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "schemes",
        sa.Column("id", _identifier, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("format", sa.String(64), nullable=False),
        sa.Column("tabulated", sa.String(64), nullable=False),
        sa.Column("ring", sa.String(2), nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("nonzeros", sa.Integer, nullable=False),
        sa.Column("additions", sa.Integer, nullable=False),
        sa.Column("growth", sa.Double),
        sa.Column("omega", sa.Double, nullable=False),
        sa.Column("stored", sa.DateTime, nullable=False),
        sa.Column("verified", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_schemes"),
        sa.UniqueConstraint("hash", name="uq_schemes_hash"),
    )
    op.create_index("ix_schemes_best", "schemes", ["tabulated", "ring", "rank", "additions", "id"])
    op.create_index("ix_schemes_stored", "schemes", ["stored"])
    op.create_table(
        "factors",
        sa.Column("scheme_id", _identifier, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("scheme_id", name="pk_factors"),
        sa.ForeignKeyConstraint(
            ["scheme_id"], ["schemes.id"], name="fk_factors_scheme_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "runs",
        sa.Column("id", _identifier, nullable=False),
        sa.Column("name", sa.String(200)),
        sa.Column("format", sa.String(64), nullable=False),
        sa.Column("ring", sa.String(2), nullable=False),
        sa.Column("strategy", sa.String(64), nullable=False),
        sa.Column("seed", sa.String(64)),
        sa.Column("parameters", sa.JSON, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("started", sa.DateTime, nullable=False),
        sa.Column("heartbeat", sa.DateTime, nullable=False),
        sa.Column("finished", sa.DateTime),
        sa.Column("flips", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("best_rank", sa.Integer),
        sa.Column("message", sa.Text),
        sa.Column("checkpointed", sa.DateTime),
        sa.Column("checkpoint", sa.LargeBinary),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("name", name="uq_runs_name"),
    )
    op.create_table(
        "provenance",
        sa.Column("id", _identifier, nullable=False),
        sa.Column("scheme_id", _identifier, nullable=False),
        sa.Column("digest", sa.String(32), nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("run_id", _identifier),
        sa.Column("seed", sa.String(64)),
        sa.Column("task", sa.BigInteger),
        sa.Column("parent", sa.String(64)),
        sa.Column("lifted_from", sa.String(64)),
        sa.Column("source", sa.Text),
        sa.Column("method", sa.Text),
        sa.Column("details", sa.JSON),
        sa.Column("recorded", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_provenance"),
        sa.UniqueConstraint("scheme_id", "digest", name="uq_provenance_scheme_id_digest"),
        sa.ForeignKeyConstraint(
            ["scheme_id"], ["schemes.id"], name="fk_provenance_scheme_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_provenance_run_id"),
    )
    op.create_index("ix_provenance_run_id", "provenance", ["run_id"])
    op.create_table(
        "bound_tables",
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("loaded", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_bound_tables"),
    )
    op.create_table(
        "bounds",
        sa.Column("format", sa.String(64), nullable=False),
        sa.Column("ring", sa.String(2), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("value", sa.Integer, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("current", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("format", "ring", "version", name="pk_bounds"),
        sa.ForeignKeyConstraint(["version"], ["bound_tables.version"], name="fk_bounds_version"),
    )
