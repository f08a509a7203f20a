"""`sale.order` and `pos.order` of a fake Odoo, where they are installed; and its users."""

from __future__ import annotations

from typing import Any

from odoo_sync.fake.administration import ADMIN_ID
from odoo_sync.fake.errors import OdooError
from odoo_sync.fake.table import Row, Table

ADMIN_LOGIN = "admin"
_FIELDS = ["name", "partner_id", "date_order", "amount_total", "currency_id", "state"]


class FakeOrders(Table):
    """Orders of a shop or a till."""

    def __init__(self, model: str) -> None:
        super().__init__(model, _FIELDS)


class FakeUsers(Table):
    """`res.users`, with those that every Odoo has: `share` says that one is not of the staff."""

    def __init__(self, uid: int) -> None:
        super().__init__("res.users", ["name", "login", "partner_id", "groups_id", "share", "active"])
        self._passwords: dict[int, str] = {ADMIN_ID: ADMIN_LOGIN}
        for user_id, name, share, active in (
            (1, "OdooBot", False, False),
            (2, "Administrator", False, True),
            (4, "Public user", True, False),
            (uid, "smsrack", False, True),
        ):
            self.rows[user_id] = dict.fromkeys(self.fields, False) | {
                "id": user_id,
                "name": name,
                "display_name": name,
                "login": {1: "__system__", ADMIN_ID: ADMIN_LOGIN, 4: "public"}.get(user_id, "smsrack"),
                "share": share,
                "active": active,
                "groups_id": [],
            }

    def add(self, **values: Any) -> Row:
        """Make a user."""
        return super().add(**{"groups_id": [], **values})

    def require(self, operation: str) -> None:
        """Everybody may read them, the administrator may change them."""
        if operation != "read" and self.user[0] != ADMIN_ID:
            self.refused.add(operation)
            super().require(operation)

    def check_access_rights(self, operation: str, raise_exception: bool = True) -> bool:
        """See Odoo's."""
        return operation == "read" or self.user[0] == ADMIN_ID

    def create(self, values: Row | list[Row], context: Row | None = None) -> int | list[int]:
        """Make one user; its password can be read by nobody. A login is there once."""
        if isinstance(values, list):
            raise OdooError("builtins.NotImplementedError", "one at a time")
        if any(row["login"] == values["login"] for row in self.rows.values()):
            words = "The operation cannot be completed: You can not have two users with the same login!"
            raise OdooError("odoo.exceptions.ValidationError", words)
        password = values.get("password", "")
        made = super().create({name: value for name, value in values.items() if name != "password"}, context)
        self._passwords[int(made)] = password  # type: ignore[arg-type]
        self.rows[int(made)]["display_name"] = values["login"]  # type: ignore[arg-type]
        return made

    def check(self, login: str, password: str) -> int | None:
        """Give the id of a user that was made, where the password is its own."""
        return next(
            (row["id"] for row in self.rows.values() if row["login"] == login and self.has(row["id"], password)), None
        )

    def has(self, uid: int, password: str) -> bool:
        """Tell whether a user that was made is there and has this password."""
        row = self.rows.get(uid)
        return row is not None and bool(row["active"]) and bool(password) and self._passwords.get(uid) == password
