"""Odoo over HTTP: the only file that imports odoorpc. Calls have a time limit; errors come out as ours."""

from __future__ import annotations

import http.client
import logging
import re
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
from host_controller.settings import OdooMode, OdooSettings
from odoo_sync.deadline import DeadlineOpener
from odoo_sync.errors import (
    OdooDuplicateError,
    OdooLoginError,
    OdooRecordError,
    OdooRejectedError,
    OdooSyncError,
    OdooUnavailableError,
)
from odoo_sync.mapping import is_uuid
from odoo_sync.no_answer import why_no_answer
from odoo_sync.versions import Capabilities, capabilities_of

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
# How Odoo says that the user who calls was deleted; only a new login tells more.
_OWN_USER = re.compile(r"\(Record: res\.users\((\d+),\), User: \1\)")
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
    mailing_id: int | None = None
    """The `mailing.mailing` that it belongs to."""


@dataclass(frozen=True)
class SmsState:
    """What Odoo says of a row."""

    state: str
    to_delete: bool
    """Somebody, Odoo's own sender or a report, has settled how it went; Odoo's sender passes it over."""


@dataclass(frozen=True)
class Traced:
    """What Odoo knows of an SMS by its uuid."""

    id: int
    mailing_id: int | None
    trace_status: str | None
    """None: it has no trace, or none that the user may read."""


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
        self.settings = settings
        self._password = password
        self._odoo = odoorpc.ODOO(
            parts.hostname,
            protocol="jsonrpc+ssl" if parts.scheme == "https" else "jsonrpc",
            port=parts.port or (443 if parts.scheme == "https" else 80),
            timeout=settings.call_limit_s,
            version=_VERSION,
            opener=DeadlineOpener(),
        )
        self._is_logged_in = False
        self._capabilities: Capabilities | None = None
        self._has_mailings: bool | None = None
        self._sees_crons: bool | None = None
        self._lock = threading.Lock()

    @property
    def database(self) -> str:
        """The database's name."""
        return self.settings.database

    @property
    def has_login(self) -> bool:
        """Whether calls that need a login can be made; reports need none."""
        return bool(self.settings.user and self._password)

    @property
    def user_id(self) -> int:
        """Odoo's id of the user whose rights all calls have. Raises OdooSyncError."""

        def ask() -> int:
            self._log_in()
            return int(self._odoo.env.uid)

        return self._guarded(ask)

    def server_version(self) -> str:
        """Ask for the server's version; needs no login."""
        answer = self._guarded(lambda: self._odoo.json("/web/webclient/version_info", {}))
        return str(answer["result"]["server_version"])

    def capabilities(self) -> Capabilities:
        """Say what this Odoo can do; asked for once. Raises OdooRejectedError for versions that we do not know."""
        if self._capabilities is None:
            self._capabilities = capabilities_of(self.server_version())
        return self._capabilities

    def has_mailings(self) -> bool:
        """Tell whether SMS may belong to mailings there, which is a module of its own; asked for once."""
        if self._has_mailings is None:
            self._has_mailings = bool(self.call("sms.sms", "fields_get", [["mailing_id"], ["type"]], {}))
        return self._has_mailings

    def outgoing(self, limit: int, after_id: int = 0) -> list[OdooSms]:
        """Give SMS that wait to be sent and have a higher id, oldest first."""
        fields = [*_SMS_FIELDS, "mailing_id"] if self.has_mailings() else _SMS_FIELDS
        domain = [["state", "=", "outgoing"], ["to_delete", "=", False], ["id", ">", after_id]]
        rows = self.call("sms.sms", "search_read", [domain, fields], {"limit": limit, "order": "id asc"})
        return [_sms(row) for row in rows]

    def states(self, ids: Sequence[int]) -> dict[int, SmsState]:
        """Give the states of those rows that still exist, by id."""
        rows = self.call("sms.sms", "search_read", [[["id", "in", list(ids)]], ["id", "state", "to_delete"]], {})
        return {row["id"]: SmsState(row["state"], row["to_delete"]) for row in rows}

    def write_state(self, ids: Sequence[int], state: str, failure_type: str | None) -> None:
        """Set the state of rows; rows that are gone are passed over."""
        values: dict[str, Any] = {"state": state}
        if state != "process":
            values["failure_type"] = failure_type or False
        self.call("sms.sms", "write", [list(ids), values], {})

    def report(self, statuses: Sequence[tuple[str, Sequence[str]]]) -> None:
        """Post (word, uuids) to `/sms/status`; repeating it changes nothing."""
        params = {"message_statuses": [{"sms_status": word, "uuids": list(uuids)} for word, uuids in statuses]}
        self._guarded(lambda: self._post_status(params))

    def traced(self, uuids: Sequence[str]) -> dict[str, Traced]:
        """Give what Odoo knows of those SMS that it still has, by uuid; two calls."""
        domain = [["uuid", "in", list(uuids)]]
        rows = self.call("sms.sms", "search_read", [domain, ["id", "uuid", "mailing_id"]], {})
        ids = [row["id"] for row in rows]
        fields = ["sms_id_int", "trace_status"]
        traces = self.call("mailing.trace", "search_read", [[["sms_id_int", "in", ids]], fields], {}) if ids else []
        statuses = {trace["sms_id_int"]: trace["trace_status"] for trace in traces}
        return {
            row["uuid"]: Traced(row["id"], row["mailing_id"][0] if row["mailing_id"] else None, statuses.get(row["id"]))
            for row in rows
        }

    def set_error(self, ids: Sequence[int], failure_type: str) -> None:
        """Mark SMS of mailings as failed, so that Odoo looks whether their mailings are done."""
        self.call("sms.sms", "action_set_error", [list(ids), failure_type], {})

    def count_outgoing(self) -> int:
        """Give the number of SMS that wait."""
        return int(self.call("sms.sms", "search_count", [[["state", "=", "outgoing"]]], {}))

    def own_sender_is_on(self) -> bool | None:
        """Tell whether Odoo's own SMS cron is on; None where the user may not see that."""
        if self._sees_crons is None:
            self._sees_crons = bool(self.call("ir.cron", "check_access_rights", ["read", False], {}))
        if not self._sees_crons:
            return None
        domain = [["model_id.model", "=", "sms.sms"], ["active", "=", True]]
        return bool(self.call("ir.cron", "search_count", [domain], {}))

    def rights(self) -> list[Right]:
        """Ask for the rights that the connection's mode needs; only the lease of mode pull creates a row."""
        operations = ("read", "write", "create") if self.settings.mode is OdooMode.PULL else ("read", "write")
        return [
            Right("sms.sms", operation, bool(self.call("sms.sms", "check_access_rights", [operation, False], {})))
            for operation in operations
        ]

    def call(self, model: str, method: str, arguments: Sequence[Any], options: Mapping[str, Any] | None = None) -> Any:
        """Call a public method of a model; logs in first where needed.

        Raises OdooSyncError, OdooRecordError where what the call is about is to blame. Callers write model and method
        as literals: a test holds the list of all calls against recorded ones.
        """

        def call() -> Any:
            self._log_in()
            return self._odoo.execute_kw(model, method, list(arguments), dict(options or {}))

        return self._guarded(call)

    def call_any(
        self, model: str, method: str, arguments: Sequence[Any], options: Mapping[str, Any] | None = None
    ) -> Any:
        """Do what `call` does, for rows that are data (`setup/`): which models these are, a test reads from them."""
        return self.call(model, method, arguments, options)

    def _log_in(self) -> None:
        if not self._is_logged_in:
            self._odoo.login(self.settings.database, self.settings.user, self._password)
            self._is_logged_in = True

    def _post_status(self, params: dict[str, Any]) -> None:
        try:
            try:
                self._odoo.json("/sms/status", params)
            except HTTPError as error:
                if error.code != http.client.NOT_FOUND or not self.settings.database:
                    raise
                # A server of several databases finds its own only by a session cookie.
                self._odoo.http(f"/web?db={self.settings.database}")
                self._odoo.json("/sms/status", params)
        except HTTPError as error:
            if error.code == http.client.BAD_REQUEST:  # how Odoo 19 says what 18 says in an answer
                raise OdooRejectedError("Odoo refused a call: HTTP 400") from error
            raise

    def _guarded(self, call: Callable[[], T]) -> T:
        with self._lock:
            try:
                return call()
            except OdooRpcError as error:
                ours = _translated(error, f"odoo.{self.name}")
                self._is_logged_in &= isinstance(ours, OdooRecordError)  # anything else may come from the login
                raise ours from error
            except (OSError, ValueError, http.client.HTTPException, KeyError) as error:
                raise OdooUnavailableError(
                    f"Odoo at {self.settings.url} does not answer as it should ({why_no_answer(error)})"
                ) from error


