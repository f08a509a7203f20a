"""The rows of a fake Odoo, and what calls and reports do to them. Thread-safe."""

from __future__ import annotations

import re
import threading
import uuid as uuid_module
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from odoo_sync.fake.blacklist import FakeBlacklist
from odoo_sync.fake.contacts import FakeMessages, FakePartners
from odoo_sync.fake.errors import OdooError
from odoo_sync.fake.orders import FakeUsers
from odoo_sync.fake.table import Table
from odoo_sync.fake.traces import FakeTraces, Trace

_STATES = ("outgoing", "process", "pending", "sent", "error", "canceled")
_GOOD = {"processing": "process", "success": "pending", "sent": "pending", "delivered": "sent"}
_BAD = {
    "not_delivered": "error",
    "expired": "error",
    "invalid_destination": "bounce",
    "not_allowed": "bounce",
    "rejected": "bounce",
}
# A report that is older than what is known is passed over; a failure is not, and a success heals it.
_RANK = {"outgoing": 0, "process": 1, "pending": 2, "sent": 3}
_UUID = re.compile(r"[0-9a-f]{32}")


@dataclass
class Sms:
    """A row of sms.sms."""

    id: int
    uuid: str
    number: str
    body: str
    mailing_id: list[Any] | bool
    create_date: str
    state: str = "outgoing"
    failure_type: str | bool = False
    to_delete: bool = False
    partner_id: list[Any] | bool = False
    mail_message_id: list[Any] | bool = False


