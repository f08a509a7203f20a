"""The SMS of a fake Odoo with their traces and mailings, and what reports do to them. Thread-safe."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from typing import Any

from odoo_sync.fake.errors import OdooError
from odoo_sync.fake.sms import Sms
from odoo_sync.fake.table import odoo_now
from odoo_sync.fake.traces import Trace

_GOOD = {"processing": "process", "success": "pending", "sent": "pending", "delivered": "sent"}
_BAD = {
    "not_delivered": "error",
    "expired": "error",
    "invalid_destination": "bounce",
    "not_allowed": "bounce",
    "rejected": "bounce",
}
# A report that is older than what is known is passed over; a failure is not, and a success heals it.
_RANK = {"outgoing": 0, "process": 1, "pending": 2, "sent": 3}
_UUID = re.compile(r"[0-9a-f]{32}")


class SmsBook:
    """What one database holds of SMS."""

    def __init__(self) -> None:
        self.sms: dict[int, Sms] = {}
        self._ids: dict[str, int] = {}
        self.traces: dict[str, Trace] = {}
        self.mailings: dict[int, str] = {}
        """The state of each mailing by its id."""
        self.refused_uuids: set[str] = set()
        """Well-formed ones that a report must not hold all the same."""
        self.reports: list[tuple[str, str]] = []
        """Every (word, uuid) that was reported, in order."""
        self.lock = threading.RLock()

    def report(self, statuses: Sequence[dict[str, Any]]) -> str:
        """`/sms/status`: one bad word or uuid rejects all; unknown uuids are passed over."""
        for status in statuses:
            words_ok = re.fullmatch(r"\w+", str(status["sms_status"]))
            uuids = [str(uuid) for uuid in status["uuids"]]
            if not words_ok or not all(_UUID.fullmatch(uuid) for uuid in uuids) or self.refused_uuids & set(uuids):
                raise OdooError("odoo.exceptions.UserError", "Bad parameters")
        with self.lock:
            for status in statuses:
                self._report_all(status["sms_status"], status["uuids"])
        return "OK"

    def _report_all(self, word: str, uuids: Sequence[str]) -> None:
        self.reports += [(word, uuid) for uuid in uuids]
        for uuid in uuids:
            if uuid in self._ids:
                self.sms[self._ids[uuid]].to_delete = True
        traces = [self.traces[uuid] for uuid in uuids if uuid in self.traces]
        if word in _GOOD:
            self.reach(traces, _GOOD[word])
        else:
            for trace in traces:
                self.fail(trace, word)

    def reach(self, traces: Sequence[Trace], status: str) -> None:
        """Move traces forward, and look whether their mailings are done."""
        moved = [trace for trace in traces if _RANK.get(trace.trace_status, -1) < _RANK[status]]
        for trace in moved:
            trace.trace_status, trace.failure_type, trace.failure_reason = status, False, False
            if status in ("pending", "sent"):
                trace.sent_datetime = odoo_now()
        self._look_at_mailings(moved, status)

    def fail(self, trace: Trace, word: str) -> None:
        """Mark a trace as a provider's word says; its mailing is not looked at."""
        status = _BAD.get(word, "error")
        if trace.trace_status == status:
            return
        trace.trace_status = status
        trace.failure_type = f"sms_{word}" if word in _BAD else "unknown"
        trace.failure_reason = False if word in _BAD else word

    def set_error(self, sms: Sms, failure_type: str) -> None:
        """Mark an SMS and its trace with a failure of Odoo's own; its mailing is looked at."""
        sms.state, sms.failure_type = "error", failure_type
        trace = self.traces.get(sms.uuid)
        if trace is not None and trace.trace_status != "error":
            trace.trace_status, trace.failure_type, trace.failure_reason = "error", failure_type, False
            self._look_at_mailings([trace], "error")

    def _look_at_mailings(self, moved: Sequence[Trace], status: str) -> None:
        for mailing in {self._mailing(trace) for trace in moved}:
            if mailing is None:
                continue
            of_it = (trace for trace in self.traces.values() if self._mailing(trace) == mailing)
            if status == "process":
                self.mailings[mailing] = "sending"
            elif not any(trace.trace_status == "process" for trace in of_it):
                self.mailings[mailing] = "done"

    def _mailing(self, trace: Trace) -> int | None:
        mailing = self.sms[trace.sms_id_int].mailing_id
        return mailing[0] if isinstance(mailing, list) else None
