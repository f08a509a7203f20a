"""Messages that came in, into the chatter of the contact that wrote: each once.

A posting carries a message id of ours, made from what names the message in the phone's own inbox, so that it stays the
same when a database of ours is restored or the inbox is read anew. It is looked for before anything is posted.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from host_controller.store.models import InboundRecord, PhoneRecord, SimRecord
from host_controller.store.store import Store
from odoo_sync.changes import odoo_time
from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooRecordError
from odoo_sync.inbound_key import key_of
from odoo_sync.outbox import Item, Kind, Outbox
from odoo_sync.partners import Partners, chosen

# Each is a call of its own: what a crash leaves in doubt waits.
_AT_ONCE = 50
POSTED = "posted"
_REFUSED = "Odoo does not take a note for the contact; is it still there, and has the Odoo user an e-mail address?"


@dataclass(frozen=True)
class _Note:
    """A message that came in, as the chatter shows it."""

    item: Item
    message_id: str
    number: str
    html: str
    received_at: datetime


class Chatter:
    """Posts into one database."""

    def __init__(
        self, client: OdooClient, store: Store, outbox: Outbox, partners: Partners, clock: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._store = store
        self._outbox = outbox
        self._partners = partners
        self._clock = clock

    def run(self) -> int:
        """Post what is due; give how many messages were posted. Raises OdooSyncError."""
        posted = 0
        while items := self._outbox.take(Kind.CHATTER, _AT_ONCE):
            posted += self._deliver(items)
        return posted

    def _deliver(self, items: Sequence[Item]) -> int:
        stuck: set[str] = set()
        with self._outbox.delivering(items, "replies", _REFUSED) as delivery:
            notes = self._read(items)
            there = self._posted(notes)
            numbers = {note.number for note in notes if note.message_id not in there}
            partners = chosen(self._client, self._partners, numbers, self._clock())
            for note in notes:
                partner = partners.get(note.number)
                if note.message_id in there:
                    delivery.outcomes[note.item.id] = "known"
                elif partner is None:
                    delivery.outcomes[note.item.id] = "no_contact"
                elif note.number not in stuck:
                    delivery.asked = {note.item.id}
                    if self._post(note, partner):
                        delivery.outcomes[note.item.id] = POSTED
                    else:
                        delivery.refused.append(note.item.id)
                        stuck.add(note.number)
                    delivery.asked = set()
        return sum(outcome == POSTED for outcome in delivery.outcomes.values())

    def _post(self, note: _Note, partner: int) -> bool:
        values = {
            "body": note.html,
            "body_is_html": True,
            "message_type": "comment",
            "subtype_xmlid": "mail.mt_note",  # nobody gets mail for it
            "message_id": note.message_id,
            "date": odoo_time(note.received_at),
        }
        try:
            self._client.call("res.partner", "message_post", [[partner]], values)
        except OdooRecordError:
            return False
        return True

    def _posted(self, notes: Sequence[_Note]) -> set[str]:
        """Give the message ids that are in Odoo already."""
        domain = [["message_id", "in", [note.message_id for note in notes]]]
        rows = self._client.call("mail.message", "search_read", [domain, ["message_id"]])
        return {row["message_id"] for row in rows}

    def _read(self, items: Sequence[Item]) -> list[_Note]:
        query = (
            select(InboundRecord, PhoneRecord.hardware_serial, SimRecord.msisdn)
            .join(PhoneRecord, InboundRecord.phone_id == PhoneRecord.id)
            .outerjoin(SimRecord, InboundRecord.sim_id == SimRecord.id)
            .where(InboundRecord.id.in_([item.inbound_id for item in items]))
        )
        with self._store.reading() as session:
            found = {
                inbound.id: (f"<{key_of(inbound, serial)}@sms.smsrack>", _html(inbound, to), inbound.received_at)
                for inbound, serial, to in session.execute(query)
            }
        return [
            _Note(item, message_id, item.record, shown, at)
            for item in items
            for message_id, shown, at in [found[item.inbound_id or 0]]
        ]


def _html(inbound: InboundRecord, to: str | None) -> str:
    lines = "<br/>".join(html.escape(line) for line in inbound.text.splitlines())
    head = f"SMS from {inbound.msisdn}" + (f" to {to}" if to else "")
    return f"<p>{head}</p><p>{lines}</p>"
