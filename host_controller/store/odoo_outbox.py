"""What waits to be told to each Odoo, and what was given up: counted, listed, and let wait again."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from host_controller.store.models import OdooOutboxRecord

GAVE_UP = "gave_up"
"""The outcome of a row that Odoo refused for a week."""
_IS_OPEN, _IS_GIVEN_UP = OdooOutboxRecord.done_at.is_(None), OdooOutboxRecord.outcome == GAVE_UP
_LONGEST_LIST = 1000


@dataclass(frozen=True)
class Backlog:
    """What one connection's outbox holds of a kind."""

    kind: str
    waiting: int
    gave_up: int
    oldest_at: datetime | None
    """Since when the oldest waits."""


@dataclass(frozen=True)
class GivenUp:
    """Something that an Odoo was to be told and did not take."""

    id: int
    kind: str
    record: str = field(repr=False)
    """The number that it is about."""
    created_at: datetime
    tries: int
    error: str | None
    done_at: datetime | None
    """When it was given up."""


def backlogs(session: Session, connection: str) -> list[Backlog]:
    """Give what waits and what was given up, by kind."""
    query = (
        select(
            OdooOutboxRecord.kind,
            func.count().filter(_IS_OPEN),
            func.count().filter(_IS_GIVEN_UP),
            func.min(OdooOutboxRecord.created_at).filter(_IS_OPEN),
        )
        .where(OdooOutboxRecord.database == connection, or_(_IS_OPEN, _IS_GIVEN_UP))
        .group_by(OdooOutboxRecord.kind)
        .order_by(OdooOutboxRecord.kind)
    )
    return [Backlog(*row) for row in session.execute(query)]


def outbox_names(session: Session) -> list[str]:
    """Give the connections of which something waits or was given up."""
    query = select(OdooOutboxRecord.database).where(or_(_IS_OPEN, _IS_GIVEN_UP)).distinct()
    return list(session.scalars(query))


def list_given_up(session: Session, connection: str) -> list[GivenUp]:
    """Give what was given up of a connection, the oldest first, 1,000 at most."""
    row = OdooOutboxRecord
    query = (
        select(row.id, row.kind, row.record, row.created_at, row.tries, row.error, row.done_at)
        .where(row.database == connection, _IS_GIVEN_UP)
        .order_by(row.id)
        .limit(_LONGEST_LIST)
    )
    return [GivenUp(*found) for found in session.execute(query)]


def retry_given_up(session: Session, connection: str) -> int:
    """Let what was given up wait again, as if it were new, in the caller's transaction; give how many."""
    rows = session.scalars(select(OdooOutboxRecord).where(OdooOutboxRecord.database == connection, _IS_GIVEN_UP)).all()
    for row in rows:
        row.done_at, row.outcome, row.next_at, row.tries = None, None, None, 0
    return len(rows)
