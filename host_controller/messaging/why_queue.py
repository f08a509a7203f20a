"""Why the queue waits: how many messages wait for what, since when, and when each group goes on."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session

from host_controller.messaging.reach import facts_of
from host_controller.messaging.why import Why
from host_controller.rules.classes import MessageClass
from host_controller.rules.recipient_filter import EVERYBODY, is_match
from host_controller.rules.states import MessageState
from host_controller.rules.waiting import WaitReason
from host_controller.store.models import (
    READY_FREE,
    READY_OF_PHONE,
    READY_OF_SIM,
    WAITING,
    MessageRecord,
    PhoneRecord,
)

# Where phones have filters, so many of the oldest messages are held against them.
_FILTERED = 2000
# So long a queue waits for the same with some messages more or less.
_LONG = 5000
_LEAST_KEPT = timedelta(seconds=5)
# Messages of one class, batch and country wait alike: one of each kind is asked, of so many kinds at most.
_KINDS = 40
_COUNTRY_CHARACTERS = 4
# What names its batch in its words is told batch by batch.
_BY_BATCH = (WaitReason.NOT_BEFORE, WaitReason.BATCH_PAUSED)
# A look at a million messages takes a second: it may take this part of the time between two.
_SHARE = 50


@dataclass(frozen=True)
class Group:
    """Messages that wait for the same."""

    reason: WaitReason | None
    """None where nothing holds them: they go one by one."""
    messages: int
    oldest_at: datetime
    """When the oldest of them was accepted."""
    until: datetime | None
    """When the first of them goes on; None where nobody can tell."""
    words: str
    """Of one of them."""
    message_id: int
    """That one."""
    batch_id: int | None = None
    """Its batch."""


class QueueWhy:
    """Looks at the whole queue, as it was a few seconds ago at most where it is long."""

    def __init__(self) -> None:
        self._kept: tuple[datetime, timedelta, int, tuple[Group, ...]] | None = None

    def look(self, why: Why, session: Session, queued: int, now: datetime) -> tuple[Group, ...]:
        """Give the groups of a queue of so many messages, the largest first."""
        if not queued:
            return ()
        kept = self._kept
        if kept:
            at, lasts, count, groups = kept
            if is_alike(queued, count) and timedelta() <= now - at < lasts:
                return groups
        began_s = time.monotonic()
        groups = groups_of(why, session)
        took = timedelta(seconds=time.monotonic() - began_s)
        self._kept = now, max(_LEAST_KEPT, took * _SHARE), queued, groups
        return groups


def is_alike(queued: int, count: int) -> bool:
    """Say whether what was found out for a queue of `count` messages may stand for one of `queued`."""
    return queued == count or (count > _LONG and queued > _LONG)


def groups_of(why: Why, session: Session) -> tuple[Group, ...]:
    """Give what the messages of the queue wait for, the largest group first."""
    look = _Look(why, session)
    merged: dict[tuple[WaitReason | None, int | None], list[Group]] = defaultdict(list)
    for group in (*look.parked(), *look.restored(), *look.free(), *look.bound()):
        merged[group.reason, group.batch_id if group.reason in _BY_BATCH else None].append(group)
    return tuple(sorted((_merge(groups) for groups in merged.values()), key=lambda group: -group.messages))


class _Look:
    """One look; of messages that wait alike one speaks for the others."""

    def __init__(self, why: Why, session: Session) -> None:
        self._why = why
        self._session = session
        self._standings = why.standings(session)
        # No index has those of a backup: they are looked for only where phones are still to be asked.
        unasked = select(PhoneRecord.id).where(PhoneRecord.journal_checked.is_(False)).limit(1)
        self._is_restored = session.scalar(unasked) is not None

    def parked(self) -> Iterable[Group]:
        """What waits by its own row."""
        reason, batch_id = MessageRecord.waiting_for, MessageRecord.batch_id
        query = _counts(func.min(MessageRecord.not_before), reason).where(WAITING)
        for messages, message_id, until, name in self._session.execute(self._own(query).group_by(reason, batch_id)):
            group = self._group(messages, message_id)
            yield replace(group, reason=WaitReason(name), until=until)

    def restored(self) -> Iterable[Group]:
        """What comes from a backup."""
        if self._is_restored:
            is_queued = MessageRecord.state == MessageState.QUEUED
            query = _counts().where(is_queued, MessageRecord.restored.is_(True))
            yield from self._groups(self._session.execute(query))

    def free(self) -> Iterable[Group]:
        """What any SIM may take; and, of the oldest, what no phone's filter lets through."""
        unmatched = self._unmatched()
        if unmatched:
            yield self._group(len(unmatched), min(unmatched))
        country = func.substr(MessageRecord.msisdn, 1, _COUNTRY_CHARACTERS)
        query = self._own(_counts().where(READY_FREE))
        if unmatched:
            query = query.where(MessageRecord.id.not_in(unmatched))
        kinds = query.group_by(MessageRecord.message_class, MessageRecord.batch_id, country)
        rows = self._session.execute(kinds.order_by(func.count().desc())).all()
        yield from self._groups(rows[:_KINDS])
        if len(rows) > _KINDS:
            others = rows[_KINDS:]
            yield self._group(sum(count for count, _ in others), min(message_id for _, message_id in others))

    def bound(self) -> Iterable[Group]:
        """What one SIM, or the SIMs of one phone, may take."""
        for place, column in (
            (READY_OF_SIM, MessageRecord.only_sim_id),
            (READY_OF_PHONE, MessageRecord.only_phone_id),
        ):
            query = self._own(_counts().where(place)).group_by(column)
            yield from self._groups(self._session.execute(query))

    def _own(self, query: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
        return query.where(MessageRecord.restored.is_(False)) if self._is_restored else query

    def _unmatched(self) -> set[int]:
        filters = {each.sim.recipients for each in self._standings.all}
        if not filters or EVERYBODY in filters:
            return set()
        message = MessageRecord
        query = select(message.id, message.msisdn, message.message_class, message.part_count)
        query = self._own(query.where(READY_FREE)).order_by(message.id).limit(_FILTERED)
        return {
            message_id
            for message_id, msisdn, class_, parts in self._session.execute(query)
            if not any(is_match(each, facts_of(msisdn, MessageClass(class_), parts)) for each in filters)
        }

    def _groups(self, rows: Iterable[Row[*tuple[Any, ...]]]) -> Iterable[Group]:
        for messages, message_id in rows:
            if messages:
                yield self._group(messages, message_id)

    def _group(self, messages: int, message_id: int) -> Group:
        message = self._session.get_one(MessageRecord, message_id)
        one = self._why.explain(self._session, message, self._standings)
        return Group(one.reason, messages, message.created_at, one.until, one.words, message_id, message.batch_id)


def _counts(*more: Any) -> Select[*tuple[Any, ...]]:
    """Ask for a number of messages and the oldest of them: by its id, which the indexes of the queue have."""
    return select(func.count(), func.min(MessageRecord.id), *more)


def _merge(groups: Sequence[Group]) -> Group:
    # The words and the time are of one and the same: of who goes on first.
    timed = [group for group in groups if group.until is not None]
    first = min(timed, key=_until) if timed else max(groups, key=lambda group: group.messages)
    return replace(
        first,
        messages=sum(group.messages for group in groups),
        oldest_at=min(group.oldest_at for group in groups),
    )


def _until(group: Group) -> datetime:
    return group.until or datetime.max.replace(tzinfo=UTC)
