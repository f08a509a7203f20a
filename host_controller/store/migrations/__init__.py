"""Alembic's environment; `Store` runs it at start."""
