"""What remote phones report on messages, and what comes of it: a report is evidence like any other."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from host_controller.messaging import attempts
from host_controller.messaging.attempts import Verdict
from host_controller.messaging.remote_terms import Reconciled, Report, Reported, ReportOutcome
from host_controller.messaging.transitions import change_state, note_event
from host_controller.rules.states import OPEN_ATTEMPTS, AttemptState, Evidence, FailureCode, MessageState
from host_controller.store.bulk import rows_in
from host_controller.store.models import AttemptRecord

# The app's words (its README and source, v1.7.1). It gives up after a minute, and drops what the radio says later.
_TIMEOUT = "TIMEOUT"
# Of these some parts may have left; of every other error none has.
_IN_PART = ("PARTIAL_FAILURE", _TIMEOUT)
_LONGEST_ERROR = 200
_CLOSED = frozenset({MessageState.SENT, MessageState.FAILED, MessageState.CANCELLED, MessageState.EXPIRED})


def take_report(session: Session, attempt: AttemptRecord | None, report: Report, now: datetime) -> ReportOutcome:
    """Write down what a phone says of the last attempt that it was handed of a message."""
    if attempt is None:
        return ReportOutcome.NOT_FOUND
    if report.status is Reported.SENDING:
        return _take_sending(session, attempt, now)
    if report.status is Reported.SENT:
        return _take_sent(session, attempt, now)
    return _take_error(session, attempt, _words(report.error), now)


def last_attempts(session: Session, phone_id: int, message_ids: Collection[int]) -> dict[int, AttemptRecord]:
    """Give the last attempt of each message that this phone was handed, by message id."""
    query = (
        select(AttemptRecord)
        .where(AttemptRecord.phone_id == phone_id)
        .options(joinedload(AttemptRecord.message))
        .order_by(AttemptRecord.n)
    )
    found = (attempt for (attempt,) in rows_in(session, query, AttemptRecord.message_id, message_ids))
    last: dict[int, AttemptRecord] = {}
    for attempt in sorted(found, key=lambda attempt: attempt.n):
        last[attempt.message_id] = attempt
    return last


def reconcile(session: Session, phone_id: int, message_ids: Sequence[int]) -> Reconciled:
    """Say what is known of messages whose reports a phone could not deliver.

    Those of which its own word may still change something are in none of the lists.
    """
    known = last_attempts(session, phone_id, message_ids)
    ids = list(dict.fromkeys(message_ids))
    return Reconciled(
        tuple(id_ for id_ in ids if id_ in known and known[id_].message.state == MessageState.SENT),
        tuple(id_ for id_ in ids if id_ in known and known[id_].state in OPEN_ATTEMPTS),
        tuple(id_ for id_ in ids if id_ not in known),
    )


def _take_sending(session: Session, attempt: AttemptRecord, now: datetime) -> ReportOutcome:
    if attempt.state != AttemptState.INTENT or attempt.message.state != MessageState.SUBMITTING:
        return ReportOutcome.REPEATED if attempt.state == AttemptState.RETURNED else ReportOutcome.IGNORED
    attempt.state = AttemptState.RETURNED
    note_event(session, attempt.message, now=now, actor=_actor(attempt), reason="the phone has begun to send it")
    return ReportOutcome.TAKEN


def _take_sent(session: Session, attempt: AttemptRecord, now: datetime) -> ReportOutcome:
    if attempt.state == AttemptState.SENT:
        return ReportOutcome.REPEATED
    message, verdict = attempt.message, _verdict(attempt, "the phone says that it has left", now)
    if message.state in _CLOSED - {MessageState.SENT}:
        note_event(session, message, now=now, actor=verdict.actor, reason=f"too late: {verdict.reason}")
        return ReportOutcome.IGNORED
    attempts.prove_sent(session, attempts.close(session, attempt.id, AttemptState.SENT, verdict), verdict)
    return ReportOutcome.TAKEN


def _take_error(session: Session, attempt: AttemptRecord, words: str, now: datetime) -> ReportOutcome:
    message = attempt.message
    if message.state in _CLOSED or attempt.state in (AttemptState.SENT, AttemptState.NOT_SENT):
        is_known = message.state == MessageState.FAILED and message.error_message == words
        return ReportOutcome.REPEATED if is_known else ReportOutcome.IGNORED
    verdict = _verdict(attempt, words, now)
    if words.startswith(_TIMEOUT):
        if attempt.state not in OPEN_ATTEMPTS:
            return ReportOutcome.REPEATED
        attempts.settle_unknown(session, attempt.id, verdict)
        return ReportOutcome.TAKEN
    state = AttemptState.UNKNOWN if words.startswith(_IN_PART) else AttemptState.NOT_SENT
    attempts.close(session, attempt.id, state, verdict)
    is_last = attempts.last_n(session, message.id) == attempt.n  # else another phone has it now
    if is_last and message.state in (MessageState.SUBMITTING, MessageState.UNKNOWN):
        failure = FailureCode.PHONE_REPORTED
        change_state(session, message, MessageState.FAILED, now=now, actor=verdict.actor, reason=words, failure=failure)
    return ReportOutcome.TAKEN


def _verdict(attempt: AttemptRecord, reason: str, now: datetime) -> Verdict:
    return Verdict(now, _actor(attempt), reason, Evidence.REPORT)


def _actor(attempt: AttemptRecord) -> str:
    return f"remote phone {attempt.phone_id}"


def _words(error: str | None) -> str:
    """What the phone says, fit to be shown."""
    words = "".join(character if character.isprintable() else " " for character in error or "")
    return words.strip()[:_LONGEST_ERROR] or "the phone says that it could not send it"
