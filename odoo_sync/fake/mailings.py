"""`mailing.mailing` of a fake Odoo with those that are made by calls."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Sequence
from typing import Any

from odoo_sync.fake.errors import OdooError
from odoo_sync.fake.table import Row, Table

_FIRST_MADE = 315
_FIELDS = [
    "state",
    "active",
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


class FakeMailings(Table):
    """`mailing.mailing`: a row for each of the fake's mailings. Those made by calls go to `mailing.contact`."""

    def __init__(
        self,
        states: dict[int, str],
        contacts: Table,
        sources: Table,
        queue: Callable[[int, Recipients], Any],
        forget: Callable[[Sequence[int]], None],
    ) -> None:
        """`states` are those of all mailings, by id.

        `queue` makes the SMS of a mailing, `forget` takes the traces of mailings away.
        """
        super().__init__("mailing.mailing", _FIELDS)
        self._states, self._contacts, self._sources = states, contacts, sources
        self._queue, self._forget_traces = queue, forget
        self.provide: Callable[[int], None] | None = None
        """Sends what waits of a mailing to Odoo's provider, within the call."""
        self.hand_over: Callable[[int, int, Recipients], Any] | None = None
        """The module's: makes the SMS of a mailing for one of its phones."""
        self.ticks: dict[str, set[int]] = {}
        """The mailings that are ticked, by field; such fields are made by hand."""

    @property
    def rows(self) -> dict[int, Row]:
        """See Table; what is not among the states is gone."""
        blank = dict.fromkeys(self.fields, False) | {"active": True}
        return {
            mailing: {**blank, **self._rows.get(mailing, {}), "id": mailing, "state": state}
            | {name: mailing in ticked for name, ticked in self.ticks.items()}
            for mailing, state in self._states.items()
        }

    def fields_get(self, names: list[str], attributes: list[str]) -> dict[str, Any]:
        """Give the types of those ticks that there are."""
        return {name: {"type": "boolean"} for name in names if name in self.ticks and "type" in attributes}

    def let_tick(self, name: str) -> None:
        """Have a tick of this name."""
        self.fields.add(name)
        self.ticks[name] = set()

    def lose_tick(self, name: str) -> None:
        """Have it no more."""
        self.fields.discard(name)
        self.ticks.pop(name, None)

    def add(self, **values: Any) -> Row:
        """See Table: it is a draft, and a source is made of its name."""
        source = self._sources.add(name=f"{values['subject']} (Mass Mailing)")
        mailing = next(n for n in itertools.count(_FIRST_MADE) if n not in self._states)
        self._states[mailing] = "draft"
        self._rows[mailing] = {**values, "source_id": [source["id"], source["name"]]}
        return self.rows[mailing]

    def unlink(self, ids: Sequence[int]) -> bool:
        """See Odoo's: traces go with their mailing, SMS stay."""
        self.require("unlink")
        for mailing in ids:
            self._states.pop(mailing, None)
            self._rows.pop(mailing, None)
        self._forget_traces(ids)
        return True

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

    def _of(self, ids: Sequence[int]) -> list[Row]:
        self.require("write")
        return [self.rows[row_id] for row_id in ids]

    def _recipients(self, row: Row) -> Recipients:
        ((_, _, wanted),) = ast.literal_eval(row["mailing_domain"])
        return [(self._contacts.rows[contact]["mobile"], row["body_plaintext"]) for contact in wanted]
