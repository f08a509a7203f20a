"""What an operator does with a phone: enrol, confirm, release, change guard, filter or way to send, report, remove."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime
from typing import TypeVar

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from device_drivers.base import EnrolOptions, PhoneDriver, SendGuard, SendWay
from device_drivers.errors import DriverError
from host_controller.errors import ConfigError, NotRunningError, UnknownPhoneError
from host_controller.events import Bells
from host_controller.fleet.enrolment import (
    confirm,
    find_record,
    find_record_by_name,
    find_sims,
    note_event,
    remembered_options,
)
from host_controller.fleet.phone import LINKED, RackPhone
from host_controller.fleet.phone_filter import read_phone_filter
from host_controller.fleet.rack import Rack
from host_controller.store.models import PhoneCheckRecord, PhoneRecord, SimRecord
from host_controller.store.store import Store
from host_controller.text.msisdn import parse_msisdn

T = TypeVar("T")
# A lane that is in the middle of a hand-over or a reading gets to an errand after that.
_ERRAND_LIMIT_S = 50.0


class PhoneCare:
    """The operator's hand on the phones of one rack."""

    def __init__(self, rack: Rack | None, store: Store, bells: Bells, clock: Callable[[], datetime]) -> None:
        self._rack = rack
        self._store = store
        self._bells = bells
        self._clock = clock

    def enrol(self, serial: str, *, send_only: bool | None = None, way: SendWay | None = None) -> str:
        """Have a phone enrolled, or its check list gone through again; give its ADB serial.

        `send_only` and `way` None keep what was decided before. Raises UnknownPhoneError or NotRunningError.
        """
        phone = self._linked(serial)
        identity = phone.view().identity
        with self._store.reading() as session:
            on_record = remembered_options(session, identity.hardware_serial if identity else serial)
        before = on_record or phone.last_wish or EnrolOptions()
        phone.invite(
            replace(
                before,
                send_only=before.send_only if send_only is None else send_only,
                send_way=before.send_way if way is None else way,
            )
        )
        self._bells.ring()
        return phone.serial

    def release(self, serial: str) -> str:
        """Let a held phone send again. Raises as `enrol` does."""
        phone = self._phone(serial)
        phone.release()
        self._bells.ring()
        return phone.serial

    def confirm(self, serial: str, actor: str) -> int:
        """Say that a phone is as it should be; give how many SIMs may send again. Raises as `enrol` does."""
        phone, hardware_serial = self._known(serial)

        def work(session: Session) -> int:
            return confirm(session, self._record(session, hardware_serial), now=self._clock(), actor=actor)

        count = self._store.write(work)
        self._enrol_anew(phone)
        return count

    def set_guard(self, serial: str, guard: SendGuard | None, actor: str) -> None:
        """Change Android's send guard on the phone, None for what it was before we changed it.

        In force after the phone's next start. Raises as `enrol` does, and what `errand` raises.
        """
        self._enrol_anew(self._write_guard(serial, guard, actor))

    def _write_guard(self, serial: str, guard: SendGuard | None, actor: str) -> RackPhone:
        phone, hardware_serial = self._known(serial)
        with self._store.reading() as session:
            record = self._record(session, hardware_serial)
            before = record.guard_before
            current = {"max_parts": record.guard_max_parts, "interval_s": record.guard_interval_s}
        wanted = guard or (SendGuard(**before) if before else None)
        self.errand(serial, lambda driver: driver.set_guard(wanted))

        def work(session: Session) -> None:
            record = self._record(session, hardware_serial)
            record.guard_before = None if guard is None else (record.guard_before or current)
            words = f"{wanted.max_parts} parts in {wanted.interval_s:g} s" if wanted else "Android's own"
            note = f"send guard set to {words}; in force after a restart of the phone"
            note_event(session, record, "guard", note, now=self._clock(), actor=actor)

        self._store.write(work)
        return phone

    def set_filter(self, serial: str, text: str | None, actor: str) -> None:
        """Say, in JSON, whom a phone of the rack may write to, in sight or not; None for everybody.

        Raises InvalidFilterError or UnknownPhoneError.
        """
        if text is not None:
            read_phone_filter(text)

        def work(session: Session) -> None:
            record = self._named(session, serial)
            if record.recipient_filter != text:
                record.recipient_filter = text
                words = f"may write only to {text}" if text else "may write to everybody"
                note_event(session, record, "filter", words, now=self._clock(), actor=actor)

        self._store.write(work)
        phone = self._rack.find(serial) if self._rack else None
        if phone:
            self._enrol_anew(phone)

    def report(self, serial: str) -> dict[str, object]:
        """Give what the phone says about itself, and what its check list said, masked."""
        phone = self._phone(serial)
        topics = self.errand(serial, lambda driver: driver.read_report())
        view = phone.view()
        identity = view.identity
        about = asdict(replace(identity, serial="•••", hardware_serial="•••")) if identity else None
        checks = [asdict(check) for check in view.checks]
        return {"identity": about, "status": view.status, "checks": checks, "phone_says": topics}

    def remove(self, serial: str, actor: str) -> None:
        """Take a phone out of the rack: its guard is as it was before, and it sends nothing until it is enrolled.

        Its messages and events stay on record. A phone that is gone for good is removed as it is. Raises as
        `set_guard` does.
        """
        phone = self._rack.find(serial) if self._rack else None
        with self._store.reading() as session:
            record = self._named(session, serial)
            hardware_serial, guard_was_changed = record.hardware_serial, record.guard_before is not None
        in_sight = phone is not None and phone.view().link == LINKED
        if guard_was_changed and in_sight:
            # Were it enrolled anew for that, it could come back to the rack while it is taken out.
            self._write_guard(serial, None, actor)
        words = "taken out of the rack" + ("" if in_sight else ", out of sight")

        def work(session: Session) -> None:
            record = self._record(session, hardware_serial)
            note_event(session, record, "removed", words, now=self._clock(), actor=actor)
            session.execute(delete(PhoneCheckRecord).where(PhoneCheckRecord.phone_id == record.id))
            session.execute(update(SimRecord).where(SimRecord.phone_id == record.id).values(active=False))
            record.removed_at = self._clock()

        self._store.write(work)
        if phone is not None:
            self._enrol_anew(phone)

    def find_phone(self, serial: str) -> int:
        """Give the id of a phone of the rack, in sight or not. Raises UnknownPhoneError."""
        with self._store.reading() as session:
            return self._named(session, serial).id

    def find_sim(self, name: str) -> int:
        """Give the id of a SIM by its id, number, ICCID, or `SERIAL:SLOT` with slots from 1. Raises ConfigError."""
        with self._store.reading() as session:
            found = find_sims(session, name)
        if len(found) != 1:
            problem = "no SIM is" if not found else "several SIMs are"
            raise ConfigError(f"{problem} {name!r}; write an id, a number, an ICCID or SERIAL:SLOT of `smsrack phones`")
        return found[0]

    def set_number(self, sim_id: int, raw_number: str, home_region: str) -> str:
        """Write down a SIM's own number; give it in E.164. Raises ConfigError or InvalidMsisdnError."""
        number = parse_msisdn(raw_number, home_region).e164

        def work(session: Session) -> str:
            sim = session.get(SimRecord, sim_id)
            if sim is None:
                raise ConfigError(f"there is no SIM {sim_id}; `smsrack phones` lists them")
            sim.msisdn = number
            return sim.phone.adb_serial

        serial = self._store.write(work)
        phone = self._rack.find(serial) if self._rack else None
        if phone:
            self._enrol_anew(phone)
        return number

    def errand(self, serial: str, work: Callable[[PhoneDriver], T]) -> T:
        """Do something with the phone in its own lane. Raises ConfigError for whatever the phone answers badly."""
        phone = self._linked(serial)
        try:
            return phone.errands.ask(work, self._bells.ring, _ERRAND_LIMIT_S)
        except DriverError as error:
            raise ConfigError(f"the phone did not do it: {error.reason}") from error

    def _enrol_anew(self, phone: RackPhone) -> None:
        phone.update(enrolled=None)
        self._bells.ring()

    def _phone(self, serial: str) -> RackPhone:
        if self._rack is None:
            raise NotRunningError("no daemon runs; start it with `smsrack run`")
        phone = self._rack.find(serial)
        if phone is None:
            raise UnknownPhoneError(f"no phone {serial} is in sight; `smsrack phones` lists them")
        return phone

    def _linked(self, serial: str) -> RackPhone:
        phone = self._phone(serial)
        if phone.view().link != LINKED:
            raise ConfigError(f"the phone is not ready: {phone.view().advice}")
        return phone

    def _known(self, serial: str) -> tuple[RackPhone, str]:
        phone = self._phone(serial)
        identity = phone.view().identity
        if identity is None:
            raise ConfigError(f"nothing is known of {serial} yet; wait until it is enrolled")
        with self._store.reading() as session:
            self._record(session, identity.hardware_serial)
        return phone, identity.hardware_serial

    def _named(self, session: Session, serial: str) -> PhoneRecord:
        phone = self._rack.find(serial) if self._rack else None
        identity = phone.view().identity if phone else None
        record = find_record_by_name(session, identity.hardware_serial if identity else serial)
        if record is None:
            raise UnknownPhoneError(f"no phone {serial} is in the rack; `smsrack phones` lists them")
        return record

    @staticmethod
    def _record(session: Session, hardware_serial: str) -> PhoneRecord:
        record = find_record(session, hardware_serial)
        if record is None:
            raise ConfigError("this phone is not enrolled; `smsrack phones enrol` does it")
        return record
