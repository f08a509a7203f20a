"""Values of rows that Odoo had before us, changed so that they can be put back.

What was there stands in Odoo itself, in the system parameter `smsrack.setup` that only the group Settings can read, and
is written before the change: a token of Odoo's can be among it. What somebody has changed since is theirs, and left.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooRejectedError
from odoo_sync.setup.records import Ref, XmlId

MEMORY = "smsrack.setup"
"""The system parameter."""
PARAMETERS = "ir.config_parameter"
Values = dict[str, Any]


@dataclass(frozen=True)
class Joined:
    """Rows that an x2many is to have beside those that it has."""

    rows: tuple[Ref | XmlId, ...]


@dataclass(frozen=True)
class Change:
    """What fields of one row are to be; with the model PARAMETERS and no row, what system parameters are to be."""

    name: str
    """Unique among all changes that setup makes."""
    model: str
    row_id: int | None
    values: Mapping[str, Any] = field(repr=False)
    words: str
    """What it does, to a person: `set Odoo's SMS cron to every minute`."""
    also: Mapping[str, Any] = field(default_factory=dict)
    """Written with them, but neither compared nor put back: what moves by itself."""


@dataclass(frozen=True)
class Made:
    """A change that was made."""

    name: str
    model: str
    row_id: int | None
    was: Values = field(repr=False)
    set_to: Values = field(repr=False)


class Outcome(Enum):
    """How it went with taking back a change."""

    RESTORED = "as it was"
    CHANGED_SINCE = "somebody has changed it since: left as it is"
    GONE = "it is not there any more"


class Changes:
    """The changes of one database. Its client's user needs the group Settings."""

    def __init__(self, client: OdooClient, id_of: Callable[[Ref | XmlId], int]) -> None:
        """`id_of` raises OdooRejectedError for what is not there."""
        self._client, self._id_of = client, id_of

    def is_made(self, change: Change) -> bool:
        """Tell whether Odoo has these values, from whomever. Raises OdooSyncError."""
        found = self._read(change.model, change.row_id, list(change.values))
        if found is None:
            return False
        try:
            return all(_same(found[name], self._target(found[name], value)) for name, value in change.values.items())
        except OdooRejectedError:  # a row that is to join is not made yet
            return False

    def make(self, change: Change) -> None:
        """Remember what is there and change it. Raises OdooSyncError; may be repeated."""
        found = self._read(change.model, change.row_id, list(change.values)) or {}
        targets = {name: self._target(found.get(name, False), value) for name, value in change.values.items()}
        memory = self._memory()
        entry = memory.setdefault(change.name, {"model": change.model, "id": change.row_id, "was": {}, "set": {}})
        for name, target in targets.items():
            if name not in entry["set"] or found.get(name) != entry["set"][name]:
                entry["was"][name] = found.get(name, False)
            entry["set"][name] = target
        self._remember(memory)
        commands = {
            name: [[4, self._id_of(row)] for row in value.rows] if isinstance(value, Joined) else value
            for name, value in change.values.items()
        }
        self._write(change.model, change.row_id, {**commands, **change.also})

    def made(self) -> list[Made]:
        """Give the changes that were made in this database, the newest first."""
        return [
            Made(name, entry["model"], entry["id"], entry["was"], entry["set"])
            for name, entry in reversed(self._memory().items())
        ]

    def take_back(self, made: Made) -> Outcome:
        """Put back what was there before a change. Raises OdooSyncError; may be repeated."""
        found = self._read(made.model, made.row_id, list(made.set_to))
        outcome, values = Outcome.RESTORED, {}
        for name, set_to in made.set_to.items() if found is not None else ():
            was, now = made.was[name], (found or {})[name]
            if isinstance(set_to, list):
                values[name] = [[3, row_id] for row_id in set_to if row_id not in was and row_id in now]
            elif now == set_to:
                values[name] = was
            elif now != was:
                outcome = Outcome.CHANGED_SINCE
        if values:
            self._write(made.model, made.row_id, values)
        memory = self._memory()
        memory.pop(made.name, None)
        self._remember(memory)
        return Outcome.GONE if found is None else outcome

    def parameter(self, key: str) -> str:
        """Give a system parameter, empty where it is not set."""
        return str(self._client.call("ir.config_parameter", "get_param", [key]) or "")

    def _target(self, found: Any, value: Any) -> Any:
        return sorted({*(found or []), *map(self._id_of, value.rows)}) if isinstance(value, Joined) else value

    def _read(self, model: str, row_id: int | None, fields: Sequence[str]) -> Values | None:
        if row_id is None:
            return {key: self.parameter(key) or False for key in fields}
        options = {"context": {"active_test": False}}
        rows = self._client.call_any(model, "search_read", [[["id", "=", row_id]], list(fields)], options)
        return dict(rows[0]) if rows else None

    def _write(self, model: str, row_id: int | None, values: Mapping[str, Any]) -> None:
        if row_id is not None:
            self._client.call_any(model, "write", [[row_id], dict(values)])
            return
        for key, value in values.items():  # False takes it away
            self._client.call("ir.config_parameter", "set_param", [key, value])

    def _memory(self) -> dict[str, Any]:
        return dict(json.loads(self.parameter(MEMORY) or "{}"))

    def _remember(self, memory: Mapping[str, Any]) -> None:
        self._client.call("ir.config_parameter", "set_param", [MEMORY, json.dumps(memory) if memory else False])


def _same(found: Any, value: Any) -> bool:
    return bool(sorted(found) == value if isinstance(value, list) else found == value)
