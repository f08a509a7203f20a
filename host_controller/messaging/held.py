"""What is held and what was, as people see it: by the names that they use, with what is still in its hands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from host_controller.messaging.holds import HoldKind, HoldView, Scope
from host_controller.rules.states import OPEN_ATTEMPTS
from host_controller.store.models import AttemptRecord, BatchRecord, HoldRecord, MessageRecord, PhoneRecord, SimRecord


@dataclass(frozen=True, slots=True)
class Held(HoldView):
    """One hold, in force or not."""

    target: str | None
    """A phone's serial, `SERIAL:SLOT`, or a batch's name; None for the rack."""
    released_at: datetime | None
    released_by: str | None
    unproven: int | None
    """Messages in its hands whose proof is still to come; None where it was released."""


def list_held(session: Session) -> list[Held]:
    """Give what is held, oldest first."""
    query = select(HoldRecord).where(HoldRecord.released_at.is_(None)).order_by(HoldRecord.id)
    return _as_held(session, session.scalars(query).all())


def list_released(session: Session, *, limit: int) -> list[Held]:
    """Give what was held once, the last released first."""
    query = select(HoldRecord).where(HoldRecord.released_at.is_not(None))
    latest_first = query.order_by(HoldRecord.released_at.desc(), HoldRecord.id.desc()).limit(limit)
    return _as_held(session, session.scalars(latest_first).all())


def _as_held(session: Session, records: Sequence[HoldRecord]) -> list[Held]:
    if not records:
        return []
    names = _names(session, records)
    unproven = _unproven(session) if any(record.released_at is None for record in records) else {}

    def held(record: HoldRecord) -> Held:
        scope, key = Scope(record.scope), (Scope(record.scope), record.target_id)
        return Held(
            scope=scope,
            target=names.get(key, None if scope is Scope.RACK else str(record.target_id)),
            target_id=record.target_id,
            kind=HoldKind(record.kind),
            reason=record.reason,
            actor=record.actor,
            at=record.at,
            released_at=record.released_at,
            released_by=record.released_by,
            unproven=unproven.get(key, 0) if record.released_at is None else None,
        )

    return [held(record) for record in records]


def _names(session: Session, records: Iterable[HoldRecord]) -> dict[tuple[Scope, int | None], str]:
    ids: dict[Scope, set[int]] = {scope: set() for scope in Scope}
    for record in records:
        if record.target_id is not None:
            ids[Scope(record.scope)].add(record.target_id)
    names: dict[tuple[Scope, int | None], str] = {}
    for phone in session.scalars(select(PhoneRecord).where(PhoneRecord.id.in_(ids[Scope.PHONE]))):
        names[Scope.PHONE, phone.id] = phone.adb_serial
    sims = select(SimRecord).where(SimRecord.id.in_(ids[Scope.SIM])).options(joinedload(SimRecord.phone))
    for sim in session.scalars(sims):
        names[Scope.SIM, sim.id] = f"{sim.phone.adb_serial}:{sim.slot_index + 1}"
    for batch in session.scalars(select(BatchRecord).where(BatchRecord.id.in_(ids[Scope.BATCH]))):
        names[Scope.BATCH, batch.id] = batch.name
    return names


def _unproven(session: Session) -> dict[tuple[Scope, int | None], int]:
    """Open attempts by everything that they count for. A phone has few of them."""
    query = (
        select(AttemptRecord.phone_id, AttemptRecord.sim_id, MessageRecord.batch_id, func.count())
        .join(MessageRecord, MessageRecord.id == AttemptRecord.message_id)
        .where(AttemptRecord.state.in_(OPEN_ATTEMPTS))
        .group_by(AttemptRecord.phone_id, AttemptRecord.sim_id, MessageRecord.batch_id)
    )
    counts: dict[tuple[Scope, int | None], int] = {}
    for phone_id, sim_id, batch_id, count in session.execute(query):
        keys = ((Scope.RACK, None), (Scope.PHONE, phone_id), (Scope.SIM, sim_id), (Scope.BATCH, batch_id))
        for key in keys:
            counts[key] = counts.get(key, 0) + count
    return counts
