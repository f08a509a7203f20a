"""What the controller does with a phone's journal besides sending: asked after a restore, cleared of what is old."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from device_drivers.base import JournalAnswer, JournalWord, PhoneDriver
from host_controller.fleet.phone import Enrolled
from host_controller.messaging.attempts import wire_id
from host_controller.messaging.transitions import change_state, note_event
from host_controller.rules.states import OPEN_ATTEMPTS, AttemptState, Evidence, MessageState
from host_controller.store.models import AttemptRecord, MessageRecord, PhoneRecord, SimRecord
from host_controller.store.restore import JOURNAL_KEPT
from host_controller.store.store import Store

_log = logging.getLogger(__name__)
# A message that was tried more often than this after the backup is beyond what is looked for.
_MOST_TRIES = 20
_CHUNK = 500
_STATES = {
    JournalWord.REVOKED: (AttemptState.NOT_SENT, Evidence.JOURNAL),
    JournalWord.REFUSED: (AttemptState.NOT_SENT, Evidence.REJECTED),
    JournalWord.RETURNED: (AttemptState.RETURNED, None),
}


@dataclass(frozen=True)
class Rediscovered:
    """An attempt that a phone knows and the restored database does not."""

    message_id: int
    n: int
    wire_id: int


class JournalCare:
    """Looks after the journal of one phone, from one thread."""

    def __init__(self, store: Store, clock: Callable[[], datetime], actor: str) -> None:
        self._store = store
        self._clock = clock
        self._actor = actor

    def look_for_restored(self, driver: PhoneDriver, enrolled: Enrolled, phone_clock_ms: int) -> bool:
        """After a restore, take over what this phone has sent since the backup; True where it was its turn.

        Messages from the backup wait until every phone of the rack was asked. Raises LinkError or PhoneAnswerError.
        """
        with self._store.reading() as session:
            if session.get_one(PhoneRecord, enrolled.phone_id).journal_checked:
                return False
            wanted = _restored_messages(session)
        known = driver.read_journal() if wanted else frozenset()
        if known is None:
            _log.error("phone %s keeps no journal: what it sent since the backup is not known", driver.serial)
            return False
        found = [item for item in _possible(wanted) if item.wire_id in known]
        answers = [(item, driver.revoke(item.wire_id)) for item in found]
        self._store.write(lambda session: self._take_over(session, enrolled, answers, phone_clock_ms))
        return True

    def forget_old(self, driver: PhoneDriver, phone_id: int) -> int:
        """Remove entries of attempts that were settled longer ago than a backup may be old; give how many.

        An entry that the database does not know stays: it may be all that is left of a message. Raises as above.
        """
        known = driver.read_journal()
        if not known:
            return 0
        before = self._clock() - JOURNAL_KEPT
        with self._store.reading() as session:
            old = [id_ for chunk in _chunks(sorted(known)) for id_ in _settled(session, phone_id, chunk, before)]
        if old:
            driver.forget(old)
            _log.info("phone %s: %s old entries removed from its journal", driver.serial, len(old))
        return len(old)

    def _take_over(
        self,
        session: Session,
        enrolled: Enrolled,
        answers: Sequence[tuple[Rediscovered, JournalAnswer]],
        phone_clock_ms: int,
    ) -> None:
        now = self._clock()
        for item, answer in answers:
            self._record(session, enrolled, item, answer, phone_clock_ms, now)
        session.get_one(PhoneRecord, enrolled.phone_id).journal_checked = True
        session.flush()
        missing = select(PhoneRecord.id).where(PhoneRecord.removed_at.is_(None), PhoneRecord.journal_checked.is_(False))
        if session.scalar(missing.limit(1)) is None:
            reason = "every phone was asked what it sent since the backup"
            release_restored(session, now=now, actor=self._actor, reason=reason)

    def _record(
        self,
        session: Session,
        enrolled: Enrolled,
        item: Rediscovered,
        answer: JournalAnswer,
        phone_clock_ms: int,
        now: datetime,
    ) -> None:
        message = session.get_one(MessageRecord, item.message_id)
        state, evidence = _STATES.get(answer.word, (AttemptState.INTENT, None))
        sims = session.scalars(select(SimRecord).where(SimRecord.phone_id == enrolled.phone_id).order_by(SimRecord.id))
        by_subscription = {sim.subscription_id: sim.id for sim in sims}
        sim_id = by_subscription.get(answer.subscription_id or -1, next(iter(by_subscription.values())))
        session.add(
            AttemptRecord(
                message_id=message.id,
                n=item.n,
                wire_id=item.wire_id,
                phone_id=enrolled.phone_id,
                sim_id=sim_id,
                part_count=message.part_count,
                state=state,
                evidence=evidence,
                intent_at=now,
                settled_at=None if state in OPEN_ATTEMPTS else now,
                # Without its own clock no row can be told to be its own: none is older than now.
                phone_clock_ms=answer.phone_clock_ms or phone_clock_ms,
            )
        )
        if state in OPEN_ATTEMPTS and message.state == MessageState.QUEUED:
            reason = f"the phone knows attempt {item.n} from after the backup"
            change_state(session, message, MessageState.SUBMITTING, now=now, actor=self._actor, reason=reason)
            message.sim_id = sim_id


def release_restored(session: Session, *, now: datetime, actor: str, reason: str) -> int:
    """Let messages from a backup go on, whichever phones were asked; give how many."""
    restored = session.scalars(select(MessageRecord).where(MessageRecord.restored)).all()
    for message in restored:
        message.restored = False
        note_event(session, message, now=now, actor=actor, reason=reason)
    return len(restored)


def _restored_messages(session: Session) -> list[tuple[int, int, int]]:
    """Give (message id, uid, last attempt's number) of what waits because of a restore."""
    rows = session.execute(
        select(MessageRecord.id, MessageRecord.uid, func.coalesce(func.max(AttemptRecord.n), 0))
        .outerjoin(AttemptRecord, AttemptRecord.message_id == MessageRecord.id)
        .where(MessageRecord.restored)
        .group_by(MessageRecord.id, MessageRecord.uid)
    )
    return [(id_, uid, n) for id_, uid, n in rows]


def _possible(messages: Iterable[tuple[int, int, int]]) -> Iterable[Rediscovered]:
    for message_id, uid, last_n in messages:
        for n in range(last_n + 1, last_n + 1 + _MOST_TRIES):
            yield Rediscovered(message_id, n, wire_id(uid, n))


def _settled(session: Session, phone_id: int, wire_ids: Sequence[int], before: datetime) -> Sequence[int]:
    return session.scalars(
        select(AttemptRecord.wire_id).where(
            AttemptRecord.phone_id == phone_id,
            AttemptRecord.wire_id.in_(wire_ids),
            AttemptRecord.state.not_in(OPEN_ATTEMPTS),
            AttemptRecord.settled_at < before,
        )
    ).all()


def _chunks(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (ids[start : start + _CHUNK] for start in range(0, len(ids), _CHUNK))
