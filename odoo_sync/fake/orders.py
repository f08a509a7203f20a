"""`sale.order` and `pos.order` of a fake Odoo, where they are installed; and its users."""

from __future__ import annotations

from odoo_sync.fake.table import Table

_FIELDS = ["name", "partner_id", "date_order", "amount_total", "currency_id", "state"]


class FakeOrders(Table):
    """Orders of a shop or a till."""

    def __init__(self, model: str) -> None:
        super().__init__(model, _FIELDS)


class FakeUsers(Table):
    """`res.users`, with those that every Odoo has: `share` says that one is not of the staff."""

    def __init__(self, uid: int) -> None:
        super().__init__("res.users", ["name", "share", "active"])
        for user_id, name, share, active in (
            (1, "OdooBot", False, False),
            (2, "Administrator", False, True),
            (4, "Public user", True, False),
            (uid, "smsrack", False, True),
        ):
            self.rows[user_id] = dict.fromkeys(self.fields, False) | {
                "id": user_id,
                "name": name,
                "share": share,
                "active": active,
            }
