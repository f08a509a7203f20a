"""A row of `sms.sms` of a fake Odoo, and what calls may ask of it."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from odoo_sync.fake.errors import OdooError

_STATES = ("outgoing", "process", "pending", "sent", "error", "canceled")
_OPERATORS = {"=": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge, "<": operator.lt}


@dataclass
class Sms:
    """A row of sms.sms."""

    id: int
    uuid: str
    number: str
    body: str
    mailing_id: list[Any] | bool
    create_date: str
    state: str = "outgoing"
    failure_type: str | bool = False
    to_delete: bool = False
    write_date: str = ""
    partner_id: list[Any] | bool = False
    mail_message_id: list[Any] | bool = False


def check_state(values: dict[str, Any]) -> None:
    """Raise what Odoo answers to a state that there is not."""
    if values.get("state", "outgoing") not in _STATES:
        raise OdooError("builtins.ValueError", f"Wrong value for sms.sms.state: {values['state']!r}")


def read(row: dict[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """Give some fields of a row."""
    unknown = set(fields) - row.keys()
    if unknown:
        raise OdooError("builtins.ValueError", f"Invalid field {min(unknown)!r}")
    return {"id": row["id"], **{name: row[name] for name in fields}}


def matches(row: dict[str, Any], domain: Sequence[Any]) -> bool:
    """Tell whether all conditions hold."""

    def leaf(name: str, comparison: str, value: Any) -> bool:
        if name not in row:
            raise OdooError("builtins.ValueError", f"Invalid field {name!r} in leaf")
        found = row[name][0] if isinstance(row[name], list) else row[name]
        if comparison == "in":
            return found in value
        if comparison == "=like":
            return str(found).startswith(value.removesuffix("%"))
        return bool(_OPERATORS[comparison](found, value))

    return all(leaf(*condition) for condition in domain)
