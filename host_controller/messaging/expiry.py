"""The end of waiting: what has not gone in its time has expired, and says what it waited for."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from host_controller.messaging.transitions import end_queued, is_idle
from host_controller.rules.states import MessageState
from host_controller.rules.waiting import WaitReason
from host_controller.store.models import MessageRecord
from host_controller.store.store import Store

_log = logging.getLogger(__name__)
_ACTOR = "expiry"
_CHUNK = 1000
# Between two looks at the whole queue (15 ms for 100,000 messages); the new ones are looked at every time.
_WHOLE_LOOK = timedelta(seconds=30)

Why = Callable[[int], WaitReason | None]
"""What a message waits for, by its id, where that is known better than it is on record."""


class Expiry:
    """Ends messages whose time is over. A job of the clock: one thread at a time.

    It decides what a message is, not what is sent: who claims one looks at `expires_at` himself. A change of what is
    queued already (a window that was moved) is seen within half a minute.
    """

    def __init__(self, store: Store, clock: Callable[[], datetime], why: Why = lambda _: None) -> None:
        self._store, self._clock, self._why = store, clock, why
        self._looked_at: datetime | None = None
        self._last_id = 0
        self._soonest: datetime | None = None

    def run(self) -> int:
        """End what is over; give how many."""
        now = self._clock()
        with self._store.reading() as session:
            self._look(session, now)
        if self._soonest is None or self._soonest > now:
            return 0
        self._looked_at = None
        ended = 0
        while True:
            with self._store.reading() as session:
                overdue = _overdue(session, now)
            if not overdue:
                break
            ended += self._store.write(lambda session, overdue=overdue: self._end(session, overdue, now))  # type: ignore[misc]
        if ended:
            _log.info("%s messages have expired", ended)
        return ended

    def _look(self, session: Session, now: datetime) -> None:
        """Find out when the next message expires; the host's clock may have been set back since the last look."""
        queued = select(func.min(MessageRecord.expires_at)).where(MessageRecord.state == MessageState.QUEUED)
        last_id = session.scalar(select(func.max(MessageRecord.id))) or 0
        if self._looked_at is None or abs(now - self._looked_at) >= _WHOLE_LOOK:
            self._looked_at, self._soonest = now, session.scalar(queued)
        elif last_id > self._last_id:
            newest = session.scalar(queued.where(MessageRecord.id > self._last_id))
            self._soonest = min((at for at in (self._soonest, newest) if at is not None), default=None)
        self._last_id = last_id

    def _end(self, session: Session, overdue: Sequence[tuple[int, str | None]], now: datetime) -> int:
        ended = 0
        for reason, message_ids in self._by_reason(overdue).items():
            ended += end_queued(
                session, message_ids, MessageState.EXPIRED, now=now, actor=_ACTOR, reason=_words(reason)
            )
        return ended

    def _by_reason(self, overdue: Sequence[tuple[int, str | None]]) -> Mapping[str | None, list[int]]:
        found: dict[str | None, list[int]] = defaultdict(list)
        for message_id, on_record in overdue:
            found[on_record or self._why(message_id)].append(message_id)
        return found


def _overdue(session: Session, now: datetime) -> list[tuple[int, str | None]]:
    """Give messages that are over, each with what it waits for; of a backup only what no phone can have sent since."""
    query = (
        select(MessageRecord.id, MessageRecord.waiting_for)
        .where(is_idle(), MessageRecord.restored.is_(False), MessageRecord.expires_at <= now)
        .limit(_CHUNK)
    )
    return [(message_id, waiting_for) for message_id, waiting_for in session.execute(query)]


def _words(reason: str | None) -> str:
    if reason is None:
        return "not sent in time; nothing held it but that no SIM came to take it"
    return f"not sent in time; it waited for: {reason.replace('_', ' ')}"
