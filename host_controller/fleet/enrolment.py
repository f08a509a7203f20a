"""Taking a phone into the rack: who it is, what it can, which SIMs it has, all on record."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from device_drivers.base import Check, Enrolment, EnrolOptions, SendGuard, SendWay, Sim
from host_controller.fleet.changes import Change, KnownPhone, KnownSim, find_changes
from host_controller.fleet.phone import Enrolled
from host_controller.fleet.phone_filter import FILTER_FIELDS
from host_controller.fleet.sim_limits import rack_sim
from host_controller.rules.recipient_filter import EVERYBODY, parse_filter
from host_controller.settings import NewSimSettings
from host_controller.store.models import PhoneCheckRecord, PhoneEvent, PhoneRecord, SimRecord

# Messages that came in shortly before a phone is first enrolled are read; older ones are not the rack's business.
_FIRST_READ_BACK_MS = 10 * 60 * 1000


@dataclass(frozen=True)
class Arrival:
    """A phone that has passed its check list, and how it came."""

    enrolment: Enrolment
    checks: tuple[Check, ...]
    options: EnrolOptions
    usb_path: str | None
    clock_ms: int
    confirmed_by: str | None
    """Who asked for it to be enrolled: that confirms every change; None where nobody did."""
    newest_row_id: int | None = None
    """The highest row id in its message store; None where it was not asked for, or cannot be read."""


def remembered_options(session: Session, hardware_serial: str) -> EnrolOptions | None:
    """Give what was decided about this handset, or None where it is not of the rack."""
    phone = find_record(session, hardware_serial)
    if phone is None or phone.removed_at is not None:
        return None
    return EnrolOptions(phone.send_only, SendWay(phone.send_way), phone.boot_id)


def may_join(session: Session, hardware_serial: str, *, enrol_all: bool) -> bool:
    """Tell whether a phone may join that nobody has asked for now: one of the rack, or where all are taken, a new one.

    Who was taken out of the rack comes back by a person's word only.
    """
    phone = find_record(session, hardware_serial)
    return enrol_all if phone is None else phone.removed_at is None


def find_record(session: Session, hardware_serial: str) -> PhoneRecord | None:
    """Give a handset's record."""
    return session.scalar(select(PhoneRecord).where(PhoneRecord.hardware_serial == hardware_serial))


def find_record_by_name(session: Session, name: str) -> PhoneRecord | None:
    """Give the record of a phone of the rack by its hardware serial or its ADB serial."""
    query = select(PhoneRecord).where(
        or_(PhoneRecord.hardware_serial == name, PhoneRecord.adb_serial == name), PhoneRecord.removed_at.is_(None)
    )
    return session.scalars(query.order_by(PhoneRecord.id)).first()


def find_sims(session: Session, name: str) -> list[int]:
    """Give the ids of the active SIMs that this names: an id, a number, an ICCID, or `SERIAL:SLOT`."""
    serial, _, slot = name.rpartition(":")
    query = select(SimRecord).join(PhoneRecord).where(SimRecord.active, PhoneRecord.removed_at.is_(None))

    def is_named(sim: SimRecord) -> bool:
        phone = sim.phone
        by_place = slot == str(sim.slot_index + 1) and serial in (phone.adb_serial, phone.hardware_serial)
        return by_place or name in (str(sim.id), sim.msisdn, sim.iccid)

    return [sim.id for sim in session.scalars(query.order_by(SimRecord.id)) if is_named(sim)]


def save_arrival(
    session: Session, arrival: Arrival, defaults: NewSimSettings, *, now: datetime, actor: str
) -> Enrolled:
    """Write what was found out about a phone, keeping the limits of SIMs that are known, and note what has changed."""
    enrolment = arrival.enrolment
    phone = find_record(session, enrolment.identity.hardware_serial)
    changes: tuple[Change, ...] = ()
    if phone is None:
        phone = PhoneRecord(
            hardware_serial=enrolment.identity.hardware_serial,
            enrolled_at=now,
            inbox_date_ms=arrival.clock_ms - _FIRST_READ_BACK_MS,
            inbox_first_id=arrival.newest_row_id,
        )
        session.add(phone)
        _describe(phone, arrival)
        session.flush()
        note_event(
            session, phone, "enrolled", "enrolled for the first time", now=now, actor=arrival.confirmed_by or actor
        )
    else:
        changes = _changes(phone, arrival)
        _describe(phone, arrival)
        for change in changes:
            note_event(session, phone, change.kind, _with_slot(change), now=now, actor=actor)
    phone.epoch += 1
    _save_checks(session, phone, arrival.checks)
    sims = _save_sims(phone, enrolment.sims, changes, defaults)
    session.flush()
    if arrival.confirmed_by:
        confirm(session, phone, now=now, actor=arrival.confirmed_by)
    return Enrolled(
        phone.id,
        enrolment.identity,
        SendGuard(phone.guard_max_parts, phone.guard_interval_s),
        tuple(rack_sim(record, sim) for record, sim in sims),
        can_read_sms=enrolment.capabilities.can_read_sms,
        has_radio_log=enrolment.capabilities.has_radio_log,
        send_way=arrival.options.send_way,
        boot_id=enrolment.boot_id,
        has_journal=enrolment.capabilities.has_journal,
        epoch=phone.epoch,
        recipients=parse_filter(phone.recipient_filter, FILTER_FIELDS) if phone.recipient_filter else EVERYBODY,
    )


