"""An error as a fake Odoo reports it."""

from __future__ import annotations


class OdooError(Exception):
    """An error as Odoo's server reports it."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
