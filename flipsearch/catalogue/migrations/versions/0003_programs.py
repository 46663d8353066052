"""Add addition-reduced programs of schemes, and recursive calls of structured formats."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_identifier = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Add the table and the columns; `flipsearch.catalogue.schema` fills in the calls."""
    op.create_table(
        "programs",
        sa.Column("scheme_id", _identifier, nullable=False),
        sa.Column("additions", sa.Integer, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("stored", sa.DateTime, nullable=False),
        sa.PrimaryKeyConstraint("scheme_id", name="pk_programs"),
        sa.ForeignKeyConstraint(
            ["scheme_id"], ["schemes.id"], name="fk_programs_scheme_id", ondelete="CASCADE"
        ),
    )
    op.add_column("schemes", sa.Column("fewest", sa.Integer, nullable=False, server_default="0"))
    op.add_column("schemes", sa.Column("calls", sa.Integer))
    op.add_column("schemes", sa.Column("gamma", sa.Double))
    op.execute("UPDATE schemes SET fewest = additions")
    op.drop_index("ix_schemes_best", "schemes")
    op.create_index(
        "ix_schemes_best", "schemes", ["tabulated", "ring", "rank", "fewest", "id", "hash"]
    )
