"""How a phone in sight becomes a phone of the rack, or does not, and says why."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from device_drivers.base import Enrolment
from device_drivers.errors import UnsupportedPhoneError
from host_controller.fleet.enrolment import is_enrolled, save_enrolment
from host_controller.fleet.phone import Enrolled, RackPhone
from host_controller.fleet.rack import Rack
from host_controller.settings import Settings
from host_controller.store.store import Store

_log = logging.getLogger(__name__)
SIMULATED_MANUFACTURER = "smsrack simulator"


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
        try:
            enrolment = phone.driver.enrol()
            phone.update(identity=enrolment.identity)
            self._refuse_unfit(phone, enrolment)
        except UnsupportedPhoneError as error:
            if phone.view().refusal != error.reason:
                _log.warning("phone %s is refused: %s", phone.serial, error.reason)
            phone.update(refusal=error.reason)
            return None
        if not self._may_join(phone, enrolment):
            phone.update(waits_for_consent=True)
            return None
        clock_ms = phone.driver.read_clock_ms()
        enrolled = self._store.write(
            lambda session: save_enrolment(session, enrolment, clock_ms, self._settings.new_sims, now=self._clock())
        )
        phone.update(enrolled=enrolled, refusal=None, waits_for_consent=False)
        _log.info("phone %s (%s) joined with %s SIMs", phone.serial, enrolment.identity.model, len(enrolled.sims))
        return enrolled, clock_ms

    def _refuse_unfit(self, phone: RackPhone, enrolment: Enrolment) -> None:
        identity = enrolment.identity
        if not enrolment.can_read_sms:
            raise UnsupportedPhoneError(
                phone.serial, "its shell may not read SMS, so that no sending could be proven and no STOP seen"
            )
        guard = enrolment.guard
        if guard.max_parts < self._settings.messages.max_parts:
            raise UnsupportedPhoneError(
                phone.serial,
                f"its send guard lets {guard.max_parts} parts pass in {guard.interval_s:g} s; raise the setting"
                " sms_outgoing_check_max_count and restart the phone",
            )
        clone = self._rack.clone_of(phone, identity.hardware_serial)
        if clone is not None:
            raise UnsupportedPhoneError(
                phone.serial, f"it has the same hardware serial as the phone at {clone}; use only one of them"
            )
        if self._settings.timings_scale != 1 and identity.manufacturer != SIMULATED_MANUFACTURER:
            raise UnsupportedPhoneError(phone.serial, "timings_scale is for simulated phones; remove it")

    def _may_join(self, phone: RackPhone, enrolment: Enrolment) -> bool:
        if self._settings.phones.enrol_all or phone.may_join:
            return True
        with self._store.reading() as session:
            return is_enrolled(session, enrolment.identity.hardware_serial)