def confirm(session: Session, phone: PhoneRecord, *, now: datetime, actor: str) -> int:
    """A person says that the phone is as it should be: its SIMs may send; give how many were stopped."""
    stopped = [sim for sim in phone.sims if sim.stopped is not None]
    for sim in stopped:
        note_event(session, phone, "confirmed", f"SIM {sim.slot_index + 1}: {sim.stopped}", now=now, actor=actor)
        sim.stopped = None
    return len(stopped)


def stop_sim(session: Session, sim_id: int, words: str, *, now: datetime, actor: str) -> None:
    """Let a SIM send nothing until a person confirms it."""
    sim = session.get_one(SimRecord, sim_id)
    sim.stopped = words
    note_event(session, sim.phone, "sim_stopped", f"SIM {sim.slot_index + 1}: {words}", now=now, actor=actor)


def note_event(session: Session, phone: PhoneRecord, kind: str, words: str, *, now: datetime, actor: str) -> None:
    """Write down what happened to a phone."""
    session.add(PhoneEvent(phone_id=phone.id, at=now, kind=kind, words=words, actor=actor))


def _describe(phone: PhoneRecord, arrival: Arrival) -> None:
    enrolment, identity = arrival.enrolment, arrival.enrolment.identity
    guard = _effective_guard(phone, enrolment)
    phone.removed_at = None
    phone.adb_serial = identity.serial
    phone.manufacturer = identity.manufacturer
    phone.model = identity.model
    phone.android_release = identity.android_release
    phone.api_level = identity.api_level
    phone.build_fingerprint = identity.build_fingerprint
    phone.usb_path = arrival.usb_path or phone.usb_path
    phone.boot_id = enrolment.boot_id
    phone.send_only = arrival.options.send_only
    phone.send_way = arrival.options.send_way
    phone.capabilities = asdict(enrolment.capabilities)
    phone.guard_max_parts = guard.max_parts
    phone.guard_interval_s = guard.interval_s


def _effective_guard(phone: PhoneRecord, enrolment: Enrolment) -> SendGuard:
    """Android reads its guard's settings once, when the phone starts: a change counts from the next start on."""
    if phone.id is None or phone.boot_id is None or phone.boot_id != enrolment.boot_id:
        return enrolment.guard
    return SendGuard(phone.guard_max_parts, phone.guard_interval_s)


def _changes(phone: PhoneRecord, arrival: Arrival) -> tuple[Change, ...]:
    known = tuple(KnownSim(s.slot_index, s.subscription_id, s.iccid) for s in phone.sims if s.active)
    return find_changes(
        KnownPhone(phone.usb_path, phone.build_fingerprint, known),
        usb_path=arrival.usb_path,
        build_fingerprint=arrival.enrolment.identity.build_fingerprint,
        sims=arrival.enrolment.sims,
    )


def _with_slot(change: Change) -> str:
    return change.words if change.slot_index is None else f"SIM {change.slot_index + 1}: {change.words}"


def _save_checks(session: Session, phone: PhoneRecord, checks: tuple[Check, ...]) -> None:
    phone.checks.clear()
    session.flush()
    phone.checks.extend(
        PhoneCheckRecord(name=c.name, verdict=c.verdict, finding=c.finding, next_step=c.next_step) for c in checks
    )


def _save_sims(
    phone: PhoneRecord, sims: tuple[Sim, ...], changes: tuple[Change, ...], defaults: NewSimSettings
) -> list[tuple[SimRecord, Sim]]:
    for record in phone.sims:
        record.active = False
    saved = [(_save_sim(phone, sim, defaults), sim) for sim in sims]
    for change in changes:
        for record, sim in saved:
            if change.slot_index in (None, sim.slot_index):
                # The first change stands: what came later is in the events.
                record.stopped = record.stopped or change.words
    return saved


def _save_sim(phone: PhoneRecord, sim: Sim, defaults: NewSimSettings) -> SimRecord:
    key = sim.slot_index, sim.subscription_id
    record = next((r for r in phone.sims if (r.slot_index, r.subscription_id) == key), None)
    if record is None:
        record = SimRecord(
            slot_index=sim.slot_index,
            subscription_id=sim.subscription_id,
            **defaults.model_dump(),
        )
        phone.sims.append(record)
    record.iccid = sim.iccid or record.iccid
    record.operator = sim.operator
    record.active = True
    return record
