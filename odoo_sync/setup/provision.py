"""Makes records in an Odoo, each once, and removes exactly these.

The external id is written before the row, without an id: so what a lost answer or a kill leaves behind is found by its
key at the next run, and is known to be ours. A row of that key that was there before us is used, and never removed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooRejectedError
from odoo_sync.setup.records import Record, Ref, XmlId, filled_in

MODULE = "smsrack"
"""Of our external ids."""
_ALL = {"context": {"active_test": False}}


class Found(Enum):
    """How a record stands in Odoo."""

    MISSING = "missing"
    OURS = "ours"
    FOREIGN = "foreign"
    """Somebody else's row has its key: it does as well, and is not removed."""


@dataclass(frozen=True)
class OwnRow:
    """A row that setup has made."""

    data_id: int
    """Of the external id."""
    name: str
    model: str
    res_id: int | None
    """None: its making was begun, and nobody knows whether it came to it."""


class Provisioner:
    """The rows of ours in one database. Its client's user needs the group Settings."""

    def __init__(self, client: OdooClient) -> None:
        self._client = client
        self._ids: dict[Ref | XmlId, int] = {}

    def find(self, record: Record) -> Found:
        """Say how a record stands; changes nothing. What it refers to need not be there. Raises OdooSyncError."""
        own = self._own(record.name)
        if own is not None and own.res_id is not None and self._exists(own.model, own.res_id):
            self._ids[Ref(record.name)] = own.res_id
            return Found.OURS
        if own is not None:
            return Found.MISSING
        return Found.MISSING if self._twin(record) is None else Found.FOREIGN

    def make(self, record: Record) -> int:
        """Make a record unless it is there; give its id. What it refers to must be. Raises OdooSyncError."""
        own = self._own(record.name)
        if own is not None and own.res_id is not None and self._exists(own.model, own.res_id):
            row_id = own.res_id
        elif own is None and (twin := self._twin(record)) is not None:
            row_id = twin
        else:
            row_id = self._create(record, own)
        self._ids[Ref(record.name)] = row_id
        return row_id

    def rows(self) -> list[OwnRow]:
        """Give all that setup has made in this database, the newest first."""
        fields = ["name", "model", "res_id"]
        options = {"order": "id desc"}
        found = self._client.call("ir.model.data", "search_read", [[["module", "=", MODULE]], fields], options)
        return [_own_row(row) for row in found]

    def is_begun(self, record: Record) -> bool:
        """Tell whether its making was begun, and nobody knows whether it came to it."""
        own = self._own(record.name)
        return own is not None and own.res_id is None

    def completed(self, row: OwnRow, record: Record | None) -> OwnRow:
        """Give a row with the id of what came of its making, if that was begun only and `record` says what it was."""
        if row.res_id is not None or record is None:
            return row
        return replace(row, res_id=self._twin(record))

    def title(self, row: OwnRow) -> str | None:
        """Give the name that a row has in Odoo; None where it is gone, or was never made."""
        wanted = [[["id", "=", row.res_id or 0]], ["display_name"]]
        rows = self._client.call_any(row.model, "search_read", wanted, _ALL)
        return str(rows[0]["display_name"]) if rows else None

    def remove(self, row: OwnRow) -> bool:
        """Remove a row and its external id; False where the row is in use and was archived instead.

        Raises OdooSyncError, OdooRejectedError where it can neither be removed nor archived.
        """
        is_removed = True
        if row.res_id is not None and self._exists(row.model, row.res_id):
            try:
                self._client.call_any(row.model, "unlink", [[row.res_id]])
            except OdooRejectedError:  # other rows lead to it
                self._client.call_any(row.model, "write", [[row.res_id], {"active": False}])
                is_removed = False
        # Odoo removes the external id with its row; what is gone already is passed over.
        self._client.call("ir.model.data", "unlink", [[row.data_id]])
        return is_removed

    def id_of(self, wanted: Ref | XmlId) -> int:
        """Give an id. Raises OdooRejectedError where there is none."""
        if wanted not in self._ids:
            found = self._look_up(wanted)
            if found is None:
                name = wanted.xml_id if isinstance(wanted, XmlId) else f"{MODULE}.{wanted.name}"
                raise OdooRejectedError(f"this Odoo has no {name}; is a module missing?")
            self._ids[wanted] = found
        return self._ids[wanted]

    def _look_up(self, wanted: Ref | XmlId) -> int | None:
        if isinstance(wanted, Ref):
            own = self._own(wanted.name)
            return own.res_id if own else None
        module, _, name = wanted.xml_id.partition(".")
        domain = [["module", "=", module], ["name", "=", name]]
        rows = self._client.call("ir.model.data", "search_read", [domain, ["res_id"]])
        return rows[0]["res_id"] or None if rows else None

    def _own(self, name: str) -> OwnRow | None:
        domain = [["module", "=", MODULE], ["name", "=", name]]
        rows = self._client.call("ir.model.data", "search_read", [domain, ["name", "model", "res_id"]])
        return _own_row(rows[0]) if rows else None

    def _exists(self, model: str, row_id: int) -> bool:
        return bool(self._client.call_any(model, "search_read", [[["id", "=", row_id]], ["id"]], _ALL))

    def _twin(self, record: Record) -> int | None:
        """Give the id of a row with the record's key, the newest; None where there is none."""
        try:
            domain = [[name, "=", filled_in(record.values[name], self.id_of)] for name in record.key]
        except OdooRejectedError:  # what it refers to is not there, so it is not either
            return None
        options = {**_ALL, "limit": 1, "order": "id desc"}
        rows = self._client.call_any(record.model, "search_read", [domain, ["id"]], options)
        return rows[0]["id"] if rows else None

    def _create(self, record: Record, own: OwnRow | None) -> int:
        values = filled_in(record.values, self.id_of)
        if own is None:
            named: Mapping[str, Any] = {"module": MODULE, "name": record.name, "model": record.model, "noupdate": True}
            data_id, row_id = _id(self._client.call("ir.model.data", "create", [named])), None
        else:
            data_id, row_id = own.data_id, self._twin(record) if own.res_id is None else None
        if row_id is None:
            row_id = _id(self._client.call_any(record.model, "create", [values], {"context": dict(record.context)}))
        self._client.call("ir.model.data", "write", [[data_id], {"res_id": row_id}])
        return row_id


def _own_row(row: Mapping[str, Any]) -> OwnRow:
    return OwnRow(row["id"], row["name"], row["model"], row["res_id"] or None)


def _id(made: int | Sequence[int]) -> int:
    return made if isinstance(made, int) else made[0]
