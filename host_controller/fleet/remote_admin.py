"""What an operator does with remote phones and their keys: add, change, archive, bring back; make, rotate, revoke."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy.orm import Session

from host_controller.access.device_keys import (
    CALLS_PER_MINUTE,
    NewKey,
    expire_key,
    find_key,
    is_open,
    make_key,
    revoke_key,
)
from host_controller.errors import UnknownKeyError
from host_controller.fleet.enrolment import note_event
from host_controller.fleet.remote import RemoteDraft, add_remote, archive, bring_back, find_remote
from host_controller.fleet.sim_limits import Changes, change_limits
from host_controller.settings import Settings
from host_controller.store.models import DeviceKeyRecord, PhoneRecord
from host_controller.store.store import Store

T = TypeVar("T")
OVERLAP = timedelta(minutes=60)
"""How long a key that is replaced still opens, unless somebody says otherwise."""


@dataclass(frozen=True)
class KeyTerms:
    """How long and how much a new key opens."""

    label: str = ""
    expires_at: datetime | None = None
    calls_per_minute: int = CALLS_PER_MINUTE
    parts_per_day: int | None = None
    """Parts that the phone may be handed in a day with this key; None: only the limits of its SIMs."""


@dataclass(frozen=True)
class Added:
    """A remote phone that was added, with its first key."""

    phone_id: int
    sim_ids: tuple[int, ...]
    key: NewKey


class RemoteAdmin:
    """The operator's hand on the remote phones."""

    def __init__(
        self, store: Store, settings: Settings, clock: Callable[[], datetime], on_change: Callable[[], None]
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._on_change = on_change

    def add(self, draft: RemoteDraft, limits: Changes, actor: str) -> Added:
        """Add a phone with its first key; `limits`, checked already, hold for every SIM instead of the usual ones.

        Raises InvalidRemotePhoneError, InvalidMsisdnError or RemotePhoneConflictError.
        """
        now, settings = self._clock(), self._settings

        def work(session: Session) -> Added:
            home_region = settings.messages.home_region
            phone = add_remote(session, draft, settings.new_sims, home_region, now=now, actor=actor)
            for sim in phone.sims:
                change_limits(session, sim.id, limits)
            key = self._make_key(session, phone, KeyTerms(), now, actor)
            return Added(phone.id, tuple(sim.id for sim in phone.sims), key)

        return self._changed(work)

    def change(
        self, name: str, *, heartbeat_limit_minutes: int | None = None, reissues: bool | None = None, actor: str
    ) -> None:
        """Change what is not None. Raises UnknownPhoneError."""
        now = self._clock()

        def work(session: Session) -> None:
            phone = find_remote(session, name)
            remote = phone.remote
            assert remote is not None  # noqa: S101 - it was found by it
            words = []
            if heartbeat_limit_minutes not in (None, remote.heartbeat_limit_minutes):
                remote.heartbeat_limit_minutes = heartbeat_limit_minutes
                words.append(f"offline after {heartbeat_limit_minutes} minutes without a heartbeat")
            if reissues not in (None, remote.reissues):
                remote.reissues = reissues
                words.append("what ended in silence is " + ("sent again" if reissues else "left for a person"))
            if words:
                note_event(session, phone, "changed", "; ".join(words), now=now, actor=actor)

        self._changed(work)

    def archive(self, name: str, actor: str) -> None:
        """Take a phone out of the rack: none of its keys opens anything. Raises UnknownPhoneError."""
        now = self._clock()
        self._changed(lambda session: archive(session, find_remote(session, name), now=now, actor=actor))

    def bring_back(self, name: str, actor: str) -> None:
        """Undo `archive`. Raises UnknownPhoneError, or RemotePhoneConflictError where its number has gone elsewhere."""
        now = self._clock()
        self._changed(
            lambda session: bring_back(session, find_remote(session, name, archived=True), now=now, actor=actor)
        )

    def make_key(
        self,
        name: str,
        terms: KeyTerms,
        actor: str,
        *,
        replaces: int | None = None,
        overlap: timedelta = OVERLAP,
    ) -> NewKey:
        """Give a phone one more key; the one that it replaces opens for `overlap` more at most.

        Raises UnknownPhoneError, UnknownKeyError or InvalidRemotePhoneError.
        """
        now = self._clock()

        def work(session: Session) -> NewKey:
            phone = find_remote(session, name)
            old = None if replaces is None else self._key_in_force(session, phone, replaces, now)
            key = self._make_key(session, phone, terms, now, actor)
            if old is not None:
                expire_key(old, now + overlap)
                words = f"key {old.id} ({old.prefix}…) is replaced by key {key.key_id} ({key.prefix}…)"
                note_event(session, phone, "key replaced", words, now=now, actor=actor)
            return key

        return self._store.write(work)

    def revoke(self, key_id: int, actor: str) -> None:
        """Let a key open nothing from now on; once more changes nothing. Raises UnknownKeyError."""
        now = self._clock()

        def work(session: Session) -> None:
            record = find_key(session, key_id)
            if revoke_key(record, now=now, actor=actor):
                words = f"key {key_id} ({record.prefix}…) is revoked"
                note_event(session, record.phone, "key revoked", words, now=now, actor=actor)

        self._store.write(work)

    def _changed(self, work: Callable[[Session], T]) -> T:
        result = self._store.write(work)
        self._on_change()
        return result

    @staticmethod
    def _make_key(session: Session, phone: PhoneRecord, terms: KeyTerms, now: datetime, actor: str) -> NewKey:
        key = make_key(
            session,
            phone.id,
            now=now,
            actor=actor,
            label=terms.label,
            expires_at=terms.expires_at,
            calls_per_minute=terms.calls_per_minute,
            parts_per_day=terms.parts_per_day,
        )
        label = f", {terms.label}" if terms.label else ""
        note_event(session, phone, "key made", f"key {key.key_id} ({key.prefix}…{label})", now=now, actor=actor)
        return key

    @staticmethod
    def _key_in_force(session: Session, phone: PhoneRecord, key_id: int, now: datetime) -> DeviceKeyRecord:
        record = find_key(session, key_id)
        if record.phone_id != phone.id or not is_open(record, now):
            raise UnknownKeyError(f"{phone.adb_serial} has no key {key_id} in force; `smsrack keys list` shows them")
        return record
