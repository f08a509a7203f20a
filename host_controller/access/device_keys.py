"""The keys by which remote phones say who they are: made, looked up, rotated, revoked. Only their hashes are kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from host_controller.store.models import DeviceKeyRecord, PhoneRecord

CALLS_PER_MINUTE = 600
"""What a key may ask for by default: the app syncs every 3 seconds, and three parts of it report one message."""
SHOWN = 8
"""So many characters of a key are kept for people to tell keys apart."""
_BYTES = 32
# A key is not written down as used more often than this: each call would cost a commit.
_USED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class NewKey:
    """A key at the only moment at which it can be seen."""

    key_id: int
    secret: str = field(repr=False)


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
    """Give a phone one more key of 256 random bits, written in 43 characters of URL-safe base64.

    The app reads what looks like a number or a truth value back as one, so such a key is drawn again.
    """
    secret = secrets.token_urlsafe(_BYTES)
    while not _is_plain_text(secret):
        secret = secrets.token_urlsafe(_BYTES)
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
        .where(DeviceKeyRecord.digest == digest, DeviceKeyRecord.revoked_at.is_(None), PhoneRecord.removed_at.is_(None))
        .options(joinedload(DeviceKeyRecord.phone))
    )
    record = session.scalars(query).first()
    if record is None or not hmac.compare_digest(record.digest, digest):
        return None
    if record.expires_at is not None and record.expires_at <= now:
        return None
    is_noted = record.used_at is not None and now - record.used_at < _USED_EVERY
    return Device(
        record.id, record.phone_id, record.phone.adb_serial, record.calls_per_minute, record.parts_per_day, is_noted
    )


def note_used(session: Session, key_id: int, now: datetime) -> None:
    """Write down that a key was used."""
    session.get_one(DeviceKeyRecord, key_id).used_at = now


def _is_plain_text(secret: str) -> bool:
    return any(character.isalpha() for character in secret) and secret[0].isalpha()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
