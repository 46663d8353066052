"""Alembic environment and versions; packaged, so that an installed program can migrate too."""
