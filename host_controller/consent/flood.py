"""Alarm: more people than usual say STOP. A campaign went wrong, or somebody forges senders."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from host_controller.settings import InboxSettings
from host_controller.store.models import InboundRecord
from host_controller.text.stop_words import StopVerdict


def flood_notice(session: Session, settings: InboxSettings, now: datetime) -> str | None:
    """Give a line for a person while there are more clear STOPs than the settings call usual."""
    since = now - timedelta(minutes=settings.alarm_minutes)
    query = select(func.count()).where(
        InboundRecord.stop == StopVerdict.CERTAIN, InboundRecord.received_at >= since, InboundRecord.received_at <= now
    )
    count = session.scalar(query) or 0
    if count <= settings.alarm_stops:
        return None
    return (
        f"{count} people said STOP within {settings.alarm_minutes:g} minutes; each is obeyed. Look at what was"
        " sent to them, and at the senders: a sender can be forged"
    )
