"""The lane of one phone: one thread that enrols it, reads it and sends through it, one thing at a time."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from device_drivers.base import Sim
from device_drivers.errors import DriverError, NotSubmittedError, SubmitRejectedError
from host_controller.events import Bells
from host_controller.fleet.joining import Joining
from host_controller.fleet.phone import LINKED, Enrolled, RackPhone
from host_controller.messaging import attempts
from host_controller.messaging.confirmation import Confirmation, Receiver
from host_controller.messaging.sending import Idle, Sending
from host_controller.messaging.sim_choice import SimChoice, Wait
from host_controller.rules.timings import Timings
from host_controller.rules.waiting import WaitReason
from host_controller.settings import Settings
from host_controller.store.store import Store

_log = logging.getLogger(__name__)
# Bounds how long a missed wake-up could go unnoticed; nothing relies on it.
_LONGEST_SLEEP_S = 60.0
_PACED = (WaitReason.PACE, WaitReason.GUARD)
# A phone whose framework says yes and leaves no trace of this many messages in a row is not trusted with more.
_UNPROVEN_IN_A_ROW = 3


@dataclass(frozen=True)
class LaneServices:
    """What every lane shares."""

    store: Store
    joining: Joining
    inbox: Receiver
    bells: Bells
    settings: Settings
    timings: Timings
    clock: Callable[[], datetime]


@dataclass(frozen=True)
class Asked:
    """What the clock has asked a lane for."""

    read: threading.Event = field(default_factory=threading.Event)
    health: threading.Event = field(default_factory=threading.Event)


class Lane:
    """Drives one phone until it is stopped. Everything that must survive is in the store."""

    def __init__(self, phone: RackPhone, services: LaneServices) -> None:
        self._phone = phone
        self._services = services
        self._timings = services.timings
        self._actor = f"lane {phone.serial}"
        self._bell = services.bells.hang()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self._actor, daemon=True)
        self._asked = Asked()
        self._session: _Session | None = None
        self._next_enrol_s = 0.0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask_to_read(self) -> None:
        """A reading round is due."""
        self._asked.read.set()
        self._bell.set()

    def ask_for_health(self) -> None:
        """A look at the phone's health is due."""
        self._asked.health.set()
        self._bell.set()

    def stop(self) -> None:
        """Ask the lane to end after what it is doing now."""
        self._stop.set()
        self._bell.set()

    def join(self, limit_s: float) -> None:
        """Wait for the lane's end."""
        self._thread.join(limit_s)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._bell.clear()
            try:
                pause_s = self._step()
            except DriverError as error:
                self._note_trouble(error)
                pause_s = self._timings.link_retry_s
            except Exception:
                _log.exception("%s stumbled; it goes on", self._actor)
                pause_s = self._timings.link_retry_s
            if pause_s > 0:
                self._bell.wait(min(pause_s, _LONGEST_SLEEP_S))
        self._services.bells.take_down(self._bell)

    def _step(self) -> float:
        """Do the most urgent thing; give the seconds until there may be another one, 0 for at once."""
        view = self._phone.view()
        if view.link != LINKED:
            # When it is back, its SIMs, clock and guard may have changed: it is enrolled anew.
            self._session = None
            self._phone.update(enrolled=None, waiting_for=None, waiting_until=None)
            self._next_enrol_s = 0.0
            return _LONGEST_SLEEP_S
        if self._phone.errands.run_next(self._phone.driver):
            return 0
        if self._session is not None and view.enrolled is None:
            self._session = None  # somebody changed what the phone was enrolled with
            self._next_enrol_s = 0.0
        if self._session is None:
            return self._enrol(time.monotonic())
        return self._session.step()

    def _enrol(self, now_s: float) -> float:
        if now_s < self._next_enrol_s and self._phone.invitation is None:
            return self._next_enrol_s - now_s
        self._next_enrol_s = now_s + self._timings.enrol_retry_s
        joined = self._services.joining.join(self._phone)
        if joined is None:
            return self._timings.enrol_retry_s
        self._session = _Session(self._phone, self._services, *joined, self._actor, self._asked)
        return 0

    def _note_trouble(self, error: DriverError) -> None:
        if self._phone.view().last_error != error.reason:
            _log.warning("phone %s: %s", self._phone.serial, error.reason)
        self._phone.note_error(error.reason, self._services.clock())
        # Doubt about the link is doubt about the phone: start over with reading it before anything is sent.
        self._session = None
        self._phone.update(enrolled=None, waiting_for=None, waiting_until=None)
        self._next_enrol_s = time.monotonic() + self._timings.link_retry_s


