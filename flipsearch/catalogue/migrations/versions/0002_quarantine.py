"""Add quarantine, sparse tensors, invariants, fault tolerance and processes of runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_identifier = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the table and the columns."""
    op.create_table(
        "quarantine",
        sa.Column("id", _identifier, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("run_id", _identifier),
        sa.Column("source", sa.Text),
        sa.Column("task", sa.JSON),
        sa.Column("payload", sa.JSON),
        sa.Column("recorded", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_quarantine"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_quarantine_run_id"),
    )
    op.create_table(
        "tensors",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_tensors"),
    )
    op.add_column("schemes", sa.Column("invariants", sa.JSON))
    op.add_column("schemes", sa.Column("workers", sa.Integer))
    op.add_column("schemes", sa.Column("survives", sa.Integer))
    op.add_column("runs", sa.Column("process", sa.String(300)))
