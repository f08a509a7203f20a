"""The limits of a SIM: on record, in the terms of the rules, and how a person changes them."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from device_drivers.base import SendGuard, Sim
from host_controller.errors import ConfigError
from host_controller.fleet.phone import RackSim
from host_controller.rules.limits import GuardLimit, Reserve, SimLimits
from host_controller.settings import Settings
from host_controller.store.models import SimRecord

Changes = Mapping[str, int | str | None]
"""New values by the names of the columns, from `parts_per_minute` to `zone`; None for no limit."""


def limits_of(sim: RackSim, guard: SendGuard, settings: Settings) -> SimLimits:
    """Give the limits of a SIM, with the guard of its phone and what the whole rack keeps in reserve."""
    reserve = settings.reserve
    return SimLimits(
        parts_per_minute=sim.parts_per_minute,
        parts_per_day=sim.parts_per_day,
        guard=GuardLimit(guard.max_parts, guard.interval_s),
        zone=ZoneInfo(sim.zone) if sim.zone else settings.zone,
        parts_per_hour=sim.parts_per_hour,
        parts_per_month=sim.parts_per_month,
        recipients_per_month=sim.recipients_per_month,
        month_reset_day=sim.month_reset_day,
        jitter_percent=sim.jitter_percent,
        reserve=Reserve(reserve.otp_percent, reserve.transactional_percent),
        self_paced=sim.self_paced,
    )


def rack_sim(record: SimRecord, sim: Sim | None = None) -> RackSim:
    """Give a SIM as it stands on record; `sim` is what its phone says of it now."""
    return RackSim(
        record.id,
        sim or Sim(record.slot_index, record.subscription_id, record.iccid, record.operator),
        record.parts_per_minute,
        record.parts_per_day,
        record.stopped,
        record.msisdn,
        parts_per_hour=record.parts_per_hour,
        parts_per_month=record.parts_per_month,
        recipients_per_month=record.recipients_per_month,
        month_reset_day=record.month_reset_day,
        jitter_percent=record.jitter_percent,
        zone=record.zone,
    )


def change_limits(session: Session, sim_id: int, changes: Changes) -> str:
    """Change limits of a SIM; give its phone's ADB serial. Raises ConfigError for an unknown SIM."""
    sim = session.get(SimRecord, sim_id)
    if sim is None:
        raise ConfigError(f"there is no SIM {sim_id}; `smsrack phones` lists them")
    for name, value in changes.items():
        setattr(sim, name, value)
    return sim.phone.adb_serial
