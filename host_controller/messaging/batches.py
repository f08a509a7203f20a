"""Batches: messages that belong together, of one class and with one window."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from host_controller.errors import BatchConflictError, InvalidBatchError, UnknownBatchError
from host_controller.rules.classes import MessageClass
from host_controller.rules.lifetime import Window, check_window, spoken
from host_controller.rules.states import MessageState
from host_controller.rules.sticky import SimMode
from host_controller.store.models import BatchRecord, MessageRecord, SimRecord

LONGEST_NAME = 128
# A name stands in addresses and in one line: no slash, no control character, no blank at its ends.
_NAME = re.compile(rf"(?!\.)(?!\s)[^/\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{{1,{LONGEST_NAME}}}(?<!\s)")


@dataclass(frozen=True)
class BatchDraft:
    """A batch as somebody asks for it; what is None is left to it, where it is there already."""

    name: str
    message_class: MessageClass | None = None
    window: Window = field(default_factory=Window)
    sim_mode: SimMode = SimMode.AUTO
    sim_ids: tuple[int, ...] = ()
    """Those that `sim_mode` is about, in turn."""


@dataclass(frozen=True)
class BatchView:
    """One batch, and how many of its messages are in each state."""

    id: int
    name: str
    message_class: MessageClass
    not_before: datetime | None
    not_after: datetime | None
    sim_mode: SimMode
    sim_ids: tuple[int, ...]
    created_at: datetime
    actor: str
    counts: dict[MessageState, int] = field(default_factory=dict)
    """Every state named."""

    @property
    def total(self) -> int:
        """All messages that it ever had."""
        return sum(self.counts.values())


def check_name(name: str) -> None:
    """Raise InvalidBatchError for what cannot be the name of a batch."""
    if not _NAME.fullmatch(name):
        raise InvalidBatchError(
            f"a batch is named by 1 to {LONGEST_NAME} characters, without slashes, line breaks or blanks at the ends"
        )


def make_batch(session: Session, draft: BatchDraft, *, now: datetime, actor: str) -> BatchRecord:
    """Make a batch, in the caller's transaction; one without a class is transactional.

    Raises BatchConflictError where the name is taken, InvalidBatchError or InvalidWindowError.
    """
    check_name(draft.name)
    check_window(draft.window)
    if find_record(session, draft.name) is not None:
        raise BatchConflictError(f"there is a batch {draft.name!r} already; choose another name")
    _check_sims(session, draft)
    record = BatchRecord(
        name=draft.name,
        message_class=draft.message_class or MessageClass.TRANSACTIONAL,
        not_before=draft.window.not_before,
        not_after=draft.window.not_after,
        sim_mode=draft.sim_mode,
        sim_ids=list(draft.sim_ids),
        created_at=now,
        actor=actor,
    )
    session.add(record)
    session.flush()
    return record


def check_joining(record: BatchRecord, draft: BatchDraft) -> None:
    """Raise BatchConflictError where a message asks for another class or window than the batch has."""
    if draft.message_class not in (None, record.message_class):
        raise BatchConflictError(
            f"batch {record.name!r} is {record.message_class}, not {draft.message_class}; leave the class out"
        )
    window = draft.window
    for words, asked, has in (
        ("begins", window.not_before, record.not_before),
        ("ends", window.not_after, record.not_after),
    ):
        if asked is not None and asked != has:
            at = spoken(has) if has else "no time"
            raise BatchConflictError(
                f"the window of batch {record.name!r} {words} at {at}, not {spoken(asked)}; leave it out, "
                "or change the batch's window"
            )


def find_record(session: Session, name: str) -> BatchRecord | None:
    """Give the batch of that name."""
    return session.scalar(select(BatchRecord).where(BatchRecord.name == name))


def get_record(session: Session, name: str) -> BatchRecord:
    """Give the batch of that name. Raises UnknownBatchError."""
    record = find_record(session, name)
    if record is None:
        raise UnknownBatchError(f"there is no batch {name!r}; `smsrack batches` lists them")
    return record


def get_batch(session: Session, name: str) -> BatchView:
    """Give a batch with its counts. Raises UnknownBatchError."""
    (view,) = _with_counts(session, [get_record(session, name)])
    return view


def list_batches(session: Session, *, before: int | None = None, limit: int = 50) -> list[BatchView]:
    """Give batches, newest first, below an id, each with its counts."""
    query = select(BatchRecord).order_by(BatchRecord.id.desc()).limit(limit)
    if before is not None:
        query = query.where(BatchRecord.id < before)
    return _with_counts(session, session.scalars(query).all())


def count_messages(session: Session, batch_id: int) -> int:
    """Give how many messages a batch ever had."""
    return session.scalar(select(func.count()).where(MessageRecord.batch_id == batch_id)) or 0


def _with_counts(session: Session, records: Sequence[BatchRecord]) -> list[BatchView]:
    counts = _counts(session, [record.id for record in records])
    return [
        BatchView(
            id=record.id,
            name=record.name,
            message_class=MessageClass(record.message_class),
            not_before=record.not_before,
            not_after=record.not_after,
            sim_mode=SimMode(record.sim_mode),
            sim_ids=tuple(record.sim_ids),
            created_at=record.created_at,
            actor=record.actor,
            counts={state: counts.get((record.id, state), 0) for state in MessageState},
        )
        for record in records
    ]


def _counts(session: Session, batch_ids: Collection[int]) -> dict[tuple[int, str], int]:
    query = (
        select(MessageRecord.batch_id, MessageRecord.state, func.count())
        .where(MessageRecord.batch_id.in_(batch_ids))
        .group_by(MessageRecord.batch_id, MessageRecord.state)
    )
    return {(batch_id or 0, state): count for batch_id, state, count in session.execute(query)}


def _check_sims(session: Session, draft: BatchDraft) -> None:
    if (draft.sim_mode is SimMode.AUTO) == bool(draft.sim_ids):
        raise InvalidBatchError("name the SIMs of a batch that is single or split, and none for auto")
    if draft.sim_mode is SimMode.SINGLE and len(draft.sim_ids) > 1:
        raise InvalidBatchError("a single batch leaves from one SIM; name one, or let it be split")
    known = set(session.scalars(select(SimRecord.id).where(SimRecord.id.in_(draft.sim_ids))))
    missing = [sim_id for sim_id in draft.sim_ids if sim_id not in known]
    if missing:
        raise InvalidBatchError(f"there is no SIM {missing[0]}; `smsrack phones` shows the id of each")
