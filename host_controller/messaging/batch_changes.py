"""What a person does with a batch that has messages already: moving its window, cancelling what is queued."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from host_controller.errors import InvalidWindowError
from host_controller.messaging.batches import get_record
from host_controller.messaging.submit import default_ttl
from host_controller.messaging.transitions import end_queued, is_idle, note_many
from host_controller.rules.classes import MessageClass
from host_controller.rules.lifetime import Window, check_window
from host_controller.rules.states import FailureCode, MessageState
from host_controller.rules.waiting import WaitReason
from host_controller.settings import MessageSettings
from host_controller.store.models import MessageRecord
from host_controller.store.store import Store

_CHUNK = 1000


def change_window(
    store: Store, settings: MessageSettings, name: str, changes: Mapping[str, datetime | None], *, now: datetime
) -> int:
    """Change an end of a batch's window, or both, and move what is queued of it; give how many messages those are.

    What the old end had cut, and what would now end before it may begin, gets the new end, or what the settings say
    for its class from the beginning on. A message's own, earlier end stays. Some are moved at a time, so that others
    get to write between, and the batch itself with the last of them: broken off and asked for again, it is all done.
    Raises UnknownBatchError or InvalidWindowError; then nothing was changed.
    """
    last_id = moved = 0

    def work(session: Session) -> Sequence[int]:
        record = get_record(session, name)
        window = replace(Window(record.not_before, record.not_after), **changes)
        check_window(window)
        if changes.get("not_after") is not None and window.not_after is not None and window.not_after <= now:
            raise InvalidWindowError("the window would have ended already, and what waits would expire; cancel instead")
        is_queued = and_(MessageRecord.batch_id == record.id, MessageRecord.state == MessageState.QUEUED)
        query = select(MessageRecord.id).where(is_queued, MessageRecord.id > last_id)
        message_ids = session.scalars(query.order_by(MessageRecord.id).limit(_CHUNK)).all()
        if message_ids:
            default = default_ttl(settings, MessageClass(record.message_class))
            which = and_(is_queued, MessageRecord.id.between(message_ids[0], message_ids[-1]))
            _move(session, which, record.not_after, window, default, now)
        if len(message_ids) < _CHUNK:
            record.not_before, record.not_after = window.not_before, window.not_after
        return message_ids

    while True:
        message_ids = store.write(work)
        moved += len(message_ids)
        if len(message_ids) < _CHUNK:
            return moved
        last_id = message_ids[-1]


def cancel_batch(store: Store, name: str, *, now: datetime, actor: str, reason: str) -> int:
    """Cancel what is queued of a batch, some at a time, so that others get to write between; give how many.

    What a phone has in its hands, or may have sent, is cancelled later, where it turns out not to have left. Raises
    UnknownBatchError.
    """

    def work(session: Session) -> int:
        record = get_record(session, name)
        _withdraw(session, record.id, now=now, actor=actor, reason=reason)
        query = select(MessageRecord.id).where(is_idle(), MessageRecord.batch_id == record.id).limit(_CHUNK)
        return end_queued(
            session,
            session.scalars(query).all(),
            MessageState.CANCELLED,
            now=now,
            actor=actor,
            reason=reason,
            failure=FailureCode.WITHDRAWN,
        )

    cancelled = 0
    while ended := store.write(work):
        cancelled += ended
    return cancelled


def _withdraw(session: Session, batch_id: int, *, now: datetime, actor: str, reason: str) -> None:
    """Mark what cannot be cancelled yet, so that it is not queued again."""
    for state in (MessageState.SUBMITTING, MessageState.UNKNOWN):
        is_one = and_(MessageRecord.batch_id == batch_id, MessageRecord.state == state)
        marked = session.scalars(
            update(MessageRecord)
            .where(is_one, MessageRecord.withdrawn.is_(False))
            .values(withdrawn=True)
            .returning(MessageRecord.id)
            .execution_options(synchronize_session=False)
        ).all()
        words = f"its batch was cancelled, it is too where it did not leave: {reason}"
        note_many(session, marked, state, now=now, actor=actor, reason=words)


def _move(
    session: Session,
    which: ColumnElement[bool],
    old_end: datetime | None,
    window: Window,
    default: timedelta | None,
    now: datetime,
) -> None:
    begins = window.not_before if window.not_before is not None and window.not_before > now else None
    _move_beginning(session, which, begins)
    ends = [window.not_after, (begins or now) + default if default else None]
    new_end = min((at for at in ends if at is not None), default=None)
    if begins is not None:
        _change(session, and_(which, MessageRecord.expires_at <= begins), expires_at=new_end)
    if old_end is not None and old_end != window.not_after:
        _change(session, and_(which, MessageRecord.expires_at == old_end), expires_at=new_end)
    if window.not_after is not None:
        is_later = or_(MessageRecord.expires_at.is_(None), MessageRecord.expires_at > window.not_after)
        _change(session, and_(which, is_later), expires_at=window.not_after)


def _move_beginning(session: Session, which: ColumnElement[bool], begins: datetime | None) -> None:
    """What waits for something else, like the next try, waits for that still."""
    waits = MessageRecord.waiting_for == WaitReason.NOT_BEFORE
    if begins is None:
        _change(session, and_(which, waits), not_before=None, waiting_for=None)
        return
    is_earlier = or_(MessageRecord.not_before.is_(None), MessageRecord.not_before < begins)
    _change(session, and_(which, or_(waits, is_earlier)), not_before=begins, waiting_for=WaitReason.NOT_BEFORE)


def _change(session: Session, which: ColumnElement[bool], **values: object) -> None:
    session.execute(update(MessageRecord).where(which).values(**values).execution_options(synchronize_session=False))
