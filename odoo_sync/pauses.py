"""A tick on a mailing in Odoo lets its batch here send nothing.

A batch waits as long as Odoo or an operator here says so: each takes back its own word only, but an operator who
resumes it while it is ticked in Odoo finds it paused again. The tick is read for mailings that are under way there, or
of which something waits here. What is deleted there, or has lost its tick with all others, stays paused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from host_controller.events import Bells
from host_controller.messaging.batches import BatchDraft, find_record, make_batch
from host_controller.messaging.freeing import free_batch
from host_controller.messaging.holds import HoldKind, Holds, Scope, hold, release
from host_controller.rules.classes import MessageClass
from host_controller.rules.states import MessageState
from host_controller.store.models import BatchRecord, HoldRecord, MessageRecord
from host_controller.store.store import Store
from odoo_sync.changes import ALSO_ARCHIVED
from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooRecordError
from odoo_sync.mailings import batch_of, mailing_of
from odoo_sync.presence import Presence

_REASON = "paused in Odoo"
_UNDER_WAY = ["draft", "in_queue", "sending"]


class Pauses:
    """The ticks of one database."""

    def __init__(
        self, client: OdooClient, store: Store, holds: Holds, bells: Bells, clock: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._store = store
        self._holds = holds
        self._bells = bells
        self._clock = clock
        self._actor = f"odoo {client.name}"
        self._presence = Presence(self._has_tick, clock)

    def run(self) -> int:
        """Pause and resume what is due; give how many batches that is. Raises OdooSyncError."""
        if not self._presence.look():
            return 0
        held, waiting = self._read()
        ticks = self._ticks(waiting | held.keys())
        new = {mailing for mailing, is_ticked in ticks.items() if is_ticked} - held.keys()
        over = [batch_id for mailing, batch_id in held.items() if ticks.get(mailing) is False]
        if new:
            self._change(lambda session: self._pause(session, new))
        if over:
            self._change(lambda session: self._resume(session, over))
            for batch_id in over:
                if self._holds.of_batch(batch_id) is None:
                    free_batch(self._store, batch_id)
            self._bells.ring()
        return len(new) + len(over)

    def _has_tick(self) -> bool:
        asked = [["x_smsrack_paused"], ["type"]]
        return bool(self._client.call("mailing.mailing", "fields_get", asked))

    def _ticks(self, ours: Iterable[int]) -> dict[int, bool]:
        """Give the ticks of these mailings that still exist, and of all others that are ticked and under way."""
        domain = ["|", ["id", "in", sorted(ours)], "&", ["x_smsrack_paused", "=", True], ["state", "in", _UNDER_WAY]]
        try:
            rows = self._client.call("mailing.mailing", "search_read", [domain, ["x_smsrack_paused"]], ALSO_ARCHIVED)
        except OdooRecordError:
            if self._presence.look(anew=True):
                raise
            return {}  # it was taken away just now
        return {row["id"]: row["x_smsrack_paused"] for row in rows}

    def _read(self) -> tuple[dict[int, int], set[int]]:
        """Give the batches that Odoo has paused, by mailing, and the mailings of which something waits here."""
        held = (
            select(BatchRecord.name, BatchRecord.id)
            .join(HoldRecord, HoldRecord.target_id == BatchRecord.id)
            .where(HoldRecord.scope == Scope.BATCH, HoldRecord.released_at.is_(None), HoldRecord.actor == self._actor)
        )
        of_ours = BatchRecord.name.startswith(batch_of(self._client.name, 0).removesuffix("0"), autoescape=True)
        waits = (MessageRecord.batch_id == BatchRecord.id, MessageRecord.state == MessageState.QUEUED)
        waiting = select(BatchRecord.name).where(of_ours, select(MessageRecord.id).where(*waits).exists())
        with self._store.reading() as session:
            paused = [(mailing_of(self._client.name, name), batch_id) for name, batch_id in session.execute(held)]
            queued = [mailing_of(self._client.name, name) for name in session.scalars(waiting)]
        return {key: batch_id for key, batch_id in paused if key is not None}, {
            key for key in queued if key is not None
        }

    def _change(self, work: Callable[[Session], None]) -> None:
        try:
            self._holds.change(work)
        finally:
            self._bells.ring()  # also where it was not written: a lane may have seen it in between

    def _pause(self, session: Session, mailings: Iterable[int]) -> None:
        now = self._clock()
        for mailing in sorted(mailings):
            name = batch_of(self._client.name, mailing)
            # Also before its first message is here: none slips through between.
            batch = find_record(session, name) or make_batch(
                session, BatchDraft(name, MessageClass.MARKETING), now=now, actor=self._actor
            )
            hold(session, Scope.BATCH, batch.id, HoldKind.PAUSED, _REASON, now, self._actor)

    def _resume(self, session: Session, batch_ids: Iterable[int]) -> None:
        for batch_id in batch_ids:
            release(session, Scope.BATCH, batch_id, self._clock(), self._actor, only_own=True)
