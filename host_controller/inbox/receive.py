"""Storing what phones received: each message once, and a STOP with all that follows from it, in one transaction."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from device_drivers.base import InboxRow
from device_drivers.failpoints import failpoint
from host_controller.consent.flood import flood_notice
from host_controller.consent.opt_outs import OptOutSource, Origin, in_force, lift
from host_controller.consent.policy import read_policy
from host_controller.consent.stop_lists import tables_in_force
from host_controller.inbox.answering import answer_stop
from host_controller.messaging.opting_out import opt_out
from host_controller.settings import Settings
from host_controller.store.bulk import rows_in
from host_controller.store.models import InboundRecord, MessageRecord, SimRecord
from host_controller.store.store import Store
from host_controller.text.msisdn import Msisdn, parse_sender
from host_controller.text.stop_words import StopDecision, StopVerdict, judge_stop

_log = logging.getLogger(__name__)
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
    msisdn: Msisdn | None
    decision: StopDecision
    may_forward: bool

    @property
    def is_stop(self) -> bool:
        return self.decision.verdict is StopVerdict.CERTAIN


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
        self._on_answer = on_answer
        self._store = store
        self._settings = settings
        self._clock = clock
        self._alarmed = False

    def take(self, phone_id: int, rows: Sequence[InboxRow], phone_clock_ms: int) -> StoredPage:
        """Store the rows that are new, in one transaction, and obey them."""
        keyed = [(row, _digest(row)) for row in rows]
        with self._store.reading() as session:
            stored = _stored(session, phone_id, rows)
            new = [(row, digest) for row, digest in keyed if (row.row_id, row.date_ms, digest) not in stored]
            fresh = self._judge(session, new) if new else []
        if fresh:
            with self._store.refusals.writing([one.msisdn.e164 for one in fresh if one.msisdn and one.is_stop]):
                failpoint("inbound.before")
                answers = self._store.write(lambda session: self._add(session, phone_id, fresh, phone_clock_ms))
                failpoint("inbound.after")
            if answers:
                self._on_answer()
            self._watch_for_flood()
        known = [KnownRow(key[0], inbound_id) for key, inbound_id in stored.items() if key in _keys(keyed)]
        return StoredPage(len(fresh), tuple(known))

    def _judge(self, session: Session, rows: Sequence[tuple[InboxRow, str]]) -> list[_Fresh]:
        own = set(session.scalars(select(SimRecord.msisdn).where(SimRecord.msisdn.is_not(None))))
        tables, policy = tables_in_force(session), read_policy(session)
        senders = [parse_sender(row.sender, self._settings.messages.home_region) for row, _ in rows]
        known = own | _written_to(session, [sender.e164 for sender in senders if sender])
        fresh = []
        for (row, digest), msisdn in zip(rows, senders, strict=True):
            can_refuse = msisdn is not None and msisdn.e164 not in own
            decision = judge_stop(row.body, sender_is_msisdn=can_refuse, tables=tables)
            may_forward = policy.forward.permits(decision.verdict, is_known=msisdn is not None and msisdn.e164 in known)
            fresh.append(_Fresh(row, digest, msisdn, decision, may_forward))
        return fresh

    def _add(self, session: Session, phone_id: int, fresh: Sequence[_Fresh], phone_clock_ms: int) -> int:
        """Give how many answers were queued."""
        now, answers = self._clock(), 0
        sims = session.scalars(select(SimRecord).where(SimRecord.phone_id == phone_id).order_by(SimRecord.id)).all()
        for one in fresh:
            row, decision = one.row, one.decision
            record = InboundRecord(
                phone_id=phone_id,
                sim_id=_sim_id(row, sims),
                row_id=row.row_id,
                row_date_ms=row.date_ms,
                body_sha256=one.digest,
                sender=_storable(row.sender),
                msisdn=one.msisdn.e164 if one.msisdn else None,
                peer=one.msisdn.e164 if one.msisdn else _storable(row.sender),
                text=_storable(row.body),
                received_at=_received_at(row, phone_clock_ms, now),
                sent_at=_at(row.sent_at_ms),
                stored_at=now,
                stop=decision.verdict,
                stop_rule=decision.rule,
                stop_word=decision.word,
                may_forward=one.may_forward,
            )
            session.add(record)
            if one.msisdn and decision.verdict in (StopVerdict.CERTAIN, StopVerdict.START):
                session.flush()
                if one.is_stop:
                    answers += self._obey_stop(session, record, one.msisdn, now)
                else:
                    _obey_start(session, record, one.msisdn, now)
        return answers

    def _obey_stop(self, session: Session, record: InboundRecord, msisdn: Msisdn, now: datetime) -> bool:
        """Opt the sender out; tell whether an answer was queued."""
        if _has_started_since(session, record):
            _log.info("STOP from %s is older than their START", msisdn)
            return False
        origin = Origin(
            OptOutSource.INBOUND, f"inbound {record.id}", record.id, rule=record.stop_rule, word=record.stop_word
        )
        outcome = opt_out(session, msisdn.e164, origin, now=now)
        _log.info("STOP from %s: opted out, %s queued messages cancelled", msisdn, outcome.cancelled)
        answer = read_policy(session).stop_answer
        if answer is None:
            return False
        return answer_stop(session, record, msisdn, answer, self._settings.messages.allowed_regions, now) is not None

    def _watch_for_flood(self) -> None:
        with self._store.reading() as session:
            notice = flood_notice(session, self._settings.inbox, self._clock())
        if notice and not self._alarmed:
            _log.error("%s", notice)
        self._alarmed = notice is not None


def _obey_start(session: Session, record: InboundRecord, msisdn: Msisdn, now: datetime) -> None:
    """Lift what the person has set, and nothing else; a STOP that came after it stays."""
    own = [
        found
        for found in in_force(session, msisdn.e164, sources=[OptOutSource.INBOUND])
        if found.inbound is None or found.inbound.received_at <= record.received_at
    ]
    actor = f"inbound {record.id}"
    if lift(own, now=now, actor=actor, reason="the person asked for messages again"):
        _log.info("START from %s: no longer opted out by themselves", msisdn)


def _has_started_since(session: Session, record: InboundRecord) -> bool:
    query = select(InboundRecord.id).where(
        InboundRecord.msisdn == record.msisdn,
        InboundRecord.stop == StopVerdict.START,
        InboundRecord.received_at > record.received_at,
    )
    return session.scalar(query.limit(1)) is not None


def _written_to(session: Session, numbers: Collection[str]) -> set[str]:
    query = select(MessageRecord.msisdn).distinct()
    return {number for (number,) in rows_in(session, query, MessageRecord.msisdn, numbers)}


def _stored(session: Session, phone_id: int, rows: Sequence[InboxRow]) -> dict[tuple[int, int, str], int]:
    query = select(InboundRecord.row_id, InboundRecord.row_date_ms, InboundRecord.body_sha256, InboundRecord.id).where(
        InboundRecord.phone_id == phone_id, InboundRecord.row_id.in_([row.row_id for row in rows])
    )
    return {(row_id, date_ms, digest): inbound_id for row_id, date_ms, digest, inbound_id in session.execute(query)}


def _keys(keyed: Sequence[tuple[InboxRow, str]]) -> set[tuple[int, int, str]]:
    return {(row.row_id, row.date_ms, digest) for row, digest in keyed}


def _digest(row: InboxRow) -> str:
    return hashlib.sha256(f"{row.sender}\0{row.body}".encode()).hexdigest()


def _storable(text: str) -> str:
    """Give a text as PostgreSQL can hold it, too: a row that cannot be stored would hide all that come after it."""
    return text.replace("\0", "\ufffd")


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
