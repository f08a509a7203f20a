"""`sms.gateway.phone` of a fake Odoo, as calls see it, and what the module `sms_gateway` brings along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from odoo_sync.fake.administration import AdminTable, add_module
from odoo_sync.fake.gateway_inbox import Phone
from odoo_sync.fake.model import FakeOdoo
from odoo_sync.fake.orders import FakeOrders
from odoo_sync.fake.table import Row


class FakeModulePhones(AdminTable):
    """Every user reads them, keys and all; the administrator changes them."""

    def __init__(self, phones: dict[int, Phone]) -> None:
        """`phones` are those of the module, by id."""
        super().__init__("sms.gateway.phone", [field.name for field in fields(Phone)])
        self._phones = phones

    @property
    def rows(self) -> dict[int, Row]:
        """The phones as they are now."""
        blank: Row = dict.fromkeys(self.fields, False)
        return {phone.id: blank | _shown(phone) for phone in self._phones.values()}

    def change(self, row: Row, author: Sequence[Any] = (2, "Administrator"), **values: Any) -> None:
        """See Table."""
        for name, value in values.items():
            setattr(self._phones[row["id"]], name, value)

    def require(self, operation: str) -> None:
        """See Table."""
        if operation != "read":
            super().require(operation)

    def check_access_rights(self, operation: str, raise_exception: bool = True) -> bool:
        """See Odoo's."""
        return operation == "read" or super().check_access_rights(operation, raise_exception)


def add_sms_gateway(odoo: FakeOdoo, phones: dict[int, Phone]) -> None:
    """Install the module and those that it needs, with their models."""
    odoo.install(FakeModulePhones(phones))
    for model in ("sale.order", "pos.order"):
        odoo.install(FakeOrders(model))
    for module, models in (
        ("sale", ["sale.order"]),
        ("point_of_sale", ["pos.order"]),
        ("sms_gateway", ["sms.gateway.phone"]),
    ):
        add_module(odoo.tables, module, models)


def _shown(phone: Phone) -> Row:
    beat = phone.last_heartbeat
    return {
        **asdict(phone),
        "last_heartbeat": beat.strftime("%Y-%m-%d %H:%M:%S") if beat else False,
        "display_name": phone.name,
    }
