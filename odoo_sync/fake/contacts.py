"""`res.partner` and `mail.message` of a fake Odoo: contacts, and what stands in their chatter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from odoo_sync.fake.blacklist import sanitized
from odoo_sync.fake.errors import OdooError
from odoo_sync.fake.table import Row, Table

_FIELDS = [
    "name",
    "phone",
    "mobile",
    "phone_sanitized",
    "country_code",
    "email",
    "lang",
    "city",
    "category_id",
    "is_company",
    "active",
]
_KNOWN_OPTIONS = {"body", "body_is_html", "message_type", "subtype_xmlid", "message_id", "date", "author_id"}


class FakeMessages(Table):
    """`mail.message`."""

    def __init__(self) -> None:
        super().__init__("mail.message", ["model", "res_id", "body", "message_id", "date", "message_type"])


class FakePartners(Table):
    """`res.partner`. Of two numbers only the mobile one is in `phone_sanitized`."""

    def __init__(self, messages: FakeMessages, *, has_mobile: bool = True) -> None:
        """`has_mobile`: as in Odoo 17 and 18."""
        super().__init__("res.partner", [field for field in _FIELDS if has_mobile or field != "mobile"])
        self._messages = messages
        self.user_has_email = True

    def add(self, **values: Any) -> Row:
        """Make a contact."""
        row = super().add(**{"category_id": [], **values})
        row["phone_sanitized"] = next(filter(None, map(_try_sanitized, (row.get("mobile"), row["phone"]))), False)
        return row

    def leaf(self, row: Row, name: str, operator: str, value: Any) -> bool:
        """`phone_mobile_search` compares both fields as they are written, with + or 00."""
        if name != "phone_mobile_search":
            return super().leaf(row, name, operator, value)
        if len(value) < 3:
            raise OdooError(
                "odoo.exceptions.UserError", "Please enter at least 3 characters when searching a Phone/Mobile."
            )
        wanted = re.sub(r"^(\+|00)", "", value)
        written = (re.sub(r"[^0-9+]", "", row.get(field) or "") for field in ("phone", "mobile"))
        return any(number in (f"+{wanted}", f"00{wanted}") for number in written)

    def message_post(self, ids: Sequence[int], **values: Any) -> int:
        """Post a note to one contact; the message id is not unique."""
        self.require("write")
        unknown = set(values) - _KNOWN_OPTIONS
        if unknown:
            raise OdooError("builtins.ValueError", f"Those values are not supported when posting: {', '.join(unknown)}")
        if len(ids) != 1:
            raise OdooError("builtins.ValueError", f"Expected singleton: res.partner{tuple(ids)}")
        if ids[0] not in self.rows:
            words = f"Record does not exist or has been deleted.\n(Record: res.partner({ids[0]},), User: 2)"
            raise OdooError("odoo.exceptions.MissingError", words)
        if not self.user_has_email:
            words = "Unable to send message, please configure the sender's email address."
            raise OdooError("odoo.exceptions.UserError", words)
        return self.post(self.rows[ids[0]], **values)

    def post(self, row: Row, body: str = "", **values: Any) -> int:
        """Put a note into a contact's chatter; give its id."""
        message = self._messages.add(
            model="res.partner",
            res_id=row["id"],
            body=body,
            message_id=values.get("message_id", "<made@odoo>"),
            date=values.get("date") or self.now(),
            message_type=values.get("message_type", "notification"),
        )
        return int(message["id"])

    def chatter(self, row: Row) -> list[str]:
        """Give what stands in a contact's chatter, oldest first."""
        return [message["body"] for message in self._messages.rows.values() if message["res_id"] == row["id"]]


def _try_sanitized(written: str | bool | None) -> str | None:
    with suppress(OdooError):
        return sanitized(str(written)) if written else None
    return None
