"""How each phone of the rack stands, for people who look at it in Odoo: words and figures, no call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from host_controller.fleet.phone import LINKED, PhoneStatus, PhoneView
from host_controller.messaging.holds import HoldView, Scope, active_holds, weightiest
from host_controller.rules.states import OPEN_ATTEMPTS, MessageState
from host_controller.store.models import AttemptRecord, MessageRecord, PhoneRecord, SimRecord
from host_controller.store.queries import list_phones

_NOT_SENT = (MessageState.FAILED, MessageState.UNKNOWN)
_ABSENT = "not in sight; check cable and hub"


@dataclass(frozen=True)
class Figures:
    """What one phone did and has before it, in messages."""

    sent_today: int = 0
    failed_today: int = 0
    queued: int = 0
    """In its hands, or waiting for it and no other."""


@dataclass(frozen=True)
class PhoneState:
    """One phone."""

    key: str
    """Its hardware serial: the same on every cable and host."""
    name: str
    model: str
    state: str
    advice: str = ""
    sims: str = field(default="", repr=False)
    battery_percent: int | None = None
    signal_dbm: int | None = None
    """The lowest of its SIMs'."""
    figures: Figures = field(default_factory=Figures)
    seen_at: datetime | None = None
    """None where this host does not see it now."""


def phone_states(session: Session, views: Sequence[PhoneView], day_start: datetime, now: datetime) -> list[PhoneState]:
    """Give all phones: those in sight, then the enrolled ones that are not. `day_start` is when today began."""
    records = {record.hardware_serial: record for record in list_phones(session)}
    figures = _figures(session, day_start)
    held = active_holds(session)
    states = {}
    for view in views:
        if view.identity is not None:
            record = records.get(view.identity.hardware_serial)
            states[view.identity.hardware_serial] = _live(view, record, figures, held, now)
    absent = (record for key, record in records.items() if key not in states)
    return [*states.values(), *(_absent(record, figures) for record in absent)]


def _live(
    view: PhoneView, record: PhoneRecord | None, figures: Mapping[int, Figures], held: Iterable[HoldView], now: datetime
) -> PhoneState:
    assert view.identity is not None  # noqa: S101
    identity, health = view.identity, view.health
    word, advice = view.status.value, view.advice or ""
    hold = weightiest(one for one in held if one.scope is Scope.RACK or _holds(one, record))
    if hold is not None and view.status is PhoneStatus.READY:
        word, advice = hold.kind.word, hold.reason
    signals = [sim.signal_dbm for sim in health.sims if sim.signal_dbm is not None] if health else []
    return PhoneState(
        key=identity.hardware_serial,
        name=view.serial,
        model=f"{identity.manufacturer} {identity.model}",
        state=word,
        advice=advice,
        sims=_sims(record.sims) if record else "",
        battery_percent=health.battery_percent if health else None,
        signal_dbm=min(signals, default=None),
        figures=figures.get(record.id, Figures()) if record else Figures(),
        seen_at=now if view.link == LINKED else None,
    )


def _absent(record: PhoneRecord, figures: Mapping[int, Figures]) -> PhoneState:
    return PhoneState(
        key=record.hardware_serial,
        name=record.adb_serial,
        model=f"{record.manufacturer} {record.model}",
        state=PhoneStatus.OFFLINE.value,
        advice=_ABSENT,
        sims=_sims(record.sims),
        figures=figures.get(record.id, Figures()),
    )


def _holds(hold: HoldView, record: PhoneRecord | None) -> bool:
    return record is not None and hold.scope is Scope.PHONE and hold.target_id == record.id


def _sims(sims: Iterable[SimRecord]) -> str:
    """Name each active SIM by its number, else its tray, and its network."""
    named = ((sim.msisdn or f"SIM {sim.slot_index + 1}", sim.operator) for sim in sims if sim.active)
    return ", ".join(f"{name} ({operator})" if operator else name for name, operator in named)


def _figures(session: Session, day_start: datetime) -> dict[int, Figures]:
    """Give the figures of every phone that has any, by phone id."""
    ended = (
        select(SimRecord.phone_id, MessageRecord.state, func.count())
        .join(MessageRecord, MessageRecord.sim_id == SimRecord.id)
        .where(MessageRecord.changed_at >= day_start, MessageRecord.state.in_((MessageState.SENT, *_NOT_SENT)))
        .group_by(SimRecord.phone_id, MessageRecord.state)
    )
    in_hands = (
        select(AttemptRecord.phone_id, func.count())
        .where(AttemptRecord.state.in_(OPEN_ATTEMPTS))
        .group_by(AttemptRecord.phone_id)
    )
    is_queued = MessageRecord.state == MessageState.QUEUED
    for_sim = (
        select(SimRecord.phone_id, func.count())
        .join(MessageRecord, MessageRecord.only_sim_id == SimRecord.id)
        .where(is_queued)
        .group_by(SimRecord.phone_id)
    )
    for_phone = (
        select(PhoneRecord.id, func.count())
        .join(MessageRecord, MessageRecord.only_phone_id == PhoneRecord.id)
        .where(is_queued, MessageRecord.only_sim_id.is_(None))
        .group_by(PhoneRecord.id)
    )
    sent: dict[int, int] = {}
    failed: dict[int, int] = {}
    queued: dict[int, int] = {}
    for phone_id, state, count in session.execute(ended):
        of = sent if state == MessageState.SENT else failed
        of[phone_id] = of.get(phone_id, 0) + count
    for query in (in_hands, for_sim, for_phone):
        for phone_id, count in session.execute(query):
            queued[phone_id] = queued.get(phone_id, 0) + count
    known = sent.keys() | failed.keys() | queued.keys()
    return {key: Figures(sent.get(key, 0), failed.get(key, 0), queued.get(key, 0)) for key in known}
