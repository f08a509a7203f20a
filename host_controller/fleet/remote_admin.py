"""What an operator does with remote phones and their keys: add, change, archive, bring back; make, rotate, revoke."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypedDict, TypeVar

from sqlalchemy.orm import Session

from host_controller.access.device_keys import (
    NewKey,
    expire_key,
    find_key,
    is_open,
    make_key,
    revoke_key,
)
from host_controller.access.pairing import PairingCode
from host_controller.errors import CannotPairError, InvalidRemotePhoneError, UnknownKeyError
from host_controller.fleet.enrolment import note_event
from host_controller.fleet.remote import RemoteDraft, add_remote, archive, bring_back, find_remote
from host_controller.fleet.sim_limits import Changes, change_limits
from host_controller.settings import Settings
from host_controller.store.models import DeviceKeyRecord, PhoneRecord
from host_controller.store.store import Store

T = TypeVar("T")
OVERLAP = timedelta(minutes=60)
"""How long a key that is replaced still opens, unless somebody says otherwise."""


class KeyTerms(TypedDict, total=False):
    """What is said of a new key: see `make_key`. Of the rest, all but the end is as with the key that it replaces."""

    label: str
    expires_at: datetime | None
    calls_per_minute: int
    parts_per_day: int | None


@dataclass(frozen=True)
class Added:
    """A remote phone that was added, with its first key."""

    phone_id: int
    sim_ids: tuple[int, ...]
    key: NewKey


@dataclass(frozen=True)
class Pairing:
    """A new key, in the code that the app scans."""

    key: NewKey
    code: PairingCode


class RemoteAdmin:
    """The operator's hand on the remote phones."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Callable[[], datetime],
        on_change: Callable[[], None],
        check_reach: Callable[[str], None],
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._on_change = on_change
        self._check_reach = check_reach

    def add(self, draft: RemoteDraft, actor: str) -> int:
        """Add a phone, for now without a key; give its id. Raises as `add_with_key`."""
        return self._changed(lambda session: self._add(session, draft, {}, self._clock(), actor).id)

    def add_with_key(self, draft: RemoteDraft, limits: Changes, actor: str) -> Added:
        """Add a phone with its first key; `limits`, checked already, hold for every SIM instead of the usual ones.

        Raises InvalidRemotePhoneError, InvalidMsisdnError or RemotePhoneConflictError.
        """
        now = self._clock()

        def work(session: Session) -> Added:
            phone = self._add(session, draft, limits, now, actor)
            key = _make_key(session, phone, {}, now, actor)
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
            if replaces is None:
                return _make_key(session, phone, terms, now, actor)
            old = _key_in_force(session, phone, replaces, now)
            as_before: KeyTerms = {
                "label": old.label,
                "calls_per_minute": old.calls_per_minute,
                "parts_per_day": old.parts_per_day,
            }
            key = _make_key(session, phone, {**as_before, **terms}, now, actor)
            expire_key(old, now + overlap)
            words = f"key {old.id} ({old.prefix}…) is replaced by key {key.key_id} ({key.prefix}…)"
            note_event(session, phone, "key_replaced", words, now=now, actor=actor)
            return key

        return self._store.write(work)

    def pair(
        self,
        name: str,
        terms: KeyTerms,
        actor: str,
        *,
        replaces: int | None = None,
        overlap: timedelta = OVERLAP,
        check: bool = True,
    ) -> Pairing:
        """Make a key in a pairing code, once phones would reach the gateway; raises CannotPairError where not.

        The rest as in `make_key`.
        """
        url = self._settings.gateway.public_url
        if url is None:
            raise CannotPairError("set gateway.public_url to how phones reach this rack, like https://sms.example.com")
        if check:
            self._check_reach(url)
        key = self.make_key(name, terms, actor, replaces=replaces, overlap=overlap)
        return Pairing(key, PairingCode(url, key.secret))

    def revoke(self, key_id: int, actor: str) -> None:
        """Let a key open nothing from now on; once more changes nothing. Raises UnknownKeyError."""
        now = self._clock()

        def work(session: Session) -> None:
            record = find_key(session, key_id)
            if revoke_key(record, now=now, actor=actor):
                words = f"key {key_id} ({record.prefix}…) is revoked"
                note_event(session, record.phone, "key_revoked", words, now=now, actor=actor)

        self._store.write(work)

    def _add(self, session: Session, draft: RemoteDraft, limits: Changes, now: datetime, actor: str) -> PhoneRecord:
        home_region = self._settings.messages.home_region
        phone = add_remote(session, draft, self._settings.new_sims, home_region, now=now, actor=actor)
        for sim in phone.sims:
            change_limits(session, sim.id, limits)
        return phone

    def _changed(self, work: Callable[[Session], T]) -> T:
        result = self._store.write(work)
        self._on_change()
        return result


def _make_key(session: Session, phone: PhoneRecord, terms: KeyTerms, now: datetime, actor: str) -> NewKey:
    label, expires_at = terms.get("label", ""), terms.get("expires_at")
    if not label.isprintable():
        raise InvalidRemotePhoneError("a label is one line of text")
    if expires_at is not None and expires_at <= now:
        raise InvalidRemotePhoneError("the key would have expired already; name a time to come")
    key = make_key(session, phone.id, now=now, actor=actor, **terms)
    words = f"key {key.key_id} ({key.prefix}…{f', {label}' if label else ''})"
    note_event(session, phone, "key_made", words, now=now, actor=actor)
    return key


def _key_in_force(session: Session, phone: PhoneRecord, key_id: int, now: datetime) -> DeviceKeyRecord:
    record = find_key(session, key_id)
    if record.phone_id != phone.id or not is_open(record, now):
        raise UnknownKeyError(f"{phone.adb_serial} has no key {key_id} in force; `smsrack keys list` shows them")
    return record
