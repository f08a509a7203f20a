"""Reading a phone's inbox to its end, page by page, and knowing where to go on.

Android uses the highest row id again after its row was deleted, and its clock may be set back: neither row ids nor
dates alone say what is new. A row that was known at the end of the last reading and is still there does: ids only
grow while it exists, so whatever came since has a greater one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from device_drivers.base import InboxRow, MessageQuery, MessageRows, PhoneDriver
from host_controller.inbox.receive import InboundStore, StoredPage
from host_controller.settings import Settings
from host_controller.store.models import InboundRecord, PhoneRecord
from host_controller.store.store import Store

# Rows this much older than the newest one known are asked for again: they may be written out of order, and the
# phone's clock may be set back.
_OVERLAP_MS = 15 * 60 * 1000
_DAY_MS = 86_400_000
# How many known rows further back a reading starts where the last known one is gone; then from the beginning.
_LOOK_BACK = (20, 400)

Read = Callable[[MessageQuery], MessageRows]


@dataclass(frozen=True)
class Position:
    """Where the last complete reading of a phone's inbox ended."""

    date_ms: int
    """Rows dated at or after this are asked for again."""
    row_id: int | None
    """The highest row id then; 0 where no row was left, None before the first one was read."""
    seen_id: int
    """The last inbound message that was stored by then."""
    first_id: int | None
    """The highest row id when the phone was enrolled, where that was asked for."""

    def query(self, from_row_id: int | None) -> MessageQuery:
        """Ask for what is new by date, and for everything from a row on; at first, for what came after enrolment."""
        return MessageQuery(None, self.date_ms, self.first_id if from_row_id is None else from_row_id - 1)


@dataclass(frozen=True)
class Received:
    """What a reading gave."""

    read: int
    new: int
    phone_clock_ms: int
    """At the last page."""


@dataclass
class _Reading:
    """A reading under way; of its rows only the extremes are kept."""

    seen_id: int
    """Inbound messages up to this one were known before it."""
    phone_clock_ms: int = 0
    read: int = 0
    new: int = 0
    highest_row_id: int = 0
    highest_known: int = 0
    """The greatest row id that was known before it."""
    newest_ms: int = 0
    first_row_id: int = 0
    """Rows below this are of before the phone's enrolment, and not the rack's business..."""
    enrolled_ms: int = 0
    """...unless they are dated later, or were sent later."""

    def is_older(self, row: InboxRow) -> bool:
        """Tell whether a row was there before the phone was enrolled."""
        return row.row_id < self.first_row_id and max(row.date_ms, row.sent_at_ms) < self.enrolled_ms


