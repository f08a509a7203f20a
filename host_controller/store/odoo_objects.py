"""What is kept in step with each Odoo, one row for each thing: when that last went well, and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from host_controller.store.models import OdooObjectRecord


@dataclass(frozen=True)
class OdooObject:
    """One thing that is kept in step with one Odoo."""

    connection: str
    """The connection's name in the settings."""
    object: str
    """What it is: `messages`, `results`, `sends`, ..."""
    succeeded_at: datetime | None
    """When it was last in step."""
    behind_since: datetime | None
    """What happened from then on may be missing; None while all goes well."""
    failures: int
    """Tries in a row that failed: so many calls were made while Odoo was away."""
    error: str | None
    next_at: datetime | None
    """When it is tried again; None: in its usual turn."""
    cursor: str | None
    """How far it has read, or what it knows of the other side."""

    def lag(self, now: datetime) -> timedelta:
        """Give by how much it is behind at most."""
        return now - self.behind_since if self.behind_since else timedelta(0)


def list_objects(session: Session, connection: str | None = None) -> list[OdooObject]:
    """Give all rows, or those of one connection, by name."""
    query = select(OdooObjectRecord).order_by(OdooObjectRecord.connection, OdooObjectRecord.object)
    if connection is not None:
        query = query.where(OdooObjectRecord.connection == connection)
    return [
        OdooObject(
            connection=record.connection,
            object=record.object,
            succeeded_at=record.succeeded_at,
            behind_since=record.behind_since,
            failures=record.failures,
            error=record.error,
            next_at=record.next_at,
            cursor=record.cursor,
        )
        for record in session.scalars(query)
    ]


def note_success(session: Session, connection: str, name: str, *, now: datetime, cursor: str | None = None) -> None:
    """Note that a thing is in step, in the caller's transaction; without a cursor the old one stays."""
    record = _row(session, connection, name)
    record.succeeded_at = now
    record.behind_since = record.error = record.next_at = None
    record.failures = 0
    if cursor is not None:
        record.cursor = cursor


def note_failure(
    session: Session, connection: str, name: str, *, now: datetime, error: str, next_at: datetime | None
) -> None:
    """Note that a thing could not be brought in step, and when it is tried again, in the caller's transaction."""
    record = _row(session, connection, name)
    record.behind_since = record.behind_since or record.succeeded_at or now
    record.failures += 1
    record.error, record.next_at = error, next_at


def read_cursor(session: Session, connection: str, name: str) -> str | None:
    """Give a thing's cursor; None where it has none."""
    return session.scalar(
        select(OdooObjectRecord.cursor).where(
            OdooObjectRecord.connection == connection, OdooObjectRecord.object == name
        )
    )


def _row(session: Session, connection: str, name: str) -> OdooObjectRecord:
    query = select(OdooObjectRecord).where(OdooObjectRecord.connection == connection, OdooObjectRecord.object == name)
    record = session.scalar(query)
    if record is None:
        record = OdooObjectRecord(connection=connection, object=name, failures=0)
        session.add(record)
    return record
