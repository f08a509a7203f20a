"""Storing what the SMS Gateway app tells of: each message once, however many parts of the app report it, and how often.

A message that is told with a time or an id is named by it. The app itself tells neither, so what is already there of
the same sender and text is taken for it: one of the last minutes where the app tells of one message, and in a list of
the last days each at most once, so that two equal messages stay two.

The name is in the columns that name a row of a phone's own inbox, (row_id, row_date_ms), under the same constraint:
(0, second of arrival in ms), (0, minus a hash of the id), or (n, 0) for the n-th of its kind without a name.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from host_controller.consent.opt_outs import OptOutSource, Origin
from host_controller.errors import StoreError
from host_controller.inbox.care import Decision
from host_controller.inbox.intake import NOTHING_CHANGED, Intake, Judged, Obeyed, storable
from host_controller.messaging.opting_out import opt_out
from host_controller.settings import Settings
from host_controller.store.app_inbound_queries import AppInbound, find_of_phone
from host_controller.store.bulk import rows_in
from host_controller.store.models import InboundRecord, SimRecord
from host_controller.store.store import Store
from host_controller.text.stop_words import StopVerdict

_log = logging.getLogger(__name__)
JUST_NOW = timedelta(minutes=10)
"""Up to three parts of the app tell of a message when it comes."""
LAST_DAYS = timedelta(days=31)
"""The app reads its inbox again for 30 days."""
# A list may hold thousands, and the writer is everybody's.
_AT_ONCE = 200
_LONGEST_SENDER, _LONGEST_TEXT = 64, 50_000
_RULE = "decided"
_BY_OPERATOR = "by hand, in the app"


@dataclass(frozen=True)
class Told:
    """A message that came in, as the app tells of it."""

    sender: str = field(repr=False)
    text: str = field(repr=False)
    to_number: str = field(default="", repr=False)
    """The SIM that it came to; empty where the app does not know."""
    received_at: datetime | None = None
    message_id: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Stored:
    """What became of it."""

    inbound_id: int | None
    """None: it could not be stored, and nobody can help it."""
    is_new: bool = False
    obeyed: Obeyed = NOTHING_CHANGED


@dataclass
class _Known:
    """A message of the same sender and text that is stored."""

    record: InboundRecord
    is_used: bool
    """It has been taken for one of the list already."""

    @property
    def name(self) -> tuple[int, int]:
        return self.record.row_id, self.record.row_date_ms


@dataclass(frozen=True)
class _Item:
    told: Told
    judged: Judged
    digest: str


class AppInbox:
    """The inbound side of remote phones. Thread-safe."""

    def __init__(
        self, store: Store, settings: Settings, clock: Callable[[], datetime], on_answer: Callable[[], None]
    ) -> None:
        """`on_answer` is called when answers to STOPs were queued."""
        self._store = store
        self._clock = clock
        self._intake = Intake(store, settings, clock, on_answer)

    def take(self, phone_id: int, told: Sequence[Told], within: timedelta) -> list[Stored]:
        """Store the messages that are new, and obey them; give what became of each.

        What has no name is taken for one that is stored and came `within` this time. Raises StoreError: then those
        before are stored, and known when the app tells of all again.
        """
        clean = [_cleaned(one) for one in told]
        used: set[int] = set()
        stored: list[Stored] = []
        for start in range(0, len(clean), _AT_ONCE):
            stored += self._take_some(phone_id, clean[start : start + _AT_ONCE], within, used)
        if any(one.is_new for one in stored):
            self._intake.tell(answered=any(one.obeyed.is_answered for one in stored))
        return stored

    def blacklist(self, phone_id: int, ids: Collection[int], actor: str) -> int:
        """Opt out who sent these messages to the phone; give how many of them that makes blacklisted.

        What asked for STOP, as far as anybody can tell, counts as the person's own, and their START lifts it.
        """

        def work(session: Session) -> int:
            open_ids = [row.id for row in _open(find_of_phone(session, phone_id, ids))]
            for inbound_id in open_ids:
                _opt_out_by_hand(session, session.get_one(InboundRecord, inbound_id), self._clock(), actor)
            session.flush()
            return sum(row.is_blacklisted for row in find_of_phone(session, phone_id, open_ids))

        with self._store.reading() as session:
            numbers = [row.msisdn for row in _open(find_of_phone(session, phone_id, ids)) if row.msisdn]
        if not numbers:
            return 0
        with self._store.refusals.writing(numbers):
            return self._store.write(work)

    def _take_some(self, phone_id: int, told: Sequence[Told], within: timedelta, used: set[int]) -> Sequence[Stored]:
        """Store them in one transaction; where one of them breaks it, each in its own, so that it takes none along."""
        try:
            items = self._judged(told)
            work = partial(self._add, phone_id=phone_id, items=items, within=within, used=frozenset(used))
            stored = self._intake.write([item.judged for item in items], work)
        except StoreError:
            raise
        except Exception as error:
            if len(told) > 1:
                return [stored for one in told for stored in self._take_some(phone_id, [one], within, used)]
            # Its words could hold the message.
            _log.error("a message that phone %s tells of cannot be stored: %s", phone_id, type(error).__name__)
            return [Stored(None)]
        used.update(one.inbound_id for one in stored if one.inbound_id is not None)
        return stored

    def _judged(self, told: Sequence[Told]) -> list[_Item]:
        judged = self._intake.judge([(one.sender, one.text) for one in told])
        return [_Item(one, its, _digest(one, its)) for one, its in zip(told, judged, strict=True)]

    def _add(
        self, session: Session, phone_id: int, items: Sequence[_Item], within: timedelta, used: Collection[int]
    ) -> list[Stored]:
        """Every write is the only one at its time, so what is looked up here is still so when it is written."""
        now = self._clock()
        sims = session.scalars(select(SimRecord).where(SimRecord.phone_id == phone_id).order_by(SimRecord.id)).all()
        known: dict[str, list[_Known]] = {item.digest: [] for item in items}
        query = select(InboundRecord).where(InboundRecord.phone_id == phone_id).order_by(InboundRecord.received_at)
        for (record,) in rows_in(session, query, InboundRecord.body_sha256, known):
            known[record.body_sha256].append(_Known(record, record.id in used))
        outcomes: list[tuple[InboundRecord, bool, Obeyed]] = []
        for item in items:
            alike = known[item.digest]
            name = _name(item.told)
            same = _find(alike, name, item.told.received_at, now, within)
            if same is not None:
                same.is_used = True
                outcomes.append((same.record, False, NOTHING_CHANGED))
                continue
            row_id, row_date_ms = name or (max((one.record.row_id for one in alike), default=0) + 1, 0)
            record = InboundRecord(
                phone_id=phone_id,
                sim_id=_sim_id(item.told.to_number, sims),
                row_id=row_id,
                row_date_ms=row_date_ms,
                body_sha256=item.digest,
                sender=item.told.sender,
                text=item.told.text,
                received_at=min(item.told.received_at or now, now),
                stored_at=now,
            )
            alike.append(_Known(record, is_used=True))
            outcomes.append((record, True, self._intake.add(session, record, item.judged, now)))
        session.flush()
        return [Stored(record.id, is_new, obeyed) for record, is_new, obeyed in outcomes]


def _find(
    alike: Sequence[_Known], name: tuple[int, int] | None, at: datetime | None, now: datetime, within: timedelta
) -> _Known | None:
    """Give the message that this one is, out of those of its sender and text, which are in the order of arrival."""
    if name is None:
        return next((one for one in alike if not one.is_used and one.record.received_at >= now - within), None)
    named = next((one for one in alike if one.name == name), None)
    if named is not None:
        return named
    # Another part of the app may have told of it without a name, when it came or later: now it has got one.
    since = (at or now) - JUST_NOW
    until = (at or now) + LAST_DAYS
    for one in alike:
        if one.record.row_id > 0 and not one.is_used and since <= one.record.received_at <= until:
            one.record.row_id, one.record.row_date_ms = name
            return one
    return None


def _name(told: Told) -> tuple[int, int] | None:
    if told.message_id is not None:
        digest = hashlib.sha256(told.message_id.encode()).digest()
        return 0, -1 - (int.from_bytes(digest[:8]) >> 1)
    if told.received_at is not None:
        return 0, int(told.received_at.timestamp()) * 1000
    return None


def _digest(told: Told, judged: Judged) -> str:
    """Of sender and text; one part of the app may write a number with its country code, another one without."""
    sender = judged.msisdn.e164 if judged.msisdn else told.sender
    return hashlib.sha256(f"{sender}\0{told.text}".encode()).hexdigest()


def _cleaned(told: Told) -> Told:
    """Without what no database takes: half characters and NUL. No number, name or SMS is as long as what is cut off."""
    message_id = None if told.message_id is None else storable(told.message_id)
    return Told(
        sender=storable(told.sender)[:_LONGEST_SENDER],
        text=storable(told.text)[:_LONGEST_TEXT],
        to_number=storable(told.to_number),
        received_at=told.received_at,
        message_id=message_id,
    )


def _sim_id(to_number: str, sims: Sequence[SimRecord]) -> int | None:
    """Give the SIM of that number; where that names none, the phone's only one."""
    named = [sim.id for sim in sims if sim.msisdn == to_number]
    if named:
        return named[0]
    return sims[0].id if len(sims) == 1 else None


def _open(rows: Iterable[AppInbound]) -> list[AppInbound]:
    """Those that are not blacklisted, and are of somebody who can be."""
    return [row for row in rows if row.msisdn and not row.is_blacklisted]


def _opt_out_by_hand(session: Session, record: InboundRecord, now: datetime, actor: str) -> None:
    is_asked_for = record.stop in (StopVerdict.CERTAIN, StopVerdict.SUSPECTED)
    source = OptOutSource.INBOUND if is_asked_for else OptOutSource.OPERATOR
    if record.stop == StopVerdict.SUSPECTED:
        record.decision, record.decided_at, record.decided_by = Decision.STOP, now, actor
    origin = Origin(source, actor, record.id, rule=_RULE, word=record.stop_word, note=_BY_OPERATOR)
    opt_out(session, record.msisdn or "", origin, now=now)