def _translated(error: OdooRpcError, section: str) -> OdooSyncError:
    """Give our error; `section` is where the connection stands in the settings."""
    info = error.info if isinstance(error, RPCError) else None
    if not info:
        return OdooLoginError(f"Odoo refused the login; check {section}.database, .user and the password or API key")
    data = info.get("data", {})
    name, words = data.get("name", ""), str(data.get("message", "")).split("\n", 1)[0]
    if name in _PASSING:
        if "does not exist" in words:
            return OdooRejectedError(f"Odoo has no such database; check {section}.database")
        return OdooUnavailableError("Odoo's database is busy or away")
    is_gone = name == "odoo.exceptions.MissingError" and _OWN_USER.search(str(data.get("message", "")))
    if name == "odoo.exceptions.AccessDenied" or is_gone:
        return OdooLoginError("Odoo does not accept the login any more; check the user and its API key")
    if name == "odoo.exceptions.AccessError":
        return OdooRejectedError(f"the Odoo user lacks a right: {words}")
    if name == "odoo.exceptions.ValidationError" and "must be unique" in words:
        return OdooDuplicateError("there is such a record in Odoo already", words)
    if name in _OF_RECORDS:
        return OdooRecordError(f"Odoo refused what a call was about: {name}", words)
    return OdooRejectedError(f"Odoo refused a call: {name}: {words}")


def _sms(row: dict[str, Any]) -> OdooSms:
    mailing = row.get("mailing_id")
    number, body = row["number"] or "", row["body"] or ""
    # By any other uuid nothing can be reported, and it may be longer than ours; such a row goes by its id.
    uuid = row["uuid"] if is_uuid(row["uuid"] or "") else f"id-{row['id']}"
    return OdooSms(row["id"], uuid, number, body, row["state"], mailing[0] if mailing else None)
