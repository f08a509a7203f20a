"""Posting words to Odoo's `/sms/status`, in the order in which they do no harm.

Failures go first and successes last, since only a success makes Odoo look whether its mailing is done. For a mailing
without any success among them, a call that needs a login does that for one of its SMS, between the others and it: Odoo
looks only where a trace changes, and calls a mailing done only where no trace is under way.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooRejectedError
from odoo_sync.mapping import Report

_log = logging.getLogger(__name__)
# Enough to find some bad ones among 1,000; where all are bad, it is not the uuids.
_MOST_REJECTED = 40
_CLOSING_FAILURE = "sms_server"


@dataclass(frozen=True)
class Told:
    """One message's report."""

    uuid: str
    report: Report


class StatusPost:
    """Posts to one Odoo."""

    def __init__(self, client: OdooClient) -> None:
        self._client = client
        self._can_close = client.has_login

    def post(self, told: Sequence[Told], *, closes: bool) -> set[str]:
        """Post reports, at most 1,000; give the uuids that Odoo does not take.

        `closes`: mailings of which only failures are told may be done with them. Raises OdooSyncError.
        """
        closing = self._closing(told) if closes and any(not item.report.is_success for item in told) else {}
        rest = [item for item in told if item.uuid not in closing]
        rejected = self._post(rest) if rest else set()
        if closing:
            self._close(list(closing.values()))
        last = [item for item in told if item.uuid in closing]
        return rejected | (self._post(last) if last else set())

    def _closing(self, told: Sequence[Told]) -> dict[str, int]:
        """Give one SMS, uuid and id, of each mailing without a success: it makes Odoo look whether that is done."""
        if not self._can_close:
            return {}
        try:
            traced = self._client.traced([item.uuid for item in told])
        except OdooRejectedError as error:
            self._give_up_closing(error)
            return {}
        succeeded = {item.uuid for item in told if item.report.is_success}
        looked_at = {sms.mailing_id for uuid, sms in traced.items() if uuid in succeeded}
        by_mailing = {sms.mailing_id: (uuid, sms.id) for uuid, sms in traced.items() if sms.mailing_id is not None}
        return dict(found for mailing_id, found in by_mailing.items() if mailing_id not in looked_at)

    def _close(self, ids: Sequence[int]) -> None:
        try:
            self._client.set_error(ids, _CLOSING_FAILURE)
        except OdooRejectedError as error:
            self._give_up_closing(error)

    def _give_up_closing(self, error: OdooRejectedError) -> None:
        self._can_close = False
        _log.warning(
            "Odoo %s: a mailing whose last SMS fails is done only after Odoo's daily run: %s", self._client.name, error
        )

    def _post(self, told: Sequence[Told]) -> set[str]:
        ordered = sorted(told, key=lambda item: (item.report.is_success, item.report.word))
        budget = [_MOST_REJECTED]
        return self._halved(ordered, budget)

    def _halved(self, told: Sequence[Told], budget: list[int]) -> set[str]:
        """Post all at once; where Odoo rejects that, each half by itself, down to the one that it is about."""
        words: dict[str, list[str]] = {}
        for item in told:
            words.setdefault(item.report.word, []).append(item.uuid)
        try:
            self._client.report(list(words.items()))
        except OdooRejectedError:
            budget[0] -= 1
            if budget[0] < 0:
                raise
            if len(told) == 1:
                return {told[0].uuid}
            middle = len(told) // 2
            return self._halved(told[:middle], budget) | self._halved(told[middle:], budget)
        return set()
