"""Taking messages in: checked, cut into parts, durable before the answer."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from device_drivers.failpoints import failpoint
from host_controller.consent.opt_outs import opted_out
from host_controller.errors import (
    ControllerError,
    DestinationRefusedError,
    OptedOutError,
    RefConflictError,
    TooManyPartsError,
)
from host_controller.messaging.transitions import note_accepted
from host_controller.rules.destinations import destination_refusal
from host_controller.rules.states import MessageState
from host_controller.settings import MessageSettings
from host_controller.store.models import MessageRecord
from host_controller.store.store import Store
from host_controller.text.msisdn import Msisdn, parse_msisdn
from host_controller.text.parts import count_parts
from host_controller.text.sms_text import SmsText, parse_sms_text

_UID_BITS = 62


@dataclass(frozen=True)
class Draft:
    """A message as somebody asks for it. Two drafts with the same `ref` are one message."""

    number: str
    text: str
    ref: str | None = None
    only_sim_id: int | None = None
    """The SIM that it must leave from, or None for any."""


@dataclass(frozen=True)
class Accepted:
    """The message is durable under this id."""

    message_id: int
    part_count: int
    repeated: bool
    """True where the `ref` was known: nothing was added."""


@dataclass(frozen=True)
class Rejected:
    """Nothing was stored; `code` is for programs, `reason` for people."""

    code: str
    reason: str


@dataclass(frozen=True)
class Checked:
    """A draft that may be sent, as far as can be told without the opt-out list."""

    msisdn: Msisdn
    text: SmsText
    part_count: int
    ref: str | None
    only_sim_id: int | None


def submit(
    store: Store, settings: MessageSettings, drafts: Sequence[Draft], *, now: datetime, actor: str
) -> list[Accepted | Rejected]:
    """Accept or reject each draft by itself, in order. What is accepted survives a crash from here on."""
    checked = [check(draft, settings) for draft in drafts]
    failpoint("submit.before")
    outcomes = store.write(lambda session: accept_all(session, checked, now=now, actor=actor))
    failpoint("submit.after")
    return outcomes


def check(draft: Draft, settings: MessageSettings) -> Checked | Rejected:
    """Normalise and check one draft."""
    try:
        msisdn = parse_msisdn(draft.number, settings.home_region)
        refusal = destination_refusal(msisdn, settings.allowed_regions)
        if refusal is not None:
            raise DestinationRefusedError(refusal)
        text = parse_sms_text(draft.text)
        part_count = count_parts(text.reveal())
        if part_count > settings.max_parts:
            raise TooManyPartsError(
                f"the text needs {part_count} parts and {settings.max_parts} are allowed; shorten it"
            )
        return Checked(msisdn, text, part_count, draft.ref, draft.only_sim_id)
    except ControllerError as error:
        return Rejected(error.code, str(error))


def accept_all(
    session: Session, checked: Sequence[Checked | Rejected], *, now: datetime, actor: str
) -> list[Accepted | Rejected]:
    """Queue what may be sent, in the caller's transaction; opted-out numbers are refused here."""
    refused = opted_out(session, [draft.msisdn.e164 for draft in checked if isinstance(draft, Checked)])
    outcomes: list[Accepted | Rejected] = []
    added: list[int] = []
    for draft in checked:
        outcome = draft if isinstance(draft, Rejected) else _insert_one(session, draft, refused, now)
        if isinstance(outcome, Accepted) and not outcome.repeated:
            added.append(outcome.message_id)
        outcomes.append(outcome)
    if added:
        note_accepted(session, added, now=now, actor=actor)
    return outcomes


def _insert_one(session: Session, draft: Checked, refused: set[str], now: datetime) -> Accepted | Rejected:
    if draft.ref is not None:
        known = session.scalar(select(MessageRecord).where(MessageRecord.ref == draft.ref))
        if known is not None:
            return _same_ref(known, draft)
    if draft.msisdn.e164 in refused:
        error = OptedOutError(f"{draft.msisdn} has opted out and must not be written to")
        return Rejected(error.code, str(error))
    row = {
        "uid": secrets.randbits(_UID_BITS),
        "ref": draft.ref,
        "msisdn": draft.msisdn.e164,
        "text": draft.text.reveal(),
        "part_count": draft.part_count,
        "only_sim_id": draft.only_sim_id,
        "state": MessageState.QUEUED,
        "created_at": now,
        "changed_at": now,
    }
    message_id = session.execute(insert(MessageRecord).returning(MessageRecord.id), row).scalar_one()
    return Accepted(message_id, draft.part_count, repeated=False)


def _same_ref(known: MessageRecord, draft: Checked) -> Accepted | Rejected:
    if (known.msisdn, known.text) == (draft.msisdn.e164, draft.text.reveal()):
        return Accepted(known.id, known.part_count, repeated=True)
    error = RefConflictError("this ref belongs to a message with another number or text; use a new one")
    return Rejected(error.code, str(error))
