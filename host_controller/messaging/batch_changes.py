"""What a person does with a batch that has messages already: moving its window, cancelling what is queued."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from host_controller.messaging.batches import get_record
from host_controller.messaging.submit import default_ttl
from host_controller.messaging.transitions import end_queued, is_idle
from host_controller.rules.classes import MessageClass
from host_controller.rules.lifetime import Window, check_window
from host_controller.rules.states import FailureCode, MessageState
from host_controller.rules.waiting import WaitReason
from host_controller.settings import MessageSettings
from host_controller.store.models import BatchRecord, MessageRecord
from host_controller.store.store import Store

_CHUNK = 1000


def change_window(session: Session, settings: MessageSettings, name: str, window: Window, *, now: datetime) -> int:
    """Give a batch another window, and what is queued of it too, in the caller's transaction; give how many those are.

    What the old end had cut, and what would now end before it may begin, gets the new end, or what the settings say
    for its class from the beginning on. A message's own, earlier end stays. Raises UnknownBatchError or
    InvalidWindowError.
    """
    check_window(window)
    record = get_record(session, name)
    old_end = record.not_after
    record.not_before, record.not_after = window.not_before, window.not_after
    session.flush()
    begins = window.not_before if window.not_before is not None and window.not_before > now else None
    _move_beginning(session, record, begins)
    ttl = default_ttl(settings, MessageClass(record.message_class))
    _move_end(session, record, old_end, begins, (begins or now) + ttl if ttl else None)
    return session.scalar(select(func.count()).where(_queued(record))) or 0


def cancel_batch(store: Store, name: str, *, now: datetime, actor: str, reason: str) -> int:
    """Cancel what is queued of a batch, some at a time, so that others get to write between; give how many.

    Raises UnknownBatchError.
    """

    def work(session: Session) -> int:
        record = get_record(session, name)
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


def _move_beginning(session: Session, record: BatchRecord, begins: datetime | None) -> None:
    """What waits for something else, like the next try, waits for that still."""
    waits = MessageRecord.waiting_for == WaitReason.NOT_BEFORE
    if begins is None:
        _change(session, and_(_queued(record), waits), not_before=None, waiting_for=None)
        return
    is_earlier = or_(MessageRecord.not_before.is_(None), MessageRecord.not_before < begins)
    which = and_(_queued(record), or_(waits, is_earlier))
    _change(session, which, not_before=begins, waiting_for=WaitReason.NOT_BEFORE)


def _move_end(
    session: Session,
    record: BatchRecord,
    old_end: datetime | None,
    begins: datetime | None,
    without: datetime | None,
) -> None:
    """`without` is the end of a message that names none of its own, where no window cuts it."""
    ends = record.not_after
    new_end = min((at for at in (ends, without) if at is not None), default=None)
    if begins is not None:
        _change(session, and_(_queued(record), MessageRecord.expires_at <= begins), expires_at=new_end)
    if old_end is not None and old_end != ends:
        _change(session, and_(_queued(record), MessageRecord.expires_at == old_end), expires_at=new_end)
    if ends is not None:
        is_later = or_(MessageRecord.expires_at.is_(None), MessageRecord.expires_at > ends)
        _change(session, and_(_queued(record), is_later), expires_at=ends)


def _queued(record: BatchRecord) -> ColumnElement[bool]:
    return and_(MessageRecord.batch_id == record.id, MessageRecord.state == MessageState.QUEUED)


def _change(session: Session, which: ColumnElement[bool], **values: object) -> None:
    session.execute(update(MessageRecord).where(which).values(**values).execution_options(synchronize_session=False))