class FakeOdoo:
    """One database with one user."""

    def __init__(self, database: str = "odoo", login: str = "smsrack", password: str = "secret") -> None:  # noqa: S107
        self.database, self.login, self.password = database, login, password
        self.uid = 9
        self.granted = {"read", "write"}
        self.sms: dict[int, Sms] = {}
        self.traces: dict[str, Trace] = {}
        self.reports: list[tuple[str, str]] = []
        """Every (word, uuid) that was reported, in order."""
        self.lock = threading.RLock()
        self.blacklist = FakeBlacklist()
        self.messages = FakeMessages()
        self.partners = FakePartners(self.messages)
        self.tables: dict[str, Table] = {}
        """Models that are rows and nothing else."""
        for table in (self.blacklist, self.messages, self.partners, FakeTraces(self.traces), FakeUsers(self.uid)):
            self.install(table)

    def install(self, table: Table) -> None:
        """Add a model."""
        self.tables[table.model] = table

    def add_mailing(self, recipients: Sequence[tuple[str, str]], name: str = "Campaign") -> list[Sms]:
        """Queue (number, body) pairs as an SMS mailing does."""
        with self.lock:
            added = []
            for number, body in recipients:
                sms_id = len(self.sms) + 12138
                row = Sms(sms_id, uuid_module.uuid4().hex, number, body, [14, name], _now())
                self.sms[sms_id] = row
                trace = Trace(len(self.traces) + 1, sms_id, number)
                if partner := next((p for p in self.partners.rows.values() if p["phone_sanitized"] == number), None):
                    trace.model, trace.res_id = "res.partner", partner["id"]
                self.traces[row.uuid] = trace
                added.append(row)
            return added

    def check_login(self, database: str, login: str, password: str) -> int | bool:
        """`common.login`: the user's id, or False."""
        if database != self.database:
            raise OdooError("psycopg2.OperationalError", f'FATAL:  database "{database}" does not exist')
        return self.uid if (login, password) == (self.login, self.password) else False

    def execute(self, call: Sequence[Any]) -> Any:
        """`object.execute_kw` and `object.execute`: (database, uid, password, model, method, arguments...)."""
        database, uid, password, model, method, *rest = call
        if database != self.database or uid != self.uid or password != self.password:
            raise OdooError("odoo.exceptions.AccessDenied", "Access Denied")
        if (model, method) == ("res.users", "context_get"):
            return {"lang": "en_US", "tz": "Europe/Prague", "uid": self.uid}
        arguments, options = (rest[0] if rest else []), (rest[1] if len(rest) > 1 else {})
        handler = getattr(self, f"_{model.replace('.', '_')}_{method}", None)
        if table := self.tables.get(model):
            table.user = [self.uid, self.login]
            handler = handler or getattr(table, method, None)
        if handler is None:
            own = any(name.startswith(f"_{model.replace('.', '_')}_") for name in dir(self))
            known = own or model in self.tables
            if known:
                words = f"The method '{model}.{method}' does not exist"
                raise OdooError("builtins.AttributeError", words)
            raise OdooError("odoo.exceptions.UserError", f"Object {model} doesn't exist")
        with self.lock:
            return handler(*arguments, **options)

    def report(self, statuses: Sequence[dict[str, Any]]) -> str:
        """`/sms/status`: one bad word or uuid rejects all; unknown uuids are passed over."""
        for status in statuses:
            words_ok = re.fullmatch(r"\w+", str(status["sms_status"]))
            if not words_ok or not all(_UUID.fullmatch(str(uuid)) for uuid in status["uuids"]):
                raise OdooError("odoo.exceptions.UserError", "Bad parameters")
        with self.lock:
            for status in statuses:
                for uuid in status["uuids"]:
                    self._report_one(status["sms_status"], uuid)
        return "OK"

    def _report_one(self, word: str, uuid: str) -> None:
        self.reports.append((word, uuid))
        trace = self.traces.get(uuid)
        if trace is None:
            return
        self.sms[trace.sms_id_int].to_delete = True
        if word in _GOOD:
            new = _GOOD[word]
            if _RANK.get(trace.trace_status, 0) >= _RANK[new] and trace.trace_status in _RANK:
                return
            trace.trace_status, trace.failure_type, trace.failure_reason = new, False, False
            if new in ("pending", "sent"):
                trace.sent_datetime = _now()
        else:
            trace.trace_status = _BAD.get(word, "error")
            trace.failure_type = f"sms_{word}" if word in _BAD else "unknown"
            trace.failure_reason = False if word in _BAD else word

    def _sms_sms_search_read(
        self, domain: list[Any], fields: list[str], limit: int | None = None, order: str = "id desc"
    ) -> list[dict[str, Any]]:
        self._require("read")
        found = [row for row in self.sms.values() if _matches(asdict(row), domain)]
        found.sort(key=lambda row: row.id, reverse=order.endswith("desc"))
        return [_read(asdict(row), fields) for row in found[:limit]]

    def _sms_sms_search_count(self, domain: list[Any]) -> int:
        self._require("read")
        return sum(_matches(asdict(row), domain) for row in self.sms.values())

    def _sms_sms_write(self, ids: list[int], values: dict[str, Any]) -> bool:
        self._require("write")
        if values.get("state", "outgoing") not in _STATES:
            raise OdooError("builtins.ValueError", f"Wrong value for sms.sms.state: {values['state']!r}")
        for row_id in ids:
            for name, value in values.items() if row_id in self.sms else ():
                setattr(self.sms[row_id], name, value)
        return True

    def _sms_sms_check_access_rights(self, operation: str, raise_exception: bool = True) -> bool:
        if operation in self.granted:
            return True
        if raise_exception:
            self._require(operation)
        return False

    def _require(self, operation: str) -> None:
        if operation not in self.granted:
            words = "You are not allowed to access 'Outgoing SMS' (sms.sms) records.\n\nContact your administrator."
            raise OdooError("odoo.exceptions.AccessError", words)


def _read(row: dict[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    unknown = set(fields) - row.keys()
    if unknown:
        raise OdooError("builtins.ValueError", f"Invalid field {min(unknown)!r}")
    return {"id": row["id"], **{name: row[name] for name in fields}}


def _matches(row: dict[str, Any], domain: Sequence[Any]) -> bool:
    def leaf(name: str, operator: str, value: Any) -> bool:
        if name not in row:
            raise OdooError("builtins.ValueError", f"Invalid field {name!r} in leaf")
        found = row[name][0] if isinstance(row[name], list) else row[name]
        if operator == "in":
            return found in value
        return bool(found == value) if operator == "=" else bool(found != value)

    return all(leaf(*condition) for condition in domain)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