class Inbox:
    """The inbound side of every phone. Thread-safe for different phones."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Callable[[], datetime],
        on_answer: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_answer` is called when answers to STOPs were queued."""
        self._store = store
        self._inbound = InboundStore(store, settings, clock, on_answer)

    def position(self, phone_id: int) -> tuple[int, int | None]:
        """Give where to go on reading: (rows dated at or after this phone clock in ms, or with a greater row id)."""
        query = self._position(phone_id)
        first = query.query(query.row_id)
        return first.inbox_since_ms, first.inbox_after_row_id

    def receive(self, phone_id: int, rows: MessageRows, read: Read) -> Received:
        """Store what is new of a first page that was asked for by `position`, and of all after it; obey STOP.

        Raises what `read` raises; then the pages before it are stored, and the next reading begins where this one did.
        """
        position = self._position(phone_id)
        reading = _Reading(seen_id=position.seen_id)
        floor = position.row_id
        if floor is not None:
            self._spare_the_oldest(phone_id, reading)
        self._take_pages(phone_id, rows, position.query(floor), read, reading)
        if floor:
            self._look_back(phone_id, position, floor, read, reading)
        self._move(phone_id, position, reading)
        return Received(reading.read, reading.new, reading.phone_clock_ms)

    def rescan(self, phone_id: int, driver: PhoneDriver, days: int) -> Received:
        """Read the last days of an inbox again, wherever the reading stands. Raises LinkError or PhoneAnswerError."""
        query = MessageQuery(None, driver.read_clock_ms() - days * _DAY_MS, None)
        reading = _Reading(seen_id=0)
        self._take_pages(phone_id, driver.read_messages(query), query, driver.read_messages, reading)
        return Received(reading.read, reading.new, reading.phone_clock_ms)

    def _take_pages(self, phone_id: int, rows: MessageRows, query: MessageQuery, read: Read, reading: _Reading) -> None:
        while True:
            reading.phone_clock_ms = rows.phone_clock_ms
            if rows.inbox:
                self._take_page(phone_id, rows, reading)
            if not rows.more_inbox or not rows.inbox:
                return
            page = MessageQuery(None, query.inbox_since_ms, query.inbox_after_row_id, rows.inbox[-1].row_id)
            rows = read(page)

    def _take_page(self, phone_id: int, rows: MessageRows, reading: _Reading) -> None:
        taken = [row for row in rows.inbox if not reading.is_older(row)]
        page = self._inbound.take(phone_id, taken, rows.phone_clock_ms) if taken else StoredPage(0, ())
        reading.read += len(rows.inbox)
        reading.new += page.new
        if taken:
            reading.highest_row_id = max(reading.highest_row_id, taken[-1].row_id)
        # A date in the future would hide all that follows.
        newest_ms = max(row.date_ms for row in rows.inbox)
        reading.newest_ms = max(reading.newest_ms, min(newest_ms, rows.phone_clock_ms))
        before = (known.row_id for known in page.known if known.inbound_id <= reading.seen_id)
        reading.highest_known = max(reading.highest_known, max(before, default=0))

    def _look_back(self, phone_id: int, position: Position, floor: int, read: Read, reading: _Reading) -> None:
        """Where the last known row is gone, read again from further and further back, until one is still there."""
        for row_id in (*self._known_rows_before(phone_id, position), 0):
            if reading.highest_known >= floor:
                return
            floor = row_id
            query = position.query(floor)
            self._take_pages(phone_id, read(query), query, read, reading)

    def _known_rows_before(self, phone_id: int, position: Position) -> Iterator[int]:
        for back in _LOOK_BACK:
            query = (
                _row_ids_of(phone_id)
                .where(InboundRecord.row_id < position.row_id, InboundRecord.id <= position.seen_id)
                .order_by(InboundRecord.row_id.desc())
            )
            with self._store.reading() as session:
                found = session.scalar(query.offset(back - 1).limit(1))
            if found is None:
                return
            yield found

    def _spare_the_oldest(self, phone_id: int, reading: _Reading) -> None:
        query = _row_ids_of(phone_id).order_by(InboundRecord.row_id).limit(1)
        with self._store.reading() as session:
            reading.first_row_id = session.scalar(query) or 0
            reading.enrolled_ms = round(session.get_one(PhoneRecord, phone_id).enrolled_at.timestamp() * 1000)

    def _move(self, phone_id: int, position: Position, reading: _Reading) -> None:
        """Note that the inbox was read to its end."""
        row_id = reading.highest_row_id or (0 if position.row_id is not None else None)
        date_ms = max(position.date_ms, reading.newest_ms - _OVERLAP_MS)
        if (date_ms, row_id) == (position.date_ms, position.row_id) and not reading.new:
            return

        def work(session: Session) -> None:
            phone = session.get_one(PhoneRecord, phone_id)
            phone.inbox_date_ms, phone.inbox_row_id = date_ms, row_id
            phone.inbox_seen_id = session.scalar(select(func.max(InboundRecord.id)))

        self._store.write(work)

    def _position(self, phone_id: int) -> Position:
        with self._store.reading() as session:
            phone = session.get_one(PhoneRecord, phone_id)
            return Position(phone.inbox_date_ms, phone.inbox_row_id, phone.inbox_seen_id or 0, phone.inbox_first_id)


def _row_ids_of(phone_id: int) -> Select[int]:
    return select(InboundRecord.row_id).where(InboundRecord.phone_id == phone_id).distinct()
