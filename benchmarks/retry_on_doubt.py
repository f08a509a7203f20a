"""A queue that retries on doubt, as most gateways do: FOR CONTRAST ONLY, never for phones that anybody pays for.

`python -m benchmarks.retry_on_doubt run --config FILE` runs the daemon with its care taken out: a hand-over without an
answer, an attempt that is open when a phone comes back, and one without proof at its horizon are all queued again, up
to `MAX_TRIES`; after that the message counts as failed. The phone's journal is not used, and what comes from a backup
goes at once. It exists so that the table of docs/delivery.md can show what the same faults do to such a queue, and so
that the measurement is seen to count doubles.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from device_drivers.android import phone as android_phone
from device_drivers.android.enrolment import Known
from device_drivers.base import PhoneDriver
from device_drivers.errors import SubmitError
from host_controller.cli import main
from host_controller.messaging import attempts, unproven
from host_controller.messaging.attempts import Verdict
from host_controller.messaging.journal_care import JournalCare, release_restored
from host_controller.messaging.reconciler import Reconciler
from host_controller.messaging.sending import Sending
from host_controller.messaging.transitions import change_state
from host_controller.rules.states import AttemptState, Evidence, FailureCode, MessageState
from host_controller.store.models import AttemptRecord

MAX_TRIES = 5
# Scaled like the waits of the rack that this runs on.
_SUBMIT_LIMIT_S = 1.0


def try_again(session: Session, attempt_id: int, verdict: Verdict) -> None:
    """Take a doubt for a failure: queue the message again, or give it up after `MAX_TRIES`."""
    attempt = session.get_one(AttemptRecord, attempt_id)
    if attempt.state not in (AttemptState.INTENT, AttemptState.RETURNED):
        return
    attempt.state, attempt.settled_at = AttemptState.NOT_SENT, verdict.now
    message, now, actor, reason = attempt.message, verdict.now, verdict.actor, verdict.reason
    if message.state != MessageState.SUBMITTING:
        return
    if attempt.n < MAX_TRIES:
        change_state(session, message, MessageState.QUEUED, now=now, actor=actor, reason=reason)
        message.sim_id = None
    else:
        failure = FailureCode.PHONE_REJECTED
        change_state(session, message, MessageState.FAILED, now=now, actor=actor, reason=reason, failure=failure)


def _settle_doubts(self: Reconciler, _driver: PhoneDriver, phone_id: int) -> int:
    with self._store.reading() as session:
        waiting = unproven.open_attempts(session, phone_id)
    verdict = Verdict(self._clock(), self._actor, "open when the phone came back", Evidence.NONE)
    for attempt in waiting:
        self._store.write(
            lambda session, id_=attempt.attempt_id: try_again(session, id_, verdict)  # type: ignore[misc]
        )
        self.freed += 1
    return len(waiting)


def _retrying(hand_over: Callable[..., object]) -> Callable[..., object]:
    def hand_over_or_retry(self: Sending, driver: PhoneDriver, claim: attempts.Claim, *rest: object) -> object:
        try:
            return hand_over(self, driver, claim, *rest)
        except SubmitError as error:
            verdict = Verdict(self._clock(), self._actor, error.reason, Evidence.NONE)
            self._store.write(lambda session: try_again(session, claim.attempt_id, verdict))
            self.recount()
            raise

    return hand_over_or_retry


def _let_restored_go(self: JournalCare, *_: object) -> bool:
    reason = "nobody is asked what has been sent since"
    self._store.write(lambda session: release_restored(session, now=self._clock(), actor=self._actor, reason=reason))
    return False


def take_care_out() -> None:
    """Patch the controller of this process."""
    attempts.settle_unknown = try_again
    Reconciler.settle_doubts = _settle_doubts  # type: ignore[method-assign]
    JournalCare.look_for_restored = _let_restored_go  # type: ignore[method-assign]
    Sending._hand_over = _retrying(Sending._hand_over)  # type: ignore[method-assign,assignment]
    Known.has_journal = property(lambda _: False)  # type: ignore[method-assign,assignment]
    android_phone._SUBMIT_LIMIT_S = _SUBMIT_LIMIT_S


if __name__ == "__main__":
    take_care_out()
    main()
