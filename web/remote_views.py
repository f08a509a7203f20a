"""Remote phones and their keys as the pages and the API show them: what the database has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from host_controller.access.device_keys import is_open, list_keys
from host_controller.fleet.remote import find_remote, list_remotes
from host_controller.fleet.sim_limits import rack_sim
from host_controller.store.models import DeviceKeyRecord, PhoneRecord
from web.services import Services
from web.sim_cards import Figures, SimCard, figures, sim_card


class RemoteState(StrEnum):
    """Whether a remote phone is there."""

    ONLINE = "online"
    OFFLINE = "offline"
    ARCHIVED = "archived"


@dataclass(frozen=True)
class KeyCard:
    """One key, of which only the beginning is known."""

    id: int
    remote_phone: str
    prefix: str
    label: str
    in_force: bool
    """Whether it opens anything, as far as its phone is of the rack."""
    calls_per_minute: int
    parts_per_day: int | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None
    used_at: datetime | None
    heard_at: datetime | None
    """The last heartbeat of its phone, once the key was used and if it came since it was made."""


@dataclass(frozen=True)
class RemoteCard:
    """One remote phone."""

    id: int
    name: str
    numbers: tuple[str, ...]
    state: RemoteState
    heartbeat_at: datetime | None
    battery_percent: int | None
    signal_dbm: int | None
    unsynced_count: int
    heartbeat_limit_minutes: int
    reissues: bool
    archived: bool
    sims: tuple[SimCard, ...]
    keys: tuple[KeyCard, ...]


def remote_cards(services: Services, session: Session, *, archived: bool = False) -> list[RemoteCard]:
    """Give the remote phones, by id; on demand also those that were archived."""
    return _cards(services, session, list_remotes(session, archived=archived))


def remote_details(services: Services, session: Session, name: str) -> RemoteCard:
    """Give one remote phone, archived or not. Raises UnknownPhoneError."""
    return _cards(services, session, [find_remote(session, name, archived=True)])[0]


def key_cards(session: Session, now: datetime) -> list[KeyCard]:
    """Give all keys, by id."""
    return [_key_card(record, now) for record in list_keys(session)]


def _cards(services: Services, session: Session, phones: Sequence[PhoneRecord]) -> list[RemoteCard]:
    now = services.clock()
    live = services.rack.phones() if services.rack else []
    remote = [view for view in live if view.enrolled and view.enrolled.is_remote]
    spent = figures(services.spent, session, services.settings, remote, phones, now)
    return [_card(session, phone, spent, now) for phone in phones]


def _card(session: Session, phone: PhoneRecord, spent: Figures, now: datetime) -> RemoteCard:
    remote = phone.remote
    assert remote is not None  # noqa: S101 - it was found by it
    sims = [sim for sim in phone.sims if sim.active]
    return RemoteCard(
        id=phone.id,
        name=phone.adb_serial,
        numbers=tuple(sim.msisdn or "" for sim in sims),
        state=_state(phone, now),
        heartbeat_at=remote.heartbeat_at,
        battery_percent=remote.battery_percent,
        signal_dbm=remote.signal_dbm,
        unsynced_count=remote.unsynced_count,
        heartbeat_limit_minutes=remote.heartbeat_limit_minutes,
        reissues=remote.reissues,
        archived=phone.removed_at is not None,
        sims=tuple(sim_card(rack_sim(sim), None, spent) for sim in sims),
        keys=tuple(_key_card(record, now) for record in list_keys(session, phone.id)),
    )


def _state(phone: PhoneRecord, now: datetime) -> RemoteState:
    if phone.removed_at is not None:
        return RemoteState.ARCHIVED
    remote = phone.remote
    if remote is None or remote.heartbeat_at is None:
        return RemoteState.OFFLINE
    is_late = now - remote.heartbeat_at > timedelta(minutes=remote.heartbeat_limit_minutes)
    return RemoteState.OFFLINE if is_late else RemoteState.ONLINE


def _key_card(record: DeviceKeyRecord, now: datetime) -> KeyCard:
    heartbeat_at = record.phone.remote.heartbeat_at if record.phone.remote else None
    is_heard = record.used_at is not None and heartbeat_at is not None and heartbeat_at >= record.created_at
    return KeyCard(
        id=record.id,
        remote_phone=record.phone.adb_serial,
        prefix=record.prefix,
        label=record.label,
        in_force=is_open(record, now),
        calls_per_minute=record.calls_per_minute,
        parts_per_day=record.parts_per_day,
        created_at=record.created_at,
        created_by=record.created_by,
        expires_at=record.expires_at,
        revoked_at=record.revoked_at,
        revoked_by=record.revoked_by,
        used_at=record.used_at,
        heard_at=heartbeat_at if is_heard else None,
    )
