"""What was said with one number, both ways; who has written and was not read yet; and answers to them.

A conversation begins with a message that came in. Who is behind it is a number in E.164, or, where that cannot be
told, the sender as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session, aliased, joinedload

from host_controller.errors import UnknownConversationError
from host_controller.messaging.submit import Draft
from host_controller.store.models import InboundRecord, MessageRecord

_ESCAPE = "\\"
# Part of a number as people write it, or as they dial it.
_NUMBER = re.compile(r"(?:\+|00)?([0-9 ()./-]*[0-9][0-9 ()./-]*)", re.ASCII)


@dataclass(frozen=True)
class Conversation:
    """One line of the list."""

    peer: str = field(repr=False)
    unread: int
    last_id: int
    """Of the newest message that came in."""
    last_at: datetime
    last_text: str = field(repr=False)
    is_number: bool
    """Whether it can be answered."""


@dataclass(frozen=True)
class Said:
    """One message of a conversation."""

    id: int
    """Among those of its direction."""
    is_inbound: bool
    at: datetime
    text: str = field(repr=False)
    state: str
    """Of an outgoing one its state; of an inbound one what it asks for."""
    phone: str | None
    sim_slot: int | None
    is_unread: bool
    decision: str | None = None
    """What a person said of an inbound one that may be a STOP."""


def list_conversations(
    session: Session, *, search: str | None = None, unread: bool = False, before: int | None = None, limit: int = 50
) -> list[Conversation]:
    """Give the conversations, the one that was written in last first, below the `last_id` of another.

    `search` looks in numbers, names and texts of both directions.
    """
    other = aliased(InboundRecord)
    of_same = other.peer == InboundRecord.peer
    # Read from the newest on, and no further than the page goes: each is looked up in the index of conversations.
    is_last = ~select(other.id).where(of_same, other.id > InboundRecord.id).exists()
    unread_count = select(func.count()).where(of_same, other.read_at.is_(None)).scalar_subquery()
    query = select(InboundRecord, unread_count).where(is_last)
    if unread:
        query = query.where(select(other.id).where(of_same, other.read_at.is_(None)).exists())
    if search:
        query = query.where(_is_found(search))
    if before is not None:
        query = query.where(InboundRecord.id < before)
    return [
        Conversation(
            peer=record.peer,
            unread=count,
            last_id=record.id,
            last_at=record.received_at,
            last_text=record.text,
            is_number=record.msisdn is not None,
        )
        for record, count in session.execute(query.order_by(InboundRecord.id.desc()).limit(limit))
    ]


def count_unread(session: Session) -> int:
    """Give how many messages nobody has read yet."""
    return session.scalar(select(func.count()).where(InboundRecord.read_at.is_(None))) or 0


def newest_inbound_id(session: Session) -> int:
    """Give the last inbound message so far, 0 if there is none."""
    return session.scalar(select(func.max(InboundRecord.id))) or 0


def read_conversation(session: Session, peer: str, *, before: datetime | None = None, limit: int = 100) -> list[Said]:
    """Give the newest messages of a conversation before a moment, the oldest of them first.

    Raises UnknownConversationError.
    """
    _last_inbound(session, peer)
    said = [*_inbound(session, peer, before, limit), *_outgoing(session, peer, before, limit)]
    said.sort(key=lambda one: (one.at, not one.is_inbound, one.id))
    return said[-limit:]


def mark_read(session: Session, peer: str, up_to_id: int, *, now: datetime) -> int:
    """Note that a person has read the messages of a conversation up to an inbound one; give how many were new."""
    marked = session.scalars(
        update(InboundRecord)
        .where(InboundRecord.peer == peer, InboundRecord.id <= up_to_id, InboundRecord.read_at.is_(None))
        .values(read_at=now)
        .returning(InboundRecord.id)
        .execution_options(synchronize_session=False)
    )
    return len(marked.all())


def reply(session: Session, peer: str, text: str, ref: str | None = None) -> Draft:
    """Give the answer as it is to be sent: from the SIM that was written to last, or any where that is gone.

    Raises UnknownConversationError.
    """
    sim = _last_inbound(session, peer).sim
    is_there = sim is not None and sim.active and sim.phone.removed_at is None
    return Draft(peer, text, ref, only_sim_id=sim.id if sim is not None and is_there else None)


def _last_inbound(session: Session, peer: str) -> InboundRecord:
    query = select(InboundRecord).where(InboundRecord.peer == peer).order_by(InboundRecord.id.desc()).limit(1)
    found = session.scalar(query)
    if found is None:
        raise UnknownConversationError("nobody of that number or name has written to us")
    return found


def _is_found(search: str) -> ColumnElement[bool]:
    pattern = _pattern(search)
    number = _NUMBER.fullmatch(search)
    in_number = _pattern(re.sub("[^0-9]", "", number[1])) if number else pattern
    inbound = aliased(InboundRecord)
    has_it = or_(
        inbound.peer.ilike(pattern, escape=_ESCAPE),
        inbound.peer.ilike(in_number, escape=_ESCAPE),
        inbound.text.ilike(pattern, escape=_ESCAPE),
    )
    outgoing = select(MessageRecord.msisdn).where(MessageRecord.text.ilike(pattern, escape=_ESCAPE))
    return or_(InboundRecord.peer.in_(select(inbound.peer).where(has_it)), InboundRecord.peer.in_(outgoing))


def _pattern(text: str) -> str:
    return "%" + "".join(_ESCAPE + c if c in "%_" + _ESCAPE else c for c in text) + "%"


def _inbound(session: Session, peer: str, before: datetime | None, limit: int) -> Sequence[Said]:
    query = select(InboundRecord).options(joinedload(InboundRecord.phone), joinedload(InboundRecord.sim))
    query = query.where(InboundRecord.peer == peer).order_by(InboundRecord.received_at.desc(), InboundRecord.id.desc())
    if before is not None:
        query = query.where(InboundRecord.received_at < before)
    return [
        Said(
            id=record.id,
            is_inbound=True,
            at=record.received_at,
            text=record.text,
            state=record.stop,
            phone=record.phone.adb_serial,
            sim_slot=record.sim.slot_index if record.sim else None,
            is_unread=record.read_at is None,
            decision=record.decision,
        )
        for record in session.scalars(query.limit(limit))
    ]


def _outgoing(session: Session, peer: str, before: datetime | None, limit: int) -> Sequence[Said]:
    query = select(MessageRecord).options(joinedload(MessageRecord.sim)).where(MessageRecord.msisdn == peer)
    if before is not None:
        query = query.where(MessageRecord.created_at < before)
    return [
        Said(
            id=record.id,
            is_inbound=False,
            at=record.created_at,
            text=record.text,
            state=record.state,
            phone=record.sim.phone.adb_serial if record.sim else None,
            sim_slot=record.sim.slot_index if record.sim else None,
            is_unread=False,
        )
        for record in session.scalars(query.order_by(MessageRecord.created_at.desc()).limit(limit))
    ]
