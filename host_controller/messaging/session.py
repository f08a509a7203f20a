"""The time between a phone's coming and its going: what its lane does with it, the most urgent first."""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from device_drivers.base import Sim
from device_drivers.errors import DriverError, NotSubmittedError, SubmitRejectedError
from host_controller.errors import StoreError
from host_controller.events import Bells, Counts
from host_controller.fleet.joining import Joining
from host_controller.fleet.phone import Enrolled, RackPhone
from host_controller.messaging.confirmation import Confirmation, Receiver
from host_controller.messaging.dispatcher import Dispatcher
from host_controller.messaging.hands import Hands
from host_controller.messaging.journal_care import JournalCare
from host_controller.messaging.ledgers import PhoneLedgers
from host_controller.messaging.reconciler import Reconciler
from host_controller.messaging.sending import ClockReading, Full, Sending
from host_controller.messaging.sim_choice import SimChoice
from host_controller.messaging.taking import Idle
from host_controller.messaging.trust import Trust
from host_controller.rules.choice import SimView
from host_controller.rules.hearing import Hearing
from host_controller.rules.timings import Timings
from host_controller.rules.waiting import Wait, WaitReason
from host_controller.settings import Settings
from host_controller.store.store import Store

_log = logging.getLogger(__name__)
# So much of the time between two askings of the clock.
_SPREAD_OVER = 0.2
_GOLDEN = 0.618034  # its multiples lie far apart
# By chance a pause before a reading is so much shorter, or longer where it must not be shorter.
_SHORTENED, _STRETCHED = 0.7, 1.2
_PACED = (WaitReason.PACE, WaitReason.GUARD)
# Where nobody can tell when it will be better; what makes it better rings as well.
_LOOK_AGAIN_S = 15.0


@dataclass(frozen=True)
class LaneServices:
    """What every lane shares."""

    store: Store
    joining: Joining
    inbox: Receiver
    bells: Bells
    dispatcher: Dispatcher
    settings: Settings
    timings: Timings
    clock: Callable[[], datetime]
    elapsed_s: Callable[[], float] = time.monotonic
    """A clock that is never set."""
    listens: bool = True
    """Whether each lane has an ear, which is a thread; without, what comes in is found by the reading rounds alone."""


@dataclass(frozen=True)
class Asked:
    """What the clock has asked a lane for, and what was heard meanwhile."""

    heard: Hearing
    read: threading.Event = field(default_factory=threading.Event)
    health: threading.Event = field(default_factory=threading.Event)


