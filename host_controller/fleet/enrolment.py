"""Taking a phone into the rack: who it is, what it can, which SIMs it has, all on record."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from device_drivers.base import Enrolment, Sim
from host_controller.fleet.phone import Enrolled, RackSim
from host_controller.settings import NewSimSettings
from host_controller.store.models import PhoneRecord, SimRecord

# Messages that came in shortly before a phone is first enrolled are read; older ones are not the rack's business.
_FIRST_READ_BACK_MS = 10 * 60 * 1000


def is_enrolled(session: Session, hardware_serial: str) -> bool:
    """Tell whether this handset was enrolled before."""
    return session.scalar(select(PhoneRecord.id).where(PhoneRecord.hardware_serial == hardware_serial)) is not None


def save_enrolment(
    session: Session, enrolment: Enrolment, phone_clock_ms: int, defaults: NewSimSettings, *, now: datetime
) -> Enrolled:
    """Write what was found out about a phone, keeping the limits of SIMs that are known."""
    identity = enrolment.identity
    phone = session.scalar(select(PhoneRecord).where(PhoneRecord.hardware_serial == identity.hardware_serial))
    if phone is None:
        phone = PhoneRecord(
            hardware_serial=identity.hardware_serial,
            enrolled_at=now,
            inbox_date_ms=phone_clock_ms - _FIRST_READ_BACK_MS,
        )
        session.add(phone)
    phone.adb_serial = identity.serial
    phone.manufacturer = identity.manufacturer
    phone.model = identity.model
    phone.android_release = identity.android_release
    phone.api_level = identity.api_level
    phone.build_fingerprint = identity.build_fingerprint
    phone.can_read_sms = enrolment.can_read_sms
    phone.guard_max_parts = enrolment.guard.max_parts
    phone.guard_interval_s = enrolment.guard.interval_s
    for record in phone.sims:
        record.active = False
    sims = tuple(_save_sim(phone, sim, defaults) for sim in enrolment.sims)
    session.flush()
    return Enrolled(phone.id, identity, enrolment.guard, tuple(_rack_sim(record, sim) for record, sim in sims))


def _save_sim(phone: PhoneRecord, sim: Sim, defaults: NewSimSettings) -> tuple[SimRecord, Sim]:
    known = (phone.sims, sim.slot_index, sim.subscription_id)
    record = next((r for r in known[0] if (r.slot_index, r.subscription_id) == known[1:]), None)
    if record is None:
        record = SimRecord(
            slot_index=sim.slot_index,
            subscription_id=sim.subscription_id,
            parts_per_minute=defaults.parts_per_minute,
            parts_per_day=defaults.parts_per_day,
        )
        phone.sims.append(record)
    record.iccid = sim.iccid
    record.operator = sim.operator
    record.active = True
    return record, sim


def _rack_sim(record: SimRecord, sim: Sim) -> RackSim:
    return RackSim(record.id, sim, record.parts_per_minute, record.parts_per_day)
