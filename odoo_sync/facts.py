"""Contacts and orders of an Odoo, copied here for choosing recipients: only of who has a number, and not more of them.

What is deleted in Odoo leaves no trace to read: once a day it is asked which of what we have is still there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, cast

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from host_controller.store.bulk import insert_rows, rows_in
from host_controller.store.models import OdooOrderRecord, OdooPartnerRecord
from host_controller.store.store import Store
from odoo_sync.changes import ALSO_ARCHIVED, BATCH, Changes, Row, parse_time
from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooRecordError, OdooRejectedError

_EVERY, _LOOK_FOR_DELETED_EVERY = timedelta(minutes=5), timedelta(days=1)
_CONTACT_FIELDS = [
    "name",
    "phone_sanitized",
    "email",
    "lang",
    "country_code",
    "city",
    "category_id",
    "is_company",
    "active",
    "write_date",
]
_ORDER_FIELDS = ["name", "partner_id", "date_order", "amount_total", "currency_id", "state", "write_date"]
Record = type[OdooPartnerRecord] | type[OdooOrderRecord]


class Facts(ABC):
    """A copy of one model's records. Where the module that has the model is not installed, there are none."""

    model: ClassVar[str]
    record: ClassVar[Record]

    def __init__(self, client: OdooClient, store: Store, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._store = store
        self._clock = clock
        self._changes = Changes(client.name, self.model, self._search, store, clock)
        self._read_at: datetime | None = None
        self._compared_at: datetime | None = None

    def run(self) -> int:
        """Copy what changed, where that is due; give how many records. Raises OdooSyncError."""
        now = self._clock()
        if self._read_at is not None and now - self._read_at < _EVERY:
            return 0
        count = 0
        try:
            for rows in self._changes.pages():
                self._store.write(lambda session, rows=rows: self._copy(session, rows))  # type: ignore[misc]
                count += len(rows)
            if self._compared_at is None or now - self._compared_at >= _LOOK_FOR_DELETED_EVERY:
                count += self._drop_deleted()
                self._compared_at = now
        except OdooRecordError:
            count = 0  # no such model
        except OdooRejectedError:
            self._read_at = now  # for want of a right; not to be asked for with every round
            raise
        self._read_at = now
        return count

    @abstractmethod
    def _search(self, domain: list[Any], options: Mapping[str, Any]) -> Sequence[Row]:
        """Ask Odoo for rows."""

    @abstractmethod
    def _values(self, row: Row) -> dict[str, Any] | None:
        """Give the columns of a record, or None where it is nobody that could be written to."""

    def _copy(self, session: Session, rows: Sequence[Row]) -> None:
        read = {row["id"]: self._values(row) for row in rows}
        written = {row["id"]: parse_time(row["write_date"]) for row in rows}
        query = select(self.record).where(self._is_ours())
        known = {record.odoo_id: record for (record,) in rows_in(session, query, self.record.odoo_id, read)}
        new = []
        for odoo_id, values in read.items():
            if values is None:
                continue
            values |= {"written_at": written[odoo_id]}
            if odoo_id in known:
                for name, value in values.items():
                    setattr(known[odoo_id], name, value)
            else:
                new.append({"database": self._client.name, "odoo_id": odoo_id, **self._key(), **values})
        session.flush()
        insert_rows(session, self.record, new)
        self._drop(session, [odoo_id for odoo_id, values in read.items() if values is None])

    def _drop_deleted(self) -> int:
        with self._store.reading() as session:
            ids = list(session.scalars(select(self.record.odoo_id).where(self._is_ours())))
        gone: list[int] = []
        for start in range(0, len(ids), BATCH):
            asked = ids[start : start + BATCH]
            gone += set(asked) - {row["id"] for row in self._search([["id", "in", asked]], ALSO_ARCHIVED)}
        if gone:
            self._store.write(lambda session: self._drop(session, gone))
        return len(gone)

    def _drop(self, session: Session, ids: Collection[int]) -> None:
        if ids:
            session.execute(delete(self.record).where(self._is_ours(), self.record.odoo_id.in_(ids)))

    def _is_ours(self) -> ColumnElement[bool]:
        return self.record.database == self._client.name

    def _key(self) -> dict[str, Any]:
        return {}


class Contacts(Facts):
    """`res.partner`, those that have a number."""

    model = "res.partner"
    record = OdooPartnerRecord

    def _search(self, domain: list[Any], options: Mapping[str, Any]) -> Sequence[Row]:
        return cast(list[Row], self._client.call("res.partner", "search_read", [domain, _CONTACT_FIELDS], options))

    def _values(self, row: Row) -> dict[str, Any] | None:
        if not row["phone_sanitized"]:
            return None
        return {
            "name": row["name"] or "",
            "msisdn": row["phone_sanitized"],
            "email": row["email"] or None,
            "lang": row["lang"] or None,
            "country": row["country_code"] or None,
            "city": row["city"] or None,
            "categories": row["category_id"],
            "is_company": row["is_company"],
            "is_active": row["active"],
        }


class Orders(Facts):
    """`sale.order` and `pos.order` have the same fields."""

    record = OdooOrderRecord

    def _values(self, row: Row) -> dict[str, Any] | None:
        if not row["partner_id"]:
            return None
        return {
            "name": row["name"] or "",
            "partner_id": row["partner_id"][0],
            "ordered_at": parse_time(row["date_order"]) if row["date_order"] else None,
            "total_milli": round(row["amount_total"] * 1000),
            "currency": row["currency_id"][1] if row["currency_id"] else None,
            "state": row["state"],
        }

    def _is_ours(self) -> ColumnElement[bool]:
        return super()._is_ours() & (OdooOrderRecord.model == self.model)

    def _key(self) -> dict[str, Any]:
        return {"model": self.model}


class ShopOrders(Orders):
    """Of the sales module."""

    model = "sale.order"

    def _search(self, domain: list[Any], options: Mapping[str, Any]) -> Sequence[Row]:
        return cast(list[Row], self._client.call("sale.order", "search_read", [domain, _ORDER_FIELDS], options))


class TillOrders(Orders):
    """Of the point of sale."""

    model = "pos.order"

    def _search(self, domain: list[Any], options: Mapping[str, Any]) -> Sequence[Row]:
        return cast(list[Row], self._client.call("pos.order", "search_read", [domain, _ORDER_FIELDS], options))
