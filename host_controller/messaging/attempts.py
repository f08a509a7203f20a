"""Attempts in the database: the intent before the phone is touched, and how each one is settled.

Functions here run inside a transaction of the store and change nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select, tuple_
from sqlalchemy.orm import Session

from device_drivers.base import SentRow
from host_controller.consent.opt_outs import opted_out
from host_controller.messaging.transitions import change_state
from host_controller.rules.states import OPEN_ATTEMPTS, AttemptState, FailureCode, MessageState
from host_controller.store.models import AttemptRecord, MessageRecord, SimRecord
from host_controller.text.parts import cut_into_parts

# Confirmation is one query for all open attempts of a phone; more would make its answer ambiguous and long.
MAX_UNCONFIRMED = 8
# A message that every phone's framework refuses is not carried round for ever.
MAX_REJECTIONS = 3
_LOOK_AHEAD = 32


@dataclass(frozen=True)
class Candidate:
    """The message that a lane may take next."""

    message_id: int
    part_count: int
    only_sim_id: int | None
    """The SIM that it must leave from, or None for any."""


@dataclass(frozen=True)
class Claim:
    """A message that belongs to one SIM now; the intent is durable."""

    attempt_id: int
    wire_id: int
    """What the phone is told as message id; a function of the message and the attempt's number."""
    message_id: int
    msisdn: str = field(repr=False)
    parts: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class UnprovenAttempt:
    """An attempt whose proof is looked for among a phone's sent rows."""

    attempt_id: int
    is_open: bool
    """False where it was given up as unknown already."""
    subscription_id: int
    phone_clock_ms: int
    """The phone's clock at or before the hand-over: no row of this attempt is older."""
    wire_id: int
    part_count: int
    msisdn: str = field(repr=False)
    text: str = field(repr=False)


def next_candidate(
    session: Session, phone_id: int, sim_ids: Collection[int], most_unproven: int, *, now: datetime, actor: str
) -> Candidate | None:
    """Give the oldest queued message that these SIMs may take; cancel those on the way that have opted out.

    A (number, text) that this phone has in flight is passed over: two equal rows could not be told apart.
    """
    in_flight = session.execute(
        select(MessageRecord.msisdn, MessageRecord.text)
        .join(AttemptRecord, AttemptRecord.message_id == MessageRecord.id)
        .where(AttemptRecord.phone_id == phone_id, AttemptRecord.state.in_(OPEN_ATTEMPTS))
    ).all()
    if len(in_flight) >= most_unproven:
        return None
    query = (
        select(MessageRecord)
        .where(
            MessageRecord.state == MessageState.QUEUED,
            or_(MessageRecord.only_sim_id.is_(None), MessageRecord.only_sim_id.in_(sim_ids)),
            tuple_(MessageRecord.msisdn, MessageRecord.text).not_in(in_flight),
        )
        .order_by(MessageRecord.id)
        .limit(_LOOK_AHEAD)
    )
    while queued := session.scalars(query).all():
        refused = opted_out(session, [message.msisdn for message in queued])
        for message in queued:
            if message.msisdn not in refused:
                return Candidate(message.id, message.part_count, message.only_sim_id)
            _cancel_opted_out(session, message, now, actor)
        session.flush()
    return None


def is_queue_empty(session: Session) -> bool:
    """Tell whether nothing is queued at all."""
    query = select(MessageRecord.id).where(MessageRecord.state == MessageState.QUEUED).limit(1)
    return session.scalar(query) is None


