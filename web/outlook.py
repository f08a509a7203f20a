"""How much waits, and about when it will have gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from host_controller.fleet.phone import PhoneStatus, PhoneView
from host_controller.fleet.sim_limits import limits_of
from host_controller.messaging.holds import Scope, active_holds
from host_controller.messaging.why_queue import is_alike
from host_controller.rules.classes import MessageClass
from host_controller.rules.forecast import SimForecast, gone_at
from host_controller.rules.ledger import left_of
from host_controller.rules.ramp import Ramp
from host_controller.rules.states import MessageState
from host_controller.settings import Settings
from host_controller.store.models import MessageRecord

# Adding up a long queue takes longer than a look at the page may.
_KEPT_FOR = timedelta(seconds=10)


@dataclass(frozen=True)
class Outlook:
    """The parts that wait, and the time at which the phones that are ready will have sent them."""

    parts: int = 0
    held_parts: int = 0
    """Of these, what waits for a person: a hold, a paused batch, a release."""
    has_phones: bool = False
    """Whether any phone is ready to send them."""
    empty_at: datetime | None = None
    """When the others will have gone, an estimate; None where no phone is ready, or it is more than a year away."""


class Forecast:
    """The outlook, as it was a few seconds ago at most."""

    def __init__(self) -> None:
        self._kept: tuple[datetime, int, Outlook] | None = None

    def outlook(
        self, session: Session, queued: int, views: Iterable[PhoneView], settings: Settings, now: datetime, ramp: Ramp
    ) -> Outlook:
        """Give the outlook of a queue of so many messages."""
        if self._kept:
            at, count, known = self._kept
            if is_alike(queued, count) and timedelta() <= now - at < _KEPT_FOR:
                return known
        found = _look_ahead(session, views, settings, now, ramp) if queued else Outlook()
        self._kept = now, queued, found
        return found


@dataclass(frozen=True)
class _Waiting:
    """Parts in the queue."""

    by_class: Mapping[MessageClass, int]
    """Those that go by themselves."""
    held: int
    """Those that wait for a person."""
    latest: datetime | None
    """The last time that one of them waits for."""


def _waiting(session: Session) -> _Waiting:
    message = MessageRecord
    is_held = or_(message.restored, and_(message.waiting_for.is_not(None), message.not_before.is_(None)))
    parts, latest = func.sum(message.part_count), func.max(message.not_before)
    query = select(message.message_class, is_held, parts, latest).where(message.state == MessageState.QUEUED)
    rows = session.execute(query.group_by(message.message_class, is_held)).all()
    return _Waiting(
        {MessageClass(name): int(count) for name, held, count, _ in rows if not held},
        sum(int(count) for _, held, count, _ in rows if held),
        max((at for _, held, _, at in rows if not held and at is not None), default=None),
    )


def _look_ahead(session: Session, views: Iterable[PhoneView], settings: Settings, now: datetime, ramp: Ramp) -> Outlook:
    waiting = _waiting(session)
    parts = sum(waiting.by_class.values())
    total = parts + waiting.held
    if not parts:
        return Outlook(total, total)
    # Of what waits the lowest class goes last, and has the least of each SIM.
    last = max(waiting.by_class, key=lambda each: each.rank)
    held = {(hold.scope, hold.target_id) for hold in active_holds(session)}
    sims, has_phones = [], False
    for view in views:
        if view.status is not PhoneStatus.READY or view.enrolled is None or view.spent is None:
            continue
        spent, phone = view.spent(now), (Scope.PHONE, view.enrolled.phone_id)
        for sim in view.enrolled.usable_sims:
            if sim.sim_id not in spent:
                continue
            has_phones = True
            if held.isdisjoint({(Scope.RACK, None), phone, (Scope.SIM, sim.sim_id)}):
                limits = limits_of(sim, view.enrolled.guard, settings)
                sims.append(SimForecast(limits, left_of(limits, spent[sim.sim_id], last), last.rank, ramp))
    if has_phones and not sims:
        return Outlook(total, total, has_phones=True)
    gone = gone_at(sims, parts, now) if sims else None
    if gone is not None and waiting.latest is not None:
        gone = max(gone, waiting.latest)
    return Outlook(total, waiting.held, has_phones, gone)
