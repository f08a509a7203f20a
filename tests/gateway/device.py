"""Calls to the gateway as phones make them: HTTP, a key in a header, JSON both ways."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any

LOOPBACK = "127.0.0.1"
_CALL_LIMIT_S = 15.0
"""What HttpURLConnection waits for in the app."""
ROUTES = (
    "heartbeat",
    "pending",
    "confirm/1",
    "confirm-batch",
    "reconcile",
    "inbound",
    "inbound-batch",
    "inbound-history",
    "inbound-blacklist",
    "register-fcm",
    "stats",
)
"""Every route that a phone calls."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    raw: bytes

    @property
    def json(self) -> dict[str, Any]:
        assert self.headers.get_content_type() == "application/json", self.raw
        return json.loads(self.raw)


@dataclass(frozen=True)
class Caller:
    """Somebody at one address, with a key or without one."""

    port: int
    key: str | None = None
    address: str = LOOPBACK
    """Where the calls come from: all of 127/8 is this host."""

    def call(self, route: str, body: Any = None, *, raw: bytes | None = None, method: str = "POST") -> Answer:
        """Call a route of the gateway; no body is an empty object, as the app sends it."""
        return self.ask("/sms-gateway/" + route, json.dumps({} if body is None else body).encode(), raw, method)

    def ask(self, path: str, data: bytes = b"{}", raw: bytes | None = None, method: str = "POST") -> Answer:
        """Call any path, with these very bytes if they are given."""
        headers = {"Content-Type": "application/json"} | ({} if self.key is None else {"X-API-Key": self.key})
        connection = http.client.HTTPConnection(
            LOOPBACK, self.port, timeout=_CALL_LIMIT_S, source_address=(self.address, 0)
        )
        try:
            connection.request(method, path, data if raw is None else raw, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def ok(self, route: str, body: Any = None) -> dict[str, Any]:
        """Call a route that must succeed, and give what it says."""
        answer = self.call(route, body)
        assert answer.status == 200, (route, answer.status, answer.raw)
        assert answer.json["success"] is True, answer.raw
        return answer.json


def refusal(answer: Answer) -> tuple[int, dict[str, Any]]:
    """Status and body of an answer, to be held against what they must be."""
    return answer.status, answer.json


def error(status: int, words: str) -> tuple[int, dict[str, Any]]:
    """The one shape of an error."""
    return status, {"success": False, "error": words}
