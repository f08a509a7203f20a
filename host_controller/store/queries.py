"""What the pages and the command line show, read in one consistent view. Frozen values, no records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload
from sqlalchemy.orm.interfaces import ORMOption

from host_controller.rules.classes import MessageClass
from host_controller.rules.states import OPEN_ATTEMPTS, MessageState
from host_controller.store.models import (
    AttemptRecord,
    BatchRecord,
    InboundRecord,
    MessageEvent,
    MessageRecord,
    OptOutRecord,
    PhoneCheckRecord,
    PhoneEvent,
    PhoneRecord,
    SimRecord,
)
from host_controller.text.stop_words import StopVerdict

_UNDECIDED = (InboundRecord.stop == StopVerdict.SUSPECTED, InboundRecord.decision.is_(None))


@dataclass(frozen=True)
class MessageView:
    """One message."""

    id: int
    number: str = field(repr=False)
    text: str = field(repr=False)
    part_count: int
    state: MessageState
    failure_code: str | None
    error_message: str | None
    phone: str | None
    sim_slot: int | None
    ref: str | None
    created_at: datetime
    changed_at: datetime
    not_before: datetime | None
    """When it is looked at again; None where it need not wait."""
    waiting_for: str | None
    """Why it waits until then."""
    batch: str | None
    message_class: MessageClass
    expires_at: datetime | None
    restored: bool
    """From a backup, and not every phone was asked yet whether it has sent it since."""


@dataclass(frozen=True)
class EventView:
    """One change of a message."""

    at: datetime
    old_state: str | None
    new_state: str
    actor: str
    reason: str


@dataclass(frozen=True)
class PhoneEventView:
    """Something that happened to a phone."""

    at: datetime
    kind: str
    words: str
    actor: str


@dataclass(frozen=True)
class InboundView:
    """One message that came in."""

    id: int
    received_at: datetime
    phone: str
    sim_slot: int | None
    sender: str = field(repr=False)
    text: str = field(repr=False)
    stop: str
    stop_rule: str | None
    """How it was judged..."""
    stop_word: str | None
    """...and by which word."""
    decision: str | None
    """What a person said of a suspected one."""
    sent_at: datetime | None
    """By the message centre."""
    may_forward: bool
    """Whether it may leave this host."""


@dataclass(frozen=True)
class OptOutView:
    """One number that must not be written to."""

    number: str = field(repr=False)
    brand: str
    """Empty: every message."""
    source: str
    inbound_id: int | None
    rule: str | None
    word: str | None
    note: str | None
    actor: str
    created_at: datetime
    lifted_at: datetime | None
    lifted_by: str | None
    lift_reason: str | None


def count_by_state(session: Session) -> dict[MessageState, int]:
    """Give the number of messages in each state, every state named."""
    counts = dict(session.execute(select(MessageRecord.state, func.count()).group_by(MessageRecord.state)).all())
    return {state: counts.get(state, 0) for state in MessageState}


def sent_part_count(session: Session) -> int:
    """Give the parts of all messages that are sent."""
    query = select(func.sum(MessageRecord.part_count)).where(MessageRecord.state == MessageState.SENT)
    return session.scalar(query) or 0


def list_messages(
    session: Session,
    *,
    state: MessageState | None = None,
    batch: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[MessageView]:
    """Give messages, newest first, below an id."""
    query = select(MessageRecord).order_by(MessageRecord.id.desc()).limit(limit)
    if state is not None:
        query = query.where(MessageRecord.state == state)
    if batch is not None:
        named = select(BatchRecord.id).where(BatchRecord.name == batch).scalar_subquery()
        query = query.where(MessageRecord.batch_id == named)
    if before is not None:
        query = query.where(MessageRecord.id < before)
    return [_message_view(record) for record in session.scalars(query.options(*_with_more()))]


def recent_messages(session: Session, *, limit: int) -> list[MessageView]:
    """Give the messages that changed last, latest first."""
    query = select(MessageRecord).order_by(MessageRecord.changed_at.desc(), MessageRecord.id.desc()).limit(limit)
    return [_message_view(record) for record in session.scalars(query.options(*_with_more()))]


def find_message(session: Session, message_id: int) -> tuple[MessageView, list[EventView]] | None:
    """Give a message and what happened to it, oldest first; None where there is none."""
    record = session.get(MessageRecord, message_id, options=_with_more())
    if record is None:
        return None
    query = select(MessageEvent).where(MessageEvent.message_id == message_id).order_by(MessageEvent.id)
    events = [
        EventView(event.at, event.old_state, event.new_state, event.actor, event.reason)
        for event in session.scalars(query)
    ]
    return _message_view(record), events


def list_inbound(
    session: Session, *, before: int | None = None, limit: int = 50, undecided: bool = False, may_forward: bool = False
) -> list[InboundView]:
    """Give inbound messages, newest first, below an id.

    Only those that a person must look at, or only those that may leave this host, if asked for.
    """
    query = (
        select(InboundRecord)
        .options(joinedload(InboundRecord.phone), joinedload(InboundRecord.sim))
        .order_by(InboundRecord.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(InboundRecord.id < before)
    if undecided:
        query = query.where(*_UNDECIDED)
    if may_forward:
        query = query.where(InboundRecord.may_forward.is_(True))
    return [
        InboundView(
            id=record.id,
            received_at=record.received_at,
            phone=record.phone.adb_serial,
            sim_slot=record.sim.slot_index if record.sim else None,
            sender=record.sender,
            text=record.text,
            stop=record.stop,
            stop_rule=record.stop_rule,
            stop_word=record.stop_word,
            decision=record.decision,
            sent_at=record.sent_at,
            may_forward=record.may_forward,
        )
        for record in session.scalars(query)
    ]


def count_undecided(session: Session) -> int:
    """Give the number of replies that a person must look at."""
    return session.scalar(select(func.count()).select_from(InboundRecord).where(*_UNDECIDED)) or 0


def list_opt_outs(
    session: Session, *, number: str | None = None, lifted: bool = False, limit: int | None = None
) -> list[OptOutView]:
    """Give the list, newest first; of one number (E.164), if given, and with what was lifted, if asked for."""
    query = select(OptOutRecord).order_by(OptOutRecord.id.desc()).limit(limit)
    if number is not None:
        query = query.where(OptOutRecord.msisdn == number)
    if not lifted:
        query = query.where(OptOutRecord.lifted_at.is_(None))
    return [
        OptOutView(
            number=record.msisdn,
            brand=record.brand,
            source=record.source,
            inbound_id=record.inbound_id,
            rule=record.rule,
            word=record.word,
            note=record.note,
            actor=record.actor,
            created_at=record.created_at,
            lifted_at=record.lifted_at,
            lifted_by=record.lifted_by,
            lift_reason=record.lift_reason,
        )
        for record in session.scalars(query)
    ]


def count_opt_outs(session: Session) -> int:
    """Give how many numbers have opted out."""
    query = select(func.count(OptOutRecord.msisdn.distinct())).where(OptOutRecord.lifted_at.is_(None))
    return session.scalar(query) or 0


def list_phones(session: Session) -> Sequence[PhoneRecord]:
    """Give every phone of the rack, in sight or not, with its SIMs, by id."""
    return (
        session.scalars(
            select(PhoneRecord)
            .options(joinedload(PhoneRecord.sims))
            .where(PhoneRecord.removed_at.is_(None))
            .order_by(PhoneRecord.id)
        )
        .unique()
        .all()
    )


def phone_events(session: Session, hardware_serial: str, *, limit: int = 50) -> list[PhoneEventView]:
    """Give what happened to a phone, latest first."""
    query = (
        select(PhoneEvent)
        .join(PhoneRecord, PhoneRecord.id == PhoneEvent.phone_id)
        .where(PhoneRecord.hardware_serial == hardware_serial)
        .order_by(PhoneEvent.id.desc())
        .limit(limit)
    )
    return [PhoneEventView(event.at, event.kind, event.words, event.actor) for event in session.scalars(query)]


def phone_checks(session: Session, hardware_serial: str) -> Sequence[PhoneCheckRecord]:
    """Give a phone's check list, as of its last enrolment."""
    query = (
        select(PhoneCheckRecord)
        .join(PhoneRecord, PhoneRecord.id == PhoneCheckRecord.phone_id)
        .where(PhoneRecord.hardware_serial == hardware_serial)
        .order_by(PhoneCheckRecord.id)
    )
    return session.scalars(query).all()


def unproven_by_phone(session: Session) -> dict[int, int]:
    """Give the number of open attempts of each phone, by phone id."""
    query = (
        select(AttemptRecord.phone_id, func.count())
        .where(AttemptRecord.state.in_(OPEN_ATTEMPTS))
        .group_by(AttemptRecord.phone_id)
    )
    return dict(session.execute(query).all())


def _with_more() -> Sequence[ORMOption]:
    return joinedload(MessageRecord.sim).joinedload(SimRecord.phone), joinedload(MessageRecord.batch)


def _message_view(record: MessageRecord) -> MessageView:
    return MessageView(
        id=record.id,
        number=record.msisdn,
        text=record.text,
        part_count=record.part_count,
        state=MessageState(record.state),
        failure_code=record.failure_code,
        error_message=record.error_message,
        phone=record.sim.phone.adb_serial if record.sim else None,
        sim_slot=record.sim.slot_index if record.sim else None,
        ref=record.ref,
        created_at=record.created_at,
        changed_at=record.changed_at,
        not_before=record.not_before,
        waiting_for=record.waiting_for,
        batch=record.batch.name if record.batch else None,
        message_class=MessageClass(record.message_class),
        expires_at=record.expires_at,
        restored=record.restored,
    )
