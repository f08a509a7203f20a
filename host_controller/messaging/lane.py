"""The lane of one phone: one thread that enrols it, reads it and sends through it, one thing at a time."""

from __future__ import annotations

import logging
import threading

from device_drivers.errors import DriverError
from host_controller.fleet.phone import LINKED, RackPhone
from host_controller.messaging.ear import Ear
from host_controller.messaging.session import Asked, LaneServices, PhoneSession
from host_controller.rules.hearing import Hearing

_log = logging.getLogger(__name__)
# Bounds how long a missed wake-up could go unnoticed; nothing relies on it.
_LONGEST_SLEEP_S = 60.0
# An ear ends at once, unless the adb server hangs.
_EAR_LIMIT_S = 1.0


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
        self._asked = Asked(Hearing(self._timings.read_heard_s, self._timings.read_active_s))
        self._session: PhoneSession | None = None
        self._ear: Ear | None = None
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
        if ear := self._ear:
            ear.stop()

    def join(self, limit_s: float) -> None:
        """Wait for the lane's end."""
        self._thread.join(limit_s)

    @property
    def is_rung(self) -> bool:
        """Whether something has happened since its last turn began."""
        return self._bell.is_set()

    def turn(self) -> float:
        """Do the most urgent thing, whatever comes of it; give the seconds until the next, unless the bell rings."""
        self._bell.clear()
        self._services.bells.rise(self._bell)
        try:
            pause_s = self._step()
        except DriverError as error:
            self._note_trouble(error)
            pause_s = self._timings.link_retry_s
        except Exception:
            _log.exception("%s stumbled; it goes on", self._actor)
            self._start_over()
            pause_s = self._timings.link_retry_s
        return min(pause_s, _LONGEST_SLEEP_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            pause_s = self.turn()
            if pause_s > 0:
                self._bell.wait(pause_s)
        self._services.bells.take_down(self._bell)
        if ear := self._ear:
            ear.stop()
            ear.join(_EAR_LIMIT_S)

    def _step(self) -> float:
        """Do the most urgent thing; give the seconds until there may be another one, 0 for at once."""
        view = self._phone.view()
        if view.link != LINKED:
            self._services.bells.pass_on()
            # When it is back, its SIMs, clock and guard may have changed: it is enrolled anew.
            self._end_session()
            self._phone.update(enrolled=None, waiting_for=None, waiting_until=None)
            self._next_enrol_s = 0.0
            return _LONGEST_SLEEP_S
        if self._phone.errands.run_next(self._phone.driver):
            return 0
        if self._session is not None and view.enrolled is None:
            self._end_session()  # somebody changed what the phone was enrolled with
            self._next_enrol_s = 0.0
        if self._session is None:
            return self._enrol(self._services.elapsed_s())
        pause_s = self._session.step()
        if pause_s > 0 and self._session.idle_as_of is not None:
            self._services.bells.rest(self._bell, self._session.idle_as_of)
        return pause_s

    def _enrol(self, now_s: float) -> float:
        if now_s < self._next_enrol_s and self._phone.invitation is None:
            self._services.bells.pass_on()
            return self._next_enrol_s - now_s
        self._next_enrol_s = now_s + self._timings.enrol_retry_s
        # It takes seconds, or is refused: a message that has rung this lane goes sooner with another.
        self._services.bells.pass_on()
        joined = self._services.joining.join(self._phone)
        if joined is None:
            return self._timings.enrol_retry_s
        enrolled, clock_ms = joined
        self._session = PhoneSession(self._phone, self._services, enrolled, clock_ms, self._actor, self._asked)
        if self._services.listens and enrolled.is_audible:
            self._ear = Ear(self._phone.driver, self._hear, self._timings, self._services.elapsed_s)
            self._ear.start()
        return 0

    def _hear(self) -> None:
        """A message comes in: wake up for it, unless that is planned already."""
        if self._asked.heard.note(self._services.elapsed_s()):
            self._bell.set()

    def _note_trouble(self, error: DriverError) -> None:
        if self._phone.view().last_error != error.reason:
            _log.warning("phone %s: %s", self._phone.serial, error.reason)
        self._phone.note_error(error.reason, self._services.clock())
        self._services.bells.pass_on()
        self._start_over()

    def _start_over(self) -> None:
        """Doubt about the link, or about us, is doubt about the phone: it is asked before anything is sent."""
        self._end_session()
        self._phone.update(enrolled=None, waiting_for=None, waiting_until=None)
        self._next_enrol_s = self._services.elapsed_s() + self._timings.link_retry_s

    def _end_session(self) -> None:
        if self._ear is not None:
            self._ear.stop()
        self._ear = None
        if self._session is not None:
            self._session.leave()
        self._session = None
