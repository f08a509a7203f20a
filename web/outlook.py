"""How much waits, and about when it will have gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from host_controller.fleet.phone import PhoneStatus, PhoneView
from host_controller.fleet.sim_limits import limits_of
from host_controller.rules.classes import MessageClass
from host_controller.rules.forecast import SimForecast, gone_at
from host_controller.rules.ledger import left_of
from host_controller.rules.ramp import Ramp
from host_controller.rules.states import MessageState
from host_controller.settings import Settings
from host_controller.store.models import MessageRecord

# Adding up a long queue takes longer than a look at the page may.
_KEPT_FOR = timedelta(seconds=10)
_LONG = 5000


@dataclass(frozen=True)
class Outlook:
    """The parts that wait, and the time at which the phones that are ready will have sent them."""

    parts: int = 0
    has_phones: bool = False
    """Whether any phone is ready to send them."""
    empty_at: datetime | None = None
    """An estimate; None where no phone is ready, or it is more than a year away."""


class Forecast:
    """The outlook, as it was a few seconds ago at most."""

    def __init__(self) -> None:
        self._kept: tuple[datetime, int, Outlook] | None = None

    def outlook(
        self, session: Session, queued: int, views: Iterable[PhoneView], settings: Settings, now: datetime, ramp: Ramp
    ) -> Outlook:
        """Give the outlook of a queue of so many messages."""
        if self._kept:
            at, count, known = self._kept
            is_alike = queued == count or (count > _LONG and queued > _LONG)
            if is_alike and timedelta() <= now - at < _KEPT_FOR:
                return known
        found = _look_ahead(_parts(session) if queued else {}, views, settings, now, ramp)
        self._kept = now, queued, found
        return found


def _parts(session: Session) -> dict[MessageClass, int]:
    query = (
        select(MessageRecord.message_class, func.sum(MessageRecord.part_count))
        .where(MessageRecord.state == MessageState.QUEUED)
        .group_by(MessageRecord.message_class)
    )
    return {MessageClass(name): parts for name, parts in session.execute(query)}


def _look_ahead(
    parts: Mapping[MessageClass, int], views: Iterable[PhoneView], settings: Settings, now: datetime, ramp: Ramp
) -> Outlook:
    if not parts:
        return Outlook()
    # Of what waits the lowest class goes last, and has the least of each SIM.
    last = max(parts, key=lambda each: each.rank)
    sims = []
    for view in views:
        if view.status is not PhoneStatus.READY or view.enrolled is None or view.spent is None:
            continue
        spent = view.spent(now)
        for sim in view.enrolled.usable_sims:
            if sim.sim_id in spent:
                limits = limits_of(sim, view.enrolled.guard, settings)
                sims.append(SimForecast(limits, left_of(limits, spent[sim.sim_id], last), last.rank, ramp))
    total = sum(parts.values())
    return Outlook(total, bool(sims), gone_at(sims, total, now) if sims else None)
