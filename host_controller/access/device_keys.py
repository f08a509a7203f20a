"""The keys by which remote phones say who they are: made, looked up, rotated, revoked. Only their hashes are kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from host_controller.errors import UnknownKeyError
from host_controller.store.models import DeviceKeyRecord, PhoneRecord

CALLS_PER_MINUTE = 600
"""What a key may ask for by default: the app syncs every 3 seconds, and three parts of it report one message."""
SHOWN = 8
"""So many characters of a key are kept for people to tell keys apart."""
_BYTES = 32
_HIGHEST_ID = 2**31 - 1
# A key is not written down as used more often than this: each call would cost a commit.
_USED_EVERY = timedelta(minutes=1)
# What JavaScript's Number() reads as one, as far as the characters of a key go.
_NUMBER = re.compile(r"-?([0-9]+([eE]-?[0-9]+)?|Infinity)|0([xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")


@dataclass(frozen=True)
class NewKey:
    """A key at the only moment at which it can be seen."""

    key_id: int
    secret: str = field(repr=False)

    @property
    def prefix(self) -> str:
        """What is kept of it to tell it from others."""
        return self.secret[:SHOWN]


@dataclass(frozen=True)
class Device:
    """Whose key it was."""

    key_id: int
    phone_id: int
    serial: str
    calls_per_minute: int
    parts_per_day: int | None
    is_noted: bool
    """Whether it is on record that the key was used of late."""


def make_key(
    session: Session,
    phone_id: int,
    *,
    now: datetime,
    actor: str,
    label: str = "",
    expires_at: datetime | None = None,
    calls_per_minute: int = CALLS_PER_MINUTE,
    parts_per_day: int | None = None,
) -> NewKey:
    """Give a phone one more key.

    `parts_per_day` is what the phone may be handed in a day with this key; None: only the limits of its SIMs count.
    """
    secret = draw_secret()
    record = DeviceKeyRecord(
        phone_id=phone_id,
        label=label,
        prefix=secret[:SHOWN],
        digest=_digest(secret),
        calls_per_minute=calls_per_minute,
        parts_per_day=parts_per_day,
        created_at=now,
        created_by=actor,
        expires_at=expires_at,
    )
    session.add(record)
    session.flush()
    return NewKey(record.id, secret)


def find_device(session: Session, secret: str, now: datetime) -> Device | None:
    """Give whose key this is; None where it is nobody's, revoked or expired, or its phone is not of the rack any more.

    It is looked up by its hash, of which nobody can choose the beginning: how long it takes tells nothing.
    """
    digest = _digest(secret)
    query = (
        select(DeviceKeyRecord)
        .join(PhoneRecord, PhoneRecord.id == DeviceKeyRecord.phone_id)
        .where(DeviceKeyRecord.digest == digest, PhoneRecord.removed_at.is_(None))
        .options(joinedload(DeviceKeyRecord.phone))
    )
    record = session.scalars(query).first()
    if record is None or not hmac.compare_digest(record.digest, digest) or not is_open(record, now):
        return None
    is_noted = record.used_at is not None and now - record.used_at < _USED_EVERY
    return Device(
        record.id, record.phone_id, record.phone.adb_serial, record.calls_per_minute, record.parts_per_day, is_noted
    )


def note_used(session: Session, key_id: int, now: datetime) -> None:
    """Write down that a key was used."""
    session.get_one(DeviceKeyRecord, key_id).used_at = now


def is_open(record: DeviceKeyRecord, now: datetime) -> bool:
    """Tell whether a key opens anything, as far as its phone is of the rack."""
    return record.revoked_at is None and (record.expires_at is None or record.expires_at > now)


def find_key(session: Session, key_id: int) -> DeviceKeyRecord:
    """Give a key's record. Raises UnknownKeyError."""
    record = session.get(DeviceKeyRecord, key_id) if 0 < key_id <= _HIGHEST_ID else None
    if record is None:
        raise UnknownKeyError(f"there is no key {key_id}; `smsrack keys list` shows them")
    return record


def list_keys(session: Session, phone_id: int | None = None) -> Sequence[DeviceKeyRecord]:
    """Give the keys, of one phone or of all, by id; revoked and expired ones too."""
    phone = joinedload(DeviceKeyRecord.phone).joinedload(PhoneRecord.remote)
    query = select(DeviceKeyRecord).options(phone).order_by(DeviceKeyRecord.id)
    if phone_id is not None:
        query = query.where(DeviceKeyRecord.phone_id == phone_id)
    return session.scalars(query).all()


def expire_key(record: DeviceKeyRecord, at: datetime) -> None:
    """Let a key open nothing from `at` on; if it ends earlier, that stands."""
    record.expires_at = at if record.expires_at is None else min(record.expires_at, at)


def revoke_key(record: DeviceKeyRecord, *, now: datetime, actor: str) -> bool:
    """Let a key open nothing from now on, for ever; give False where somebody has done so before."""
    if record.revoked_at is not None:
        return False
    record.revoked_at, record.revoked_by = now, actor
    return True


def draw_secret() -> str:
    """Give 256 random bits in 43 characters of URL-safe base64 that the app does not store as something else."""
    while is_retyped(secret := secrets.token_urlsafe(_BYTES)):
        pass
    return secret


def is_retyped(text: str) -> bool:
    """Tell whether the app would store this key as a number or a truth value, and then be without a key."""
    return text in ("true", "false") or _NUMBER.fullmatch(text) is not None


def _digest(secret: str) -> str:
    # What JSON brings may be no text at all; it is nobody's key then.
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()
