"""Attempts that still lack their proof, and what is known of the rows that could be it. Read only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from host_controller.rules.states import OPEN_ATTEMPTS, ROWLESS_ATTEMPTS, AttemptState, Evidence, MessageState
from host_controller.store.models import AttemptRecord, MessageRecord, SimRecord


@dataclass(frozen=True)
class UnprovenAttempt:
    """An attempt whose proof is looked for among a phone's sent rows."""

    attempt_id: int
    state: AttemptState
    subscription_id: int
    phone_clock_ms: int
    """The phone's clock at or before the hand-over: no row of this attempt is older."""
    wire_id: int
    part_count: int
    boot_id: str | None
    """Of the phone's start under which it was made."""
    intent_at: datetime
    msisdn: str = field(repr=False)
    text: str = field(repr=False)

    @property
    def is_open(self) -> bool:
        """False where it was given up as unknown already."""
        return self.state in OPEN_ATTEMPTS


def open_attempts(session: Session, phone_id: int) -> list[UnprovenAttempt]:
    """Give the phone's open attempts, oldest first."""
    return _unproven(session, phone_id, AttemptRecord.state.in_(OPEN_ATTEMPTS))


def unknown_attempts(session: Session, phone_id: int, *, before: datetime) -> list[UnprovenAttempt]:
    """Give the phone's attempts that were given up before a moment and whose message is unknown still."""
    return _unproven(
        session,
        phone_id,
        and_(
            AttemptRecord.state == AttemptState.UNKNOWN,
            AttemptRecord.settled_at < before,
            MessageRecord.state == MessageState.UNKNOWN,
        ),
    )


def last_settled(session: Session, phone_id: int) -> tuple[int, bool]:
    """Give the attempt of a phone that was made last, of those that are settled, and whether it left.

    (0, True) where there is none.
    """
    query = (
        select(AttemptRecord.id, AttemptRecord.state)
        .where(
            AttemptRecord.phone_id == phone_id,
            AttemptRecord.state.not_in((*OPEN_ATTEMPTS, AttemptState.NOT_SENT)),
        )
        .order_by(AttemptRecord.id.desc())
        .limit(1)
    )
    found = session.execute(query).first()
    return (found[0], found[1] != AttemptState.UNKNOWN) if found else (0, True)


def withdrawn_in_a_row(session: Session, sim_id: int, after_attempt_id: int, count: int) -> bool:
    """Tell whether the last `count` settled attempts of a SIM after this one were all refused by its network."""
    found = session.scalars(
        select(AttemptRecord.evidence)
        .where(
            AttemptRecord.sim_id == sim_id,
            AttemptRecord.id > after_attempt_id,
            AttemptRecord.state.not_in((*OPEN_ATTEMPTS, AttemptState.NOT_SENT)),
        )
        .order_by(AttemptRecord.id.desc())
        .limit(count)
    ).all()
    return len(found) == count and set(found) == {Evidence.WITHDRAWN}


def rowless_attempts(session: Session, phone_id: int, *, since: datetime) -> list[UnprovenAttempt]:
    """Give the phone's open attempts, and those from `since` on whose row may still come, oldest first."""
    late = and_(AttemptRecord.state.in_(ROWLESS_ATTEMPTS), AttemptRecord.intent_at >= since)
    return _unproven(session, phone_id, or_(AttemptRecord.state.in_(OPEN_ATTEMPTS), late))


def claimed_rows(session: Session, phone_id: int, *, since_ms: int) -> set[tuple[int, int]]:
    """Give (row id, date) of the rows of a phone from a date on that prove an attempt."""
    found = session.execute(
        select(AttemptRecord.sent_row_id, AttemptRecord.sent_row_date_ms).where(
            AttemptRecord.phone_id == phone_id, AttemptRecord.sent_row_date_ms >= since_ms
        )
    )
    return {(row_id, date_ms) for row_id, date_ms in found if row_id is not None and date_ms is not None}


def only_unknowns_since(session: Session, phone_id: int, attempt_id: int, count: int) -> bool:
    """Tell whether the last `count` settled attempts of a phone after `attempt_id` all ended without proof."""
    states = session.scalars(
        select(AttemptRecord.state)
        .where(
            AttemptRecord.phone_id == phone_id,
            AttemptRecord.id > attempt_id,
            AttemptRecord.state.not_in(OPEN_ATTEMPTS),
        )
        .order_by(AttemptRecord.id.desc())
        .limit(count)
    ).all()
    return len(states) == count and set(states) == {AttemptState.UNKNOWN}


def future_attempts(session: Session, now: datetime) -> Sequence[int]:
    """Give the ids of open attempts whose intent lies in the future: the host's clock was set back since."""
    return session.scalars(
        select(AttemptRecord.id).where(AttemptRecord.state.in_(OPEN_ATTEMPTS), AttemptRecord.intent_at > now)
    ).all()


def overdue_attempts(session: Session, before: datetime) -> Sequence[int]:
    """Give the ids of open attempts whose intent is older than `before`, on any phone, present or not.

    What is leased to a remote phone has a time of its own.
    """
    return session.scalars(
        select(AttemptRecord.id).where(
            AttemptRecord.state.in_(OPEN_ATTEMPTS),
            AttemptRecord.intent_at < before,
            AttemptRecord.lease_until.is_(None),
        )
    ).all()


def _unproven(session: Session, phone_id: int, wanted: ColumnElement[bool]) -> list[UnprovenAttempt]:
    rows = session.execute(
        select(
            AttemptRecord.id,
            AttemptRecord.state,
            SimRecord.subscription_id,
            AttemptRecord.phone_clock_ms,
            AttemptRecord.wire_id,
            AttemptRecord.part_count,
            AttemptRecord.boot_id,
            AttemptRecord.intent_at,
            MessageRecord.msisdn,
            MessageRecord.text,
        )
        .join(SimRecord, AttemptRecord.sim_id == SimRecord.id)
        .join(MessageRecord, AttemptRecord.message_id == MessageRecord.id)
        .where(AttemptRecord.phone_id == phone_id, wanted)
        .order_by(AttemptRecord.id)
    )
    return [UnprovenAttempt(id_, AttemptState(state), *rest) for id_, state, *rest in rows]
