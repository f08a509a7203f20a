"""The end of waiting: what has not gone in its time has expired, and says what it waited for."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import bindparam, select, tuple_
from sqlalchemy.orm import Session

from host_controller.messaging.queue_sql import by_index
from host_controller.messaging.transitions import end_queued, is_idle
from host_controller.rules.states import MessageState
from host_controller.rules.waiting import WaitReason
from host_controller.store.models import EXPIRING, MessageRecord
from host_controller.store.store import Store

_log = logging.getLogger(__name__)
_ACTOR = "expiry"
_CHUNK = 1000

Why = Callable[[int], WaitReason | None]
"""What a message waits for, by its id, where that is known better than it is on record."""


class Expiry:
    """Ends messages whose time is over. A job of the clock: one thread at a time.

    It decides what a message is, not what is sent: who claims one looks at `expires_at` himself.
    """

    def __init__(self, store: Store, clock: Callable[[], datetime], why: Why = lambda _: None) -> None:
        self._store, self._clock, self._why = store, clock, why

    def run(self) -> int:
        """End what is over; give how many."""
        now = self._clock()
        ended, after = 0, (_EVER, 0)
        while True:
            with self._store.reading() as session:
                overdue = _overdue(session, now, after)
            if overdue:
                found = [(message_id, waiting_for) for _, message_id, waiting_for in overdue]
                ended += self._store.write(lambda session, found=found: self._end(session, found, now))  # type: ignore[misc]
                after = overdue[-1][:2]
            if len(overdue) < _CHUNK:
                break
        if ended:
            _log.info("%s messages have expired", ended)
        return ended

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


def _overdue(session: Session, now: datetime, after: tuple[datetime, int]) -> list[tuple[datetime, int, str | None]]:
    """Give messages that are over, each with what it waits for; of a backup only what no phone can have sent since.

    The longest over first, from behind (end, id).
    """
    rows = session.execute(_OVERDUE, {"now": now, "end": after[0], "id": after[1], "most": _CHUNK})
    return [(expires_at, message_id, waiting_for) for expires_at, message_id, waiting_for in rows if expires_at]


_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_AT = MessageRecord.expires_at.type
_OVERDUE = (
    by_index(select(MessageRecord.expires_at, MessageRecord.id, MessageRecord.waiting_for), "expiring")
    .where(
        EXPIRING, MessageRecord.restored.is_(False), is_idle(), MessageRecord.expires_at <= bindparam("now", type_=_AT)
    )
    .where(tuple_(MessageRecord.expires_at, MessageRecord.id) > tuple_(bindparam("end", type_=_AT), bindparam("id")))
    .order_by(MessageRecord.expires_at, MessageRecord.id)
    .limit(bindparam("most"))
)


def _words(reason: str | None) -> str:
    if reason is None:
        return "not sent in time; nothing held it but that no SIM came to take it"
    return f"not sent in time; it waited for: {reason.replace('_', ' ')}"
