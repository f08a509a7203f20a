"""The SIM that a recipient knows: who wrote to it last."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from host_controller.messaging.board import Board
from host_controller.messaging.queue import QueuedMessage
from host_controller.rules.sticky import Sticky, StickyRule, is_kept
from host_controller.rules.waiting import Wait, WaitReason
from host_controller.store.models import RecipientRecord

_AT = RecipientRecord.last_at.type
_FIND = select(RecipientRecord.sim_id, RecipientRecord.last_at).where(RecipientRecord.msisdn == bindparam("number"))
_CHANGE = (
    update(RecipientRecord)
    .where(RecipientRecord.msisdn == bindparam("number"))
    .values(sim_id=bindparam("sim"), last_at=bindparam("now", type_=_AT))
)
_ADD = insert(RecipientRecord)


def find(session: Session, msisdn: str) -> Sticky | None:
    """Give the SIM that a number knows, and since when; None where it was never written to."""
    row = session.connection().execute(_FIND, {"number": msisdn}).first()
    return Sticky(row[0], row[1]) if row else None


def may_take(
    session: Session,
    message: QueuedMessage,
    sim_ids: Collection[int],
    board: Board,
    rule: StickyRule,
    now: datetime,
) -> bool:
    """Say whether one of these SIMs may write to the recipient, or should leave it to the SIM that it knows."""
    known = find(session, message.msisdn)
    if known is None or known.sim_id in sim_ids:
        return True
    standing = board.standing(known.sim_id)
    wait = standing.wait
    if wait is None and standing.away_since is not None:
        wait = Wait(None, WaitReason.NO_PHONE)
    return not is_kept(known, rule, wait, standing.away_since, now)


def remember(session: Session, msisdn: str, sim_id: int, now: datetime) -> None:
    """This SIM writes to the number."""
    connection = session.connection()
    if connection.execute(_CHANGE, {"number": msisdn, "sim": sim_id, "now": now}).rowcount == 0:
        connection.execute(_ADD, {"msisdn": msisdn, "sim_id": sim_id, "last_at": now})
