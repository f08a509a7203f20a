"""Storing the rows of a phone's inbox, each message once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from device_drivers.base import InboxRow
from host_controller.inbox.intake import Intake, Judged, Received
from host_controller.settings import Settings
from host_controller.store.models import InboundRecord, SimRecord
from host_controller.store.store import Store

# A phone's clock can be anything; no message is older than SMS.
_OLDEST = timedelta(days=30 * 366)
# Message centres write local time as UTC now and then; what arrived still earlier than that was dated by a wrong clock.
_ZONE_SLACK = timedelta(hours=15)
_LAST_MS = 4_102_444_800_000  # the year 2100


@dataclass(frozen=True)
class KnownRow:
    """A row of a phone that is stored."""

    row_id: int
    inbound_id: int


@dataclass(frozen=True)
class StoredPage:
    """What became of some rows of a phone."""

    new: int
    known: tuple[KnownRow, ...]


@dataclass(frozen=True)
class _Fresh:
    """A row that is not stored yet, and what it asks for."""

    row: InboxRow
    digest: str
    judged: Judged


class InboundStore:
    """Takes rows in. Thread-safe for rows of different phones."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Callable[[], datetime],
        on_answer: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_answer` is called when answers to STOPs were queued."""
        self._store = store
        self._clock = clock
        self._intake = Intake(store, settings, clock, on_answer)

    def take(self, phone_id: int, rows: Sequence[InboxRow], phone_clock_ms: int) -> StoredPage:
        """Store the rows that are new, in one transaction, and obey them."""
        keyed = [(row, _digest(row)) for row in rows]
        # What takes long is done without a connection: a hundred phones may read long inboxes at once.
        with self._store.reading() as session:
            stored = _stored(session, phone_id, rows)
        new = [(row, digest) for row, digest in keyed if (row.row_id, row.date_ms, digest) not in stored]
        judged = self._intake.judge([(row.sender, row.body) for row, _ in new]) if new else []
        fresh = [_Fresh(row, digest, one) for (row, digest), one in zip(new, judged, strict=True)]
        if fresh:
            answered = self._intake.write(judged, lambda session: self._add(session, phone_id, fresh, phone_clock_ms))
            self._intake.tell(answered=answered)
        keys = {(row.row_id, row.date_ms, digest) for row, digest in keyed}
        known = [KnownRow(key[0], inbound_id) for key, inbound_id in stored.items() if key in keys]
        return StoredPage(len(fresh), tuple(known))

    def _add(self, session: Session, phone_id: int, fresh: Sequence[_Fresh], phone_clock_ms: int) -> bool:
        """Tell whether answers were queued."""
        now = self._clock()
        sims = session.scalars(select(SimRecord).where(SimRecord.phone_id == phone_id).order_by(SimRecord.id)).all()
        received = [
            Received(
                one.judged,
                {
                    "phone_id": phone_id,
                    "sim_id": _sim_id(one.row, sims),
                    "row_id": one.row.row_id,
                    "row_date_ms": one.row.date_ms,
                    "body_sha256": one.digest,
                    "sender": one.row.sender,
                    "text": one.row.body,
                    "received_at": _received_at(one.row, phone_clock_ms, now),
                    "sent_at": _at(one.row.sent_at_ms),
                    "stored_at": now,
                },
            )
            for one in fresh
        ]
        return self._intake.add_all(session, received, now)


def _stored(session: Session, phone_id: int, rows: Sequence[InboxRow]) -> dict[tuple[int, int, str], int]:
    query = select(InboundRecord.row_id, InboundRecord.row_date_ms, InboundRecord.body_sha256, InboundRecord.id).where(
        InboundRecord.phone_id == phone_id, InboundRecord.row_id.in_([row.row_id for row in rows])
    )
    return {(row_id, date_ms, digest): inbound_id for row_id, date_ms, digest, inbound_id in session.execute(query)}


def _digest(row: InboxRow) -> str:
    return hashlib.sha256(f"{row.sender}\0{row.body}".encode()).hexdigest()


def _sim_id(row: InboxRow, sims: Sequence[SimRecord]) -> int | None:
    """Give the SIM that a row names; where it names none, the phone's only one."""
    named = [sim.id for sim in sims if sim.subscription_id == row.subscription_id]
    if named:
        return named[-1]
    return sims[0].id if len(sims) == 1 and row.subscription_id < 0 else None


def _received_at(row: InboxRow, phone_clock_ms: int, now: datetime) -> datetime:
    """Give when a message came, by the host's clock: the phone's may be wrong, what it says about the age is right."""
    age = min(timedelta(milliseconds=min(max(0, phone_clock_ms - row.date_ms), _LAST_MS)), _OLDEST)
    sent_at = _at(row.sent_at_ms)
    # It cannot come before it was sent: the phone's clock was wrong then, and was corrected since.
    if sent_at is not None and now - age < sent_at - _ZONE_SLACK:
        return min(sent_at, now)
    return now - age


def _at(ms: int) -> datetime | None:
    return datetime.fromtimestamp(ms / 1000, UTC) if 0 < ms < _LAST_MS else None
