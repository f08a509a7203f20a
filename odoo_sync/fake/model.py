"""The rows of a fake Odoo, and what calls do to them. Thread-safe."""

from __future__ import annotations

import uuid as uuid_module
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, cast

from odoo_sync.fake.administration import FakeCrons, FakeExternalIds, FakeParameters, administration
from odoo_sync.fake.blacklist import FakeBlacklist
from odoo_sync.fake.contacts import FakeMessages, FakePartners
from odoo_sync.fake.errors import OdooError
from odoo_sync.fake.mailings import FakeMailings
from odoo_sync.fake.orders import FakeUsers
from odoo_sync.fake.schema import schema
from odoo_sync.fake.sms import Sms, check_state, matches, read
from odoo_sync.fake.sms_book import SmsBook
from odoo_sync.fake.table import Row, Table, odoo_now
from odoo_sync.fake.traces import FakeTraces, Trace


class FakeOdoo(SmsBook):
    """One database with one user."""

    def __init__(self, database: str = "odoo", login: str = "smsrack", password: str = "secret") -> None:  # noqa: S107
        super().__init__()
        self.database, self.login, self.password = database, login, password
        self.uid = 9
        self.granted = {"read", "write", "create"}
        self.has_mailings = True
        """Whether its module for SMS mailings is installed."""
        self._last_trace_id = 0
        self.blacklist = FakeBlacklist()
        self.messages = FakeMessages()
        self.partners = FakePartners(self.messages)
        self.tables: dict[str, Table] = {}
        """Models that are rows and nothing else."""
        self.users = FakeUsers(self.uid)
        own = [self.blacklist, self.messages, self.partners, FakeTraces(self.traces), self.users]
        contacts, sources = Table("mailing.contact", ["name", "mobile"]), Table("utm.source", ["name"])
        self.made_mailings = FakeMailings(self.mailings, contacts, sources, self._queue_mailing, self._forget_mailings)
        models, shown = schema(self.made_mailings, self.install, self._remove)
        for table in [*own, contacts, sources, *shown, *administration(models)]:
            self.install(table)

    def install(self, table: Table) -> None:
        """Add a model."""
        self.tables[table.model] = table
        table.on_unlink = self._forget

    def _remove(self, model: str) -> None:
        del self.tables[model]

    def _forget(self, model: str, row_id: int) -> None:
        self._data.forget(model, row_id)

    @property
    def crons(self) -> FakeCrons:
        """Odoo's scheduled actions."""
        return cast("FakeCrons", self.tables["ir.cron"])

    @property
    def parameters(self) -> dict[str, str]:
        """Its system parameters."""
        return cast("FakeParameters", self.tables["ir.config_parameter"]).values

    @property
    def _data(self) -> FakeExternalIds:
        return cast("FakeExternalIds", self.tables["ir.model.data"])

    def add_mailing(
        self, recipients: Sequence[tuple[str, str]], name: str = "Campaign", mailing_id: int = 14
    ) -> list[Sms]:
        """Queue (number, body) pairs as an SMS mailing does."""
        with self.lock:
            self.mailings[mailing_id] = "sending"
            by_number = {row["phone_sanitized"]: row for row in reversed(self.partners.rows.values())}
            return [self._queue(number, body, [mailing_id, name], by_number.get(number)) for number, body in recipients]

    def mail_contacts(self, contacts: Sequence[Row], text: str, mailing_id: int = 14) -> list[Sms]:
        """Queue a text, and the name of each, for contacts: what cannot or must not be sent is cancelled at once.

        As Odoo searches for contacts: by name, the newest first. The first of several with a number gets it.
        """
        with self.lock:
            seen: set[str] = set()
            self.mailings[mailing_id] = "sending"
            blacklisted, rows = self.blacklist.active(), []
            for contact in sorted(contacts, key=lambda row: (row["name"], -row["id"])):
                written, number = contact["mobile"] or contact["phone"], contact["phone_sanitized"]
                body = f"{text} {contact['name']}"
                sms = self._queue(number or written, body, [mailing_id, text], contact)
                if not written:
                    self._cancel(sms, "sms_number_missing")
                elif not number:
                    self._cancel(sms, "sms_number_format")
                elif number in blacklisted:
                    self._cancel(sms, "sms_blacklist")
                elif number in seen:
                    self._cancel(sms, "sms_duplicate")
                seen.add(number)
                rows.append(sms)
            return rows

    def _queue_mailing(self, mailing_id: int, recipients: Sequence[tuple[str, str]]) -> list[Sms]:
        rows, blacklisted = self.add_mailing(recipients, mailing_id=mailing_id), self.blacklist.active()
        for row in rows:
            if row.number in blacklisted:
                self._cancel(row, "sms_blacklist")
        return rows

    def _forget_mailings(self, mailing_ids: Sequence[int]) -> None:
        for row in self.sms.values():
            if isinstance(row.mailing_id, list) and row.mailing_id[0] in mailing_ids:
                row.mailing_id = False
                self.traces.pop(row.uuid, None)

    def _queue(self, number: str, body: str, mailing: list[Any], contact: Row | None) -> Sms:
        row = self._add(Sms(self._next_id(), uuid_module.uuid4().hex, number, body, mailing, odoo_now()))
        self._last_trace_id += 1
        trace = Trace(self._last_trace_id, row.id, number, mass_mailing_id=mailing[0])
        if contact:
            row.partner_id = [contact["id"], contact["name"]]
            trace.model, trace.res_id = "res.partner", contact["id"]
        self.traces[row.uuid] = trace
        return row

    def _cancel(self, sms: Sms, failure_type: str) -> None:
        trace = self.traces[sms.uuid]
        sms.state, sms.failure_type = "canceled", failure_type
        trace.trace_status, trace.failure_type = "cancel", failure_type

    def _next_id(self) -> int:
        return len(self.sms) + 12138

    def _add(self, row: Sms) -> Sms:
        if row.uuid in self._ids:
            words = "The operation cannot be completed: UUID must be unique"
            raise OdooError("odoo.exceptions.ValidationError", words)
        row.write_date = row.create_date
        self.sms[row.id] = row
        self._ids[row.uuid] = row.id
        return row

    def check_login(self, database: str, login: str, password: str) -> int | bool:
        """`common.login`: the user's id, or False."""
        if database != self.database:
            raise OdooError("psycopg2.OperationalError", f'FATAL:  database "{database}" does not exist')
        if (login, password) == (self.login, self.password):
            return self.uid
        return self.users.check(login, password) or False

    def execute(self, call: Sequence[Any]) -> Any:
        """`object.execute_kw` and `object.execute`: (database, uid, password, model, method, arguments...)."""
        database, uid, password, model, method, *rest = call
        is_user = (uid, password) == (self.uid, self.password) or self.users.has(uid, password)
        if database != self.database or not is_user:
            raise OdooError("odoo.exceptions.AccessDenied", "Access Denied")
        if (model, method) == ("res.users", "context_get"):
            return {"lang": "en_US", "tz": "Europe/Prague", "uid": uid}
        arguments, options = (rest[0] if rest else []), (rest[1] if len(rest) > 1 else {})
        handler = getattr(self, f"_{model.replace('.', '_')}_{method}", None)
        if table := self.tables.get(model):
            table.user = [uid, self.login if uid == self.uid else self.users.rows[uid]["login"]]
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

    def _sms_sms_action_set_error(self, ids: list[int], failure_type: str) -> None:
        self._require("write")
        for row_id in ids:
            if row_id in self.sms:
                self.set_error(self.sms[row_id], failure_type)

    def _sms_sms_search_read(
        self, domain: list[Any], fields: list[str], limit: int | None = None, order: str = "id desc"
    ) -> list[dict[str, Any]]:
        self._require("read")
        found = [row for row in self.sms.values() if matches(asdict(row), domain)]
        found.sort(key=lambda row: getattr(row, order.split()[0]), reverse=order.endswith("desc"))
        return [read(asdict(row), fields) for row in found[:limit]]

    def _sms_sms_search_count(self, domain: list[Any]) -> int:
        self._require("read")
        return sum(matches(asdict(row), domain) for row in self.sms.values())

    def _sms_sms_write(self, ids: list[int], values: dict[str, Any]) -> bool:
        self._require("write")
        check_state(values)
        for row_id in ids:
            for name, value in {**values, "write_date": odoo_now()}.items() if row_id in self.sms else ():
                setattr(self.sms[row_id], name, value)
        return True

    def _sms_sms_create(self, values: dict[str, Any] | list[dict[str, Any]]) -> int | list[int]:
        self._require("create")
        if isinstance(values, list):
            return [self._create(each).id for each in values]
        return self._create(values).id

    def _create(self, values: dict[str, Any]) -> Sms:
        check_state(values)
        defaults = {"uuid": uuid_module.uuid4().hex, "number": "", "body": "", "mailing_id": False}
        return self._add(Sms(**{"id": self._next_id(), "create_date": odoo_now(), **defaults, **values}))

    def _sms_sms_fields_get(self, names: list[str], attributes: list[str]) -> dict[str, Any]:
        self._require("read")
        types = {"mailing_id": "many2one"} if self.has_mailings else {}
        return {name: {key: types[name] for key in attributes if key == "type"} for name in names if name in types}

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
