"""A SIM as the pages and the API show it: its radio, its limits, and what is spent and left of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from device_drivers.base import SendGuard, SimHealth
from host_controller.fleet.phone import PhoneView, RackSim
from host_controller.fleet.sim_limits import limits_of, rack_sim
from host_controller.messaging.held import Held
from host_controller.rules.classes import MessageClass
from host_controller.rules.ledger import Spent, left_of
from host_controller.rules.limits import SimLimits
from host_controller.settings import Settings
from host_controller.store.models import PhoneRecord
from host_controller.store.spent import spent_on_record

# What a month holds is too much to be counted at every look, and of a SIM without a lane it hardly changes.
_KEPT_FOR = timedelta(minutes=1)


@dataclass(frozen=True)
class Quota:
    """One limit of a SIM and what is spent of it: parts, or different numbers."""

    limit: int
    spent: int
    left: dict[str, int]
    """For each class of messages."""


@dataclass(frozen=True)
class SimCard:
    """One SIM of a phone."""

    id: int
    slot_index: int
    subscription_id: int
    operator: str | None
    number: str | None
    stopped: str | None
    network: str | None
    roaming: bool | None
    in_service: bool | None
    signal_dbm: int | None
    sent_parts_today: int
    parts_per_day: int | None
    parts_per_minute: int
    jitter_percent: int
    month_reset_day: int
    zone: str
    quotas: dict[str, Quota]
    """By `hour`, `day`, `month` and `recipients`, where there is such a limit."""
    hold: Held | None = None
    """What holds the SIM itself."""


@dataclass(frozen=True)
class Figures:
    """Limits of SIMs and what is spent of them, by SIM id."""

    limits: Mapping[int, SimLimits]
    spent: Mapping[int, Spent]


class SpentOnRecord:
    """What SIMs without a lane have spent."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[datetime, SimLimits, Spent]] = {}

    def look_up(self, session: Session, limits: Mapping[int, SimLimits], now: datetime) -> dict[int, Spent]:
        """Give what the database says; where months are limited, as it was a minute ago at most."""
        known = {}
        for sim_id, each in limits.items():
            kept = self._kept.get(sim_id)
            if kept and kept[1] == each and timedelta() <= now - kept[0] < _KEPT_FOR:
                known[sim_id] = kept[2]
        asked = {sim_id: each for sim_id, each in limits.items() if sim_id not in known}
        found = spent_on_record(session, asked, now) if asked else {}
        for sim_id, spent in found.items():
            if limits[sim_id].has_month:
                self._kept[sim_id] = now, limits[sim_id], spent
        return known | found


def figures(
    on_record: SpentOnRecord,
    session: Session,
    settings: Settings,
    views: Iterable[PhoneView],
    absent: Iterable[PhoneRecord],
    now: datetime,
) -> Figures:
    """Give the limits of all SIMs and what is spent of them: by their lanes where they have one."""
    limits: dict[int, SimLimits] = {}
    spent: dict[int, Spent] = {}
    for view in views:
        if view.enrolled:
            guard = view.enrolled.guard
            limits.update((sim.sim_id, limits_of(sim, guard, settings)) for sim in view.enrolled.sims)
            spent.update(view.spent(now) if view.spent else {})
    for record in absent:
        guard = SendGuard(record.guard_max_parts, record.guard_interval_s)
        limits.update((sim.id, limits_of(rack_sim(sim), guard, settings)) for sim in record.sims if sim.active)
    unknown = {sim_id: each for sim_id, each in limits.items() if sim_id not in spent}
    return Figures(limits, spent | on_record.look_up(session, unknown, now))


def sim_card(sim: RackSim, radio: SimHealth | None, known: Figures) -> SimCard:
    """Give a SIM; `radio` is what its phone says of it now."""
    limits, spent = known.limits[sim.sim_id], known.spent.get(sim.sim_id, Spent())
    return SimCard(
        id=sim.sim_id,
        slot_index=sim.sim.slot_index,
        subscription_id=sim.sim.subscription_id,
        operator=sim.sim.operator,
        number=sim.msisdn,
        stopped=sim.stopped,
        network=radio.network if radio else None,
        roaming=radio.roaming if radio else None,
        in_service=radio.in_service if radio else None,
        signal_dbm=radio.signal_dbm if radio else None,
        sent_parts_today=sum(spent.day),
        parts_per_day=sim.parts_per_day,
        parts_per_minute=sim.parts_per_minute,
        jitter_percent=sim.jitter_percent,
        month_reset_day=sim.month_reset_day,
        zone=limits.zone.key,
        quotas=_quotas(limits, spent),
    )


def _quotas(limits: SimLimits, spent: Spent) -> dict[str, Quota]:
    """What is spent and left of each limit that a SIM has."""
    left = {each: left_of(limits, spent, each) for each in MessageClass}

    def quota(limit: int, used: int, name: str) -> Quota:
        return Quota(limit, used, {str(each): getattr(left[each], name) for each in MessageClass})

    found = {
        "hour": (limits.parts_per_hour, sum(spent.hour)),
        "day": (limits.parts_per_day, sum(spent.day)),
        "month": (limits.parts_per_month, sum(spent.month)),
        "recipients": (limits.recipients_per_month, spent.recipients),
    }
    return {name: quota(limit, used, name) for name, (limit, used) in found.items() if limit is not None}
