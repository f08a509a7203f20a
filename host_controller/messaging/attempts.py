"""Attempts in the database: the intent before the phone is touched, and how each one is settled.

Functions here run inside a transaction of the store and change nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, tuple_
from sqlalchemy.orm import Session

from device_drivers.base import SentRow
from host_controller.consent.opt_outs import opted_out
from host_controller.messaging.transitions import change_state, note_event
from host_controller.rules.classes import MessageClass
from host_controller.rules.ledger import Use
from host_controller.rules.states import (
    OPEN_ATTEMPTS,
    TRANSITIONS,
    AttemptState,
    Evidence,
    FailureCode,
    MessageState,
)
from host_controller.rules.timings import Timings
from host_controller.store.models import AttemptRecord, MessageRecord
from host_controller.text.parts import cut_into_parts

# Confirmation is one query for all open attempts of a phone; more would make its answer ambiguous and long.
MAX_UNCONFIRMED = 8
# A message that every phone's framework refuses is not carried round for ever.
MAX_REJECTIONS = 3
# A link that broke is not the message's fault: so often it may try again at once.
_FREE_TRIES = 2
_LOOK_AHEAD = 32


@dataclass(frozen=True)
class Candidate:
    """The message that a lane may take next."""

    message_id: int
    part_count: int
    only_sim_id: int | None
    """The SIM that it must leave from, or None for any."""
    message_class: MessageClass
    msisdn: str = field(repr=False)


@dataclass(frozen=True)
class Sender:
    """Through which phone, in which state of it, an attempt is made."""

    phone_id: int
    host: str
    epoch: int
    boot_id: str | None
    phone_clock_ms: int
    """Read before the hand-over: no row of the attempt is older."""
    clock_offset_ms: int
    """By how much that clock was ahead of the host's."""


@dataclass(frozen=True)
class Claim:
    """A message that belongs to one SIM now; the intent is durable."""

    attempt_id: int
    wire_id: int
    """What the phone is told as message id; a function of the message and the attempt's number."""
    message_id: int
    msisdn: str = field(repr=False)
    parts: tuple[str, ...] = field(repr=False)
    use: Use
    """What it counts for against the limits of its SIM."""


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
            MessageRecord.restored.is_(False),
            or_(MessageRecord.not_before.is_(None), MessageRecord.not_before <= now),
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
                return Candidate(
                    message.id,
                    message.part_count,
                    message.only_sim_id,
                    MessageClass(message.message_class),
                    message.msisdn,
                )
            _cancel_opted_out(session, message, now, actor)
        session.flush()
    return None


def is_queue_empty(session: Session) -> bool:
    """Tell whether nothing is queued at all."""
    query = select(MessageRecord.id).where(MessageRecord.state == MessageState.QUEUED).limit(1)
    return session.scalar(query) is None


def record_intent(
    session: Session, candidate: Candidate, sim_id: int, sender: Sender, *, now: datetime, actor: str
) -> Claim:
    """Bind the candidate to a SIM and write down, before the phone is touched, that it may send it."""
    message = session.get_one(MessageRecord, candidate.message_id)
    n = 1 + _last_n(session, message.id)
    change_state(session, message, MessageState.SUBMITTING, now=now, actor=actor, reason=f"attempt {n}")
    message.sim_id = sim_id
    attempt = AttemptRecord(
        message_id=message.id,
        n=n,
        wire_id=wire_id(message.uid, n),
        phone_id=sender.phone_id,
        sim_id=sim_id,
        part_count=message.part_count,
        state=AttemptState.INTENT,
        intent_at=now,
        phone_clock_ms=sender.phone_clock_ms,
        clock_offset_ms=sender.clock_offset_ms,
        boot_id=sender.boot_id,
        host=sender.host,
        epoch=sender.epoch,
    )
    session.add(attempt)
    session.flush()
    use = Use(now, message.part_count, candidate.message_class, message.msisdn)
    return Claim(attempt.id, attempt.wire_id, message.id, message.msisdn, cut_into_parts(message.text).texts, use)


def note_returned(session: Session, attempt_id: int, phone_clock_ms: int) -> None:
    """Note that the framework's call returned, with the phone's clock at that call. Not a proof of sending."""
    attempt = session.get_one(AttemptRecord, attempt_id)
    if attempt.state == AttemptState.INTENT:
        attempt.state = AttemptState.RETURNED
        attempt.phone_clock_ms = phone_clock_ms


@dataclass(frozen=True)
class Verdict:
    """When, by whom, why and on what evidence an attempt is settled."""

    now: datetime
    actor: str
    reason: str
    evidence: Evidence


