"""Measurements on simulated phones. They write `docs/figures/*.json`; the tables in the docs are rendered from it."""
