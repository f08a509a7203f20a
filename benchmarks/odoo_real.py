"""Pull against a real Odoo: how fast a mailing is taken over and its ends are reported."""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import update

from host_controller.events import Bells
from host_controller.rules.states import MessageState
from host_controller.rules.timings import Timings
from host_controller.settings import MessageSettings, OdooSettings
from host_controller.store.models import MessageRecord
from host_controller.store.store import Store
from odoo_sync.client import OdooClient
from odoo_sync.lease_row import PREFIX
from odoo_sync.pull import Pull
from odoo_sync.results import Results

_AT_ONCE, _CALL_LIMIT_S = 1000, 120.0


class CountingClient(OdooClient):
    """A client that counts its calls."""

    calls = 0

    def _guarded(self, call: Callable[[], Any]) -> Any:
        self.calls += 1
        return super()._guarded(call)


def measure_real(count: int) -> dict[str, tuple[float, int]]:
    """Give seconds and calls of taking over and of reporting."""
    settings = OdooSettings(
        url=os.environ["SMSRACK_TEST_ODOO_URL"],
        database=os.environ.get("SMSRACK_TEST_ODOO_DATABASE", "odoo18"),
        user=os.environ.get("SMSRACK_TEST_ODOO_USER", "admin"),
        call_limit_s=_CALL_LIMIT_S,
    )
    client = CountingClient(settings, os.environ.get("SMSRACK_TEST_ODOO_PASSWORD", "admin"), "real")
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="sr") as name:
        store = Store(Path(name) / "smsrack.db")
        try:
            # The run before this one was another smsrack, and is not waited for.
            leases = client.call("sms.sms", "search", [[["uuid", "=like", f"{PREFIX}%"]]])
            client.call("sms.sms", "write", [leases, {"to_delete": True}])
            pull = Pull(client, store, MessageSettings(), lambda: now, Bells())
            pull.run()
            ids = _send_mailing(client, count)
            took = _timed(client, pull.run)
            sent = update(MessageRecord).values(state=MessageState.SENT, changed_at=now)
            store.write(lambda session: session.execute(sent))
            results = Results(client, store, lambda: now + timedelta(hours=1), Timings())
            reported = _timed(client, results.run)
        finally:
            store.close()
    shown = client.call(
        "mailing.trace", "search_count", [[["sms_id_int", "in", ids], ["trace_status", "=", "pending"]]]
    )
    if shown != len(ids):
        raise RuntimeError(f"Odoo shows {shown} of {len(ids)} as sent")
    return {"take over": took, "report": reported}


def _timed(client: CountingClient, work: Callable[[], int]) -> tuple[float, int]:
    before, began_s = client.calls, time.monotonic()
    work()
    return time.monotonic() - began_s, client.calls - before


def _send_mailing(client: OdooClient, count: int) -> list[int]:
    """Let a mailing to new contacts wait; give the ids of its SMS that do, which leaves out what is on a blacklist."""
    mark, partners = f"B9 {secrets.token_hex(4)}", []
    for start in range(0, count, _AT_ONCE):
        values = [
            {"name": f"{mark} {n}", "phone": f"+420777{n:06d}"} for n in range(start, min(start + _AT_ONCE, count))
        ]
        partners += client.call("res.partner", "create", [values])
    (model,) = client.call("ir.model", "search", [[["model", "=", "res.partner"]]])
    mailing = client.call(
        "mailing.mailing",
        "create",
        [
            {
                "subject": mark,
                "mailing_type": "sms",
                "mailing_model_id": model,
                "mailing_domain": repr([("id", "in", partners)]),
                "body_plaintext": "{{ object.name }}",
                "sms_allow_unsubscribe": False,
            }
        ],
    )
    client.call("mailing.mailing", "action_send_sms", [[mailing]])
    ids: list[int] = client.call("sms.sms", "search", [[["mailing_id", "=", mailing], ["state", "=", "outgoing"]]])
    return ids
