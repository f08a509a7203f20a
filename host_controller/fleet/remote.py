"""Remote phones on record: phones that run the SMS Gateway app and are the rack's as much as those on its cables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, joinedload

from host_controller.errors import InvalidRemotePhoneError, RemotePhoneConflictError, UnknownPhoneError
from host_controller.fleet.enrolment import note_event
from host_controller.settings import NewSimSettings
from host_controller.store.models import PhoneRecord, RemotePhoneRecord, SimRecord
from host_controller.text.msisdn import parse_msisdn

SEND_WAY = "remote"
"""How a remote phone sends, in the column that says it of every phone."""
MODEL = "SMS Gateway app"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MOST_SIMS = 2
# The app sees to Android's guard by itself: of ours nothing may hold a message back.
_GUARD_MAX_PARTS, _GUARD_INTERVAL_S = 1_000_000, 60.0


@dataclass(frozen=True)
class RemoteDraft:
    """A remote phone as somebody wants it."""

    name: str
    """Its serial from then on: letters, digits, dots, dashes."""
    numbers: tuple[str, ...]
    """The number of its first SIM, which the app sends from, and of a second one if there is one."""
    heartbeat_limit_minutes: int = 5
    reissues: bool = False


def add_remote(
    session: Session, draft: RemoteDraft, defaults: NewSimSettings, home_region: str, *, now: datetime, actor: str
) -> PhoneRecord:
    """Add a remote phone. Raises InvalidRemotePhoneError, InvalidMsisdnError or RemotePhoneConflictError."""
    if not _NAME.fullmatch(draft.name):
        raise InvalidRemotePhoneError("a name is 1 to 64 letters, digits, dots, dashes and underscores")
    if not 1 <= len(draft.numbers) <= _MOST_SIMS:
        raise InvalidRemotePhoneError("a remote phone has one number, or two")
    numbers = [parse_msisdn(raw, home_region).e164 for raw in draft.numbers]
    if len(set(numbers)) != len(numbers):
        raise InvalidRemotePhoneError("its two numbers are the same")
    _refuse_taken_name(session, draft.name)
    _refuse_taken_numbers(session, numbers)
    phone = PhoneRecord(
        hardware_serial=draft.name,
        adb_serial=draft.name,
        manufacturer="",
        model=MODEL,
        android_release="",
        api_level=0,
        build_fingerprint="",
        send_only=False,
        send_way=SEND_WAY,
        capabilities={},
        guard_max_parts=_GUARD_MAX_PARTS,
        guard_interval_s=_GUARD_INTERVAL_S,
        enrolled_at=now,
        inbox_date_ms=0,
        remote=RemotePhoneRecord(heartbeat_limit_minutes=draft.heartbeat_limit_minutes, reissues=draft.reissues),
        sims=[_sim(slot, number, defaults) for slot, number in enumerate(numbers)],
    )
    session.add(phone)
    session.flush()
    note_event(session, phone, "added", "added as a remote phone", now=now, actor=actor)
    return phone


def find_remote(session: Session, name: str, *, archived: bool = False) -> PhoneRecord:
    """Give a remote phone by its name. Raises UnknownPhoneError."""
    query = select(PhoneRecord).join(RemotePhoneRecord).where(PhoneRecord.adb_serial == name)
    if not archived:
        query = query.where(PhoneRecord.removed_at.is_(None))
    # What is no name is nobody's; a database may not even take it.
    is_name = _NAME.fullmatch(name) is not None
    found = session.scalars(query.options(joinedload(PhoneRecord.remote))).first() if is_name else None
    if found is None:
        raise UnknownPhoneError(f"there is no remote phone {name!r}; `smsrack remote list` shows them")
    return found


def list_remotes(session: Session, *, archived: bool = False) -> Sequence[PhoneRecord]:
    """Give the remote phones with their SIMs, by id; on demand also those that were archived."""
    query = select(PhoneRecord).join(RemotePhoneRecord).order_by(PhoneRecord.id)
    if not archived:
        query = query.where(PhoneRecord.removed_at.is_(None))
    options = joinedload(PhoneRecord.remote), joinedload(PhoneRecord.sims)
    return session.scalars(query.options(*options)).unique().all()


def archive(session: Session, phone: PhoneRecord, *, now: datetime, actor: str) -> None:
    """Take a remote phone out of the rack: from now on none of its keys opens anything."""
    phone.removed_at = now
    note_event(session, phone, "archived", "taken out of the rack", now=now, actor=actor)


def bring_back(session: Session, phone: PhoneRecord, *, now: datetime, actor: str) -> None:
    """Undo `archive`; the keys that were not revoked open again. Raises RemotePhoneConflictError."""
    if phone.removed_at is None:
        return
    _refuse_taken_numbers(session, [sim.msisdn for sim in phone.sims if sim.msisdn])
    for sim in phone.sims:
        sim.active = True
    phone.removed_at = None
    note_event(session, phone, "brought_back", "taken into the rack again", now=now, actor=actor)


def _refuse_taken_name(session: Session, name: str) -> None:
    is_named = or_(PhoneRecord.hardware_serial == name, PhoneRecord.adb_serial == name)
    if session.scalars(select(PhoneRecord.id).where(is_named)).first() is not None:
        raise RemotePhoneConflictError(
            f"there is a phone {name!r} already; choose another name, or bring that one back"
        )


def _refuse_taken_numbers(session: Session, numbers: Sequence[str]) -> None:
    in_use = (
        select(SimRecord.msisdn)
        .join(PhoneRecord)
        .where(SimRecord.msisdn.in_(numbers), SimRecord.active, PhoneRecord.removed_at.is_(None))
    )
    if session.scalars(in_use).first() is not None:
        raise RemotePhoneConflictError("another SIM of the rack has this number already")


def _sim(slot_index: int, msisdn: str, defaults: NewSimSettings) -> SimRecord:
    return SimRecord(
        slot_index=slot_index,
        subscription_id=slot_index,
        msisdn=msisdn,
        active=True,
        parts_per_minute=defaults.parts_per_minute,
        parts_per_day=defaults.parts_per_day,
        parts_per_hour=defaults.parts_per_hour,
        parts_per_month=defaults.parts_per_month,
        recipients_per_month=defaults.recipients_per_month,
        month_reset_day=defaults.month_reset_day,
        jitter_percent=0,
    )
