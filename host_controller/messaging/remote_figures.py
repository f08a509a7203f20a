"""What remote phones have sent, by their own reports, in parts."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from host_controller.rules.limits import SimLimits
from host_controller.rules.periods import day_start, local_date, month_start
from host_controller.rules.states import OPEN_ATTEMPTS, AttemptState
from host_controller.store.models import AttemptRecord


def sent_parts(session: Session, sim_id: int, since: datetime | None = None) -> int:
    """Give the parts that left through a SIM from a time on, or ever."""
    query = select(func.sum(AttemptRecord.part_count)).where(
        AttemptRecord.sim_id == sim_id, AttemptRecord.state == AttemptState.SENT
    )
    if since is not None:
        query = query.where(AttemptRecord.intent_at >= since)
    return session.scalar(query) or 0


def starts(limits: SimLimits, now: datetime) -> tuple[datetime, datetime]:
    """When the SIM's day and its billing month began."""
    today = local_date(now, limits.zone)
    month = month_start(today, limits.month_reset_day)
    return day_start(today, limits.zone), day_start(month, limits.zone)


def leased(session: Session, sim_ids: Collection[int]) -> dict[int, int]:
    """Give the messages in the hands of each SIM's phone."""
    query = (
        select(AttemptRecord.sim_id, func.count())
        .where(AttemptRecord.sim_id.in_(sim_ids), AttemptRecord.state.in_(OPEN_ATTEMPTS))
        .group_by(AttemptRecord.sim_id)
    )
    return dict(session.execute(query).all())
