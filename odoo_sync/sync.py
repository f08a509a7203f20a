"""One round with Odoo, as the clock runs it: results first, then new messages. Odoo may be away for hours."""

from __future__ import annotations

import logging

from odoo_sync.errors import OdooSyncError
from odoo_sync.pull import Pull
from odoo_sync.push_results import PushResults

_log = logging.getLogger(__name__)


class OdooSync:
    """Keeps one Odoo database in step."""

    def __init__(self, pull: Pull, push_results: PushResults) -> None:
        self._pull = pull
        self._push_results = push_results
        self._is_in_trouble = False

    def run(self) -> None:
        """Do one round. Raises OdooSyncError; the next round makes up for it."""
        try:
            reported = self._push_results.run()
            queued = self._pull.run()
        except OdooSyncError as error:
            if not self._is_in_trouble:
                _log.warning("Odoo: %s; sending goes on, results are kept for later", error)
            self._is_in_trouble = True
            raise
        if self._is_in_trouble:
            _log.info("Odoo answers again")
        self._is_in_trouble = False
        if queued or reported:
            _log.info("Odoo: %s messages taken over, %s results reported", queued, reported)
