"""A person, or a rule that one has set, closes what is unknown."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from host_controller.errors import NotUnknownError, UnknownMessageError
from host_controller.messaging.transitions import change_state
from host_controller.rules.states import FailureCode, MessageState
from host_controller.rules.timings import Timings
from host_controller.settings import MessageSettings, UnknownPolicy
from host_controller.store.models import MessageRecord
from host_controller.store.store import Store

_AT_ONCE = 500
_ASSUMED = {UnknownPolicy.ASSUME_SENT: MessageState.SENT, UnknownPolicy.ASSUME_FAILED: MessageState.FAILED}


class Settlement(StrEnum):
    """What a person makes of an unknown message."""

    SENT = "sent"
    """It is taken as sent; nothing is sent."""
    FAILED = "failed"
    """It is taken as failed; nothing is sent."""
    RESEND = "resend"
    """It is sent once more, and may so arrive twice."""


_STATES = {
    Settlement.SENT: MessageState.SENT,
    Settlement.FAILED: MessageState.FAILED,
    Settlement.RESEND: MessageState.QUEUED,
}


def settle(
    session: Session, message_ids: Collection[int], settlement: Settlement, *, now: datetime, actor: str, reason: str
) -> None:
    """Close unknown messages for a reason that stays on record.

    Raises UnknownMessageError or NotUnknownError; then none of them was changed.
    """
    for message_id in message_ids:
        message = session.get(MessageRecord, message_id)
        if message is None:
            raise UnknownMessageError(f"there is no message {message_id}")
        if message.state != MessageState.UNKNOWN:
            raise NotUnknownError(f"message {message_id} is {message.state}; only what is unknown can be settled")
        _close(session, message, _STATES[settlement], now=now, actor=actor, reason=reason)


def assume_old(store: Store, settings: MessageSettings, timings: Timings, now: datetime) -> int:
    """Where the operator wants it, take what is unknown for long as sent or as failed; give how many those were."""
    new = _ASSUMED.get(settings.on_unknown)
    if new is None:
        return 0
    before = now - timedelta(seconds=timings.scale * settings.unknown_after_h * 3600)
    query = (
        select(MessageRecord)
        .where(MessageRecord.state == MessageState.UNKNOWN, MessageRecord.changed_at < before)
        .order_by(MessageRecord.id)
        .limit(_AT_ONCE)
    )
    with store.reading() as session:
        if session.scalars(query).first() is None:
            return 0

    def work(session: Session) -> int:
        old = session.scalars(query).all()
        reason = f"unknown for {settings.unknown_after_h:g} h; {new} by the rule for unknown messages"
        for message in old:
            _close(session, message, new, now=now, actor=settings.on_unknown, reason=reason)
        return len(old)

    return store.write(work)


def _close(
    session: Session, message: MessageRecord, new: MessageState, *, now: datetime, actor: str, reason: str
) -> None:
    failure = FailureCode.ASSUMED if new is MessageState.FAILED else None
    change_state(session, message, new, now=now, actor=actor, reason=reason, failure=failure)
    if new is MessageState.QUEUED:
        message.withdrawn = False
        # Whoever sends it once more wants it to go: an end that has passed meanwhile would expire it at once.
        message.sim_id = message.not_before = message.waiting_for = message.expires_at = None
