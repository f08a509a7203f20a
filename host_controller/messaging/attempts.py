"""Attempts in the database: the intent before the phone is touched, and how each one is settled.

Functions here run inside a transaction of the store and change nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.orm import Session

from device_drivers.base import SentRow
from host_controller.consent.opt_outs import refuses
from host_controller.consent.policy import barred_classes
from host_controller.messaging.queue import QueuedMessage
from host_controller.messaging.transitions import change_state, note_event, queue_again
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
from host_controller.rules.waiting import WaitReason
from host_controller.store.models import AttemptRecord, MessageEvent, MessageRecord, OptOutRecord

# A message that every phone's framework refuses is not carried round for ever.
MAX_REJECTIONS = 3
# A link that broke is not the message's fault: so often it may try again at once.
_FREE_TRIES = 2
_AT = AttemptRecord.settled_at.type


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
    intent_at: datetime
    message: QueuedMessage

    @property
    def use(self) -> Use:
        """What it counts for against the limits of its SIM."""
        message = self.message
        return Use(self.intent_at, message.parts, message.message_class, message.msisdn)


def claim(
    session: Session, message: QueuedMessage, sim_id: int, sender: Sender, *, now: datetime, actor: str
) -> Claim | None:
    """Bind a message to a SIM and write down, before the phone is touched, that it may send it.

    None where it may not be taken: it is queued no more, or its recipient has opted out, for which it is cancelled.
    """
    connection = session.connection()
    if brands := connection.execute(_OPT_OUTS, {"number": message.msisdn}).scalars().all():
        record = session.get(MessageRecord, message.message_id)
        if record is None or record.uid != message.uid:
            return None
        if _is_refused(session, record, brands):
            if record.state == MessageState.QUEUED:
                _cancel_opted_out(session, record, now, actor)
            return None
    values = {"message": message.message_id, "message_uid": message.uid, "sim": sim_id, "now": now}
    if connection.execute(_TAKE, values).rowcount != 1:
        return None
    n = message.last_n + 1
    event = {
        "message_id": message.message_id,
        "at": now,
        "old_state": MessageState.QUEUED,
        "new_state": MessageState.SUBMITTING,
        "actor": actor,
        "reason": f"attempt {n}",
    }
    connection.execute(_NOTE, event)
    name = wire_id(message.uid, n)
    attempt = {
        "message_id": message.message_id,
        "n": n,
        "wire_id": name,
        "phone_id": sender.phone_id,
        "sim_id": sim_id,
        "part_count": message.parts,
        "state": AttemptState.INTENT,
        "intent_at": now,
        "phone_clock_ms": sender.phone_clock_ms,
        "clock_offset_ms": sender.clock_offset_ms,
        "boot_id": sender.boot_id,
        "host": sender.host,
        "epoch": sender.epoch,
    }
    attempt_id = connection.execute(_INTEND, attempt).scalar_one()
    return Claim(attempt_id, name, now, message)


# Built once: to build a statement takes as long as to run it.
_NOTE = insert(MessageEvent)
_INTEND = insert(AttemptRecord).returning(AttemptRecord.id)
_OPT_OUTS = select(OptOutRecord.brand).where(
    OptOutRecord.msisdn == bindparam("number"), OptOutRecord.lifted_at.is_(None)
)
# By its uid as well: SQLite gives the id of a message that was never committed to the next one.
_TAKE = (
    update(MessageRecord)
    .where(MessageRecord.id == bindparam("message"), MessageRecord.uid == bindparam("message_uid"))
    .where(MessageRecord.state == MessageState.QUEUED)
    .where(MessageRecord.waiting_for.is_(None), MessageRecord.restored.is_(False))
    .values(
        state=MessageState.SUBMITTING,
        sim_id=bindparam("sim"),
        changed_at=bindparam("now", type_=_AT),
        failure_code=None,
        error_message=None,
    )
)


def note_returned(session: Session, attempt_id: int, phone_clock_ms: int) -> None:
    """Note that the framework's call returned, with the phone's clock at that call. Not a proof of sending."""
    session.connection().execute(_RETURNED, {"attempt": attempt_id, "clock_ms": phone_clock_ms})


_RETURNED = (
    update(AttemptRecord)
    .where(AttemptRecord.id == bindparam("attempt"), AttemptRecord.state == AttemptState.INTENT)
    .values(state=AttemptState.RETURNED, phone_clock_ms=bindparam("clock_ms"))
)


@dataclass(frozen=True)
class Verdict:
    """When, by whom, why and on what evidence an attempt is settled."""

    now: datetime
    actor: str
    reason: str
    evidence: Evidence


def settle_not_sent(session: Session, attempt_id: int, verdict: Verdict, timings: Timings) -> None:
    """Nothing left the phone: give the parts back and queue the message again, unless its batch was cancelled.

    The first two times at once, for any phone; from then on later and later, so that a message whose own fault it is
    holds up nobody. What the framework refused waits from the first time, and fails after `MAX_REJECTIONS`.
    """
    attempt = close(session, attempt_id, AttemptState.NOT_SENT, verdict)
    message = attempt.message
    if message.state != MessageState.SUBMITTING or last_n(session, message.id) != attempt.n:
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
    message.sim_id = None
    if not queue_again(session, message, now=verdict.now, actor=verdict.actor, reason=verdict.reason):
        return
    brands = session.connection().execute(_OPT_OUTS, {"number": message.msisdn}).scalars().all()
    if _is_refused(session, message, brands):
        _cancel_opted_out(session, message, verdict.now, verdict.actor)
        return
    tries = max(rejections, _count_not_sent(session, message.id) - _FREE_TRIES)
    if tries > 0:
        message.not_before = verdict.now + timedelta(seconds=timings.retry_after_s(tries))
        message.waiting_for = WaitReason.RETRY


def settle_sent(session: Session, proofs: Mapping[int, SentRow], *, now: datetime, actor: str) -> None:
    """The phone's own rows prove these attempts; each row belongs to its attempt from now on."""
    verdict = Verdict(now, actor, "in the phone's sent box", Evidence.ROW)
    connection = session.connection()
    closings = [
        {"attempt": attempt_id, "now": now, "row_id": row.row_id, "date_ms": row.date_ms}
        for attempt_id, row in proofs.items()
    ]
    connection.execute(_CLOSE_AS_SENT, closings)
    found = connection.execute(_MESSAGES_OF, {"attempts": list(proofs)}).all()
    # The ordinary ones; of two attempts of one message the second finds it sent.
    ordinary = {
        id_: (attempt_id, sim_id) for attempt_id, id_, state, sim_id in found if state == MessageState.SUBMITTING
    }
    if ordinary:
        values = [{"message": id_, "sim": sim_id, "now": now} for id_, (_, sim_id) in ordinary.items()]
        connection.execute(_BECOME_SENT, values)
        change = {"at": now, "old_state": MessageState.SUBMITTING, "new_state": MessageState.SENT}
        change |= {"actor": actor, "reason": verdict.reason}
        connection.execute(_NOTE, [{"message_id": id_, **change} for id_ in ordinary])
    for attempt_id, id_, _, _ in found:
        if ordinary.get(id_, (0,))[0] != attempt_id:
            prove_sent(session, session.get_one(AttemptRecord, attempt_id), verdict)


