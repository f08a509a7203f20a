"""What goes both ways with one Odoo database besides messages and their results, one round of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from odoo_sync.errors import OdooRejectedError

_log = logging.getLogger(__name__)


class Part(Protocol):
    """One kind of what is kept in step."""

    def run(self) -> int:
        """Do what is due; give how many records that were. Raises OdooSyncError."""
        ...


class BothWays:
    """The parts of one database, each by itself: one that lacks a right does not stop the others."""

    def __init__(self, name: str, parts: Sequence[tuple[str, Part]]) -> None:
        self._name = name
        self._parts = parts

    def run(self) -> None:
        """Do a round. Raises OdooUnavailableError at once, and the first OdooRejectedError once all had their turn."""
        trouble: OdooRejectedError | None = None
        for part_name, part in self._parts:
            try:
                count = part.run()
            except OdooRejectedError as error:
                trouble = trouble or error
                continue
            if count:
                _log.info("Odoo %s: %s %s", self._name, count, part_name)
        if trouble:
            raise trouble
