"""Which batch each message of one call belongs to; a batch that is named for the first time is made."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from host_controller.messaging.batches import BatchDraft, check_joining, count_messages, make_batch
from host_controller.rules.classes import MessageClass
from host_controller.rules.lifetime import Window
from host_controller.rules.sticky import SimMode, sims_for
from host_controller.store.bulk import rows_in
from host_controller.store.models import BatchRecord

# Whose turn is next in each batch that is split, by the database. Only its writer's thread asks.
_turns: WeakKeyDictionary[Engine, dict[int, int]] = WeakKeyDictionary()


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
        sims = sims_for(mode, record.sim_ids, self._turn(record.id) if mode is SimMode.SPLIT else 0)
        return record.id, next(iter(sims)) if sims else None

    def _turn(self, batch_id: int) -> int:
        """Give the place of the next message in its batch; a work that is taken back leaves a gap, which harms nobody.

        A batch's messages are counted once: one that comes message by message would be counted each time.
        """
        turns = _turns.setdefault(self._session.connection().engine, {})
        index = turns.get(batch_id)
        if index is None:
            index = count_messages(self._session, batch_id)
        turns[batch_id] = index + 1
        return index
