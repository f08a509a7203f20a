"""Taking messages in: checked, cut into parts, durable before the answer."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from device_drivers.failpoints import failpoint
from host_controller.consent.refused import Refused
from host_controller.errors import (
    ControllerError,
    DestinationRefusedError,
    OptedOutError,
    RefConflictError,
    TooManyPartsError,
    UnroutableError,
)
from host_controller.messaging.batches import BatchDraft, check_name
from host_controller.messaging.membership import Membership
from host_controller.messaging.reach import NEVER_WORDS, Letter, Reach
from host_controller.messaging.transitions import note_accepted
from host_controller.rules.classes import MessageClass
from host_controller.rules.destinations import destination_refusal, short_number_refusal
from host_controller.rules.lifetime import Window, lifetime
from host_controller.rules.plain_mobiles import is_plain_mobile
from host_controller.rules.states import MessageState
from host_controller.rules.waiting import WaitReason
from host_controller.settings import MessageSettings, Settings
from host_controller.store.bulk import insert_rows, next_ids, rows_in
from host_controller.store.models import MessageRecord
from host_controller.store.store import Store
from host_controller.text.msisdn import Msisdn, parse_msisdn
from host_controller.text.parts import count_parts
from host_controller.text.sms_text import SmsText, parse_sms_text

_UID_BITS = 62


@dataclass(frozen=True)
class Draft:
    """A message as somebody asks for it. Two drafts with the same `ref` are one message.

    With a `batch`, class and window (`not_before` to `expires_at`) are the batch's: the first message that names it
    makes it so, and a later one may leave them out or must say the same.
    """

    number: str
    text: str
    ref: str | None = None
    only_sim_id: int | None = None
    """The SIM that it must leave from, or None for any."""
    only_phone_id: int | None = None
    """The phone that it must leave from, or None for any."""
    batch: str | None = None
    message_class: MessageClass | None = None
    """None: transactional, or its batch's."""
    not_before: datetime | None = None
    expires_at: datetime | None = None
    ttl_s: float | None = None
    """How long it may wait at most, from `not_before` or now; None: as long as the settings say for its class."""
    brand: str | None = None
    """In whose name it is sent, where people can opt out of one name and not of another."""


@dataclass(frozen=True)
class Accepted:
    """The message is durable under this id."""

    message_id: int
    part_count: int
    repeated: bool
    """True where the `ref` was known: nothing was added."""
    is_bound: bool = field(default=False, compare=False)
    """Whether it must leave from one SIM or phone, whoever asked for that: it, or its batch."""


@dataclass(frozen=True)
class Rejected:
    """Nothing was stored; `code` is for programs, `reason` for people."""

    code: str
    reason: str


@dataclass(frozen=True)
class Checked:
    """A draft that may be sent, as far as can be told without the database and the clock."""

    draft: Draft
    msisdn: Msisdn
    text: SmsText
    part_count: int


def new_uid() -> int:
    """Draw what names a message for ever."""
    return secrets.randbits(_UID_BITS)


def submit(
    store: Store,
    settings: MessageSettings,
    drafts: Sequence[Draft],
    *,
    now: datetime,
    actor: str,
    rack: Settings | None = None,
) -> list[Accepted | Rejected]:
    """Accept or reject each draft by itself, in order. What is accepted survives a crash from here on.

    With `rack`, the settings of the whole rack, what no phone of it could ever take is rejected too.
    """
    checked = [check(draft, settings) for draft in drafts]
    failpoint("submit.before")
    outcomes = store.write(lambda session: accept_all(session, settings, checked, now=now, actor=actor, rack=rack))
    failpoint("submit.after")
    return outcomes


def check(draft: Draft, settings: MessageSettings) -> Checked | Rejected:
    """Normalise and check one draft."""
    try:
        msisdn = _recipient(draft.number, settings)
        text = parse_sms_text(draft.text)
        part_count = count_parts(text.reveal())
        if part_count > settings.max_parts:
            raise TooManyPartsError(
                f"the text needs {part_count} parts and {settings.max_parts} are allowed; shorten it"
            )
        if draft.batch is not None:
            check_name(draft.batch)
        return Checked(draft, msisdn, text, part_count)
    except ControllerError as error:
        return _rejected(error)


def _recipient(raw: str, settings: MessageSettings) -> Msisdn:
    """Read a number that may be written to. Raises InvalidMsisdnError or DestinationRefusedError."""
    if is_plain_mobile(raw, settings.allowed_regions):
        return Msisdn(raw)
    refusal = short_number_refusal(raw, settings.home_region)
    if refusal is not None:
        raise DestinationRefusedError(f"the number is {refusal}")
    msisdn = parse_msisdn(raw, settings.home_region)
    refusal = destination_refusal(msisdn, settings.allowed_regions)
    if refusal is not None:
        raise DestinationRefusedError(refusal)
    return msisdn


def default_ttl(settings: MessageSettings, message_class: MessageClass) -> timedelta | None:
    """How long a message of a class may wait that says nothing of it."""
    hours = {
        MessageClass.OTP: settings.otp_ttl_h,
        MessageClass.TRANSACTIONAL: settings.transactional_ttl_h,
        MessageClass.MARKETING: settings.marketing_ttl_h,
    }[message_class]
    return None if hours is None else timedelta(hours=hours)


