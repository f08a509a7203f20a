"""Which batch each message of one call belongs to; a batch that is named for the first time is made."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from host_controller.messaging.batches import BatchDraft, check_joining, count_messages, make_batch
from host_controller.rules.classes import MessageClass
from host_controller.rules.lifetime import Window
from host_controller.rules.sticky import SimMode, sims_for
from host_controller.store.bulk import rows_in
from host_controller.store.models import BatchRecord


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for a message: its batch's class and window, or its own."""

    message_class: MessageClass
    window: Window


class Membership:
    """The batches that the messages of one call name, in the caller's transaction."""

    def __init__(self, session: Session, names: Collection[str], *, now: datetime, actor: str) -> None:
        self._session, self._now, self._actor = session, now, actor
        rows = rows_in(session, select(BatchRecord), BatchRecord.name, names)
        self._records = {record.name: record for (record,) in rows}
        self._next_index: dict[int, int] = {}

    def terms(self, asked: BatchDraft) -> Terms:
        """What would hold for a message that asks for this; one without a batch has no name there.

        Raises BatchConflictError.
        """
        record = self._records.get(asked.name)
        if record is None:
            return Terms(asked.message_class or MessageClass.TRANSACTIONAL, asked.window)
        check_joining(record, asked)
        return Terms(MessageClass(record.message_class), Window(record.not_before, record.not_after))

    def join(self, asked: BatchDraft) -> tuple[int, int | None]:
        """Give the batch of a message that is surely accepted, and the SIM that it must leave from, or None for any."""
        record = self._records.get(asked.name)
        if record is None:
            record = self._records[asked.name] = make_batch(self._session, asked, now=self._now, actor=self._actor)
        mode = SimMode(record.sim_mode)
        if mode is SimMode.AUTO:
            return record.id, None
        index = self._next_index.get(record.id)
        if index is None:
            index = count_messages(self._session, record.id)
        self._next_index[record.id] = index + 1
        sims = sims_for(mode, record.sim_ids, index)
        return record.id, next(iter(sims)) if sims else None
