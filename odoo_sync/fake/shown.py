"""What setup adds to an Odoo so that people see the rack there, in a fake one: rows of the same fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from odoo_sync.fake.model import FakeOdoo
from odoo_sync.fake.table import Row, Table
from odoo_sync.setup.shown import INBOUND, INBOUND_FIELDS, PAUSED, PHONE, PHONE_FIELDS, Field


class ShownRows(Table):
    """A manual model. Nothing keeps a key of it unique."""

    def __init__(self, model: str, fields: Sequence[Field]) -> None:
        super().__init__(model, [name for name, *_ in fields])
        self.types = {name: kind for name, kind, *_ in fields}

    def add(self, **values: Any) -> Row:
        """See Table; a number that is not given is 0."""
        numbers = [name for name, kind in self.types.items() if kind == "integer"]
        return super().add(**dict.fromkeys(numbers, 0) | values)

    def fields_get(self, names: Sequence[str], attributes: Sequence[str]) -> dict[str, Any]:
        """Give the types of those fields that there are."""
        return {name: {"type": self.types[name]} for name in names if name in self.types and "type" in attributes}


class FakeMailings(Table):
    """`mailing.mailing`, one row for each of the fake's mailings; only with setup they can be ticked."""

    def __init__(self, odoo: FakeOdoo, *, has_tick: bool = True) -> None:
        super().__init__("mailing.mailing", ["state", "active", *([PAUSED] if has_tick else [])])
        self._odoo = odoo
        self.ticked: set[int] = set()

    @property
    def rows(self) -> dict[int, Row]:
        """All mailings, by id."""
        return {
            mailing: {"id": mailing, "state": state, "active": True, PAUSED: mailing in self.ticked}
            for mailing, state in self._odoo.mailings.items()
        }

    def fields_get(self, names: Sequence[str], attributes: Sequence[str]) -> dict[str, Any]:
        """Give the types of those fields that there are."""
        known = {PAUSED: "boolean", "state": "selection"}
        return {name: {"type": known[name]} for name in names if name in self.fields and "type" in attributes}


def show_in(odoo: FakeOdoo) -> FakeMailings:
    """Let a fake Odoo have what setup adds; give its mailings."""
    mailings = FakeMailings(odoo)
    for table in (ShownRows(PHONE, PHONE_FIELDS), ShownRows(INBOUND, INBOUND_FIELDS), mailings):
        odoo.install(table)
    return mailings


def hide_in(odoo: FakeOdoo) -> None:
    """Take it away again."""
    for model in (PHONE, INBOUND):
        odoo.tables.pop(model, None)
    odoo.install(FakeMailings(odoo, has_tick=False))
