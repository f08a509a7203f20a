"""The only way a message's state changes: along the table, with an event beside it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, not_, or_, select, update
from sqlalchemy.orm import Session

from host_controller.consent.policy import barred_classes
from host_controller.rules.states import OPEN_ATTEMPTS, FailureCode, MessageState, check_transition
from host_controller.store.bulk import insert_rows
from host_controller.store.models import AttemptRecord, MessageEvent, MessageRecord

_CANCEL_CHUNK = 1000


def change_state(
    session: Session,
    message: MessageRecord,
    new: MessageState,
    *,
    now: datetime,
    actor: str,
    reason: str,
    failure: FailureCode | None = None,
) -> None:
    """Move a message to `new` and note who, when and why, in the caller's transaction.

    Raises IllegalTransitionError where the table does not allow it.
    """
    old = MessageState(message.state)
    check_transition(old, new)
    message.state = new
    message.changed_at = now
    message.failure_code = failure
    message.error_message = None if new in (MessageState.SENT, MessageState.SUBMITTING) else reason
    event = MessageEvent(message_id=message.id, at=now, old_state=old, new_state=new, actor=actor, reason=reason)
    session.add(event)


def queue_again(session: Session, message: MessageRecord, *, now: datetime, actor: str, reason: str) -> bool:
    """Queue a message that did not leave once more; cancel it where its batch was cancelled meanwhile: False then."""
    change_state(session, message, MessageState.QUEUED, now=now, actor=actor, reason=reason)
    if not message.withdrawn:
        return True
    why, failure = "its batch was cancelled meanwhile", FailureCode.WITHDRAWN
    change_state(session, message, MessageState.CANCELLED, now=now, actor=actor, reason=why, failure=failure)
    return False


def note_event(session: Session, message: MessageRecord, *, now: datetime, actor: str, reason: str) -> None:
    """Note something about a message that does not change its state."""
    event = MessageEvent(
        message_id=message.id, at=now, old_state=message.state, new_state=message.state, actor=actor, reason=reason
    )
    session.add(event)


def cancel_queued(
    session: Session, number: str, *, now: datetime, actor: str, reason: str, failure: FailureCode, brand: str = ""
) -> int:
    """Cancel every queued message to `number` (E.164) that an opt-out keeps back; give how many there were.

    With a brand only those that are of it, or of none.
    """
    query = (
        select(MessageRecord)
        .where(MessageRecord.msisdn == number, MessageRecord.state == MessageState.QUEUED)
        .where(MessageRecord.answers_stop.is_(False), MessageRecord.message_class.in_(barred_classes(session)))
        .limit(_CANCEL_CHUNK)
    )
    if brand:
        query = query.where(or_(MessageRecord.brand == brand, MessageRecord.brand.is_(None)))
    cancelled = 0
    while messages := session.scalars(query).all():
        for message in messages:
            change_state(session, message, MessageState.CANCELLED, now=now, actor=actor, reason=reason, failure=failure)
        session.flush()
        cancelled += len(messages)
    return cancelled


def note_accepted(session: Session, message_ids: list[int], *, now: datetime, actor: str) -> None:
    """Write the first event of new messages."""
    rows = [
        {
            "message_id": id_,
            "at": now,
            "old_state": None,
            "new_state": MessageState.QUEUED,
            "actor": actor,
            "reason": "accepted",
        }
        for id_ in message_ids
    ]
    insert_rows(session, MessageEvent, rows)


def note_many(
    session: Session, message_ids: Collection[int], state: MessageState, *, now: datetime, actor: str, reason: str
) -> None:
    """Note the same about many messages, all in one state, which it does not change."""
    event = {"at": now, "old_state": state, "new_state": state, "actor": actor, "reason": reason}
    insert_rows(session, MessageEvent, [{"message_id": id_, **event} for id_ in message_ids])


def end_queued(
    session: Session,
    message_ids: Collection[int],
    new: MessageState,
    *,
    now: datetime,
    actor: str,
    reason: str,
    failure: FailureCode | None = None,
) -> int:
    """Move those of these messages that are still queued to `new`, by one statement; give how many they were."""
    check_transition(MessageState.QUEUED, new)
    moved = session.scalars(
        update(MessageRecord)
        .where(MessageRecord.id.in_(message_ids), MessageRecord.state == MessageState.QUEUED)
        .values(state=new, changed_at=now, failure_code=failure, error_message=reason)
        .returning(MessageRecord.id)
        .execution_options(synchronize_session=False)
    ).all()
    rows = [
        {
            "message_id": id_,
            "at": now,
            "old_state": MessageState.QUEUED,
            "new_state": new,
            "actor": actor,
            "reason": reason,
        }
        for id_ in moved
    ]
    insert_rows(session, MessageEvent, rows)
    return len(rows)


def is_idle() -> ColumnElement[bool]:
    """Say in SQL that a message is queued and that no attempt to send it is open."""
    is_open = exists().where(AttemptRecord.message_id == MessageRecord.id, AttemptRecord.state.in_(OPEN_ATTEMPTS))
    return and_(MessageRecord.state == MessageState.QUEUED, not_(is_open))
