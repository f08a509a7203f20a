"""The opt-out list: who must not be written to, who said so, and what was lifted again. Nothing is ever deleted."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from host_controller.store.models import OptOutRecord

# Far below the 32,766 variables that SQLite takes in one statement.
_CHUNK = 5000
EVERY_BRAND = ""
Recipient = tuple[str, str | None]
"""A number (E.164), and the brand in whose name it is written to, if any."""


class OptOutSource(StrEnum):
    """Who set it. One is never lifted by another, except that an operator may lift all."""

    INBOUND = "inbound"
    """The person, by a message."""
    OPERATOR = "operator"
    IMPORT = "import"
    ODOO = "odoo"


@dataclass(frozen=True)
class Origin:
    """Who says that a number has opted out, and what shows it."""

    source: str
    actor: str
    inbound_id: int | None = None
    """The message that asked for it..."""
    rule: str | None = None
    """...and how it was judged."""
    word: str | None = None
    note: str | None = None


def opted_out(session: Session, recipients: Iterable[Recipient]) -> set[Recipient]:
    """Give those of `recipients` that must not be written to.

    An opt-out for one brand holds for messages of that brand, and for those that name none.
    """
    wanted = set(recipients)
    numbers = list({number for number, _ in wanted})
    refused: dict[str, set[str]] = {}
    for start in range(0, len(numbers), _CHUNK):
        query = select(OptOutRecord.msisdn, OptOutRecord.brand).where(
            OptOutRecord.msisdn.in_(numbers[start : start + _CHUNK]), OptOutRecord.lifted_at.is_(None)
        )
        for number, brand in session.execute(query):
            refused.setdefault(number, set()).add(brand)

    return {(number, brand) for number, brand in wanted if refuses(refused.get(number, ()), brand)}


def refuses(brands: Collection[str], brand: str | None) -> bool:
    """Tell whether opt-outs for these brands keep back a message of one, or of none."""
    return bool(brands) and (brand is None or EVERY_BRAND in brands or brand in brands)


def add_opt_out(
    session: Session,
    number: str,
    origin: Origin,
    *,
    now: datetime,
    brand: str = EVERY_BRAND,
    since: datetime | None = None,
) -> bool:
    """Put a number (E.164) on the list; tell whether this source had not done so. Messages are the caller's.

    `since` is when it was asked for, if that was before now.
    """
    if in_force(session, number, brand=brand, sources=[origin.source]):
        return False
    session.add(
        OptOutRecord(
            msisdn=number,
            brand=brand,
            source=origin.source,
            inbound_id=origin.inbound_id,
            rule=origin.rule,
            word=origin.word,
            note=origin.note,
            actor=origin.actor,
            created_at=since or now,
        )
    )
    session.flush()
    return True


def in_force(
    session: Session, number: str, *, brand: str | None = None, sources: Collection[str] | None = None
) -> list[OptOutRecord]:
    """Give a number's opt-outs that hold, oldest first; None stands for every brand, every source."""
    query = select(OptOutRecord).where(OptOutRecord.msisdn == number, OptOutRecord.lifted_at.is_(None))
    if brand is not None:
        query = query.where(OptOutRecord.brand == brand)
    if sources is not None:
        query = query.where(OptOutRecord.source.in_(sources))
    return list(session.scalars(query.order_by(OptOutRecord.id)))


def lift(records: Iterable[OptOutRecord], *, now: datetime, actor: str, reason: str) -> int:
    """Let these opt-outs hold no longer; they stay on record. Give how many there were."""
    count = 0
    for record in records:
        record.lifted_at, record.lifted_by, record.lift_reason = now, actor, reason
        count += 1
    return count
