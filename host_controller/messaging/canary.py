"""A canary: one SMS from a SIM of the rack to another, sent like any message, and the time that each leg took."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from host_controller.errors import ConfigError
from host_controller.messaging.submit import Accepted, Draft, Rejected, submit
from host_controller.rules.states import MessageState
from host_controller.settings import MessageSettings
from host_controller.store.models import InboundRecord, MessageEvent, MessageRecord, SimRecord
from host_controller.store.store import Store

_WORDS = "smsrack canary"


@dataclass(frozen=True)
class CanaryView:
    """How far a canary has come."""

    message_id: int
    state: MessageState
    sent_after_s: float | None
    """From acceptance to the proof of sending."""
    received_after_s: float | None
    """From acceptance until the other phone had stored it, by the hosts's clock at its reading."""


def canary_text() -> str:
    """Give a text by which a canary is known and found again; nobody else's is the same."""
    return f"{_WORDS} {secrets.token_hex(4)}"


def send_canary(
    store: Store, settings: MessageSettings, from_sim_id: int, to_sim_id: int, *, now: datetime, actor: str
) -> int:
    """Queue it; give the message's id. Raises ConfigError where a SIM or its number is not known."""
    with store.reading() as session:
        source, target = session.get(SimRecord, from_sim_id), session.get(SimRecord, to_sim_id)
        if source is None or target is None:
            raise ConfigError("there is no such SIM; `smsrack phones` shows the id of each in its last column")
        if source is target or target.msisdn is None:
            raise ConfigError(
                f"the number of SIM {to_sim_id} is not known; type it with `smsrack phones number {to_sim_id} NUMBER`"
                if target.msisdn is None
                else "a canary goes from one SIM to another"
            )
        draft = Draft(target.msisdn, canary_text(), only_sim_id=from_sim_id)
    outcome: Accepted | Rejected = submit(store, settings, [draft], now=now, actor=actor)[0]
    if isinstance(outcome, Rejected):
        raise ConfigError(f"the canary was not accepted: {outcome.reason}")
    return outcome.message_id


def read_canary(session: Session, message_id: int) -> CanaryView | None:
    """See how far it has come; None where there is no such canary."""
    message = session.get(MessageRecord, message_id)
    if message is None or not message.text.startswith(_WORDS):
        return None
    sent_at = session.scalar(
        select(MessageEvent.at).where(
            MessageEvent.message_id == message_id, MessageEvent.new_state == MessageState.SENT
        )
    )
    stored_at = session.scalar(
        select(InboundRecord.stored_at).where(
            InboundRecord.text == message.text, InboundRecord.stored_at >= message.created_at
        )
    )

    def since(at: datetime | None) -> float | None:
        return round((at - message.created_at).total_seconds(), 1) if at else None

    return CanaryView(message_id, MessageState(message.state), since(sent_at), since(stored_at))
