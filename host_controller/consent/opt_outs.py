"""The opt-out list."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from host_controller.store.models import OptOutRecord

# Far below the 32,766 variables that SQLite takes in one statement.
_CHUNK = 5000


def opted_out(session: Session, numbers: Iterable[str]) -> set[str]:
    """Give those of `numbers` (E.164) that are on the list."""
    wanted = list(set(numbers))
    found: set[str] = set()
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        found.update(session.scalars(select(OptOutRecord.msisdn).where(OptOutRecord.msisdn.in_(chunk))))
    return found


def add_opt_out(
    session: Session, number: str, *, source: str, actor: str, now: datetime, inbound_id: int | None = None
) -> bool:
    """Put a number (E.164) on the list; tell whether it is new there. Messages are for the caller to cancel."""
    if opted_out(session, [number]):
        return False
    session.add(OptOutRecord(msisdn=number, source=source, actor=actor, created_at=now, inbound_id=inbound_id))
    session.flush()
    return True
