"""Add shipments, and denominators, which let schemes over Q count over F2 and F3."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add table and column; `flipsearch.catalogue.schema` fills in the denominators over Q."""
    op.create_table(
        "shipments",
        sa.Column("stamp", sa.String(64), nullable=False),
        sa.Column("taken", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("stamp", name="pk_shipments"),
    )
    op.add_column("schemes", sa.Column("denominator", sa.Integer))
    op.execute("UPDATE schemes SET denominator = 1 WHERE ring <> 'Q'")
    op.drop_index("ix_schemes_best", "schemes")
    op.create_index(
        "ix_schemes_best",
        "schemes",
        ["tabulated", "ring", "rank", "fewest", "id", "hash", "denominator"],
    )