class _Session:
    """The time between a phone's coming and its going."""

    def __init__(
        self,
        phone: RackPhone,
        services: LaneServices,
        enrolled: Enrolled,
        phone_clock_ms: int,
        actor: str,
        asked: Asked,
    ) -> None:
        self._asked = asked
        # Both come first, whatever the clock says.
        asked.read.set()
        asked.health.set()
        self._phone = phone
        self._services = services
        self._timings = services.timings
        self._enrolled = enrolled
        self._phone_clock_ms = phone_clock_ms
        self._confirmation = Confirmation(services.store, services.inbox, services.timings, services.clock, actor)
        choice = SimChoice(services.store, enrolled, services.settings.zone, services.clock())
        self._sending = Sending(services.store, enrolled, choice, services.clock, actor)
        self._trust_anew()
        self._next_read_s = math.inf
        self._next_late_round_s = 0.0
        self._active_until_s = 0.0
        self._is_sending = False

    def step(self) -> float:
        """See Lane: reading comes first, also before the first send, then health, then sending."""
        now_s = time.monotonic()
        if now_s >= self._next_read_s or self._asked.read.is_set():
            self._read(now_s)
            return 0
        if self._asked.health.is_set():
            self._read_health()
            return 0
        pause_s = self._next_read_s - now_s
        if self._phone.view().hold:
            self._was_held = True
            return pause_s
        if self._was_held:
            self._trust_anew()
        return min(pause_s, self._send(pause_s))

    def _read(self, now_s: float) -> None:
        self._asked.read.clear()
        late = now_s >= self._next_late_round_s
        phone_id, driver = self._enrolled.phone_id, self._phone.driver
        if self._enrolled.can_read_sms:
            result = self._confirmation.read(driver, phone_id, late=late, now_s=now_s)
        else:
            result = self._confirmation.read_radio(driver, phone_id)
        if late:
            wait_s = self._timings.second_read_s if result.late_sighted else self._timings.late_round_s
            self._next_late_round_s = now_s + wait_s
        self._phone_clock_ms = result.phone_clock_ms
        if result.new_inbound:
            self._active_until_s = now_s + self._timings.active_after_inbound_s
        self._schedule_read(result.unproven > 0 or now_s < self._active_until_s or self._is_sending)
        self._hold_if_unproven()

    def _schedule_read(self, active: bool) -> None:
        """A phone that has nothing to do is read when the clock says so."""
        self._next_read_s = time.monotonic() + self._timings.read_active_s if active else math.inf

    def _read_health(self) -> None:
        self._asked.health.clear()
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
        try:
            outcome = self._sending.send_next(self._phone.driver, self._phone_clock_ms, self._usable_slots())
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
            self._schedule_read(active=True)
        if isinstance(outcome, Wait):
            self._phone.update(waiting_for=outcome.reason, waiting_until=outcome.until)
            return (outcome.until - self._services.clock()).total_seconds()
        self._phone.update(waiting_for=None, waiting_until=None)
        return pause_s if isinstance(outcome, Idle) else 0

    def _usable_slots(self) -> frozenset[int]:
        """Slots whose radio is in service, as far as the phone says."""
        health = self._phone.view().health
        radio = {sim.slot_index: sim.in_service for sim in health.sims} if health else {}
        slots = (sim.sim.slot_index for sim in self._enrolled.usable_sims)
        return frozenset(slot for slot in slots if radio.get(slot) is not False)

    def _trust_anew(self) -> None:
        """Judge the phone by what it does from now on: it has just come, or a person has released it."""
        self._was_held = False
        with self._services.store.reading() as session:
            self._first_attempt_id = attempts.last_attempt_id(session)

    def _hold_if_unproven(self) -> None:
        if not self._enrolled.has_witness:
            return  # the operator has accepted that nothing can be proven
        with self._services.store.reading() as session:
            unproven = attempts.only_unknowns_since(
                session, self._enrolled.phone_id, self._first_attempt_id, _UNPROVEN_IN_A_ROW
            )
        if unproven and not self._was_held:
            self._was_held = True
            self._hold(
                f"{_UNPROVEN_IN_A_ROW} messages in a row left no trace in its sent box; look for a dialog on its"
                " screen and for credit on its SIM, then release the phone"
            )

    def _hold(self, words: str) -> None:
        _log.error("phone %s is held: %s", self._phone.serial, words)
        self._phone.update(hold=words)
        self._phone.note_error(words, self._services.clock())


def _identity(sim: Sim) -> tuple[int, int, str | None]:
    """What makes a SIM another one; its operator's name may come late."""
    return sim.slot_index, sim.subscription_id, sim.iccid