def accept_all(
    session: Session,
    settings: MessageSettings,
    checked: Sequence[Checked | Rejected],
    *,
    now: datetime,
    actor: str,
    rack: Settings | None = None,
) -> list[Accepted | Rejected]:
    """Queue what may be sent, in the caller's transaction; opted-out numbers are refused here.

    However many there are, the database is asked and written to by a handful of statements.
    """
    good = [item for item in checked if isinstance(item, Checked)]
    refused = Refused(session, [(item.msisdn.e164, item.draft.brand) for item in good])
    known = _known_refs(session, [item.draft.ref for item in good if item.draft.ref is not None])
    membership = Membership(session, [item.draft.batch for item in good if item.draft.batch], now=now, actor=actor)
    reach = Reach(session, rack) if rack else None
    rows: list[dict[str, Any]] = []
    verdicts: list[Rejected | _Place] = []
    for item in checked:
        if isinstance(item, Rejected):
            verdicts.append(item)
            continue
        ref = item.draft.ref
        place = known.get(ref) if ref is not None else None
        if place is not None:
            verdicts.append(place if place.holds(item) else _REF_CONFLICT)
            continue
        try:
            rows.append(_row(item, settings, membership, refused, reach, now))
        except ControllerError as error:
            verdicts.append(_rejected(error))
            continue
        is_bound = rows[-1]["only_sim_id"] is not None or rows[-1]["only_phone_id"] is not None
        place = _Place(item.msisdn.e164, item.text.reveal(), item.part_count, row=len(rows) - 1, is_bound=is_bound)
        verdicts.append(place)
        if ref is not None:
            known[ref] = replace(place, repeated=True)
    ids = _insert(session, rows, now=now, actor=actor)
    return [verdict if isinstance(verdict, Rejected) else verdict.accepted(ids) for verdict in verdicts]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a message stands: under an id that it has, or in a row that is yet to be written."""

    msisdn: str
    text: str
    part_count: int
    message_id: int | None = None
    row: int = 0
    repeated: bool = False
    is_bound: bool = False

    def holds(self, item: Checked) -> bool:
        """Tell whether it is the same message."""
        return (self.msisdn, self.text) == (item.msisdn.e164, item.text.reveal())

    def accepted(self, ids: Sequence[int]) -> Accepted:
        message_id = ids[self.row] if self.message_id is None else self.message_id
        return Accepted(message_id, self.part_count, repeated=self.repeated, is_bound=self.is_bound)


def _known_refs(session: Session, refs: Sequence[str]) -> dict[str, _Place]:
    message = MessageRecord
    is_bound = or_(message.only_sim_id.is_not(None), message.only_phone_id.is_not(None))
    query = select(message.ref, message.msisdn, message.text, message.part_count, message.id, is_bound)
    rows = rows_in(session, query, message.ref, refs)
    return {
        ref: _Place(msisdn, text, parts, id_, repeated=True, is_bound=bool(bound))
        for ref, msisdn, text, parts, id_, bound in rows
    }


def _row(
    item: Checked,
    settings: MessageSettings,
    membership: Membership,
    refused: Refused,
    reach: Reach | None,
    now: datetime,
) -> dict[str, Any]:
    """Give the row of a new message. Raises ControllerError where there must be none."""
    draft = item.draft
    asked = BatchDraft(draft.batch or "", draft.message_class, Window(draft.not_before, draft.expires_at))
    terms = membership.terms(asked)
    if refused.holds((item.msisdn.e164, draft.brand), terms.message_class):
        raise OptedOutError(f"{item.msisdn} has opted out and must not be written to")
    ttl = default_ttl(settings, terms.message_class) if draft.ttl_s is None else timedelta(seconds=draft.ttl_s)
    life = lifetime(terms.window, ttl, now)
    letter = Letter(item.msisdn.e164, terms.message_class, item.part_count, draft.only_phone_id, draft.only_sim_id)
    _check_reach(reach, letter)  # a refused message makes no batch
    batch_id, batch_sim_id = membership.join(asked) if draft.batch else (None, None)
    if draft.only_sim_id is None and batch_sim_id is not None:
        letter = replace(letter, only_sim_id=batch_sim_id)
        _check_reach(reach, letter)
    return {
        "uid": new_uid(),
        "ref": draft.ref,
        "brand": draft.brand,
        "msisdn": item.msisdn.e164,
        "text": item.text.reveal(),
        "part_count": item.part_count,
        "state": MessageState.QUEUED,
        "batch_id": batch_id,
        "message_class": terms.message_class,
        "only_phone_id": letter.only_phone_id,
        "only_sim_id": letter.only_sim_id,
        "not_before": life.not_before,
        "waiting_for": None if life.not_before is None else WaitReason.NOT_BEFORE,
        "expires_at": life.not_after,
        "created_at": now,
        "changed_at": now,
    }


def _check_reach(reach: Reach | None, letter: Letter) -> None:
    """Raise UnroutableError where no phone could ever take the message."""
    reason = reach.never(letter) if reach else None
    if reason is not None:
        raise UnroutableError(reason, NEVER_WORDS[reason])


def _insert(session: Session, rows: Sequence[dict[str, Any]], *, now: datetime, actor: str) -> list[int]:
    ids = next_ids(session, MessageRecord, len(rows)) if rows else []
    for row, message_id in zip(rows, ids, strict=True):
        row["id"] = message_id
    insert_rows(session, MessageRecord, rows)
    note_accepted(session, ids, now=now, actor=actor)
    return ids


def _rejected(error: ControllerError) -> Rejected:
    return Rejected(error.code, str(error))


_REF_CONFLICT = _rejected(RefConflictError("this ref belongs to a message with another number or text; use a new one"))
