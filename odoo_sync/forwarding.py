"""Which messages that came in an Odoo is told of: those that may leave this host, from who it wrote to.

With several databases a reply is of the one that wrote to the number last before it came. Where none has, each may
know the number: all are told, and each finds its own contact or none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from host_controller.store.models import (
    FORWARDED,
    InboundRecord,
    MessageRecord,
    OdooCursorRecord,
    OdooOutboxRecord,
)
from host_controller.store.store import Store
from odoo_sync.outbox import BATCH, Kind, Outbox

# What an operator decides later than this about a message that came in stays here.
_LONGEST = timedelta(days=30)
_MODEL = "mail.message"
_ELSEWHERE = "elsewhere"


class Forwarding:
    """Writes down for one connection what came in since it was set up."""

    def __init__(self, outbox: Outbox, store: Store, clock: Callable[[], datetime], peers: Collection[str]) -> None:
        """`peers` are the names of all connections that are told of replies."""
        self._outbox = outbox
        self._store = store
        self._clock = clock
        self._peers = peers

    def run(self) -> int:
        """Write down what is new; give how many messages that is."""
        count = 0
        while new := self._store.write(self._collect):
            count += new
            if new < BATCH:
                break
        return count

    def _collect(self, session: Session) -> int:
        database = self._outbox.database
        told = select(OdooOutboxRecord.id).where(
            OdooOutboxRecord.database == database,
            OdooOutboxRecord.kind == Kind.CHATTER,
            OdooOutboxRecord.inbound_id == InboundRecord.id,
        )
        query = (
            select(InboundRecord.id, InboundRecord.msisdn, InboundRecord.received_at)
            .where(
                FORWARDED,
                InboundRecord.stored_at >= self._since(session),
                InboundRecord.msisdn.is_not(None),
                ~told.exists(),
            )
            .order_by(InboundRecord.id)
            .limit(BATCH)
        )
        new = session.execute(query).all()
        ours = [(msisdn, inbound_id) for inbound_id, msisdn, at in new if msisdn and self._is_ours(session, msisdn, at)]
        self._outbox.add(session, Kind.CHATTER, ours)
        self._outbox.add(session, Kind.REPLY, ours)
        kept = {inbound_id for _, inbound_id in ours}
        now = self._clock()
        session.add_all(
            OdooOutboxRecord(
                database=database,
                kind=Kind.CHATTER,
                record=msisdn,
                inbound_id=inbound_id,
                created_at=now,
                done_at=now,
                outcome=_ELSEWHERE,
            )
            for inbound_id, msisdn, _ in new
            if inbound_id not in kept
        )
        return len(new)

    def _is_ours(self, session: Session, number: str, received_at: datetime) -> bool:
        query = (
            select(MessageRecord.ref)
            .where(
                MessageRecord.msisdn == number,
                MessageRecord.ref.like("odoo/%"),
                MessageRecord.created_at <= received_at,
            )
            .order_by(MessageRecord.id.desc())
        )
        names = (str(ref).split("/")[1] for ref in session.scalars(query))
        last = next((name for name in names if name in self._peers), None)
        return last in (None, self._outbox.database)

    def _since(self, session: Session) -> datetime:
        """Give when this connection was first used: what came in before stays here."""
        now = self._clock()
        first = session.get(OdooCursorRecord, (self._outbox.database, _MODEL))
        if first is None:
            first = OdooCursorRecord(database=self._outbox.database, model=_MODEL, written_at=None, seen_at=now)
            session.add(first)
        return max(first.seen_at, now - _LONGEST)
