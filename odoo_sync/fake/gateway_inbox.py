"""What the fake module `sms_gateway` does with received messages: it lists them, and believes what it should not.

Wrong here as in version 18.0.2.8.0: "stop" is found inside words, a second text within ten minutes is dropped, and a
company's name with "stop" in its text fails for ever.
"""

from __future__ import annotations

import html
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from odoo_sync.fake.model import FakeOdoo
from odoo_sync.fake.table import Row

Reply = tuple[int, dict[str, Any]]
_SAME_INBOUND = timedelta(minutes=10)
_NUMBER = re.compile(r"\+\d{8,15}")
_ABORTED = "current transaction is aborted, commands ignored until end of transaction block\n"


class ModuleError(Exception):
    """An exception inside the module, whose words it puts into its answer."""


@dataclass
class Phone:
    """A row of sms.gateway.phone."""

    id: int
    name: str
    phone_number: str
    phone_number_2: str | bool = False
    api_key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    state: str = "offline"
    last_heartbeat: datetime | None = None
    battery_level: int = 0
    signal_strength: int = 0
    daily_limit: int = 500
    rate_limit: int = 100


@dataclass
class Inbound:
    """A row of sms.gateway.inbound."""

    id: int
    from_number: str
    to_number: str
    message: str
    received_at: datetime
    phone_id: int
    partner_name: str
    is_stop: bool
    blacklisted: bool


class ModuleInbox:
    """The received messages: those that it calls a STOP go to Odoo's blacklist, all into the chatter of contacts."""

    def __init__(self, odoo: FakeOdoo, clock: Callable[[], datetime]) -> None:
        self.odoo = odoo
        self._clock = clock
        self.inbound: list[Inbound] = []

    def _inbound(self, phone: Phone, said: dict[str, Any]) -> Reply:
        sender, text = said.get("from_number", ""), said.get("message", "")
        if not sender or not text:
            return 400, refusal("from_number and message are required")
        for row in self.inbound:
            is_recent = row.received_at >= self._clock() - _SAME_INBOUND
            if is_recent and (row.from_number, row.message) == (sender, text):
                found = bool(row.partner_name)
                return 200, {
                    "success": True,
                    "blacklisted": row.blacklisted,
                    "partner_found": found,
                    "duplicate": True,
                }
        row = self._record(phone, sender, text, said.get("to_number", ""))
        return 200, {"success": True, "blacklisted": row.blacklisted, "partner_found": bool(row.partner_name)}

    def _inbound_batch(self, phone: Phone, said: dict[str, Any]) -> Reply:
        messages = said.get("messages")
        if not messages or not isinstance(messages, list):
            return 400, refusal("messages list is required")
        known = {(row.from_number, row.message) for row in self.inbound if row.phone_id == phone.id}
        counts = {"recorded": 0, "blacklisted": 0, "already_blacklisted": 0, "skipped": 0}
        for message in messages:
            sender, text = message.get("from_number", ""), message.get("message", "")
            if not sender or not text or (sender, text) in known:
                counts["skipped"] += 1
                continue
            was_listed = sender in self.odoo.blacklist.active()
            row = self._record(phone, sender, text, message.get("to_number", ""))
            known.add((sender, text))
            counts["recorded"] += 1
            counts["already_blacklisted" if was_listed else "blacklisted"] += row.is_stop
        return 200, {"success": True, **counts}

    def _inbound_history(self, phone: Phone, said: dict[str, Any]) -> Reply:
        limit, offset = min(int(said.get("limit", 50)), 200), int(said.get("offset", 0))
        search = said.get("search", "").strip().lower()
        rows = [row for row in self.inbound if row.phone_id == phone.id]
        rows = [row for row in rows if search in row.from_number.lower() or search in row.message.lower()]
        if said.get("stop_not_blacklisted"):
            rows = [row for row in rows if row.is_stop and not row.blacklisted]
        elif said.get("stop_only"):
            rows = [row for row in rows if row.is_stop]
        rows.sort(key=lambda row: (row.received_at, row.id), reverse=True)
        messages = [_shown(row) for row in rows[offset : offset + limit]]
        return 200, {"success": True, "messages": messages, "total": len(rows), "limit": limit, "offset": offset}

    def _inbound_blacklist(self, phone: Phone, said: dict[str, Any]) -> Reply:
        ids = said.get("ids", [])
        if not ids or not isinstance(ids, list):
            return 400, refusal("ids list is required")
        own = [row for row in self.inbound if row.id in ids and row.phone_id == phone.id and not row.blacklisted]
        fresh = [row for row in own if _NUMBER.fullmatch(row.from_number)]
        for row in fresh:
            self.odoo.blacklist.set_by_odoo(row.from_number)
            row.blacklisted = True
            if partner := self._partner(row.from_number):
                self.odoo.partners.post(partner, f"<b>{row.from_number}</b> blacklisted")
        return 200, {"success": True, "blacklisted": len(fresh)}

    def _record(self, phone: Phone, sender: str, text: str, to_number: str) -> Inbound:
        is_stop = "STOP" in text.upper()
        if is_stop and not _NUMBER.fullmatch(sender):
            raise ModuleError(_ABORTED)
        if is_stop:
            self.odoo.blacklist.set_by_odoo(sender)
        partner = self._partner(sender)
        name = partner["name"] if partner else ""
        row = Inbound(len(self.inbound) + 1, sender, to_number, text, self._clock(), phone.id, name, is_stop, is_stop)
        self.inbound.append(row)
        if partner:
            self.odoo.partners.post(partner, f"<b>SMS {sender}</b><br><blockquote>{html.escape(text)}</blockquote>")
        return row

    def _partner(self, number: str) -> Row | None:
        return next((row for row in self.odoo.partners.rows.values() if row["phone_sanitized"] == number), None)


def refusal(words: str) -> dict[str, Any]:
    """Give what the module answers to what it does not do."""
    return {"success": False, "error": words}


def _shown(row: Inbound) -> dict[str, Any]:
    return {
        "id": row.id,
        "from_number": row.from_number,
        "to_number": row.to_number,
        "message": row.message,
        "received_at": row.received_at.strftime("%Y-%m-%d %H:%M:%S"),
        "is_stop": row.is_stop,
        "blacklisted": row.blacklisted,
        "partner_name": row.partner_name,
    }
