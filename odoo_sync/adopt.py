"""SMS that Odoo could not hand to its own provider, taken up again so that they go from here.

What people send from a chatter goes out within their request and never waits: with no provider it ends in error at
once. Only what no report has settled is taken (`to_delete` is off), so none of ours. A provider that was slow may have
sent what Odoo shows in error: adopt nothing from a time in which one was at work.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from odoo_sync.changes import odoo_time
from odoo_sync.client import OdooClient

_NO_PROVIDER = ["sms_server", "sms_acc", "sms_credit"]
_BATCH = 500


def count_stuck(client: OdooClient, since: datetime) -> int:
    """Give how many SMS made at `since` (aware, UTC) or later are in error for want of a provider."""
    return int(client.call("sms.sms", "search_count", [_domain(since)], {}))


def adopt(client: OdooClient, since: datetime) -> int:
    """Let them wait in Odoo again, where the next round finds them; give how many. Raises OdooSyncError; repeatable."""
    adopted = last_id = 0
    while True:
        domain, options = [*_domain(since), ["id", ">", last_id]], {"limit": _BATCH, "order": "id asc"}
        rows = client.call("sms.sms", "search_read", [domain, ["id"]], options)
        if not rows:
            return adopted
        ids = [row["id"] for row in rows]
        values = {"state": "outgoing", "failure_type": False, "to_delete": False}
        client.call("sms.sms", "write", [ids, values], {})
        adopted, last_id = adopted + len(ids), ids[-1]


def _domain(since: datetime) -> list[Any]:
    return [
        ["state", "=", "error"],
        ["failure_type", "in", _NO_PROVIDER],
        ["to_delete", "=", False],
        ["create_date", ">=", odoo_time(since)],
    ]
