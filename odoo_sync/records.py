"""What is on record here of one SMS of an Odoo."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from host_controller.store.models import OdooSmsRecord


@dataclass(frozen=True)
class OnRecord:
    """One SMS that was taken over, or refused."""

    message_id: int | None
    """None: it is not queued, or not yet."""
    refusal: str | None
    reported: str | None
    """The last word that Odoo has heard of it."""


def find_record(session: Session, name: str, uuid: str) -> OnRecord | None:
    """Give what is here of the SMS with this uuid, of the connection `name`."""
    record = OdooSmsRecord
    query = select(record.message_id, record.refusal, record.reported).where(
        record.database == name, record.uuid == uuid
    )
    row = session.execute(query).one_or_none()
    return OnRecord(*row) if row else None
