"""Add greatest denominators, by which Pareto fronts compare schemes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column; `flipsearch.catalogue.schema` fills in the denominators over Q."""
    op.add_column("schemes", sa.Column("greatest_denominator", sa.BigInteger))
    op.execute("UPDATE schemes SET greatest_denominator = 1 WHERE ring <> 'Q'")
