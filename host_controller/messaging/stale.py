"""What an outage has made too late to go by itself: held until a person releases or cancels it, all or by batch.

A held message is put aside like what waits for a rule, without a time: no lane sees it, and no claim takes it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, update
from sqlalchemy.orm import Session

from host_controller.messaging.batches import get_record
from host_controller.messaging.holds import Scope, active_holds
from host_controller.messaging.transitions import end_queued, is_idle, note_many
from host_controller.rules.classes import MessageClass
from host_controller.rules.lifetime import spoken
from host_controller.rules.outage import Outage
from host_controller.rules.states import FailureCode, MessageState
from host_controller.rules.waiting import WaitReason
from host_controller.store.models import WAITING, BatchRecord, MessageRecord
from host_controller.store.store import Store

_log = logging.getLogger(__name__)
ACTOR = "outage"
_CHUNK = 1000

OpensAt = Callable[[str, MessageClass, datetime], datetime | None]
"""When quiet hours let a message to a number, of a class, go that may go from a moment on; None for never."""


@dataclass(frozen=True, slots=True)
class StaleGroup:
    """Held messages of one batch, or of none."""

    batch: str | None
    messages: int
    oldest_at: datetime
    """When the oldest of them was accepted."""


def hold_stale(store: Store, outage: Outage, after: timedelta, opens_at: OpensAt) -> int:
    """Hold what the outage has made late by more than `after`; give how many messages those are.

    Some at a time, so that others get to write between; broken off and done again, it is all done. Raises StoreError.
    """
    last_id = held = 0
    while True:
        with store.reading() as session:
            rows = session.execute(_may_be_stale(session, outage, after, last_id)).all()
        late = [
            id_
            for id_, msisdn, class_, queued_at, not_before in rows
            if _is_stale(outage, after, opens_at(msisdn, MessageClass(class_), _due(outage, queued_at, not_before)))
        ]
        if late:
            held += store.write(lambda session, late=late: _hold(session, late, outage))  # type: ignore[misc]
        if len(rows) < _CHUNK:
            return held
        last_id = rows[-1][0]


def list_stale(session: Session) -> list[StaleGroup]:
    """Give what is held, the largest group first."""
    query = (
        select(BatchRecord.name, func.count(), func.min(MessageRecord.created_at))
        .select_from(MessageRecord)
        .outerjoin(BatchRecord, BatchRecord.id == MessageRecord.batch_id)
        .where(_is_held())
        .group_by(BatchRecord.name)
        .order_by(func.count().desc(), BatchRecord.name)
    )
    return [StaleGroup(name, count, oldest_at) for name, count, oldest_at in session.execute(query)]


def release_stale(store: Store, batch: str | None, *, now: datetime, actor: str, reason: str) -> int:
    """Let what is held go in its turn, of one batch or all of it; give how many messages those were.

    Raises UnknownBatchError.
    """

    def work(session: Session, ids: Sequence[int]) -> int:
        freed = session.scalars(
            update(MessageRecord)
            .where(MessageRecord.id.in_(ids), _is_held())
            .values(waiting_for=None)
            .returning(MessageRecord.id)
            .execution_options(synchronize_session=False)
        ).all()
        note_many(session, freed, MessageState.QUEUED, now=now, actor=actor, reason=f"released: {reason}")
        return len(freed)

    count = _each_chunk(store, batch, work)
    _log.info("%s stale messages were released by %s", count, actor)
    return count


def cancel_stale(store: Store, batch: str | None, *, now: datetime, actor: str, reason: str) -> int:
    """Cancel what is held, of one batch or all of it; give how many messages those were. Raises UnknownBatchError."""

    def work(session: Session, ids: Sequence[int]) -> int:
        still_held = session.scalars(select(MessageRecord.id).where(MessageRecord.id.in_(ids), _is_held(), is_idle()))
        return end_queued(
            session,
            still_held.all(),
            MessageState.CANCELLED,
            now=now,
            actor=actor,
            reason=reason,
            failure=FailureCode.WITHDRAWN,
        )

    count = _each_chunk(store, batch, work)
    _log.info("%s stale messages were cancelled by %s", count, actor)
    return count


def _each_chunk(store: Store, batch: str | None, work: Callable[[Session, Sequence[int]], int]) -> int:
    last_id = count = 0

    def step(session: Session) -> tuple[Sequence[int], int]:
        query = select(MessageRecord.id).where(_is_held(), MessageRecord.id > last_id)
        if batch is not None:
            query = query.where(MessageRecord.batch_id == get_record(session, batch).id)
        ids = session.scalars(query.order_by(MessageRecord.id).limit(_CHUNK)).all()
        return ids, work(session, ids) if ids else 0

    while True:
        ids, done = store.write(step)
        count += done
        if len(ids) < _CHUNK:
            return count
        last_id = ids[-1]


def _is_held() -> ColumnElement[bool]:
    return and_(WAITING, MessageRecord.waiting_for == WaitReason.STALE)


def _waits_for_a_time() -> ColumnElement[bool]:
    """What waits for a person, or for another limit, is not what the outage has held up."""
    return or_(MessageRecord.waiting_for.is_(None), MessageRecord.not_before.is_not(None))


def _may_be_stale(session: Session, outage: Outage, after: timedelta, last_id: int) -> Select[*tuple[Any, ...]]:
    message, latest = MessageRecord, outage.until - after
    paused = [hold.target_id for hold in active_holds(session) if hold.scope is Scope.BATCH]
    return (
        select(message.id, message.msisdn, message.message_class, message.changed_at, message.not_before)
        .where(message.state == MessageState.QUEUED, message.id > last_id, _waits_for_a_time())
        .where(message.changed_at < latest, or_(message.not_before.is_(None), message.not_before < latest))
        # What is over has expired, though nobody may have closed it yet.
        .where(or_(message.expires_at.is_(None), message.expires_at > outage.until))
        .where(or_(message.batch_id.is_(None), message.batch_id.not_in(paused)))
        .order_by(message.id)
        .limit(_CHUNK)
    )


def _due(outage: Outage, queued_at: datetime, not_before: datetime | None) -> datetime:
    """From when on the outage was all that was in a message's way, quiet hours aside."""
    return max(queued_at, not_before or queued_at, outage.since)


def _is_stale(outage: Outage, after: timedelta, due: datetime | None) -> bool:
    return due is not None and outage.lateness(due) > after


def _hold(session: Session, message_ids: Sequence[int], outage: Outage) -> int:
    held = session.scalars(
        update(MessageRecord)
        .where(MessageRecord.id.in_(message_ids), MessageRecord.state == MessageState.QUEUED, _waits_for_a_time())
        .values(waiting_for=WaitReason.STALE, not_before=None)
        .returning(MessageRecord.id)
        .execution_options(synchronize_session=False)
    ).all()
    reason = f"held: nothing could be sent from {spoken(outage.since)} to {spoken(outage.until)}"
    note_many(session, held, MessageState.QUEUED, now=outage.until, actor=ACTOR, reason=reason)
    return len(held)
