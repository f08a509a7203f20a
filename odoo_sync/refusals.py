"""Received messages by which a person refuses more: surely, or as somebody here has decided."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from host_controller.store.models import InboundRecord
from host_controller.text.stop_words import StopVerdict

DECIDED_STOP = and_(InboundRecord.stop == StopVerdict.SUSPECTED, InboundRecord.decision == "stop")
"""In SQL: a person here has called it a STOP."""
IS_STOP = and_(InboundRecord.msisdn.is_not(None), or_(InboundRecord.stop == StopVerdict.CERTAIN, DECIDED_STOP))
"""In SQL: it is a STOP, of a number."""


def has_refused_since(session: Session, number: str, since: datetime) -> bool:
    """Tell whether a STOP of this number (E.164) was received later than `since`.

    An opt-out that holds already keeps its time when the person says STOP once more.
    """
    query = select(InboundRecord.id).where(InboundRecord.msisdn == number, InboundRecord.received_at > since, IS_STOP)
    return session.scalar(query.limit(1)) is not None
