"""Messages that were put aside because their batch was held, and that may be looked at again once it is not."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, select, update
from sqlalchemy.orm import Session

from host_controller.messaging.holds import Holds
from host_controller.rules.states import MessageState
from host_controller.rules.waiting import WaitReason
from host_controller.store.models import MessageRecord
from host_controller.store.store import Store

_CHUNK = 1000
_IS_ASIDE = and_(MessageRecord.state == MessageState.QUEUED, MessageRecord.waiting_for == WaitReason.BATCH_PAUSED)


def free_batch(store: Store, batch_id: int) -> int:
    """Let what waits for a batch's resume be looked at again; give how many messages those were.

    Some at a time, so that others get to write between; broken off and done again, it is all done. To be called when
    the release is durable and seen by the lanes: one that still sees the hold would put messages aside once more.
    """
    last_id = count = 0

    def work(session: Session) -> Sequence[int]:
        query = select(MessageRecord.id).where(MessageRecord.batch_id == batch_id, _IS_ASIDE)
        ids = session.scalars(query.where(MessageRecord.id > last_id).order_by(MessageRecord.id).limit(_CHUNK)).all()
        freed = update(MessageRecord).where(MessageRecord.id.in_(ids)).values(waiting_for=None)
        session.execute(freed.execution_options(synchronize_session=False))
        return ids

    # Never back to the beginning: the batch may be held again meanwhile.
    while ids := store.write(work):
        last_id, count = ids[-1], count + len(ids)
    return count


def free_resumed(store: Store, holds: Holds) -> int:
    """Do the same, before lanes run, for every batch whose release was the last thing that happened; give how many."""
    with store.reading() as session:
        batch_ids = session.scalars(select(MessageRecord.batch_id).where(_IS_ASIDE).distinct()).all()
    return sum(free_batch(store, id_) for id_ in batch_ids if id_ is not None and holds.of_batch(id_) is None)
