"""`mailing.mailing` of a fake Odoo and what it stands on, for what makes a mailing by calls."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

from odoo_sync.fake.errors import OdooError
from odoo_sync.fake.table import Row, Table

_MAILING = [
    "subject",
    "email_from",
    "mailing_type",
    "mailing_model_id",
    "mailing_domain",
    "body_plaintext",
    "sms_allow_unsubscribe",
    "sms_force_send",
    "sms_provider",
    "gateway_phone_forced_id",
    "source_id",
]
Recipients = Sequence[tuple[str, str]]


class MadeByCalls(Table):
    """A model whose rows are made and deleted by calls."""

    def create(self, values: list[Row] | Row) -> int | list[int]:
        """See Odoo's."""
        self.require("create")
        rows = [self._make(each) for each in (values if isinstance(values, list) else [values])]
        ids = [int(row["id"]) for row in rows]
        return ids if isinstance(values, list) else ids[0]

    def unlink(self, ids: Sequence[int]) -> bool:
        """See Odoo's; rows that are gone are passed over."""
        self.require("unlink")
        for row_id in ids:
            self.rows.pop(row_id, None)
        return True

    def _make(self, values: Row) -> Row:
        unknown = set(values) - self.fields
        if unknown:
            raise OdooError("builtins.ValueError", f"Invalid field {min(unknown)!r} on model {self.model!r}")
        row = self.add(**values)
        self.change(row, self.user)
        return row


class FakeMailings(MadeByCalls):
    """SMS mailings to `mailing.contact`."""

    def __init__(
        self,
        contacts: Table,
        sources: Table,
        queue: Callable[[int, Recipients], Any],
        forget: Callable[[Sequence[int]], None],
    ) -> None:
        """`queue` makes the SMS of a mailing, `forget` takes the traces of mailings away."""
        super().__init__("mailing.mailing", _MAILING)
        self._contacts, self._sources, self._queue, self._forget = contacts, sources, queue, forget
        self.provide: Callable[[int], None] | None = None
        """Sends what waits of a mailing to Odoo's provider, within the call."""
        self.hand_over: Callable[[int, int, Recipients], Any] | None = None
        """The module's: makes the SMS of a mailing for one of its phones."""

    def action_send_sms(self, ids: Sequence[int]) -> bool:
        """Make the SMS; with force send they leave within the call."""
        for row in self._of(ids):
            self._queue(row["id"], self._recipients(row))
            if row["sms_force_send"] and self.provide is not None:
                self.provide(row["id"])
        return True

    def action_force_create_sms_queue(self, ids: Sequence[int]) -> Row:
        """Make the SMS for the phone of the module; without the module there is no such method."""
        if self.hand_over is None:
            words = "The method 'mailing.mailing.action_force_create_sms_queue' does not exist"
            raise OdooError("builtins.AttributeError", words)
        for row in self._of(ids):
            self.hand_over(row["id"], row["gateway_phone_forced_id"], self._recipients(row))
        return {"type": "ir.actions.client", "tag": "display_notification", "params": {"title": "SMS Queue Created"}}

    def unlink(self, ids: Sequence[int]) -> bool:
        """See Odoo's: traces go with their mailing, SMS stay."""
        super().unlink(ids)
        self._forget(ids)
        return True

    def _make(self, values: Row) -> Row:
        row = super()._make(values)
        source = self._sources.add(name=f"{row['subject']} (Mass Mailing)")
        row["source_id"] = [source["id"], source["name"]]
        return row

    def _of(self, ids: Sequence[int]) -> list[Row]:
        self.require("write")
        return [self.rows[row_id] for row_id in ids]

    def _recipients(self, row: Row) -> Recipients:
        ((_, _, wanted),) = ast.literal_eval(row["mailing_domain"])
        return [(self._contacts.rows[contact]["mobile"], row["body_plaintext"]) for contact in wanted]


def add_mailings(
    install: Callable[[Table], None],
    queue: Callable[[int, Recipients], Any],
    forget: Callable[[Sequence[int]], None],
) -> FakeMailings:
    """Install the models of mailings; give that of the mailings themselves."""
    contacts, sources = MadeByCalls("mailing.contact", ["name", "mobile"]), MadeByCalls("utm.source", ["name"])
    models = Table("ir.model", ["model"])
    models.add(model="mailing.contact")
    mailings = FakeMailings(contacts, sources, queue, forget)
    for table in (contacts, sources, models, mailings):
        install(table)
    return mailings
