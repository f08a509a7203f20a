"""Odoo's record of whom a mailing wrote to: `mailing.trace`, asked for by number."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from odoo_sync.changes import odoo_time, parse_time
from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooRecordError

_FIELDS = ["sms_number", "trace_status", "sent_datetime", "model", "res_id"]
LATEST = timedelta(days=30)
"""A message that comes later than this is no answer any more."""


@dataclass(frozen=True)
class Trace:
    """One message of a mailing to one number."""

    id: int
    number: str
    status: str
    sent_at: datetime | None
    model: str
    res_id: int


def traces_of(client: OdooClient, numbers: Collection[str], now: datetime) -> dict[str, list[Trace]]:
    """Give what mailings of the last 30 days wrote to these numbers (E.164), the newest first.

    Empty where the module `mass_mailing_sms` is not installed. Raises OdooSyncError.
    """
    domain = [
        ["trace_type", "=", "sms"],
        ["sms_number", "in", sorted(numbers)],
        ["create_date", ">=", odoo_time(now - LATEST)],
    ]
    try:
        rows = client.call("mailing.trace", "search_read", [domain, _FIELDS], {"order": "id desc"})
    except OdooRecordError:
        return {}
    found: dict[str, list[Trace]] = {}
    for row in rows:
        sent_at = parse_time(row["sent_datetime"]) if row["sent_datetime"] else None
        trace = Trace(row["id"], row["sms_number"], row["trace_status"], sent_at, row["model"] or "", row["res_id"])
        found.setdefault(trace.number, []).append(trace)
    return found
