"""`phone.blacklist` of a fake Odoo."""

from __future__ import annotations

from collections.abc import Sequence

import phonenumbers

from odoo_sync.fake.errors import OdooError
from odoo_sync.fake.table import Row, Table

_HOME = "CZ"


class FakeBlacklist(Table):
    """Numbers that must not be written to; archived ones are off the list."""

    def __init__(self) -> None:
        super().__init__("phone.blacklist", ["number", "active"])

    def create(self, values: Row | list[Row], context: Row | None = None) -> int | list[int]:
        """Set numbers: known ones keep their row, archived ones are set again; one bad number refuses all."""
        self.require("create")
        numbers = [sanitized(row["number"]) for row in (values if isinstance(values, list) else [values])]
        ids = [self._set(number) for number in dict.fromkeys(numbers)]
        return ids if isinstance(values, list) else ids[0]

    def remove(self, ids: Sequence[int], number: str, message: str | None = None) -> str:
        """Archive a number; the answer is a string."""
        self.require("write")
        row = self.of(sanitized(number))
        if row is None:
            row = self.add(number=sanitized(number), active=False)
        self.change(row, self.user, active=False)
        return f"phone.blacklist({row['id']},)"

    def set_by_odoo(self, number: str) -> None:
        """Set a number as Odoo's own code does, for nobody in particular."""
        row = self.of(number) or self.add(number=number)
        self.change(row, (1, "OdooBot"), active=True)

    def of(self, number: str) -> Row | None:
        """Give a number's row."""
        return next((row for row in self.rows.values() if row["number"] == number), None)

    def active(self) -> set[str]:
        """Give the numbers that are on the list."""
        return {row["number"] for row in self.rows.values() if row["active"]}

    def _set(self, number: str) -> int:
        row = self.of(number)
        if row is None:
            row = self.add(number=number)
            self.change(row, self.user)
        elif not row["active"]:
            self.change(row, self.user, active=True)
        return int(row["id"])


def sanitized(written: str) -> str:
    """Give a number in E.164, as a Czech company reads it."""
    try:
        number = phonenumbers.parse(written, _HOME)
    except phonenumbers.NumberParseException as error:
        words = f"Unable to parse {written}: {error} Please correct the number and try again."
        raise OdooError("odoo.exceptions.UserError", words) from error
    if not phonenumbers.is_possible_number(number):
        raise OdooError("odoo.exceptions.UserError", f"Impossible number {written}: not a valid phone number.")
    if not phonenumbers.is_valid_number(number):
        raise OdooError("odoo.exceptions.UserError", f"Invalid number {written}: probably incorrect prefix")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
