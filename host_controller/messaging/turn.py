"""Whose turn it is: how much goes before a message, and about when it goes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import TextClause, and_, func, select
from sqlalchemy.orm import Session

from host_controller.messaging.standings import Standing
from host_controller.rules.classes import MessageClass
from host_controller.rules.forecast import SimForecast, gone_at
from host_controller.rules.ledger import left_of
from host_controller.store.models import READY_FREE, READY_OF_PHONE, READY_OF_SIM, MessageRecord


def ahead_of(session: Session, message: MessageRecord) -> tuple[int, int]:
    """How many messages that are ready go before one, and their parts: for any SIM, and for the same one."""
    above = [each.value for each in MessageClass if each.rank < MessageClass(message.message_class).rank]
    before = MessageRecord.id < message.id

    def count(place: TextClause, *conditions: object) -> tuple[int, int]:
        query = select(func.count(), func.coalesce(func.sum(MessageRecord.part_count), 0)).select_from(MessageRecord)
        messages, parts = session.execute(query.where(place, *conditions)).one()  # type: ignore[arg-type]
        return messages, int(parts)

    kind = MessageRecord.message_class
    found = [count(READY_FREE, and_(kind == message.message_class, before))]
    found += [count(READY_FREE, kind == name) for name in above]
    is_before = MessageRecord.message_class.in_(above) | and_(kind == message.message_class, before)
    if message.only_sim_id is not None:
        found.append(count(READY_OF_SIM, MessageRecord.only_sim_id == message.only_sim_id, is_before))
    if message.only_phone_id is not None:
        found.append(count(READY_OF_PHONE, MessageRecord.only_phone_id == message.only_phone_id, is_before))
    return sum(messages for messages, _ in found), sum(parts for _, parts in found)


def forecast(free: Sequence[Standing], parts: int, message_class: MessageClass, now: datetime) -> datetime | None:
    """Say about when these SIMs will have sent so many parts; None where nobody can tell."""
    sims = [
        SimForecast(each.sim.limits, left_of(each.sim.limits, each.spent, message_class), message_class.rank, each.ramp)
        for each in free
        if each.spent is not None
    ]
    return gone_at(sims, parts, now) if sims else None
