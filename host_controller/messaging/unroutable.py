"""The end of what no phone could ever take any more, since phones, filters or limits were changed."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from host_controller.messaging.queue_sql import NEWEST
from host_controller.messaging.reach import NEVER_WORDS, Letter, Reach
from host_controller.messaging.transitions import end_queued, is_idle
from host_controller.rules.classes import MessageClass
from host_controller.rules.states import FailureCode, MessageState
from host_controller.rules.waiting import NeverReason
from host_controller.settings import MAX_PARTS, Settings
from host_controller.store.models import MessageRecord
from host_controller.store.store import Store

_log = logging.getLogger(__name__)
_ACTOR = "rack"
_CHUNK = 1000
# So often it looks at the whole queue without a cause: what a phone had, or a backup, may be queued again.
_WHOLE_LOOK = timedelta(hours=1)


class Unroutable:
    """Fails what can never go. A job of the clock: one thread at a time.

    It looks at what came in since the last time, and at the whole queue where something about the SIMs has changed.
    A SIM that is not in its phone at the moment may come back: its messages wait.
    """

    def __init__(self, store: Store, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._seen: object = None
        self._last_id = 0
        self._whole_at: datetime | None = None

    def run(self) -> int:
        """Fail them; give how many they were."""
        failed = 0
        now = self._clock()
        is_whole = self._whole_at is None or abs(now - self._whole_at) >= _WHOLE_LOOK
        while True:
            with self._store.reading() as session:
                reach = Reach(session, self._settings, absent=True)
                if is_whole or reach.sims() != self._seen:
                    self._seen, self._last_id, self._whole_at, is_whole = reach.sims(), 0, now, False
                # First, since what comes after it is looked at the next time.
                newest_id = session.scalar(NEWEST) or 0
                letters = self._next(session, reach)
                found = _hopeless(reach, letters)
            for reason, message_ids in found.items():
                failed += self._store.write(lambda session, why=reason, ids=message_ids: self._end(session, why, ids))  # type: ignore[misc]
            if len(letters) < _CHUNK:
                self._last_id = max(newest_id, self._last_id)
                break
            self._last_id = letters[-1][0]
        if failed:
            _log.warning("%s messages have failed: no phone of the rack could ever take them", failed)
        return failed

    def _next(self, session: Session, reach: Reach) -> Sequence[tuple[Any, ...]]:
        message = MessageRecord
        query = select(
            message.id,
            message.msisdn,
            message.message_class,
            message.part_count,
            message.only_phone_id,
            message.only_sim_id,
        )
        query = query.where(is_idle(), message.restored.is_(False), message.id > self._last_id)
        if all(reach.takes_all(message_class, MAX_PARTS) for message_class in MessageClass):
            # Only a phone or a SIM that is gone can be in the way.
            query = query.where(or_(message.only_phone_id.is_not(None), message.only_sim_id.is_not(None)))
        return session.execute(query.order_by(message.id).limit(_CHUNK)).all()

    def _end(self, session: Session, reason: NeverReason, message_ids: list[int]) -> int:
        return end_queued(
            session,
            message_ids,
            MessageState.FAILED,
            now=self._clock(),
            actor=_ACTOR,
            reason=f"no phone can take it: {NEVER_WORDS[reason]}",
            failure=FailureCode.UNROUTABLE,
        )


def _hopeless(reach: Reach, letters: Sequence[tuple[Any, ...]]) -> dict[NeverReason, list[int]]:
    found: dict[NeverReason, list[int]] = defaultdict(list)
    for message_id, msisdn, message_class, parts, only_phone_id, only_sim_id in letters:
        reason = reach.never(Letter(msisdn, MessageClass(message_class), parts, only_phone_id, only_sim_id))
        if reason is not None:
            found[reason].append(message_id)
    return found
