"""What came in and who has opted out, as the pages and the command line show it. Frozen values, no records."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from host_controller.store.models import InboundRecord, OptOutRecord
from host_controller.text.stop_words import StopVerdict

_UNDECIDED = (InboundRecord.stop == StopVerdict.SUSPECTED, InboundRecord.decision.is_(None))


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