_CLOSE_AS_SENT = (
    update(AttemptRecord)
    .where(AttemptRecord.id == bindparam("attempt"))
    .values(
        state=AttemptState.SENT,
        settled_at=bindparam("now", type_=_AT),
        evidence=Evidence.ROW,
        sent_row_id=bindparam("row_id"),
        sent_row_date_ms=bindparam("date_ms"),
    )
)
_MESSAGES_OF = (
    select(AttemptRecord.id, MessageRecord.id, MessageRecord.state, AttemptRecord.sim_id)
    .join(MessageRecord, AttemptRecord.message_id == MessageRecord.id)
    .where(AttemptRecord.id.in_(bindparam("attempts", expanding=True)))
)
_BECOME_SENT = (
    update(MessageRecord)
    .where(MessageRecord.id == bindparam("message"), MessageRecord.state == MessageState.SUBMITTING)
    .values(
        state=MessageState.SENT,
        sim_id=bindparam("sim"),
        changed_at=bindparam("now", type_=_AT),
        failure_code=None,
        error_message=None,
    )
)


def settle_sent_by_radio(session: Session, attempt_id: int, *, now: datetime, actor: str) -> None:
    """The phone's radio took every part; there is no row that could be read, or none yet."""
    if is_open(session, attempt_id):
        verdict = Verdict(now, actor, "the radio took every part", Evidence.RADIO)
        prove_sent(session, close(session, attempt_id, AttemptState.RADIO, verdict), verdict)


def settle_unknown(session: Session, attempt_id: int, verdict: Verdict) -> None:
    """No proof either way: the message may have left, and is never sent again by itself."""
    attempt = close(session, attempt_id, AttemptState.UNKNOWN, verdict)
    if attempt.message.state == MessageState.SUBMITTING:
        change_state(
            session,
            attempt.message,
            MessageState.UNKNOWN,
            now=verdict.now,
            actor=verdict.actor,
            reason=verdict.reason,
        )


def prove_sent(session: Session, attempt: AttemptRecord, verdict: Verdict) -> None:
    """An attempt has left, and so its message, whatever was done about it meanwhile; what is final stays."""
    message = attempt.message
    now, actor, reason = verdict.now, verdict.actor, verdict.reason
    if MessageState.SENT in TRANSITIONS[MessageState(message.state)]:
        change_state(session, message, MessageState.SENT, now=now, actor=actor, reason=reason)
        message.sim_id = attempt.sim_id
    elif message.state != MessageState.SENT:
        note_event(session, message, now=now, actor=actor, reason=f"attempt {attempt.n} did leave: {reason}")


def last_n(session: Session, message_id: int) -> int:
    """Give the number of a message's last attempt, 0 where there is none."""
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


def close(session: Session, attempt_id: int, state: AttemptState, verdict: Verdict) -> AttemptRecord:
    """Settle an attempt, and nothing else."""
    attempt = session.get_one(AttemptRecord, attempt_id)
    attempt.state = state
    attempt.settled_at = verdict.now
    attempt.evidence = verdict.evidence
    session.flush()
    return attempt


def _is_refused(session: Session, message: MessageRecord, brands: Collection[str]) -> bool:
    """Tell whether a message is kept back by its recipient's opt-outs, which are for these brands."""
    if message.answers_stop or not refuses(brands, message.brand):
        return False
    return message.message_class in barred_classes(session)


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
