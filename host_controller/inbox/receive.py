"""Storing what a phone received: each message once, and a STOP with all that follows from it, in one transaction."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from device_drivers.base import InboxRow, MessageRows
from device_drivers.failpoints import failpoint
from host_controller.consent.opt_outs import add_opt_out
from host_controller.errors import InvalidMsisdnError
from host_controller.messaging.transitions import cancel_queued
from host_controller.rules.states import FailureCode
from host_controller.store.models import InboundRecord, PhoneRecord, SimRecord
from host_controller.store.store import Store
from host_controller.text.msisdn import parse_msisdn
from host_controller.text.stop_words import StopVerdict, judge_stop

_log = logging.getLogger(__name__)
# Rows this much older than the newest one known are asked for again: they may be written out of order, and the
# phone's clock may be set back.
_OVERLAP_MS = 15 * 60 * 1000


class Inbox:
    """The inbound side of every phone. Thread-safe: all state is in the store."""

    def __init__(self, store: Store, home_region: str, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._home_region = home_region
        self._clock = clock

    def position(self, phone_id: int) -> tuple[int, int | None]:
        """Give where to go on reading: (rows dated at or after this phone clock in ms, or with a greater row id)."""
        with self._store.reading() as session:
            phone = session.get_one(PhoneRecord, phone_id)
            return phone.inbox_date_ms, phone.inbox_row_id

    def receive(self, phone_id: int, rows: MessageRows) -> int:
        """Store the inbox rows that are new, obey STOP, move the position; give how many were new."""
        if not rows.inbox:
            return 0
        failpoint("inbound.before")
        new = self._store.write(lambda session: self._receive(session, phone_id, rows))
        failpoint("inbound.after")
        return new

    def _receive(self, session: Session, phone_id: int, rows: MessageRows) -> int:
        now = self._clock()
        fresh = _not_stored_yet(session, phone_id, rows.inbox)
        sims = _sims_by_subscription(session, phone_id)
        for row, digest in fresh:
            record = InboundRecord(
                phone_id=phone_id,
                sim_id=sims.get(row.subscription_id),
                row_id=row.row_id,
                row_date_ms=row.date_ms,
                body_sha256=digest,
                sender=row.sender,
                text=row.body,
                # The phone's clock may be wrong; what it says about the age of the message is right.
                received_at=now - timedelta(milliseconds=max(0, rows.phone_clock_ms - row.date_ms)),
                stored_at=now,
                stop=StopVerdict.NONE,
            )
            session.add(record)
            self._obey_stop(session, record, now)
        phone = session.get_one(PhoneRecord, phone_id)
        phone.inbox_date_ms = max(phone.inbox_date_ms, max(row.date_ms for row in rows.inbox) - _OVERLAP_MS)
        # May fall: Android uses the highest id again after its row was deleted.
        phone.inbox_row_id = max(row.row_id for row in rows.inbox)
        return len(fresh)

    def _obey_stop(self, session: Session, record: InboundRecord, now: datetime) -> None:
        try:
            msisdn = parse_msisdn(record.sender, self._home_region)
        except InvalidMsisdnError:
            return  # A company's name or a short code: nobody there could be written to.
        verdict = judge_stop(record.text, sender_is_msisdn=True).verdict
        record.stop = verdict
        session.flush()
        if verdict is not StopVerdict.CERTAIN:
            return
        actor = f"inbound {record.id}"
        add_opt_out(session, msisdn.e164, source="inbound", actor=actor, now=now, inbound_id=record.id)
        cancelled = cancel_queued(
            session,
            msisdn.e164,
            now=now,
            actor=actor,
            reason="the recipient has opted out",
            failure=FailureCode.OPTED_OUT,
        )
        _log.info("STOP from %s: opted out, %s queued messages cancelled", msisdn, cancelled)


def _not_stored_yet(session: Session, phone_id: int, rows: Sequence[InboxRow]) -> list[tuple[InboxRow, str]]:
    known = set(
        session.execute(
            select(InboundRecord.row_id, InboundRecord.row_date_ms, InboundRecord.body_sha256).where(
                InboundRecord.phone_id == phone_id,
                InboundRecord.row_date_ms >= min(row.date_ms for row in rows),
            )
        )
    )
    keyed = [(row, hashlib.sha256(f"{row.sender}\0{row.body}".encode()).hexdigest()) for row in rows]
    return [(row, digest) for row, digest in keyed if (row.row_id, row.date_ms, digest) not in known]


def _sims_by_subscription(session: Session, phone_id: int) -> dict[int, int]:
    sims = session.execute(
        select(SimRecord.subscription_id, SimRecord.id).where(SimRecord.phone_id == phone_id).order_by(SimRecord.id)
    )
    return dict(sims.all())
