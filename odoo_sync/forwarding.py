"""Which messages that came in an Odoo is told of: those that may leave this host, from who it wrote to.

With several databases a reply is of the one that wrote to the number last before it came. Where none has, each may
know the number: all are told, and each finds its own contact or none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
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
# Messages to one number, of databases that are not in the settings any more.
_LOOK_BACK = 100
_ELSEWHERE = "elsewhere"
_LONGEST_NAME = 64
"""As wide as a record of the outbox."""


class Forwarding:
    """Writes down for one connection what came in since it was set up."""

    def __init__(
        self,
        outbox: Outbox,
        store: Store,
        clock: Callable[[], datetime],
        peers: Collection[str],
        *,
        kinds: Sequence[Kind] = (Kind.CHATTER, Kind.REPLY),
        model: str = "mail.message",
        only_numbers: bool = True,
    ) -> None:
        """`peers` are the names of all connections that are told of replies; `kinds` are what each is told as.

        `model` is what it becomes in Odoo; `only_numbers` leaves out what came from a name or a short code.
        """
        self._outbox = outbox
        self._store = store
        self._clock = clock
        self._peers = peers
        self._kinds = kinds
        self._model = model
        self._only_numbers = only_numbers

    def begin(self) -> None:
        """Write down, once, since when there is this connection: what came in before stays here.

        To be called before anything can come in: until its first round a slow Odoo may keep it waiting for long.
        """
        self._since()

    def run(self) -> int:
        """Write down what is new; give how many messages that is."""
        count = 0
        while new := self._read():
            self._store.write(lambda session, new=new: self._note(session, new))  # type: ignore[misc]
            count += len(new)
            if len(new) < BATCH:
                break
        return count

    def _read(self) -> list[tuple[int, str, bool]]:
        """Give (id, who wrote, whether it is this database's) of messages that are not written down yet."""
        told = select(OdooOutboxRecord.id).where(
            OdooOutboxRecord.database == self._outbox.database,
            OdooOutboxRecord.kind == self._kinds[0],
            OdooOutboxRecord.inbound_id == InboundRecord.id,
        )
        query = (
            select(InboundRecord.id, InboundRecord.msisdn, InboundRecord.peer, InboundRecord.received_at)
            .where(FORWARDED, InboundRecord.stored_at >= self._since(), ~told.exists())
            .order_by(InboundRecord.id)
            .limit(BATCH)
        )
        if self._only_numbers:
            query = query.where(InboundRecord.msisdn.is_not(None))
        with self._store.reading() as session:
            new = session.execute(query).all()
            return [
                (inbound_id, number or peer[:_LONGEST_NAME], self._is_ours(session, number, at))
                for inbound_id, number, peer, at in new
            ]

    def _note(self, session: Session, new: Sequence[tuple[int, str, bool]]) -> None:
        ours = [(number, inbound_id) for inbound_id, number, is_ours in new if is_ours]
        others = [(number, inbound_id) for inbound_id, number, is_ours in new if not is_ours]
        for kind in self._kinds:
            self._outbox.add(session, kind, ours)
        self._outbox.add(session, self._kinds[0], others, outcome=_ELSEWHERE)

    def _is_ours(self, session: Session, number: str | None, received_at: datetime) -> bool:
        query = (
            select(MessageRecord.ref)
            .where(
                MessageRecord.msisdn == number,
                MessageRecord.ref.like("odoo/%"),
                MessageRecord.created_at <= received_at,
            )
            .order_by(MessageRecord.id.desc())
            .limit(_LOOK_BACK)
        )
        names = (str(ref).split("/")[1] for ref in session.scalars(query))
        last = next((name for name in names if name in self._peers), None)
        return last in (None, self._outbox.database)

    def _since(self) -> datetime:
        """Give when this connection was first used: what came in before stays here."""
        now, key = self._clock(), (self._outbox.database, self._model)
        with self._store.reading() as session:
            first = session.get(OdooCursorRecord, key)
        if first is not None:
            return max(first.seen_at, now - _LONGEST)
        record = OdooCursorRecord(database=key[0], model=self._model, written_at=None, seen_at=now)
        self._store.write(lambda session: session.add(record))
        return now