class PhoneSession:
    """One phone, driven from its lane's thread."""

    def __init__(
        self,
        phone: RackPhone,
        services: LaneServices,
        enrolled: Enrolled,
        phone_clock_ms: int,
        actor: str,
        asked: Asked,
    ) -> None:
        self._actor = actor
        self._asked = asked
        self._phone = phone
        self._services = services
        self._timings = services.timings
        self._enrolled = enrolled
        self._note_clock(phone_clock_ms)
        self._reconciler = Reconciler(
            services.store,
            services.dispatcher.rules,
            services.settings.messages,
            services.timings,
            services.clock,
            actor,
        )
        self._journal_care = JournalCare(services.store, services.clock, actor)
        self._next_journal_care_s = 0.0
        self._has_doubts = True
        hands = Hands(services.store, services.bells, enrolled.phone_id, self._late_since)
        self._confirmation = Confirmation(
            services.store, hands, services.inbox, services.timings, services.clock, actor, services.elapsed_s
        )
        ramp = services.dispatcher.ramp
        ledgers = PhoneLedgers(services.store, enrolled, services.settings, services.clock(), ramp)
        phone.update(spent=ledgers.spent, next_allowed=ledgers.next_allowed)
        choice = SimChoice(enrolled, ledgers)
        self._sending = Sending(
            services.store,
            services.dispatcher,
            hands,
            enrolled,
            choice,
            services.timings,
            services.clock,
            actor,
            lambda: phone.view().enrolled is enrolled,
        )
        self._sims = [
            SimView(sim.sim_id, enrolled.phone_id, ledgers.limits(sim.sim_id), enrolled.recipients)
            for sim in enrolled.usable_sims
        ]
        self._trust = Trust(services.store, phone, enrolled, services.clock, actor)
        self._was_held = False
        # Both come first, whatever the clock says.
        self._next_read_s = self._next_health_s = 0.0
        # The clock asks all phones at once: each has a place of its own in the time that follows.
        self._place = enrolled.phone_id * _GOLDEN % 1
        # Phones that begin together must not all read in the same moment, again and again: sends would wait for them.
        self._draw = random.Random(enrolled.phone_id)  # noqa: S311
        self._has_sent_since_look = False
        self.idle_as_of: Counts | None = None
        """What it had looked at when it found nothing that it may send; None where it could have sent nothing else."""
        self._judged_at: int | None = None
        self._next_late_round_s = 0.0
        self._active_until_s = 0.0
        self._is_sending = False

    def step(self) -> float:
        """Give the seconds until there may be something to do, 0 for at once.

        The most urgent first: doubts first, then reading, also before the first send, then health, then sending.
        """
        self.idle_as_of = None
        if self._has_doubts:
            self._settle_doubts()
        now_s = self._services.elapsed_s()
        self._heed(now_s)
        read_s = min(self._next_read_s, self._asked.heard.due_s)
        must_read, must_look = now_s >= read_s, now_s >= self._next_health_s
        if must_read or must_look:
            # Each takes seconds: a message that has rung this lane goes sooner with another.
            self._services.bells.pass_on()
        if must_read:
            self._read(now_s)
            return 0
        if must_look:
            self._read_health()
            self._care_for_journal(now_s)
            return 0
        pause_s = min(read_s, self._next_health_s) - now_s
        if self._phone.view().hold:
            self._services.bells.pass_on()
            self._was_held = True
            self.leave()
            return pause_s
        if self._was_held:
            self._was_held = False
            self._trust.begin_anew()
        return min(pause_s, self._send(pause_s))

    def _heed(self, now_s: float) -> None:
        """What the clock has asked for is done in the phone's place of the time after that."""
        if self._asked.read.is_set():
            self._asked.read.clear()
            wait_s = self._place * self._timings.read_idle_s * _SPREAD_OVER
            self._next_read_s = min(self._next_read_s, now_s + wait_s)
        if self._asked.health.is_set():
            self._asked.health.clear()
            wait_s = self._place * self._timings.health_s * _SPREAD_OVER
            self._next_health_s = min(self._next_health_s, now_s + wait_s)

    def _late_since(self) -> datetime:
        return self._services.clock() - timedelta(seconds=self._timings.late_horizon_s)

    def _settle_doubts(self) -> None:
        driver, enrolled = self._phone.driver, self._enrolled
        freed_before = self._reconciler.freed
        was_asked = True  # until it says otherwise: nobody knows what was written
        try:
            was_asked = self._journal_care.look_for_restored(driver, enrolled, self._phone_clock.phone_ms)
            self._reconciler.settle_doubts(driver, enrolled.phone_id)
        finally:
            # Also where a later answer fails: what was settled until then is asked for never again.
            if was_asked:
                self._services.dispatcher.rules.forget()
            if was_asked or self._reconciler.freed != freed_before:
                self._tell_freed()
        self._has_doubts = False

    def _tell_freed(self) -> None:
        """Messages may be free again, for any phone."""
        try:
            self._sending.recount()
        finally:
            self._services.bells.ring()

    def _care_for_journal(self, now_s: float) -> None:
        if now_s >= self._next_journal_care_s:
            self._next_journal_care_s = now_s + self._timings.journal_care_s
            self._journal_care.forget_old(self._phone.driver, self._enrolled.phone_id)

    def _note_clock(self, phone_ms: int) -> None:
        self._phone_clock = ClockReading.at(phone_ms, self._services.clock())

    def _read(self, now_s: float) -> None:
        self._asked.heard.begin_reading(now_s)
        late = now_s >= self._next_late_round_s
        phone_id, driver = self._enrolled.phone_id, self._phone.driver
        if self._enrolled.can_read_sms:
            result = self._confirmation.read(driver, phone_id, late=late)
            if result.unproven and self._enrolled.has_radio_log:
                self._confirmation.ask_radio_for_rowless(driver)
        else:
            result = self._confirmation.read_radio(driver)
        if late:
            wait_s = self._timings.second_read_s if result.late_sighted else self._timings.late_round_s
            self._next_late_round_s = now_s + wait_s
            if not result.late_sighted:
                self._resend_unknown()
        self._note_clock(result.phone_clock_ms)
        self._asked.heard.end_reading(now_s, found_any=result.new_inbound > 0)
        if result.new_inbound:
            self._active_until_s = now_s + self._timings.active_after_inbound_s
        self._has_sent_since_look = False
        if result.sighted:
            self._schedule_read(self._timings.second_read_s * self._draw.uniform(1, _STRETCHED))
        elif result.unproven or now_s < self._active_until_s or self._is_sending:
            self._read_soon()
        else:
            self._next_read_s = math.inf
        changes = self._services.bells.counts.changes
        if result.withdrawn or changes != self._judged_at:
            self._judged_at = changes
            if not self._trust.stop_refused_sims():
                self._hold_if_unproven()

    def _resend_unknown(self) -> None:
        freed_before = self._reconciler.freed
        try:
            self._reconciler.resend_unknown(self._phone.driver, self._enrolled)
        finally:
            if self._reconciler.freed != freed_before:
                self._services.bells.ring()

    def _read_soon(self) -> None:
        self._schedule_read(self._timings.read_active_s * self._draw.uniform(_SHORTENED, 1))

    def _schedule_read(self, pause_s: float) -> None:
        self._next_read_s = self._services.elapsed_s() + pause_s

    def _read_health(self) -> None:
        self._next_health_s = math.inf
        health = self._phone.driver.read_health()
        self._phone.update(health=health)
        if {_identity(sim.sim) for sim in self._enrolled.sims} != {_identity(sim) for sim in health.subscriptions}:
            raise DriverError(self._phone.serial, "its SIMs have changed; it is enrolled anew")
        if health.guard_dialog and not self._phone.view().hold:
            self._was_held = True
            self._hold(
                "a dialog on its screen may hold a message back; tap on it, wait until its messages are settled, and"
                " then release the phone"
            )

    def _send(self, pause_s: float) -> float:
        looked_at = self._services.bells.counts
        try:
            outcome = self._sending.send_next(self._phone.driver, self._phone_clock, self._usable_slots())
        except SubmitRejectedError as error:
            self._services.bells.ring()  # the message is free for another phone
            self._hold(f"its SMS service refuses to send ({error.reason}); correct that, then release the phone")
            return 0
        except NotSubmittedError:
            self._services.bells.ring()
            raise
        # While messages wait for their pace, a STOP must be seen soon: each round may spare somebody one.
        self._is_sending = outcome is None or (isinstance(outcome, Wait) and outcome.reason in _PACED)
        if self._is_sending and self._next_read_s == math.inf:
            self._read_soon()
        self._tell(outcome if isinstance(outcome, Wait) else None)
        if isinstance(outcome, (Idle, Wait)):
            self.idle_as_of = None if self._sending.is_shut else looked_at
            if self._services.dispatcher.queue.has_any():
                self._services.bells.pass_on()
        if outcome is None:
            self._has_sent_since_look = True
            return 0
        if isinstance(outcome, Full):
            # Nothing goes out before a look at what is there: it need not wait for its turn.
            if self._has_sent_since_look:
                self._schedule_read(0)
                return 0
            return pause_s
        if outcome.until is None:
            pause_s = pause_s if isinstance(outcome, Idle) else _LOOK_AGAIN_S
        else:
            pause_s = max(0.0, (outcome.until - self._services.clock()).total_seconds())
            if isinstance(outcome, Wait) and len(self._usable_slots()) < len(self._sims):
                pause_s = min(pause_s, _LOOK_AGAIN_S)  # nobody knows when the other SIM has its network again
        return self._until_due(pause_s)

    def _until_due(self, pause_s: float) -> float:
        """No longer than until a message is due that waits for a time: it may be of a class that nothing holds.

        Nor than until it is this phone's turn to look at more of what there is.
        """
        now = self._services.clock()
        due_at, goes_on_at = self._services.dispatcher.queue.due_at, self._sending.goes_on_at
        due_s = (due_at - now).total_seconds() if due_at else math.inf
        goes_on_s = (goes_on_at - now).total_seconds() if goes_on_at else math.inf
        return min(pause_s, due_s if due_s > 0 else pause_s, max(0.0, goes_on_s))

    def _tell(self, wait: Wait | None) -> None:
        """Let the others know how this phone stands."""
        reason, until = (wait.reason, wait.until) if wait else (None, None)
        view = self._phone.view()
        if (view.waiting_for, view.waiting_until) != (reason, until):
            self._phone.update(waiting_for=reason, waiting_until=until)
        self._services.dispatcher.board.post(self._sims, wait)

    def leave(self) -> None:
        """It sends nothing more: its messages need not wait for it."""
        with suppress(StoreError):  # without its note, the phone's journal is asked
            self._sending.write_note()
        self._services.dispatcher.board.leave([sim.sim_id for sim in self._sims], self._services.clock())

    def _usable_slots(self) -> frozenset[int]:
        """Slots whose radio is in service, as far as the phone says."""
        health = self._phone.view().health
        radio = {sim.slot_index: sim.in_service for sim in health.sims} if health else {}
        slots = (sim.sim.slot_index for sim in self._enrolled.usable_sims)
        return frozenset(slot for slot in slots if radio.get(slot) is not False)

    def _hold_if_unproven(self) -> None:
        words = self._trust.lost()
        if words is not None and not self._was_held:
            self._was_held = True
            self._hold(words)

    def _hold(self, words: str) -> None:
        _log.error("phone %s is held: %s", self._phone.serial, words)
        self._phone.update(hold=words)
        self._phone.note_error(words, self._services.clock())


def _identity(sim: Sim) -> tuple[int, int, str | None]:
    """What makes a SIM another one; its operator's name may come late."""
    return sim.slot_index, sim.subscription_id, sim.iccid
