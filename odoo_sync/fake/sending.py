"""The fake Odoo's own sender: its queue goes to an endpoint as a real Odoo's does, and answers are written down."""

from __future__ import annotations

import json
import urllib.request
import uuid as uuid_module
from collections.abc import Callable, Sequence
from typing import Any

from odoo_sync.fake.model import FakeOdoo
from odoo_sync.fake.sms import Sms

BATCH = 500
_LIMIT_S = 15.0
# Seen on Odoo 18. Of what an answer says, as (state of the SMS, failure type): what is not here is a provider's word.
_REACHED = {"success": "pending", "sent": "pending", "processing": "process", "delivered": "sent"}
_FAILED = {
    "insufficient_credit": "sms_credit",
    "wrong_number_format": "sms_number_format",
    "country_not_supported": "sms_country_not_supported",
    "server_error": "sms_server",
    "unregistered": "sms_acc",
}


def send_queue(
    odoo: FakeOdoo,
    endpoint: str,
    token: str,
    *,
    limit_s: float = _LIMIT_S,
    before_commit: Callable[[], None] = lambda: None,
    mailing_id: int | None = None,
) -> int:
    """Run the SMS queue once, as Odoo's cron does, or only what waits of one mailing; give how many calls were made.

    `before_commit` runs between an answer and the moment from which others see it. A call that fails marks its whole
    batch as failed.
    """
    with odoo.lock:
        waiting = [row for row in odoo.sms.values() if row.state == "outgoing" and not row.to_delete]
        if mailing_id is not None:
            waiting = [row for row in waiting if isinstance(row.mailing_id, list) and row.mailing_id[0] == mailing_id]
    starts = range(0, len(waiting), BATCH)
    for start in starts:
        batch = waiting[start : start + BATCH]
        try:
            results = _post(endpoint, request_of(batch, token), limit_s)
        except (OSError, ValueError, KeyError):
            results = [{"uuid": row.uuid, "state": "server_error"} for row in batch]
        before_commit()
        with odoo.lock:
            _apply(odoo, results)
    return len(starts)


def request_of(
    batch: Sequence[Sms], token: str, dbuuid: str = "3da726a6-e674-11f1-97d6-02fc00000001"
) -> dict[str, Any]:
    """Give the body of a call."""
    by_body: dict[str, list[dict[str, str]]] = {}
    for row in batch:
        by_body.setdefault(row.body, []).append({"number": row.number, "uuid": row.uuid})
    params = {
        "messages": [{"content": body, "numbers": numbers} for body, numbers in by_body.items()],
        "webhook_url": "http://127.0.0.1:8069/sms/status",
        "dbuuid": dbuuid,
        "account_token": token,
    }
    return {"jsonrpc": "2.0", "method": "call", "params": params, "id": uuid_module.uuid4().hex}


def _post(endpoint: str, body: dict[str, Any], limit_s: float) -> list[dict[str, Any]]:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(endpoint, json.dumps(body).encode(), headers)  # noqa: S310 - a test's own URL
    with urllib.request.urlopen(request, timeout=limit_s) as answer:  # noqa: S310
        results: list[dict[str, Any]] = json.loads(answer.read())["result"]
    return results


def _apply(odoo: FakeOdoo, results: Sequence[dict[str, Any]]) -> None:
    """What Odoo does with an answer, over whatever reports have changed since."""
    by_word: dict[str, list[Sms]] = {}
    for result in results:
        by_word.setdefault(result["state"], []).append(odoo.sms[odoo.traces[result["uuid"]].sms_id_int])
    for word, rows in by_word.items():
        traces = [odoo.traces[row.uuid] for row in rows]
        for row, trace in zip(rows, traces, strict=True):
            if word in _REACHED:
                trace.trace_status = "outgoing"
                row.state, row.failure_type, row.to_delete = _REACHED[word], False, True
            elif word in _FAILED:
                odoo.set_error(row, _FAILED[word])
            else:
                odoo.fail(trace, word)
                row.state, row.failure_type = "error", "unknown"
        if word in _REACHED:
            odoo.reach(traces, _REACHED[word])
