"""The HTTP interface of Odoo's module `sms_gateway`, as its phones use it. Every call has a time limit.

Knows nothing of the database. The module answers plain JSON and is told who calls by the header `X-API-Key`; it puts
its exceptions, with SQL and numbers in them, into answers, so that no word of an answer gets into an error of ours.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from host_controller.errors import ConfigError
from host_controller.settings import OdooSettings
from odoo_sync.errors import ModuleStumbledError, OdooRejectedError, OdooUnavailableError
from odoo_sync.no_answer import why_no_answer

MOST_PENDING = 100
"""The module hands out no more in one answer."""
_LARGEST_ANSWER = 16 * 1024 * 1024
_CHUNK = 65_536
_PAGE = 200
_OK, _NOT_FOUND = 200, 404
_WRONG_KEY = (401, 403)
_SERVER_ERRORS = 500


@dataclass(frozen=True)
class ModulePhone:
    """A phone as the module knows it."""

    id: int
    name: str
    numbers: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class ModuleSms:
    """A message that the module has handed to us: to it, it is with the phone from now on."""

    id: int
    uuid: str
    number: str = field(repr=False)
    body: str = field(repr=False)
    sim_number: str = field(repr=False)
    """The number of the SIM that it is to leave from, or empty."""


@dataclass(frozen=True)
class Beat:
    """What the module says to a heartbeat."""

    waiting: int
    per_minute: int


@dataclass(frozen=True)
class Confirmed:
    """What became of a batch of results; what is in neither is to be told again."""

    taken: frozenset[int]
    gone: frozenset[int]
    """Deleted there, or given to another phone."""


@dataclass(frozen=True)
class Reconciled:
    """How the module sees messages that we hold; what is in none of these waits there to be handed out again."""

    ended: frozenset[int]
    """Sent or failed; the module does not say which."""
    held: frozenset[int]
    gone: frozenset[int]


@dataclass(frozen=True)
class ModuleInbound:
    """A received message as the module has it."""

    id: int
    is_blacklisted: bool


class GatewayClient:
    """One phone's way to the module. Calls are made one at a time: the module fails when two ask at once."""

    def __init__(self, settings: OdooSettings, key: str, name: str) -> None:
        """`key` is the phone's; `name` is ours for the connection. Raises ConfigError."""
        parts = urlsplit(settings.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
            raise ConfigError(
                f"odoo.{name}.url must be like https://odoo.example.com, without a path; it is {settings.url!r}"
            )
        self._settings = settings
        self._host = parts.hostname
        self._port = parts.port
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._headers = {"Content-Type": "application/json", "Accept": "application/json", "X-API-Key": key}
        self._cookie: str | None = None

    def phone(self) -> ModulePhone:
        """Ask whose key this is."""
        found = self._ask("stats", {})["phones"][0]
        numbers = tuple(str(number) for number in (found["phone_number"], found.get("phone_number_2")) if number)
        return ModulePhone(int(found["id"]), str(found["name"]), numbers)

    def heartbeat(self, battery_percent: int | None, signal_dbm: int | None, unsynced: int) -> Beat:
        """Keep the phone online in Odoo: with none online, Odoo fails messages at once and for good."""
        known = {"battery_level": battery_percent, "signal_strength": signal_dbm}
        said = {name: value for name, value in known.items() if value is not None}
        answer = self._ask("heartbeat", {**said, "unsynced_count": unsynced})
        # The same number stands under both numbers of a phone with two SIMs.
        return Beat(max(answer["pending_count"].values(), default=0), int(answer["rate_limit"]))

    def pending(self, limit: int) -> list[ModuleSms]:
        """Take messages over, at most MOST_PENDING; where the answer gets lost, the module gives them again later."""
        rows = self._ask("pending", {"limit": min(limit, MOST_PENDING)})["sms_list"]
        return sorted((_sms(row) for row in rows), key=lambda sms: sms.id)

    def announce(self, sms_id: int) -> bool:
        """Say that a message is about to go; False where it is not this phone's any more.

        Only this keeps the module from handing it out again 30 minutes after it was queued there. Raises
        ModuleStumbledError.
        """
        status, answer = self._call(f"confirm/{sms_id}", {"status": "sending"})
        if status == _NOT_FOUND and answer is not None:  # a page instead is of a server that has lost its database
            return False
        self._check(status, answer)
        return True

    def confirm(self, results: Mapping[int, str | None]) -> Confirmed:
        """Say how messages ended, by id: None for sent, else why not. Repeating it changes nothing.

        Raises ModuleStumbledError where one of them was too much for the module: none has been taken then.
        """
        said = [
            {"id": sms_id, "status": "sent"}
            if error is None
            else {"id": sms_id, "status": "error", "error_message": error}
            for sms_id, error in results.items()
        ]
        answer = self._ask("confirm-batch", {"results": said})
        taken = frozenset(answer["ack_ids"])
        gone = {row["id"] for row in answer.get("errors", ()) if row["error"] != "Update failed"}
        return Confirmed(taken & results.keys(), frozenset(gone) & results.keys())

    def reconcile(self, ids: Sequence[int]) -> Reconciled:
        """Ask how the module sees these messages."""
        answer = self._ask("reconcile", {"known_ids": list(ids)})
        return Reconciled(
            frozenset(answer["already_confirmed_ids"]),
            frozenset(answer["stuck_ids"]),
            frozenset(answer.get("not_found_ids", ())),
        )

    def tell_inbound(self, sender: str, text: str, to_number: str) -> bool:
        """Tell of a received message; give whether its sender is on the blacklist now. Raises ModuleStumbledError.

        The module drops what has the same sender and text as one of its last ten minutes, and blacklists the sender of
        any text with the letters "stop" in it.
        """
        said = {"from_number": sender, "message": text, "to_number": to_number}
        return bool(self._ask("inbound", said)["blacklisted"])

    def find_inbound(self, sender: str, texts: Collection[str]) -> ModuleInbound | None:
        """Look for a message that was told: the newest with this sender and one of these texts, of their latest 200."""
        rows = self._ask("inbound-history", {"limit": _PAGE, "search": sender})["messages"]
        for row in rows:
            if row["from_number"] == sender and row["message"] in texts:
                return ModuleInbound(int(row["id"]), bool(row["blacklisted"]))
        return None

    def blacklist(self, inbound_ids: Iterable[int]) -> int:
        """Put the senders of messages that were told on Odoo's blacklist; give how many of them were new to it."""
        return int(self._ask("inbound-blacklist", {"ids": list(inbound_ids)})["blacklisted"])

    def _ask(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        status, answer = self._call(path, body)
        return self._check(status, answer)

    def _check(self, status: int, answer: dict[str, Any] | None) -> dict[str, Any]:
        """Give the answer of a call that was done, or raise what the status means."""
        if status in _WRONG_KEY:
            raise OdooRejectedError("the module does not know this phone's key (any more); pair it again")
        if answer is None:
            raise OdooUnavailableError(f"Odoo at {self._settings.url} does not answer as it should (HTTP {status})")
        if status >= _SERVER_ERRORS or (status == _OK and not answer.get("success")):
            raise ModuleStumbledError(f"the module at {self._settings.url} stumbled over a call (HTTP {status})")
        if status != _OK:
            raise OdooRejectedError(f"the module at {self._settings.url} refused a call (HTTP {status})")
        return answer

    def _call(self, path: str, body: Mapping[str, Any]) -> tuple[int, dict[str, Any] | None]:
        payload = json.dumps(body).encode()
        try:
            status, raw = self._send("POST", f"/sms-gateway/{path}", payload)
            answer = _object(raw)
            if status == _NOT_FOUND and answer is None and self._settings.database:
                # A server of several databases finds its own only by a session cookie.
                self._send("GET", f"/web?db={quote(self._settings.database)}", None)
                status, raw = self._send("POST", f"/sms-gateway/{path}", payload)
                answer = _object(raw)
        except (OSError, http.client.HTTPException) as error:
            raise OdooUnavailableError(
                f"Odoo at {self._settings.url} does not answer as it should ({why_no_answer(error)})"
            ) from error
        return status, answer

    def _send(self, method: str, path: str, payload: bytes | None) -> tuple[int, bytes]:
        limit_s = self._settings.call_limit_s
        deadline_s = time.monotonic() + limit_s
        connection = self._connection(limit_s)
        try:
            headers = self._headers | ({"Cookie": self._cookie} if self._cookie else {})
            connection.request(method, path, payload, headers)
            socket = connection.sock
            response = connection.getresponse()
            self._keep_cookie(response)
            pieces: list[bytes] = []
            size = 0
            while True:
                # A limit for each piece alone would let a slow trickle go on for ever.
                socket.settimeout(max(0.001, deadline_s - time.monotonic()))
                piece = response.read1(_CHUNK)
                if not piece:
                    return response.status, b"".join(pieces)
                pieces.append(piece)
                size += len(piece)
                if size > _LARGEST_ANSWER:
                    raise http.client.HTTPException("the answer is too large")
        finally:
            connection.close()

    def _connection(self, limit_s: float) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=limit_s)
        return http.client.HTTPSConnection(self._host, self._port, timeout=limit_s, context=self._tls)

    def _keep_cookie(self, response: http.client.HTTPResponse) -> None:
        for cookie in response.headers.get_all("Set-Cookie", []):
            if cookie.startswith("session_id="):
                self._cookie = cookie.split(";", 1)[0]


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(raw)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _sms(row: Mapping[str, Any]) -> ModuleSms:
    sms_id = int(row["id"])
    return ModuleSms(
        sms_id,
        str(row.get("uuid") or f"id-{sms_id}")[:32],
        row.get("phone_number") or "",
        row.get("message") or "",
        row.get("gateway_phone_number") or "",
    )
