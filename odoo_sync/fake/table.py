"""A model of a fake Odoo as plain rows: what search, read, write and create do to any of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from odoo_sync.fake.errors import OdooError

Row = dict[str, Any]
_LEAVES: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda found, value: bool(found == value),
    "!=": lambda found, value: bool(found != value),
    "in": lambda found, value: found in value,
    "not in": lambda found, value: found not in value,
    ">": lambda found, value: bool(found and found > value),
    ">=": lambda found, value: bool(found and found >= value),
    "<": lambda found, value: bool(found and found < value),
    "<=": lambda found, value: bool(found and found <= value),
}


class Table:
    """The rows of one model. Fields that a row lacks are False, as in Odoo; unknown ones are errors."""

    def __init__(self, model: str, fields: Sequence[str], now: Callable[[], str] | None = None) -> None:
        self.model = model
        self.fields = {"id", "display_name", "create_date", "write_date", "write_uid", *fields}
        self._rows: dict[int, Row] = {}
        self.user: list[Any] = [9, "smsrack"]
        """Who writes."""
        self.refused: set[str] = set()
        """Operations for which the user lacks the right."""
        self.now = now or odoo_now
        self._last_id = 300
        self.on_unlink: Callable[[str, int], None] = lambda model, row_id: None
        """Is told of rows that are deleted."""

    @property
    def rows(self) -> dict[int, Row]:
        """All rows, by id."""
        return self._rows

    def add(self, **values: Any) -> Row:
        """Make a row as Odoo's own people do."""
        self._last_id += 7
        now = self.now()
        row: Row = dict.fromkeys(self.fields, False) | {
            "id": self._last_id,
            "create_date": now,
            "write_date": now,
            "write_uid": [2, "Administrator"],
        }
        if "active" in self.fields:
            row["active"] = True
        self.rows[row["id"]] = row | values
        self.rows[row["id"]]["display_name"] = row.get("name") or values.get("name") or f"{self.model},{row['id']}"
        return self.rows[row["id"]]

    def change(self, row: Row, author: Sequence[Any] = (2, "Administrator"), **values: Any) -> None:
        """Change a row as somebody."""
        row |= {"write_date": self.now(), "write_uid": list(author), **values}

    def check_access_rights(self, operation: str, raise_exception: bool = True) -> bool:
        """See Odoo's."""
        if operation in self.refused and raise_exception:
            self.require(operation)
        return operation not in self.refused

    def search_read(
        self,
        domain: Sequence[Any],
        fields: Sequence[str],
        offset: int = 0,
        limit: int | None = None,
        order: str = "id desc",
        context: Row | None = None,
    ) -> list[Row]:
        """See Odoo's."""
        self.require("read")
        unknown = set(fields) - self.fields
        if unknown:
            raise OdooError("builtins.ValueError", f"Invalid field {min(unknown)!r} on model {self.model!r}")
        shows_all = "active" not in self.fields or (context or {}).get("active_test") is False
        found = [row for row in self.rows.values() if (shows_all or row["active"]) and self.matches(row, domain)]
        found.sort(key=lambda row: row["id"], reverse=order.endswith("desc"))
        chosen = found[offset:][:limit]
        return [{"id": row["id"], **{name: row[name] for name in fields}} for row in chosen]

    def search_count(self, domain: Sequence[Any]) -> int:
        """See Odoo's."""
        return len(self.search_read(domain, ["id"]))

    def write(self, ids: Sequence[int], values: Row) -> bool:
        """See Odoo's; rows that are gone are passed over."""
        self.require("write")
        for row_id in ids:
            if row_id in self.rows:
                self.change(self.rows[row_id], self.user, **self._read_values(values, self.rows[row_id]))
        return True

    def create(self, values: Row | list[Row], context: Row | None = None) -> int | list[int]:
        """See Odoo's."""
        self.require("create")
        rows = [self.add(**self._read_values(each, {})) for each in (values if isinstance(values, list) else [values])]
        for row in rows:
            self.change(row, self.user)
        return [int(row["id"]) for row in rows] if isinstance(values, list) else int(rows[0]["id"])

    def unlink(self, ids: Sequence[int]) -> bool:
        """See Odoo's; rows that are gone are passed over."""
        self.require("unlink")
        for row_id in ids:
            if self.rows.pop(row_id, None) is not None:
                self.on_unlink(self.model, row_id)
        return True

    def _read_values(self, values: Row, row: Row) -> Row:
        """Give values with what the commands of an x2many make of the ids that a row has."""
        unknown = set(values) - self.fields
        if unknown:
            raise OdooError("builtins.ValueError", f"Invalid field {min(unknown)!r} on model {self.model!r}")
        return {name: _commanded(value, row.get(name) or []) for name, value in values.items()}

    def require(self, operation: str) -> None:
        """Raise what Odoo answers a user who lacks a right."""
        if operation in self.refused:
            words = (
                f"You are not allowed to access '{self.model}' ({self.model}) records.\n\nContact your administrator."
            )
            raise OdooError("odoo.exceptions.AccessError", words)

    def matches(self, row: Row, domain: Sequence[Any]) -> bool:
        """Tell whether a domain holds, in prefix notation; what stands beside each other is joined by `&`."""
        rest = list(domain)

        def term() -> bool:
            head = rest.pop(0)
            if head == "|":
                first, second = term(), term()
                return first or second
            if head == "&":
                first, second = term(), term()
                return first and second
            if head == "!":
                return not term()
            return self.leaf(row, *head)

        holds = True
        while rest:
            holds = term() and holds
        return holds

    def leaf(self, row: Row, name: str, operator: str, value: Any) -> bool:
        """Tell whether one condition holds."""
        if name not in self.fields:
            raise OdooError(
                "builtins.ValueError", f"Invalid field {self.model}.{name} in leaf ({name!r}, {operator!r})"
            )
        found = row[name][0] if isinstance(row[name], list) and row[name] else row[name]
        return _LEAVES[operator](found, value)


def _commanded(value: Any, ids: Sequence[int]) -> Any:
    """Do what (6, 0, ids), (4, id) and (3, id) say; other values stay."""
    if not isinstance(value, list) or not all(isinstance(command, list) for command in value):
        return value
    kept = set(ids)
    for command, *operands in value:
        kept = set(operands[1]) if command == 6 else kept | {operands[0]} if command == 4 else kept - {operands[0]}
    return sorted(kept)


def odoo_now() -> str:
    """Give the time as Odoo writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
