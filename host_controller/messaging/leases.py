"""Leases of remote phones: silence to their end makes a message `unknown`, and a policy may send it once more."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session, aliased

from device_drivers.failpoints import failpoint
from host_controller.events import Bells
from host_controller.messaging import attempts
from host_controller.messaging.attempts import Verdict
from host_controller.messaging.transitions import queue_again
from host_controller.rules.states import OPEN_ATTEMPTS, AttemptState, Evidence, MessageState
from host_controller.rules.timings import Timings
from host_controller.store.models import AttemptRecord, MessageRecord, PhoneRecord, RemotePhoneRecord
from host_controller.store.store import Store

_log = logging.getLogger(__name__)
_ACTOR = "lease"
# A phone that never reports does not get the same message for ever.
_MOST_ATTEMPTS = 3
_AT_ONCE = 500


def lease_until(now: datetime, parts_in_hands: int, parts_per_minute: int, timings: Timings) -> datetime:
    """Until when a phone may take to report on all that it has: twice the time that it needs, and some silence."""
    work_s = 2 * timings.scale * 60 * parts_in_hands / max(1, parts_per_minute)
    return now + timedelta(seconds=timings.lease_s + work_s)


class Leases:
    """What is leased at this moment. For a periodic job."""

    def __init__(self, store: Store, bells: Bells, timings: Timings, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._bells = bells
        self._timings = timings
        self._clock = clock

    def run(self) -> None:
        """End what has run out, and queue again what a phone's policy wants sent again."""
        now = self._clock()
        with self._store.reading() as session:
            ended, again = bool(session.scalars(_ended(now)).first()), bool(session.scalars(_to_reissue()).first())
        if not ended and not again:
            return
        failpoint("unknown.before")
        count, reissued = self._store.write(lambda session: (self._end(session, now), self._reissue(session, now)))
        failpoint("unknown.after")
        if count:
            _log.warning("%s messages that remote phones were handed are without a report and are now unknown", count)
        if reissued:
            self._bells.ring()

    def _end(self, session: Session, now: datetime) -> int:
        reason = "the phone has not reported on it within its lease; it may have left"
        ended = session.scalars(_ended(now)).all()
        for attempt_id in ended:
            attempts.settle_unknown(session, attempt_id, Verdict(now, _ACTOR, reason, Evidence.NONE))
        return len(ended)

    def _reissue(self, session: Session, now: datetime) -> int:
        found: Sequence[MessageRecord] = session.scalars(_to_reissue()).all()
        for message in found:
            message.sim_id = None
            reason = "its phone has come back without a report on it, and is set to be handed such messages again"
            queue_again(session, message, now=now, actor=_ACTOR, reason=reason)
        return len(found)


def _ended(now: datetime) -> Select[int]:
    return (
        select(AttemptRecord.id)
        .where(AttemptRecord.state.in_(OPEN_ATTEMPTS), AttemptRecord.lease_until <= now)
        .order_by(AttemptRecord.id)
        .limit(_AT_ONCE)
    )


def _to_reissue() -> Select[MessageRecord]:
    """Messages whose lease ended in silence, after which their phone was heard of again without a word on them."""
    later = aliased(AttemptRecord)
    is_last = ~select(later.id).where(later.message_id == AttemptRecord.message_id, later.n > AttemptRecord.n).exists()
    was_heard = or_(
        RemotePhoneRecord.heartbeat_at > AttemptRecord.lease_until,
        RemotePhoneRecord.reconciled_at > AttemptRecord.lease_until,
    )
    return (
        select(MessageRecord)
        .join(AttemptRecord, AttemptRecord.message_id == MessageRecord.id)
        .join(PhoneRecord, PhoneRecord.id == AttemptRecord.phone_id)
        .join(RemotePhoneRecord, RemotePhoneRecord.phone_id == PhoneRecord.id)
        .where(RemotePhoneRecord.reissues, PhoneRecord.removed_at.is_(None), was_heard)
        .where(MessageRecord.state == MessageState.UNKNOWN, AttemptRecord.state == AttemptState.UNKNOWN)
        .where(AttemptRecord.evidence == Evidence.NONE, AttemptRecord.n < _MOST_ATTEMPTS, is_last)
        .order_by(MessageRecord.id)
        .limit(_AT_ONCE)
    )


def parts_in_hands(session: Session, sim_id: int) -> int:
    """Parts that are leased through a SIM."""
    query = select(func.sum(AttemptRecord.part_count)).where(
        AttemptRecord.sim_id == sim_id, AttemptRecord.state.in_(OPEN_ATTEMPTS)
    )
    return session.scalar(query) or 0