def record_intent(
    session: Session, candidate: Candidate, sim_id: int, phone_clock_ms: int, *, now: datetime, actor: str
) -> Claim:
    """Bind the candidate to a SIM and write down, before the phone is touched, that it may send it."""
    message = session.get_one(MessageRecord, candidate.message_id)
    n = 1 + (session.scalar(select(func.max(AttemptRecord.n)).where(AttemptRecord.message_id == message.id)) or 0)
    change_state(session, message, MessageState.SUBMITTING, now=now, actor=actor, reason=f"attempt {n}")
    message.sim_id = sim_id
    attempt = AttemptRecord(
        message_id=message.id,
        n=n,
        wire_id=_wire_id(message.uid, n),
        phone_id=session.get_one(SimRecord, sim_id).phone_id,
        sim_id=sim_id,
        part_count=message.part_count,
        state=AttemptState.INTENT,
        intent_at=now,
        phone_clock_ms=phone_clock_ms,
    )
    session.add(attempt)
    session.flush()
    return Claim(attempt.id, attempt.wire_id, message.id, message.msisdn, cut_into_parts(message.text).texts)


def note_returned(session: Session, attempt_id: int, phone_clock_ms: int) -> None:
    """Note that the framework's call returned, with the phone's clock at that call. Not a proof of sending."""
    attempt = session.get_one(AttemptRecord, attempt_id)
    if attempt.state == AttemptState.INTENT:
        attempt.state = AttemptState.RETURNED
        attempt.phone_clock_ms = phone_clock_ms


def settle_not_sent(session: Session, attempt_id: int, *, now: datetime, actor: str, reason: str) -> None:
    """Nothing left the phone: give the parts back and queue the message again."""
    attempt = _close(session, attempt_id, AttemptState.NOT_SENT, now)
    change_state(session, attempt.message, MessageState.QUEUED, now=now, actor=actor, reason=reason)
    attempt.message.sim_id = None


def settle_rejected(session: Session, attempt_id: int, *, now: datetime, actor: str, reason: str) -> None:
    """The framework refused it: queue it for another phone, or fail it after `MAX_REJECTIONS`."""
    attempt = session.get_one(AttemptRecord, attempt_id)
    if attempt.n < MAX_REJECTIONS:
        settle_not_sent(session, attempt_id, now=now, actor=actor, reason=reason)
        return
    _close(session, attempt_id, AttemptState.NOT_SENT, now)
    change_state(
        session,
        attempt.message,
        MessageState.FAILED,
        now=now,
        actor=actor,
        reason=reason,
        failure=FailureCode.PHONE_REJECTED,
    )


def settle_sent(session: Session, attempt_id: int, row: SentRow, *, now: datetime, actor: str) -> None:
    """The phone's own row proves it; the row belongs to this attempt from now on."""
    attempt = _close(session, attempt_id, AttemptState.SENT, now)
    attempt.sent_row_id, attempt.sent_row_date_ms = row.row_id, row.date_ms
    change_state(session, attempt.message, MessageState.SENT, now=now, actor=actor, reason="in the phone's sent box")


def settle_sent_by_radio(session: Session, attempt_id: int, *, now: datetime, actor: str) -> None:
    """The phone's radio took every part; there is no row that could be read."""
    attempt = _close(session, attempt_id, AttemptState.SENT, now)
    change_state(session, attempt.message, MessageState.SENT, now=now, actor=actor, reason="the radio took every part")


def settle_unknown(session: Session, attempt_id: int, *, now: datetime, actor: str, reason: str) -> None:
    """No proof either way: the message may have left, and is never sent again by itself."""
    attempt = _close(session, attempt_id, AttemptState.UNKNOWN, now)
    change_state(session, attempt.message, MessageState.UNKNOWN, now=now, actor=actor, reason=reason)


