"""Messages that came in, as rows of `x_smsrack_inbound` in an Odoo that has this model: each once.

Nothing in Odoo keeps a key of a manual model unique, so that one is looked for before a row is made; after a lost
answer that is when Odoo cannot be at work on the call any more. Rows are only made: what people change stays.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select

from host_controller.store.models import InboundRecord, PhoneRecord, SimRecord
from host_controller.store.store import Store
from host_controller.text.stop_words import StopVerdict
from odoo_sync.changes import ALSO_ARCHIVED, odoo_time
from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooRecordError
from odoo_sync.forwarding import Forwarding
from odoo_sync.inbound_key import key_of
from odoo_sync.outbox import Item, Kind, Outbox
from odoo_sync.partners import Partners, chosen
from odoo_sync.presence import Presence

MODEL = "x_smsrack_inbound"
_AT_ONCE = 100
SHOWN, KNOWN = "shown", "known"
_REFUSED = "Odoo does not take a row for the message"


@dataclass(frozen=True)
class _Row:
    item: Item
    key: str
    number: str | None = field(repr=False)
    values: dict[str, Any] = field(repr=False)


class Received:
    """Rows in one database."""

    def __init__(
        self,
        client: OdooClient,
        store: Store,
        outbox: Outbox,
        partners: Partners,
        clock: Callable[[], datetime],
        peers: Collection[str],
    ) -> None:
        """`peers` are the names of all connections with a user."""
        self._client = client
        self._store = store
        self._outbox = outbox
        self._partners = partners
        self._clock = clock
        self._forwarding = Forwarding(
            outbox, store, clock, peers, kinds=(Kind.RECEIVED,), model=MODEL, only_numbers=False
        )
        self._presence = Presence(self._has_model, clock)

    def run(self) -> int:
        """Make rows of what is due; give how many. Raises OdooSyncError."""
        if not self._presence.look():
            return 0
        self._forwarding.run()
        made = 0
        try:
            while items := self._outbox.take(Kind.RECEIVED, _AT_ONCE):
                made += self._deliver(items)
        except OdooRecordError:
            if self._presence.look(anew=True):
                raise
        return made

    def _has_model(self) -> bool:
        return bool(self._client.call("x_smsrack_inbound", "fields_get", [["x_key"], ["type"]]))

    def _deliver(self, items: Sequence[Item]) -> int:
        with self._outbox.delivering(items, "received messages", _REFUSED) as delivery:
            rows = self._read(items)
            there = self._known(rows)
            delivery.outcomes = {row.item.id: KNOWN for row in rows if row.key in there}
            new = [row for row in rows if row.key not in there]
            partners = chosen(self._client, self._partners, {row.number for row in new if row.number}, self._clock())
            for row in new:
                row.values["x_partner_id"] = partners.get(row.number or "") or False
            left = [new] if new else []
            while left:
                group = left.pop()
                delivery.asked = {row.item.id for row in group}
                if self._make(group):
                    delivery.outcomes |= dict.fromkeys(delivery.asked, SHOWN)
                elif len(group) == 1:
                    delivery.refused += delivery.asked
                else:
                    left += [group[len(group) // 2 :], group[: len(group) // 2]]
                delivery.asked = set()
        return sum(outcome == SHOWN for outcome in delivery.outcomes.values())

    def _make(self, rows: Sequence[_Row]) -> bool:
        """Make these rows, all or none; False where Odoo does not take them all. Raises OdooSyncError."""
        try:
            self._client.call("x_smsrack_inbound", "create", [[row.values for row in rows]])
        except OdooRecordError:
            if not self._presence.look(anew=True):
                raise  # the model was taken away just now: nothing is wrong with the rows
            return False
        return True

    def _known(self, rows: Sequence[_Row]) -> set[str]:
        """Give the keys that are in Odoo already."""
        domain = [["x_key", "in", [row.key for row in rows]]]
        found = self._client.call("x_smsrack_inbound", "search_read", [domain, ["x_key"]], ALSO_ARCHIVED)
        return {row["x_key"] for row in found}

    def _read(self, items: Sequence[Item]) -> list[_Row]:
        query = (
            select(InboundRecord, PhoneRecord, SimRecord.msisdn)
            .join(PhoneRecord, InboundRecord.phone_id == PhoneRecord.id)
            .outerjoin(SimRecord, InboundRecord.sim_id == SimRecord.id)
            .where(InboundRecord.id.in_([item.inbound_id for item in items]))
        )
        with self._store.reading() as session:
            found = {
                inbound.id: (key_of(inbound, phone.hardware_serial), inbound.msisdn, _values(inbound, phone, number))
                for inbound, phone, number in session.execute(query)
            }
        return [
            _Row(item, key, number, {**values, "x_key": key})
            for item in items
            for key, number, values in [found[item.inbound_id or 0]]
        ]


def _values(inbound: InboundRecord, phone: PhoneRecord, sim_number: str | None) -> dict[str, Any]:
    is_stop = inbound.stop == StopVerdict.CERTAIN or inbound.decision == "stop"
    return {
        "x_name": inbound.msisdn or inbound.sender,
        "x_received_at": odoo_time(inbound.received_at),
        "x_to": sim_number or phone.adb_serial,
        "x_text": inbound.text.replace("\0", ""),
        "x_is_stop": is_stop,
    }
