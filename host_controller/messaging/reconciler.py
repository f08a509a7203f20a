"""Settles what was in doubt on one phone before anything new is sent through it.

The phone's journal decides: an attempt that it has not begun is revoked there, for ever, and only then queued again.
What it has begun is never begun again; a row, the radio, or nothing will tell how it ended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from device_drivers.base import JournalAnswer, JournalWord, PhoneDriver
from device_drivers.failpoints import failpoint
from host_controller.fleet.phone import Enrolled
from host_controller.messaging import attempts, unproven
from host_controller.messaging.attempts import Verdict
from host_controller.messaging.rack_rules import RackRules
from host_controller.messaging.transitions import queue_again
from host_controller.messaging.unproven import UnprovenAttempt
from host_controller.rules.states import AttemptState, Evidence, MessageState
from host_controller.rules.timings import Timings
from host_controller.settings import MessageSettings, UnknownPolicy
from host_controller.store.models import AttemptRecord
from host_controller.store.store import Store

_log = logging.getLogger(__name__)


class Reconciler:
    """Asks one phone, from one thread, about the attempts that an earlier session left open."""

    def __init__(
        self,
        store: Store,
        rules: RackRules,
        settings: MessageSettings,
        timings: Timings,
        clock: Callable[[], datetime],
        actor: str,
    ) -> None:
        self._store = store
        self._rules = rules
        self._settings = settings
        self._timings = timings
        self._clock = clock
        self._actor = actor
        self._begun: set[int] = set()
        self.freed = 0
        """Messages that it has let go again since the start, told with each: a later one may end in an error."""

    def settle_doubts(self, driver: PhoneDriver, phone_id: int) -> int:
        """Settle every attempt that certainly sent nothing; give how many that were.

        The others wait for their row, or for their horizon. Raises LinkError or PhoneAnswerError; what was settled
        until then is on record.
        """
        with self._store.reading() as session:
            waiting = unproven.open_attempts(session, phone_id)
        in_doubt = [attempt for attempt in waiting if attempt.state is AttemptState.INTENT]
        return sum(self._settle(attempt, driver.revoke(attempt.wire_id)) for attempt in in_doubt)

    def resend_unknown(self, driver: PhoneDriver, enrolled: Enrolled) -> int:
        """Where the operator wants it, queue again what is unknown for long and what this phone knows nothing of.

        Only after a restart of the phone, which ends whatever waited in it, only where its rows were just read and
        show nothing, and only where its journal has never begun it. Gives how many those were. Raises as
        `settle_doubts`.
        """
        if self._settings.on_unknown is not UnknownPolicy.RESEND or not enrolled.can_read_sms:
            return 0
        before = self._clock() - timedelta(seconds=self._timings.scale * self._settings.unknown_after_h * 3600)
        with self._store.reading() as session:
            old = unproven.unknown_attempts(session, enrolled.phone_id, before=before)
        return sum(self._resend(attempt, driver, enrolled.boot_id) for attempt in old)

    def _settle(self, attempt: UnprovenAttempt, answer: JournalAnswer) -> bool:
        if _was_not_begun(attempt, answer):
            reason, evidence = "the phone had not begun it, and never will", Evidence.JOURNAL
        elif answer.word is JournalWord.REFUSED:
            reason, evidence = f"the phone refused it: {answer.reason}", Evidence.REJECTED
        else:
            return False
        _log.info("attempt %s is settled by the phone's journal: %s", attempt.attempt_id, reason)
        verdict = Verdict(self._clock(), self._actor, reason, evidence)
        self.freed += 1

        def work(session: Session) -> None:
            attempts.settle_not_sent(session, attempt.attempt_id, verdict, self._timings)
            self._rules.take_back_attempt(session, attempt.attempt_id)

        failpoint("doubt.before")
        self._store.write(work)
        failpoint("doubt.after")
        return True

    def _resend(self, attempt: UnprovenAttempt, driver: PhoneDriver, boot_id: str | None) -> bool:
        if attempt.attempt_id in self._begun or attempt.boot_id is None or boot_id in (None, attempt.boot_id):
            return False
        if driver.revoke(attempt.wire_id).word is not JournalWord.REVOKED:
            self._begun.add(attempt.attempt_id)
            return False
        self.freed += 1
        failpoint("doubt.before")
        is_queued = self._store.write(lambda session: self._queue_again(session, attempt.attempt_id))
        failpoint("doubt.after")
        return is_queued

    def _queue_again(self, session: Session, attempt_id: int) -> bool:
        message = session.get_one(AttemptRecord, attempt_id).message
        if message.state != MessageState.UNKNOWN:
            return False  # somebody has settled it meanwhile
        reason = "the phone has restarted and knows nothing of it; sent again by the rule for unknown messages"
        return queue_again(session, message, now=self._clock(), actor=self._settings.on_unknown, reason=reason)


def _was_not_begun(attempt: UnprovenAttempt, answer: JournalAnswer) -> bool:
    """A phone that lost its power may have lost its journal's last entries: absence counts under one start only."""
    same_start = attempt.boot_id is not None and answer.boot_id == attempt.boot_id
    return answer.word is JournalWord.REVOKED and same_start
