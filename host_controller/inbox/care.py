"""What an operator does with the inbox: decide what a reply meant, and have the last days read again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from device_drivers.base import PhoneDriver
from host_controller.consent.opt_outs import OptOutSource, Origin
from host_controller.errors import ConfigError, ControllerError, NotRunningError, NotSuspectedError, UnknownInboundError
from host_controller.fleet.care import PhoneCare
from host_controller.fleet.phone import PhoneView
from host_controller.fleet.rack import Rack
from host_controller.inbox.reading import Inbox, Received
from host_controller.messaging.opting_out import OptedOut, opt_out
from host_controller.settings import Settings
from host_controller.store.models import InboundRecord
from host_controller.store.store import Store
from host_controller.text.msisdn import parse_msisdn
from host_controller.text.stop_words import StopVerdict

_RULE = "decided"


class Decision(StrEnum):
    """What a person says a suspected STOP is."""

    STOP = "stop"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Rescanned:
    """What reading one phone again gave."""

    serial: str
    read: int = 0
    new: int = 0
    error: str | None = None


class InboxCare:
    """The operator's hand on the inboxes."""

    def __init__(
        self, care: PhoneCare, rack: Rack | None, store: Store, settings: Settings, clock: Callable[[], datetime]
    ) -> None:
        self._care = care
        self._rack = rack
        self._store = store
        self._settings = settings
        self._clock = clock

    def decide(self, inbound_id: int, decision: Decision, actor: str) -> OptedOut:
        """Say what a suspected STOP is; as a STOP it counts as the person's own, and their START lifts it.

        Raises UnknownInboundError, and NotSuspectedError where there is nothing to decide.
        """

        def work(session: Session) -> OptedOut:
            record = session.get(InboundRecord, inbound_id)
            if record is None:
                raise UnknownInboundError(f"there is no inbound message {inbound_id}")
            if record.stop != StopVerdict.SUSPECTED:
                raise NotSuspectedError("only a suspected STOP is decided by a person")
            if record.decision is not None:
                raise NotSuspectedError(f"it was decided before, by {record.decided_by}: {record.decision}")
            now = self._clock()
            record.decision, record.decided_at, record.decided_by = decision, now, actor
            if decision is Decision.NOTHING:
                return OptedOut(is_new=False, cancelled=0)
            record.may_forward = True  # as a clear one may, whatever is chosen
            number = self._number(record)
            origin = Origin(OptOutSource.INBOUND, actor, record.id, rule=_RULE, word=record.stop_word)
            return opt_out(session, number, origin, now=now)

        with self._store.reading() as session:
            found = session.get(InboundRecord, inbound_id)
            is_suspected = found is not None and found.stop == StopVerdict.SUSPECTED
            numbers = [self._number(found)] if found and is_suspected else []
        with self._store.refusals.writing(numbers):
            return self._store.write(work)

    def _number(self, record: InboundRecord) -> str:
        return record.msisdn or parse_msisdn(record.sender, self._settings.messages.home_region).e164

    def rescan(self, days: int, serial: str | None = None) -> list[Rescanned]:
        """Read the last days of one phone's inbox, or of all, again: what was missed is stored, what is known stays.

        Raises NotRunningError, UnknownPhoneError, and ConfigError where no phone can be read.
        """
        if self._rack is None:
            raise NotRunningError("no daemon runs; start it with `smsrack run`")
        readable = [view for view in self._rack.phones() if view.enrolled and view.enrolled.is_readable]
        if serial is not None:
            readable = [view for view in readable if serial in _names(view)]
        if not readable:
            raise ConfigError("no enrolled phone whose messages can be read is in sight; `smsrack phones` says why")
        phones = [(view.serial, view.enrolled.phone_id) for view in readable if view.enrolled]
        with ThreadPoolExecutor(len(phones), "rescan") as pool:
            return list(pool.map(lambda phone: self._rescan_one(phone[0], phone[1], days), phones))

    def _rescan_one(self, serial: str, phone_id: int, days: int) -> Rescanned:
        inbox = Inbox(self._store, self._settings, self._clock)

        def work(driver: PhoneDriver) -> Received:
            return inbox.rescan(phone_id, driver, days)

        try:
            received = self._care.errand(serial, work)
        except ControllerError as error:
            return Rescanned(serial, error=str(error))
        return Rescanned(serial, received.read, received.new)


def _names(view: PhoneView) -> tuple[str | None, ...]:
    return view.serial, view.identity.hardware_serial if view.identity else None
