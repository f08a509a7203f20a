"""Odoo over HTTP: the only file that imports odoorpc. Calls have a time limit; errors come out as ours."""

from __future__ import annotations

import http.client
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.parse import urlsplit

import odoorpc
from odoorpc.error import Error as OdooRpcError
from odoorpc.error import RPCError

from host_controller.errors import ConfigError
from host_controller.settings import OdooSettings
from odoo_sync.errors import OdooRecordError, OdooRejectedError, OdooSyncError, OdooUnavailableError

T = TypeVar("T")
# Given, so that a client can be made while Odoo is down; the calls that we make are the same on 17 to 19.
_VERSION = "18.0"
_SMS_FIELDS = ["id", "uuid", "number", "body", "state"]
# Odoo gives up on a row that others hold, or loses its database, for a while only.
_PASSING = ("psycopg2.errors.SerializationFailure", "psycopg2.OperationalError", "psycopg2.InterfaceError")
# About what a call names, not about who calls: a number that cannot be, a record that is gone, a field that is not.
_OF_RECORDS = (
    "odoo.exceptions.UserError",
    "odoo.exceptions.ValidationError",
    "odoo.exceptions.MissingError",
    "builtins.ValueError",
)
# At DEBUG odoorpc writes every call with its password.
logging.getLogger("odoorpc").setLevel(logging.WARNING)


@dataclass(frozen=True)
class OdooSms:
    """A row of `sms.sms`."""

    id: int
    uuid: str
    number: str = field(repr=False)
    body: str = field(repr=False)
    state: str


@dataclass(frozen=True)
class Right:
    """Whether the user may do something with a model."""

    model: str
    operation: str
    granted: bool


class OdooClient:
    """One Odoo database. Calls are made one at a time."""

    def __init__(self, settings: OdooSettings, password: str, name: str = "odoo") -> None:
        """`name` is ours for the connection, as in the settings."""
        self.name = name
        parts = urlsplit(settings.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
            raise ConfigError(
                f"odoo.{name}.url must be like https://odoo.example.com, without a path; it is {settings.url!r}"
            )
        self._settings = settings
        self._password = password
        self._odoo = odoorpc.ODOO(
            parts.hostname,
            protocol="jsonrpc+ssl" if parts.scheme == "https" else "jsonrpc",
            port=parts.port or (443 if parts.scheme == "https" else 80),
            timeout=settings.call_limit_s,
            version=_VERSION,
        )
        self._is_logged_in = False
        self._lock = threading.Lock()

    @property
    def database(self) -> str:
        """The database's name."""
        return self._settings.database

    @property
    def user_id(self) -> int:
        """Odoo's id of the user whose rights all calls have. Raises OdooSyncError."""

        def ask() -> int:
            self._log_in()
            return int(self._odoo.env.uid)

        return self._guarded(ask)

    def call(self, model: str, method: str, arguments: Sequence[Any], options: Mapping[str, Any] | None = None) -> Any:
        """Call a public method of a model. Raises OdooSyncError, OdooRecordError where the call itself is to blame."""
        return self._call(model, method, list(arguments), dict(options or {}))

    def server_version(self) -> str:
        """Ask for the server's version; needs no login."""
        answer = self._guarded(lambda: self._odoo.json("/web/webclient/version_info", {}))
        return str(answer["result"]["server_version"])

    def outgoing(self, limit: int) -> list[OdooSms]:
        """Give SMS that wait to be sent, oldest first."""
        domain = [["state", "=", "outgoing"], ["to_delete", "=", False]]
        rows = self._call("sms.sms", "search_read", [domain, _SMS_FIELDS], {"limit": limit, "order": "id asc"})
        return [_sms(row) for row in rows]

    def states(self, ids: Sequence[int]) -> dict[int, str]:
        """Give the states of those rows that still exist, by id."""
        rows = self._call("sms.sms", "search_read", [[["id", "in", list(ids)]], ["id", "state"]], {})
        return {row["id"]: row["state"] for row in rows}

    def write_state(self, ids: Sequence[int], state: str, failure_type: str | None) -> None:
        """Set the state of rows; rows that are gone are passed over."""
        values: dict[str, Any] = {"state": state}
        if state != "process":
            values["failure_type"] = failure_type or False
        self._call("sms.sms", "write", [list(ids), values], {})

    def report(self, statuses: Sequence[tuple[str, Sequence[str]]]) -> None:
        """Post (word, uuids) to `/sms/status`; repeating it changes nothing."""
        params = {"message_statuses": [{"sms_status": word, "uuids": list(uuids)} for word, uuids in statuses]}
        self._guarded(lambda: self._post_status(params))

    def count_outgoing(self) -> int:
        """Give the number of SMS that wait."""
        return int(self._call("sms.sms", "search_count", [[["state", "=", "outgoing"]]], {}))

    def rights(self) -> list[Right]:
        """Ask for the rights that the pull connection needs."""
        wanted = (("sms.sms", "read"), ("sms.sms", "write"))
        return [
            Right(model, operation, bool(self._call(model, "check_access_rights", [operation, False], {})))
            for model, operation in wanted
        ]

    def _call(self, model: str, method: str, arguments: list[Any], options: dict[str, Any]) -> Any:
        def call() -> Any:
            self._log_in()
            return self._odoo.execute_kw(model, method, arguments, options)

        return self._guarded(call)

    def _log_in(self) -> None:
        if not self._is_logged_in:
            self._odoo.login(self._settings.database, self._settings.user, self._password)
            self._is_logged_in = True

    def _post_status(self, params: dict[str, Any]) -> None:
        try:
            self._odoo.json("/sms/status", params)
        except HTTPError as error:
            if error.code != http.client.NOT_FOUND:
                raise
            # A server of several databases finds its own only by a session cookie.
            self._odoo.http(f"/web?db={self._settings.database}")
            self._odoo.json("/sms/status", params)

    def _guarded(self, call: Callable[[], T]) -> T:
        with self._lock:
            try:
                return call()
            except OdooRpcError as error:
                ours = _translated(error)
                self._is_logged_in &= isinstance(ours, OdooRecordError)  # anything else may come from the login
                raise ours from error
            except (OSError, ValueError, http.client.HTTPException, KeyError) as error:
                words = f"HTTP {error.code}" if isinstance(error, HTTPError) else type(error).__name__
                raise OdooUnavailableError(
                    f"Odoo at {self._settings.url} does not answer as it should ({words})"
                ) from error


def _translated(error: OdooRpcError) -> OdooSyncError:
    info = error.info if isinstance(error, RPCError) else None
    if not info:
        return OdooRejectedError("Odoo refused the login; check odoo.database, odoo.user and the password or API key")
    data = info.get("data", {})
    name, words = data.get("name", ""), str(data.get("message", "")).split("\n", 1)[0]
    if name in _PASSING:
        if "does not exist" in words:
            return OdooRejectedError("Odoo has no such database; check odoo.database")
        return OdooUnavailableError("Odoo's database is busy or away")
    if name == "odoo.exceptions.AccessDenied":
        return OdooRejectedError("Odoo does not accept the login any more; check the user and its API key")
    if name == "odoo.exceptions.AccessError":
        return OdooRejectedError(f"the Odoo user lacks a right: {words}")
    if name in _OF_RECORDS:
        return OdooRecordError(f"Odoo refused what a call was about: {name}", words)
    return OdooRejectedError(f"Odoo refused a call: {name}: {words}")


def _sms(row: dict[str, Any]) -> OdooSms:
    return OdooSms(row["id"], row["uuid"], row["number"] or "", row["body"] or "", row["state"])
