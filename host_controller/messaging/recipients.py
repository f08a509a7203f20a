"""The SIM that a recipient knows: who wrote to it last."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from host_controller.rules.sticky import Sticky, StickyRule, is_kept
from host_controller.rules.waiting import Wait, WaitReason
from host_controller.store.models import RecipientRecord

WaitOf = Callable[[int], tuple[Wait | None, datetime | None] | None]
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


def kept_sim(session: Session, msisdn: str, rule: StickyRule, wait_of: WaitOf, now: datetime) -> int | None:
    """Give the SIM that a message to the number must leave from; None where any may take it.

    `wait_of` says what holds a SIM, and since when it takes nothing at all; None of one that may not take the message.
    """
    known = find(session, msisdn)
    found = wait_of(known.sim_id) if known else None
    if known is None or found is None:
        return None
    wait, away_since = found
    if wait is None and away_since is not None:
        wait = Wait(None, WaitReason.NO_PHONE)
    return known.sim_id if is_kept(known, rule, wait, away_since, now) else None


def remember(session: Session, msisdn: str, sim_id: int, now: datetime) -> None:
    """This SIM writes to the number."""
    connection = session.connection()
    if connection.execute(_CHANGE, {"number": msisdn, "sim": sim_id, "now": now}).rowcount == 0:
        connection.execute(_ADD, {"msisdn": msisdn, "sim_id": sim_id, "last_at": now})
