"""Telling Odoo's module `sms_gateway` how messages ended, and asking it at the start what it knows.

What is due is read from the messages' own states. A result that may have been lost is told again: the module takes it
for what it has. Failures go first and successes last. No failure is told after a success: what we once told as sent
stays so, and at the start a failure is not told where the module says that the message has ended already.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from host_controller.messaging.transitions import end_queued
from host_controller.rules.states import FailureCode, MessageState
from host_controller.store.bulk import rows_in
from host_controller.store.models import MessageRecord, OdooSmsRecord
from host_controller.store.store import Store
from odoo_sync.claims import TAKEN
from odoo_sync.errors import ModuleStumbledError
from odoo_sync.gateway_client import Confirmed
from odoo_sync.stand_in import SMS_ID, StandIn

_log = logging.getLogger(__name__)
SENT, ERROR, GONE = "sent", "error", "gone"
# As many as the module's own app tells at once.
_BATCH = 50
_ASKED_AT_ONCE = 1000
_MOVING = (MessageState.QUEUED, MessageState.SUBMITTING)
_WORDS = {
    MessageState.UNKNOWN: "it may have left the phone, nothing proves it; do not send it again unseen",
    MessageState.EXPIRED: "it could not be sent in time",
    MessageState.CANCELLED: "it was cancelled",
    MessageState.FAILED: "the phone could not send it",
}
_NOTHING = Confirmed(frozenset(), frozenset())


@dataclass(frozen=True)
class _Due:
    record_id: int
    sms_id: int
    error: str | None
    """None where it was sent."""


class GatewayResults:
    """Reports the ends of module phones' messages."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def run(self, phone: StandIn, until_s: float) -> int:
        """Report what is due until `until_s` (monotonic); give how many. Raises OdooSyncError.

        What is left is due again.
        """
        reported, after_id = 0, 0
        while due := self._read_due(phone, after_id):
            after_id = due[-1].record_id
            results = {item.sms_id: item.error for item in sorted(due, key=lambda item: item.error is None)}
            answer = _confirm(phone, results)
            self._store.write(lambda session, due=due, answer=answer: self._note(session, due, answer))  # type: ignore[misc]
            reported += len(answer.taken)
            if time.monotonic() > until_s:
                break
        return reported

    def count_due(self, phone: StandIn) -> int:
        """Give how many results the module waits for, at most one batch of them."""
        return len(self._read_due(phone, 0))

    def reconcile(self, phone: StandIn) -> None:
        """Ask the module of all that is not reported; drop what it has ended or deleted. Raises OdooSyncError."""
        query = (
            select(SMS_ID)
            .where(OdooSmsRecord.module_phone_id == phone.record_id, OdooSmsRecord.reported.is_(None))
            .order_by(OdooSmsRecord.sms_id)
        )
        with self._store.reading() as session:
            ids = session.scalars(query).all()
        for start in range(0, len(ids), _ASKED_AT_ONCE):
            known = phone.client.reconcile(ids[start : start + _ASKED_AT_ONCE])
            dropped = self._store.write(
                lambda session, known=known: self._drop(session, phone, known.ended, known.gone)  # type: ignore[misc]
            )
            if dropped:
                _log.warning("%s queued SMS had ended in Odoo, or were deleted there, and are not sent", dropped)

    def _drop(self, session: Session, phone: StandIn, ended: Collection[int], gone: Collection[int]) -> int:
        """Note what is over there; give how many messages were taken out of the queue for it."""
        query = select(OdooSmsRecord, MessageRecord.state).outerjoin(
            MessageRecord, OdooSmsRecord.message_id == MessageRecord.id
        )
        query = query.where(OdooSmsRecord.module_phone_id == phone.record_id)
        cancelled = []
        for record, state in rows_in(session, query, OdooSmsRecord.sms_id, [*ended, *gone]):
            if state == MessageState.QUEUED:
                cancelled.append(record.message_id)
            if record.sms_id in gone:
                record.reported = GONE
            elif record.message_id is None and record.refusal is None:
                record.refusal = record.reported = TAKEN
            elif state not in (MessageState.SENT, MessageState.SUBMITTING):
                record.reported = ERROR
        return end_queued(
            session,
            cancelled,
            MessageState.CANCELLED,
            now=self._clock(),
            actor=phone.actor,
            reason="it has ended in Odoo, or was deleted there",
            failure=FailureCode.WITHDRAWN,
        )

    def _read_due(self, phone: StandIn, after_id: int) -> list[_Due]:
        never = and_(
            OdooSmsRecord.reported.is_(None),
            or_(OdooSmsRecord.refusal.is_not(None), MessageRecord.state.not_in(_MOVING)),
        )
        # A late proof: the error that the module heard of before is healed by the success.
        healed = and_(OdooSmsRecord.reported == ERROR, MessageRecord.state == MessageState.SENT)
        # Two queries: in one, no index would serve, and all that a phone ever had would be gone through.
        due = [item for condition in (never, healed) for item in self._find(phone, condition, after_id)]
        return sorted(due, key=lambda item: item.record_id)[:_BATCH]

    def _find(self, phone: StandIn, condition: ColumnElement[bool], after_id: int) -> list[_Due]:
        query = (
            select(
                OdooSmsRecord.id,
                SMS_ID,
                OdooSmsRecord.refusal,
                MessageRecord.state,
                MessageRecord.failure_code,
            )
            .outerjoin(MessageRecord, OdooSmsRecord.message_id == MessageRecord.id)
            .where(OdooSmsRecord.module_phone_id == phone.record_id, condition, OdooSmsRecord.id > after_id)
            .order_by(OdooSmsRecord.id)
            .limit(_BATCH)
        )
        with self._store.reading() as session:
            return [
                _Due(record_id, sms_id, _error_of(refusal, state, failure_code))
                for record_id, sms_id, refusal, state, failure_code in session.execute(query)
            ]

    def _note(self, session: Session, due: Sequence[_Due], answer: Confirmed) -> None:
        now = self._clock()
        for item in due:
            word = GONE if item.sms_id in answer.gone else SENT if item.error is None else ERROR
            if item.sms_id in answer.gone or item.sms_id in answer.taken:
                session.execute(
                    update(OdooSmsRecord)
                    .where(OdooSmsRecord.id == item.record_id)
                    .values(reported=word, reported_at=now)
                )


def _error_of(refusal: str | None, state: str | None, failure_code: str | None) -> str | None:
    """Give what the module hears of why a message was not sent; None: it was."""
    if refusal is not None:
        return f"refused: {refusal}"
    if state == MessageState.SENT:
        return None
    return failure_code or _WORDS[MessageState(state or MessageState.FAILED)]


def _confirm(phone: StandIn, results: Mapping[int, str | None]) -> Confirmed:
    """Report a batch; one that the module stumbles over is halved until only what it cannot take is left."""
    try:
        return phone.client.confirm(results)
    except ModuleStumbledError:
        if len(results) == 1:
            _log.warning("the module cannot take the result of one SMS; it is told again later")
            return _NOTHING
    ids = list(results)
    halves = [ids[: len(ids) // 2], ids[len(ids) // 2 :]]
    answers = [_confirm(phone, {sms_id: results[sms_id] for sms_id in half}) for half in halves]
    return Confirmed(answers[0].taken | answers[1].taken, answers[0].gone | answers[1].gone)
