"""Taking the next message for one phone and handing it over, the intent always on disk first."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from device_drivers.base import PhoneDriver, SubmitReceipt
from device_drivers.errors import NotSubmittedError, SubmitError, SubmitRejectedError
from device_drivers.failpoints import failpoint
from host_controller.fleet.phone import Enrolled, RackSim
from host_controller.messaging import attempts, unproven
from host_controller.messaging.attempts import Claim, Sender, Verdict
from host_controller.messaging.sim_choice import SimChoice
from host_controller.rules.classes import MessageClass
from host_controller.rules.states import Evidence
from host_controller.rules.timings import Timings
from host_controller.rules.waiting import Wait
from host_controller.store.store import Store

_log = logging.getLogger(__name__)
_HOST = socket.gethostname()


@dataclass(frozen=True)
class ClockReading:
    """The last reading of the phone's clock: no row of a send that comes after it is older."""

    phone_ms: int
    offset_ms: int
    """By how much it was ahead of the host's clock."""

    @classmethod
    def at(cls, phone_ms: int, host_now: datetime) -> ClockReading:
        """Take a reading."""
        return cls(phone_ms, phone_ms - round(host_now.timestamp() * 1000))


@dataclass(frozen=True)
class Idle:
    """There is nothing that this phone may take."""


class Sending:
    """Sends through one phone, from one thread."""

    def __init__(
        self,
        store: Store,
        enrolled: Enrolled,
        choice: SimChoice,
        timings: Timings,
        clock: Callable[[], datetime],
        actor: str,
    ) -> None:
        self._store = store
        self._enrolled = enrolled
        self._timings = timings
        self._sim_ids = [sim.sim_id for sim in enrolled.usable_sims]
        # What the proof of such a phone cannot tell apart must not be in its hands at once.
        self._most_unproven = 1 if enrolled.proof_is_singular else attempts.MAX_UNCONFIRMED
        self._choice = choice
        self._clock = clock
        self._actor = actor

    def send_next(
        self, driver: PhoneDriver, phone_clock: ClockReading, usable_slots: frozenset[int]
    ) -> Idle | Wait | None:
        """Send one message, or say why none goes now; None means that one was handed over.

        Raises SubmitError after what it means is on record.
        """
        # Both looks spare a hundred lanes the wait for the only writer.
        with self._store.reading() as session:
            if attempts.is_queue_empty(session):
                return Idle()
        blocked = self._choice.choose(1, MessageClass.OTP, None, self._clock(), usable_slots)
        if isinstance(blocked, Wait):
            return blocked  # no SIM may send even a single part
        failpoint("intent.before")
        taken = self._store.write(lambda session: self._take(session, phone_clock, usable_slots))
        if isinstance(taken, (Idle, Wait)):
            return taken
        failpoint("intent.after")
        claim, sim = taken
        self._choice.note(sim, claim.use)
        receipt = self._hand_over(driver, claim, sim)
        failpoint("returned.before")
        self._store.write(lambda session: attempts.note_returned(session, claim.attempt_id, receipt.phone_clock_ms))
        failpoint("returned.after")
        return None

    def recount(self) -> None:
        """Attempts turned out to have sent nothing: take every SIM's limits from the record again."""
        self._choice.recount(self._clock())

    def _take(
        self, session: Session, phone_clock: ClockReading, usable_slots: frozenset[int]
    ) -> Idle | Wait | tuple[Claim, RackSim]:
        now = self._clock()
        # While the last one ended without proof, one more at a time is enough to find out.
        most = self._most_unproven if unproven.last_was_proven(session, self._enrolled.phone_id) else 1
        candidate = attempts.next_candidate(
            session, self._enrolled.phone_id, self._sim_ids, most, now=now, actor=self._actor
        )
        if candidate is None:
            return Idle()
        choice = self._choice.choose(
            candidate.part_count,
            candidate.message_class,
            candidate.msisdn,
            now,
            usable_slots,
            candidate.only_sim_id,
        )
        if isinstance(choice, Wait):
            return choice
        sender = Sender(
            self._enrolled.phone_id,
            _HOST,
            self._enrolled.epoch,
            self._enrolled.boot_id,
            phone_clock.phone_ms,
            phone_clock.offset_ms,
        )
        claim = attempts.record_intent(session, candidate, choice.sim_id, sender, now=now, actor=self._actor)
        return claim, choice

    def _hand_over(self, driver: PhoneDriver, claim: Claim, sim: RackSim) -> SubmitReceipt:
        try:
            return driver.submit(claim.wire_id, sim.sim, claim.msisdn, claim.parts)
        except NotSubmittedError as error:
            self._give_back(claim, sim, f"not handed over: {error.reason}", Evidence.LINK)
            raise
        except SubmitRejectedError as error:
            self._give_back(claim, sim, f"the phone refused it: {error.reason}", Evidence.REJECTED)
            raise
        except SubmitError as error:
            _log.warning("message %s may have left: %s", claim.message_id, error)
            raise

    def _give_back(self, claim: Claim, sim: RackSim, reason: str, evidence: Evidence) -> None:
        """Nothing left: settle the attempt and take its parts out of the SIM's limits again."""
        verdict = Verdict(self._clock(), self._actor, reason, evidence)
        failpoint("not_sent.before")
        self._store.write(lambda session: attempts.settle_not_sent(session, claim.attempt_id, verdict, self._timings))
        self._choice.take_back(sim, claim.use, verdict.now)
        failpoint("not_sent.after")
