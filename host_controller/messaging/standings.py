"""How each SIM of the rack stands towards a message, at one moment: for who asks why it waits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from device_drivers.base import SendGuard, SendWay
from host_controller.fleet.phone import PhoneStatus, PhoneView
from host_controller.fleet.sim_limits import limits_of, rack_sim
from host_controller.messaging import unproven
from host_controller.messaging.board import Board
from host_controller.messaging.holds import HoldView, Scope, active_holds, weightiest
from host_controller.messaging.reach import filter_of
from host_controller.rules.choice import QueuedMessage, SimView
from host_controller.rules.holds import SimFlags, sim_hold
from host_controller.rules.ledger import Spent
from host_controller.rules.limits import most_unconfirmed
from host_controller.rules.ramp import NO_RAMP, Ramp
from host_controller.rules.states import OPEN_ATTEMPTS
from host_controller.rules.waiting import Wait, WaitReason
from host_controller.settings import Settings
from host_controller.store import queries
from host_controller.store.models import AttemptRecord, MessageRecord, PhoneRecord, SimRecord

_IN_ITS_HANDS = PhoneStatus.READY, PhoneStatus.STOPPED


@dataclass(frozen=True)
class Standing:
    """One SIM."""

    sim: SimView
    phone: str
    """The ADB serial of its phone."""
    slot_index: int
    words: str = ""
    """What holds it for every message, where anything does."""
    view: PhoneView | None = field(default=None, repr=False)
    spent: Spent | None = None
    """What it has used, where its lane says so."""
    ramp: Ramp = NO_RAMP
    """What slows it now."""

    @property
    def name(self) -> str:
        """As a person calls it."""
        return f"SIM {self.slot_index + 1} of {self.phone}"


class Standings:
    """All SIMs of the rack that are in their phones."""

    def __init__(
        self,
        session: Session,
        settings: Settings,
        phones: Sequence[PhoneView] | None,
        board: Board | None,
        now: datetime,
        ramp: Ramp = NO_RAMP,
    ) -> None:
        """`phones` are those in sight; None where no daemon runs."""
        self._session = session
        self._now = now
        self.ramp = ramp if ramp.is_on(now) else NO_RAMP
        self.holds = active_holds(session)
        self._in_hands = queries.unproven_by_phone(session)
        live = {view.identity.hardware_serial: view for view in phones or () if view.identity}
        self.all = [
            _Look(self, settings, record, live.get(record.hardware_serial), board, now, runs=phones is not None).at(sim)
            for record in queries.list_phones(session)
            for sim in record.sims
            if sim.active
        ]
        self.by_id: Mapping[int, Standing] = {each.sim.sim_id: each for each in self.all}

    def asker(self, msisdn: str, text: str) -> Callable[[SimView, QueuedMessage], Wait | None]:
        """Give what asks the limits and the hands of a SIM about a message."""
        holders = _holders(self._session, msisdn, text)

        def allowed(sim: SimView, message: QueuedMessage) -> Wait | None:
            view = self.by_id[sim.sim_id].view
            if sim.phone_id in holders:
                return Wait(None, WaitReason.BUSY)
            if view is None or view.next_allowed is None:
                return None
            return view.next_allowed(sim.sim_id, message.parts, message.message_class, message.recipient, self._now)

        return allowed

    def hold_of(self, phone_id: int, sim_id: int) -> HoldView | None:
        """What a person, or a fuse, holds of a SIM: itself, its phone or the rack."""
        keys = ((Scope.RACK, None), (Scope.PHONE, phone_id), (Scope.SIM, sim_id))
        return weightiest(hold for key in keys for hold in self.holds if (hold.scope, hold.target_id) == key)

    def batch_hold(self, batch_id: int | None) -> HoldView | None:
        """What holds a batch; None also for no batch."""
        held = (hold for hold in self.holds if hold.scope is Scope.BATCH and hold.target_id == batch_id)
        return None if batch_id is None else weightiest(held)

    def besides(self, batch_id: int | None, reason: WaitReason) -> list[str]:
        """Say what a person, or a fuse, holds of the whole rack and of a batch, where `reason` does not say it."""
        rack = weightiest(hold for hold in self.holds if hold.scope is Scope.RACK)
        found = (("the whole rack", rack), ("its batch", self.batch_hold(batch_id)))
        return [
            f"{what} is {hold.kind.word} by {hold.actor}: {hold.reason}"
            for what, hold in found
            if hold is not None and hold.wait_reason is not reason
        ]

    def in_hands(self, phone_id: int) -> int:
        """Messages in a phone's hands whose proof is still to come."""
        return self._in_hands.get(phone_id, 0)

    def is_trusted(self, phone_id: int) -> bool:
        """Whether a phone may have more than one message in its hands: the last that was settled did leave."""
        return unproven.last_settled(self._session, phone_id)[1]


