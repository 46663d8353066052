"""Migrate databases with Alembic; the folder is packaged for installed programs."""
