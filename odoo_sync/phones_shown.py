"""How each phone stands, as rows of `x_smsrack_phone` in an Odoo: only what changed, at most every minute.

The rows are read before anything is written, so that what somebody changed or deleted there is put right too. Rows of
other hosts are theirs; a phone that was moved takes its row along.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from host_controller.fleet.phone import PhoneView
from host_controller.rules.periods import day_start, local_date
from host_controller.store.store import Store
from odoo_sync.changes import ALSO_ARCHIVED, odoo_time, parse_time
from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooRecordError
from odoo_sync.phone_states import PhoneState, phone_states
from odoo_sync.presence import Presence

_EVERY = timedelta(minutes=1)
# That a phone is still there is no news.
_SEEN_EVERY = timedelta(minutes=10)
_FIELDS = (
    "x_name",
    "x_key",
    "x_rack",
    "x_active",
    "x_model",
    "x_state",
    "x_advice",
    "x_sims",
    "x_battery_percent",
    "x_signal_dbm",
    "x_sent_today",
    "x_failed_today",
    "x_queued",
    "x_seen_at",
)
_GONE = {"x_active": False, "x_state": "taken out", "x_advice": False, "x_queued": 0}
Row = dict[str, Any]


class PhonesShown:
    """The phones of this host in one database."""

    def __init__(
        self,
        client: OdooClient,
        store: Store,
        views: Callable[[], Sequence[PhoneView]],
        clock: Callable[[], datetime],
        zone: ZoneInfo,
        host: str | None = None,
    ) -> None:
        """`views` gives the phones of the rack; `zone` says when a day begins."""
        self._client = client
        self._store = store
        self._views = views
        self._clock = clock
        self._zone = zone
        self._host = host or socket.gethostname()
        self._presence = Presence(self._has_model, clock)
        self._told_at: datetime | None = None

    def run(self) -> int:
        """Write what changed, where that is due; give how many rows. Raises OdooSyncError."""
        now = self._clock()
        is_due = self._told_at is None or not timedelta() <= now - self._told_at < _EVERY
        if not is_due or not self._presence.look():
            return 0
        try:
            count = self._tell(now)
        except OdooRecordError:
            if self._presence.look(anew=True):
                raise
            return 0  # it was taken away just now
        self._told_at = now
        return count

    def _has_model(self) -> bool:
        return bool(self._client.call("x_smsrack_phone", "fields_get", [["x_key"], ["type"]]))

    def _tell(self, now: datetime) -> int:
        midnight = day_start(local_date(now, self._zone), self._zone)
        with self._store.reading() as session:
            states = {state.key: state for state in phone_states(session, self._views(), midnight, now)}
        rows, copies = self._rows(states)
        new = [self._values(state) for key, state in states.items() if key not in rows]
        if new:
            self._client.call("x_smsrack_phone", "create", [new])
        written = len(new)
        wanted = [(row, self._values(states[key]) if key in states else _GONE) for key, row in rows.items()]
        for row, values in [*wanted, *((row, {"x_active": False}) for row in copies)]:
            if change := _change(row, values):
                self._client.call("x_smsrack_phone", "write", [[row["id"]], change])
                written += 1
        return written

    def _rows(self, keys: Iterable[str]) -> tuple[dict[str, Row], list[Row]]:
        """Give the rows of these phones, and all others of this host, by key; and what a lost answer made twice."""
        domain = ["|", ["x_rack", "=", self._host], ["x_key", "in", sorted(keys)]]
        options = {"order": "id asc", **ALSO_ARCHIVED}
        found = self._client.call("x_smsrack_phone", "search_read", [domain, list(_FIELDS)], options)
        rows: dict[str, Row] = {}
        copies = [row for row in found if rows.setdefault(row["x_key"], row) is not row]
        return rows, copies

    def _values(self, state: PhoneState) -> Row:
        values: Row = {
            "x_name": state.name,
            "x_key": state.key,
            "x_rack": self._host,
            "x_active": True,
            "x_model": state.model,
            "x_state": state.state,
            "x_advice": state.advice or False,
            "x_sims": state.sims or False,
            "x_battery_percent": state.battery_percent or 0,
            "x_signal_dbm": state.signal_dbm or 0,
            "x_sent_today": state.figures.sent_today,
            "x_failed_today": state.figures.failed_today,
            "x_queued": state.figures.queued,
        }
        return values | ({"x_seen_at": odoo_time(state.seen_at)} if state.seen_at else {})


def _change(row: Row, values: Row) -> Row:
    """Give what is to be written; a time alone only where the old one is old."""
    change = {name: value for name, value in values.items() if row[name] != value}
    if set(change) == {"x_seen_at"} and row["x_seen_at"]:
        passed = parse_time(change["x_seen_at"]) - parse_time(row["x_seen_at"])
        return {} if timedelta() <= passed < _SEEN_EVERY else change
    return change