class _Look:
    """A look at the SIMs of one phone."""

    def __init__(
        self,
        standings: Standings,
        settings: Settings,
        record: PhoneRecord,
        view: PhoneView | None,
        board: Board | None,
        now: datetime,
        *,
        runs: bool,
    ) -> None:
        self._standings = standings
        self._settings = settings
        self._record = record
        self._view = view
        self._board = board
        self._runs = runs
        self._guard = SendGuard(record.guard_max_parts, record.guard_interval_s)
        self._spent = view.spent(now) if view and view.spent else {}

    def at(self, record: SimRecord) -> Standing:
        """Give how a SIM stands."""
        sim = SimView(
            record.id,
            record.phone_id,
            limits_of(rack_sim(record), self._guard, self._settings),
            filter_of(self._record),
            away_since=self._board.standing(record.id).away_since if self._board else None,
        )
        held, words = self._held(record)
        name = self._record.adb_serial
        spent = self._spent.get(record.id)
        ramp = self._standings.ramp
        return Standing(replace(sim, held=held), name, record.slot_index, words, self._view, spent, ramp)

    def _held(self, record: SimRecord) -> tuple[Wait | None, str]:
        """What holds it for every message, and in words."""
        hold = self._standings.hold_of(record.phone_id, record.id)
        view, health = self._view, self._view.health if self._view else None
        radio = {sim.slot_index: sim.in_service for sim in health.sims} if health else {}
        in_hands = self._standings.in_hands(record.phone_id)
        flags = SimFlags(
            paused=hold is not None,
            phone_ready=view is not None and view.status in _IN_ITS_HANDS,
            stopped=record.stopped is not None,
            has_service=radio.get(record.slot_index) is not False,
            busy=self._is_full(in_hands),
        )
        wait = sim_hold(flags)
        if wait is None:
            return None, ""
        if hold is not None:
            target = {Scope.RACK: "the whole rack", Scope.PHONE: "the phone"}.get(hold.scope, "the SIM")
            return Wait(None, hold.wait_reason), f"{target} is {hold.kind.word} by {hold.actor}: {hold.reason}"
        words = {
            WaitReason.NO_PHONE: self._why_not_ready(),
            WaitReason.STOPPED: f"it is stopped: {record.stopped}; `smsrack phones confirm` lets it send again",
            WaitReason.NO_SERVICE: "it has no network",
            WaitReason.BUSY: f"{in_hands} messages in the phone's hands wait for their proof; more would be too many",
        }
        return wait, words[wait.reason]

    def _is_full(self, in_hands: int) -> bool:
        if not in_hands or self._record.remote is not None:
            return False
        enrolled, by_app = self._view.enrolled if self._view else None, self._record.send_way == SendWay.APP
        most = enrolled.most_unproven if enrolled else 1 if by_app else most_unconfirmed(0)
        return in_hands >= (most if self._standings.is_trusted(self._record.id) else 1)

    def _why_not_ready(self) -> str:
        if not self._runs:
            return "no daemon runs; start it with `smsrack run`"
        if self._view is None:
            return "the phone is not in sight; check cable and hub"
        advice = f": {self._view.advice}" if self._view.advice else ""
        return f"the phone is {self._view.status}{advice}"


def _holders(session: Session, msisdn: str, text: str) -> Collection[int]:
    """Phones that have an equal message in their hands: two rows of theirs could not be told apart."""
    query = select(AttemptRecord.phone_id).join(MessageRecord, MessageRecord.id == AttemptRecord.message_id)
    is_equal = (MessageRecord.msisdn == msisdn, MessageRecord.text == text)
    return set(session.scalars(query.where(AttemptRecord.state.in_(OPEN_ATTEMPTS), *is_equal)))