def settle_not_sent(session: Session, attempt_id: int, verdict: Verdict, timings: Timings) -> None:
    """Nothing left the phone: give the parts back and queue the message again.

    The first two times at once, for any phone; from then on later and later, so that a message whose own fault it is
    holds up nobody. What the framework refused waits from the first time, and fails after `MAX_REJECTIONS`.
    """
    attempt = _close(session, attempt_id, AttemptState.NOT_SENT, verdict)
    message = attempt.message
    if message.state != MessageState.SUBMITTING or _last_n(session, message.id) != attempt.n:
        return
    rejections = _count_not_sent(session, message.id, Evidence.REJECTED)
    if verdict.evidence is Evidence.REJECTED and rejections >= MAX_REJECTIONS:
        failure = FailureCode.PHONE_REJECTED
        change_state(
            session,
            message,
            MessageState.FAILED,
            now=verdict.now,
            actor=verdict.actor,
            reason=verdict.reason,
            failure=failure,
        )
        return
    change_state(session, message, MessageState.QUEUED, now=verdict.now, actor=verdict.actor, reason=verdict.reason)
    message.sim_id = None
    tries = max(rejections, _count_not_sent(session, message.id) - _FREE_TRIES)
    message.not_before = verdict.now + timedelta(seconds=timings.retry_after_s(tries)) if tries > 0 else None


def settle_sent(session: Session, attempt_id: int, row: SentRow, *, now: datetime, actor: str) -> None:
    """The phone's own row proves it; the row belongs to this attempt from now on."""
    verdict = Verdict(now, actor, "in the phone's sent box", Evidence.ROW)
    attempt = _close(session, attempt_id, AttemptState.SENT, verdict)
    attempt.sent_row_id, attempt.sent_row_date_ms = row.row_id, row.date_ms
    _prove_sent(session, attempt, verdict)


def settle_sent_by_radio(session: Session, attempt_id: int, *, now: datetime, actor: str) -> None:
    """The phone's radio took every part; there is no row that could be read, or none yet."""
    if is_open(session, attempt_id):
        verdict = Verdict(now, actor, "the radio took every part", Evidence.RADIO)
        _prove_sent(session, _close(session, attempt_id, AttemptState.RADIO, verdict), verdict)


def settle_unknown(session: Session, attempt_id: int, verdict: Verdict) -> None:
    """No proof either way: the message may have left, and is never sent again by itself."""
    attempt = _close(session, attempt_id, AttemptState.UNKNOWN, verdict)
    if attempt.message.state == MessageState.SUBMITTING:
        change_state(
            session,
            attempt.message,
            MessageState.UNKNOWN,
            now=verdict.now,
            actor=verdict.actor,
            reason=verdict.reason,
        )


def _prove_sent(session: Session, attempt: AttemptRecord, verdict: Verdict) -> None:
    """An attempt has left, and so its message, whatever was done about it meanwhile; what is final stays."""
    message = attempt.message
    now, actor, reason = verdict.now, verdict.actor, verdict.reason
    if MessageState.SENT in TRANSITIONS[MessageState(message.state)]:
        change_state(session, message, MessageState.SENT, now=now, actor=actor, reason=reason)
        message.sim_id = attempt.sim_id
    elif message.state != MessageState.SENT:
        note_event(session, message, now=now, actor=actor, reason=f"attempt {attempt.n} did leave: {reason}")


def _last_n(session: Session, message_id: int) -> int:
    return session.scalar(select(func.max(AttemptRecord.n)).where(AttemptRecord.message_id == message_id)) or 0


def _count_not_sent(session: Session, message_id: int, evidence: Evidence | None = None) -> int:
    query = select(func.count()).where(
        AttemptRecord.message_id == message_id, AttemptRecord.state == AttemptState.NOT_SENT
    )
    if evidence is not None:
        query = query.where(AttemptRecord.evidence == evidence)
    return session.scalar(query) or 0


def last_attempt_id(session: Session) -> int:
    """Give the highest attempt id so far, 0 if there is none."""
    return session.scalar(select(func.max(AttemptRecord.id))) or 0


def is_open(session: Session, attempt_id: int) -> bool:
    """Tell whether an attempt still waits for its proof."""
    return session.get_one(AttemptRecord, attempt_id).state in OPEN_ATTEMPTS


def _close(session: Session, attempt_id: int, state: AttemptState, verdict: Verdict) -> AttemptRecord:
    attempt = session.get_one(AttemptRecord, attempt_id)
    attempt.state = state
    attempt.settled_at = verdict.now
    attempt.evidence = verdict.evidence
    session.flush()
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


def wire_id(uid: int, n: int) -> int:
    """A positive 63-bit number that any host derives alike, also from a restored database."""
    digest = hashlib.sha256(f"{uid}/{n}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
