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
    MessageEvent,
    MessageRecord,
    PhoneCheckRecord,
    PhoneEvent,
    PhoneRecord,
    SimRecord,
)


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


def list_phones(session: Session) -> Sequence[PhoneRecord]:
    """Give every phone of the rack, in sight or not, with its SIMs, by id."""
    return (
        session.scalars(
            select(PhoneRecord)
            .options(joinedload(PhoneRecord.sims), joinedload(PhoneRecord.remote))
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
