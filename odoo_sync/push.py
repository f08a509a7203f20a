"""The endpoint that an Odoo takes for its SMS provider: JSON-RPC, as `sms.api` speaks it; docs/odoo.md describes it.

Odoo waits 15 seconds, and takes any HTTP error for the failure of the whole call: what can be said of single messages
is said of them. Its account token is all by which it says who it is.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flask import Blueprint, abort, request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from odoo_sync.intake import MOST, Asked, Intake

_log = logging.getLogger(__name__)
PATHS = ("/api/sms/3/send", "/iap/sms/3/send")
"""The second is that of early Odoo 17."""
# What Odoo shows as an account that is not registered; such messages can be tried again there.
_NO_ACCOUNT = "unregistered"
_TOO_MANY_REQUESTS = 429
_LONGEST_DBUUID = 64

Json = dict[str, Any]


def make_push(intakes: Sequence[tuple[str, Intake]], wrong_tokens_per_minute: int) -> Blueprint:
    """Give the blueprint for (account token, intake) pairs; an address may show so many wrong tokens."""
    push = Blueprint("odoo push", __name__)
    accounts = [(_digest(token), intake) for token, intake in intakes]
    limiter, wrong = MovingWindowRateLimiter(MemoryStorage()), RateLimitItemPerMinute(wrong_tokens_per_minute)

    def find(token: object) -> Intake | None:
        """All are compared, each in constant time."""
        shown, found = _digest(token if isinstance(token, str) else ""), None
        for digest, intake in accounts:
            if hmac.compare_digest(digest, shown):
                found = intake
        return found

    def send() -> Json:
        body = _read_object()
        params = body.get("params")
        if not isinstance(params, dict) or not isinstance(params.get("messages"), list):
            abort(400)
        asked = list(_read(params["messages"]))
        intake = find(params.get("account_token"))
        if intake is None:
            if not limiter.hit(wrong, "token", request.remote_addr or ""):
                abort(_TOO_MANY_REQUESTS)
            _log.warning("an Odoo shows a token that no [odoo.NAME] with mode push has")
            words = {item.uuid: _NO_ACCOUNT for item in asked[:MOST]}
        else:
            words = intake.take(asked, _dbuuid(params))
        result = [{"uuid": uuid, "state": word, "credit": 0} for uuid, word in words.items()]
        return {"jsonrpc": "2.0", "id": body.get("id"), "result": result}

    for path in PATHS:
        push.add_url_rule(path, path.split("/")[1], send, methods=["POST"])
    return push


def _read_object() -> Json:
    """Give the request's JSON object; without one the request is bad."""
    try:
        body = json.loads(request.get_data())
    except (ValueError, RecursionError):
        body = None
    return body if isinstance(body, dict) else abort(400)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _dbuuid(params: Mapping[str, Any]) -> str:
    """Give the uuid of Odoo's database; early Odoo 17 does not say it."""
    value = params.get("dbuuid")
    return value[:_LONGEST_DBUUID] if isinstance(value, str) and value.isascii() and value.isprintable() else ""


def _read(messages: Sequence[Any]) -> Iterator[Asked]:
    """Give what is asked for; what has no uuid cannot be answered for, and is left out."""
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("numbers"), list):
            continue
        for entry in message["numbers"]:
            if isinstance(entry, dict) and isinstance(entry.get("uuid"), str):
                yield Asked(entry["uuid"], _text(entry.get("number")), _text(message.get("content")))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
