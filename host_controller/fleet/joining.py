"""How a phone in sight becomes a phone of the rack, or does not, and says why."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from device_drivers.base import Check, Enrolment, EnrolOptions, Verdict
from host_controller.fleet.enrolment import Arrival, may_join, remembered_options, save_arrival
from host_controller.fleet.phone import Enrolled, RackPhone
from host_controller.fleet.rack import Rack
from host_controller.settings import Settings
from host_controller.store.store import Store

_log = logging.getLogger(__name__)
SIMULATED_MANUFACTURER = "smsrack simulator"
_OPERATOR = "operator"


class Joining:
    """Enrols phones of one rack."""

    def __init__(self, rack: Rack, store: Store, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._rack = rack
        self._store = store
        self._settings = settings
        self._clock = clock

    def join(self, phone: RackPhone) -> tuple[Enrolled, int] | None:
        """Probe the phone and, if it may and can join, record it; give it with its clock in ms.

        None where it does not join; the phone's view says why. Raises LinkError or PhoneAnswerError.
        """
        invitation = phone.invitation
        enrolment, options, known = self._enrol(phone, invitation)
        checks = (*enrolment.checks, *self._own_checks(phone, enrolment))
        phone.update(identity=enrolment.identity, checks=checks)
        failed = [check for check in checks if check.verdict is Verdict.FAIL]
        if failed:
            self._refuse(phone, failed)
            phone.invitation_is_done(invitation)
            return None
        with self._store.reading() as session:
            is_welcome = self._may_join(session, enrolment, invitation)
        if not is_welcome:
            phone.update(waits_for_consent=True, refusal=None)
            return None
        clock_ms = phone.driver.read_clock_ms()
        # To go through the list again confirms nothing: a stop is lifted by `confirm` only.
        confirmed_by = _OPERATOR if invitation and not known else None
        newest = phone.driver.read_newest_row_id() if enrolment.capabilities.can_read_sms and not known else None
        arrival = Arrival(enrolment, checks, options, phone.view().usb_path, clock_ms, confirmed_by, newest)
        enrolled = self._store.write(lambda session: self._save(session, arrival, phone.serial, invitation))
        phone.invitation_is_done(invitation)
        if enrolled is None:
            phone.update(waits_for_consent=True, refusal=None)
            return None
        phone.update(enrolled=enrolled, refusal=None, waits_for_consent=False)
        _log.info("phone %s (%s) joined with %s SIMs", phone.serial, enrolment.identity.model, len(enrolled.sims))
        for sim in enrolled.sims:
            if sim.stopped:
                _log.warning("phone %s: SIM %s is stopped: %s", phone.serial, sim.sim.slot_index + 1, sim.stopped)
        return enrolled, clock_ms

    def _save(
        self, session: Session, arrival: Arrival, serial: str, invitation: EnrolOptions | None
    ) -> Enrolled | None:
        """Record it, unless it has been taken out of the rack since it was asked."""
        if not self._may_join(session, arrival.enrolment, invitation):
            return None
        return save_arrival(session, arrival, self._settings.new_sims, now=self._clock(), actor=f"lane {serial}")

    def _may_join(self, session: Session, enrolment: Enrolment, invitation: EnrolOptions | None) -> bool:
        enrol_all = self._settings.phones.enrol_all
        return invitation is not None or may_join(session, enrolment.identity.hardware_serial, enrol_all=enrol_all)

    def _enrol(self, phone: RackPhone, invitation: EnrolOptions | None) -> tuple[Enrolment, EnrolOptions, bool]:
        """Enrol with what is known about the phone; who it is shows only afterwards, so it may take a second time."""
        identity = phone.view().identity
        guessed = self._remembered(identity.hardware_serial if identity else phone.serial)
        options = invitation or guessed or EnrolOptions()
        enrolment = phone.driver.enrol(options)
        remembered = self._remembered(enrolment.identity.hardware_serial)
        if remembered and not invitation and remembered != options:
            options = remembered
            enrolment = phone.driver.enrol(options)
        return enrolment, options, remembered is not None

    def _remembered(self, hardware_serial: str) -> EnrolOptions | None:
        with self._store.reading() as session:
            return remembered_options(session, hardware_serial)

    def _own_checks(self, phone: RackPhone, enrolment: Enrolment) -> list[Check]:
        """What this rack asks of a phone, beyond what the phone is."""
        return [self._guard_room(enrolment), self._identity(phone, enrolment), self._real_time(enrolment)]

    def _guard_room(self, enrolment: Enrolment) -> Check:
        guard, needed = enrolment.guard, self._settings.messages.max_parts
        if guard.max_parts >= needed:
            return Check("guard_room", Verdict.PASS, "a message of the longest kind passes Android's guard")
        return Check(
            "guard_room",
            Verdict.FAIL,
            f"its guard lets {guard.max_parts} parts pass in {guard.interval_s:g} s, a message may have {needed}",
            "`smsrack phones guard SERIAL --max-parts 30`, then restart the phone; or lower messages.max_parts",
        )

    def _identity(self, phone: RackPhone, enrolment: Enrolment) -> Check:
        clone = self._rack.clone_of(phone, enrolment.identity.hardware_serial)
        if clone is None:
            return Check("identity", Verdict.PASS, "no other phone has its serial number")
        return Check(
            "identity",
            Verdict.FAIL,
            f"the phone at {clone} has the same serial number, {enrolment.identity.hardware_serial}",
            "use one of the two only; or it is one phone that is reached in two ways",
        )

    def _real_time(self, enrolment: Enrolment) -> Check:
        if self._settings.timings_scale == 1 or enrolment.identity.manufacturer == SIMULATED_MANUFACTURER:
            return Check("timings", Verdict.PASS, "every wait is as long as it must be for this phone")
        step = "remove timings_scale from the settings"
        return Check("timings", Verdict.FAIL, "shortened waits are for simulated phones only", step)

    def _refuse(self, phone: RackPhone, failed: list[Check]) -> None:
        words = "; ".join(check.finding for check in failed)
        if phone.view().refusal != words:
            _log.warning("phone %s is refused: %s", phone.serial, words)
        phone.update(refusal=words, waits_for_consent=False, enrolled=None)