def attempts_to_confirm(
    session: Session, phone_id: int, *, late_since: datetime | None = None
) -> Sequence[UnprovenAttempt]:
    """Give the phone's open attempts, and with `late_since` also the unknown ones from then on, oldest first."""
    wanted: ColumnElement[bool] = AttemptRecord.state.in_(OPEN_ATTEMPTS)
    if late_since is not None:
        late = and_(AttemptRecord.state == AttemptState.UNKNOWN, AttemptRecord.intent_at >= late_since)
        wanted = or_(wanted, late)
    rows = session.execute(
        select(
            AttemptRecord.id,
            AttemptRecord.state,
            SimRecord.subscription_id,
            AttemptRecord.phone_clock_ms,
            AttemptRecord.wire_id,
            AttemptRecord.part_count,
            MessageRecord.msisdn,
            MessageRecord.text,
        )
        .join(SimRecord, AttemptRecord.sim_id == SimRecord.id)
        .join(MessageRecord, AttemptRecord.message_id == MessageRecord.id)
        .where(AttemptRecord.phone_id == phone_id, wanted)
        .order_by(AttemptRecord.id)
    )
    return [
        UnprovenAttempt(id_, state in OPEN_ATTEMPTS, subscription_id, clock_ms, wire_id, part_count, msisdn, text)
        for id_, state, subscription_id, clock_ms, wire_id, part_count, msisdn, text in rows
    ]


def claimed_rows(session: Session, phone_id: int, rows: Collection[SentRow]) -> set[tuple[int, int]]:
    """Give those (row id, date) of `rows` that prove another attempt already."""
    if not rows:
        return set()
    found = session.execute(
        select(AttemptRecord.sent_row_id, AttemptRecord.sent_row_date_ms).where(
            AttemptRecord.phone_id == phone_id,
            AttemptRecord.sent_row_date_ms >= min(row.date_ms for row in rows),
        )
    )
    return {(row_id, date_ms) for row_id, date_ms in found if row_id is not None and date_ms is not None}


def spent_parts(session: Session, sim_id: int, since: datetime) -> list[tuple[datetime, int]]:
    """Give (intent time, parts) of every attempt of a SIM since then that counts against its limits, oldest first."""
    rows = session.execute(
        select(AttemptRecord.intent_at, AttemptRecord.part_count)
        .where(
            AttemptRecord.sim_id == sim_id,
            AttemptRecord.intent_at >= since,
            AttemptRecord.state != AttemptState.NOT_SENT,
        )
        .order_by(AttemptRecord.intent_at)
    )
    return list(rows)


def only_unknowns_since(session: Session, phone_id: int, attempt_id: int, count: int) -> bool:
    """Tell whether the last `count` settled attempts of a phone after `attempt_id` all ended without proof."""
    states = session.scalars(
        select(AttemptRecord.state)
        .where(
            AttemptRecord.phone_id == phone_id,
            AttemptRecord.id > attempt_id,
            AttemptRecord.state.not_in(OPEN_ATTEMPTS),
        )
        .order_by(AttemptRecord.id.desc())
        .limit(count)
    ).all()
    return len(states) == count and set(states) == {AttemptState.UNKNOWN}


def last_attempt_id(session: Session) -> int:
    """Give the highest attempt id so far, 0 if there is none."""
    return session.scalar(select(func.max(AttemptRecord.id))) or 0


def overdue_attempts(session: Session, before: datetime) -> Sequence[int]:
    """Give the ids of open attempts whose intent is older than `before`, on any phone, present or not."""
    return session.scalars(
        select(AttemptRecord.id).where(AttemptRecord.state.in_(OPEN_ATTEMPTS), AttemptRecord.intent_at < before)
    ).all()


def is_open(session: Session, attempt_id: int) -> bool:
    """Tell whether an attempt still waits for its proof."""
    return session.get_one(AttemptRecord, attempt_id).state in OPEN_ATTEMPTS


def _close(session: Session, attempt_id: int, state: AttemptState, now: datetime) -> AttemptRecord:
    attempt = session.get_one(AttemptRecord, attempt_id)
    attempt.state = state
    attempt.settled_at = now
    return attempt


def _cancel_opted_out(session: Session, message: MessageRecord, now: datetime, actor: str) -> None:
    change_state(
        session,
        message,
        MessageState.CANCELLED,
        now=now,
        actor=actor,
        reason="the recipient has opted out",
        failure=FailureCode.OPTED_OUT,
    )


def _wire_id(uid: int, n: int) -> int:
    """A positive 63-bit number that any host derives alike, also from a restored database."""
    digest = hashlib.sha256(f"{uid}/{n}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
