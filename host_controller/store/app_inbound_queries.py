"""What came in to one remote phone, as its app shows it. Frozen values, no records."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from host_controller.store.bulk import rows_in
from host_controller.store.models import InboundRecord, OptOutRecord, SimRecord
from host_controller.text.stop_words import StopVerdict

_IS_STOP = or_(
    InboundRecord.stop == StopVerdict.CERTAIN,
    # Unless a person has said that it means nothing.
    and_(InboundRecord.stop == StopVerdict.SUSPECTED, func.coalesce(InboundRecord.decision, "") != "nothing"),
)


@dataclass(frozen=True)
class AppInbound:
    """One message that came in."""

    id: int
    sender: str = field(repr=False)
    msisdn: str | None = field(repr=False)
    to_number: str | None = field(repr=False)
    """The number of the SIM that it came to, where both are known."""
    text: str = field(repr=False)
    received_at: datetime
    is_stop: bool
    """It asks for STOP, surely or perhaps."""
    is_blacklisted: bool
    """Its sender has opted out, and it asks for that, or is what an opt-out rests on."""


@dataclass(frozen=True)
class Page:
    """A part of the list."""

    rows: tuple[AppInbound, ...]
    total: int
    """How many there are on all pages."""


def page_of_phone(
    session: Session,
    phone_id: int,
    *,
    limit: int,
    offset: int = 0,
    before_id: int | None = None,
    stop_only: bool = False,
    stop_not_blacklisted: bool = False,
    search: str = "",
) -> Page:
    """Give messages of a phone, newest first; `before_id`: those after that one in this order.

    `search` looks in senders and texts, whatever the case of their letters.
    """
    wanted = [InboundRecord.phone_id == phone_id]
    if stop_only or stop_not_blacklisted:
        wanted.append(_IS_STOP)
    if stop_not_blacklisted:
        wanted.append(~_is_blacklisted())
    if search:
        found = (InboundRecord.sender, InboundRecord.text, InboundRecord.msisdn)
        wanted.append(or_(*(column.icontains(search, autoescape=True) for column in found)))
    total = session.scalar(select(func.count()).select_from(InboundRecord).where(*wanted)) or 0
    if before_id is not None:
        wanted.append(_comes_after(before_id, phone_id))
    query = _rows().where(*wanted).order_by(InboundRecord.received_at.desc(), InboundRecord.id.desc())
    return Page(tuple(_view(row) for row in session.execute(query.limit(limit).offset(offset))), total)


def find_of_phone(session: Session, phone_id: int, ids: Collection[int]) -> list[AppInbound]:
    """Give those of these messages that came to the phone, by id."""
    query = _rows().where(InboundRecord.phone_id == phone_id)
    return sorted((_view(row) for row in rows_in(session, query, InboundRecord.id, ids)), key=lambda row: row.id)


def _rows() -> Select[int, str, str | None, str | None, str, datetime, bool, bool]:
    return select(
        InboundRecord.id,
        InboundRecord.sender,
        InboundRecord.msisdn,
        SimRecord.msisdn.label("to_number"),
        InboundRecord.text,
        InboundRecord.received_at,
        _IS_STOP.label("is_stop"),
        _is_blacklisted().label("is_blacklisted"),
    ).outerjoin(SimRecord, SimRecord.id == InboundRecord.sim_id)


def _view(row: Any) -> AppInbound:
    return AppInbound(*row)


def _is_blacklisted() -> ColumnElement[bool]:
    return (
        select(OptOutRecord.id)
        .where(
            OptOutRecord.msisdn == InboundRecord.msisdn,
            OptOutRecord.brand == "",
            OptOutRecord.lifted_at.is_(None),
            or_(_IS_STOP, OptOutRecord.inbound_id == InboundRecord.id),
        )
        .correlate(InboundRecord)
        .exists()
    )


def _comes_after(before_id: int, phone_id: int) -> ColumnElement[bool]:
    """Give what stands below a message in the list; below one that is not the phone's own there is nothing."""
    at = (
        select(InboundRecord.received_at)
        .where(InboundRecord.id == before_id, InboundRecord.phone_id == phone_id)
        .scalar_subquery()
    )
    return or_(InboundRecord.received_at < at, and_(InboundRecord.received_at == at, InboundRecord.id < before_id))
