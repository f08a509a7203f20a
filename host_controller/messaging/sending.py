"""Taking the next message for one phone and handing it over, the intent always on disk first."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from device_drivers.base import PhoneDriver, SubmitReceipt
from device_drivers.errors import NotSubmittedError, SubmitError, SubmitRejectedError
from device_drivers.failpoints import failpoint
from host_controller.fleet.phone import Enrolled, RackSim
from host_controller.messaging import attempts
from host_controller.messaging.attempts import Claim, Sender, Verdict
from host_controller.messaging.hands import Hands
from host_controller.messaging.queue import Queue, QueuedMessage
from host_controller.messaging.sim_choice import SimChoice, Wait
from host_controller.messaging.unproven import UnprovenAttempt
from host_controller.rules.states import AttemptState, Evidence
from host_controller.rules.timings import Timings
from host_controller.store.store import Store
from host_controller.text.parts import cut_into_parts

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

    until: datetime | None = None
    """When the first message is due that waits for a time; None where none does."""


@dataclass(frozen=True)
class Full:
    """As many messages as may be are in the phone's hands; some must be proven first."""


class Sending:
    """Sends through one phone, from one thread."""

    def __init__(
        self,
        store: Store,
        queue: Queue,
        hands: Hands,
        enrolled: Enrolled,
        choice: SimChoice,
        timings: Timings,
        clock: Callable[[], datetime],
        actor: str,
    ) -> None:
        self._store = store
        self._queue = queue
        self._hands = hands
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
    ) -> Idle | Full | Wait | None:
        """Send one message, or say why none goes now; None means that one was handed over.

        Raises SubmitError after what it means is on record.
        """
        # These looks spare a hundred lanes the wait for the only writer.
        waiting = self._hands.open
        in_hands = {(attempt.msisdn, attempt.text) for attempt in waiting}
        # While the last one ended without proof, one more at a time is enough to find out.
        if len(waiting) >= (self._most_unproven if self._hands.is_trusted else 1):
            return Full()
        now = self._clock()
        if self._queue.is_empty(self._enrolled.phone_id, self._sim_ids, now):
            return Idle(self._queue.due_at)
        blocked = self._choice.choose(1, now, usable_slots)
        if isinstance(blocked, Wait):
            return blocked  # no SIM may send even a single part
        failpoint("intent.before")
        taken = self._store.write(lambda session: self._take(session, phone_clock, usable_slots, in_hands))
        if isinstance(taken, (Idle, Wait)):
            return taken
        failpoint("intent.after")
        claim, sim = taken
        parts = cut_into_parts(claim.message.text).texts
        self._choice.note(sim, self._clock(), len(parts))
        self._hands.take(_unproven(claim, sim, phone_clock, self._enrolled.boot_id, len(parts)))
        receipt = self._hand_over(driver, claim, sim, parts)
        failpoint("returned.before")
        self._store.write(lambda session: attempts.note_returned(session, claim.attempt_id, receipt.phone_clock_ms))
        failpoint("returned.after")
        self._hands.note_returned(claim.attempt_id, receipt.phone_clock_ms)
        return None

    def recount(self) -> None:
        """Attempts turned out to have sent nothing: take every SIM's limits from the record again."""
        with self._store.reading() as session:
            self._choice.reload_all(session, self._clock())
        self._queue.forget()
        self._hands.forget()

    def _take(
        self,
        session: Session,
        phone_clock: ClockReading,
        usable_slots: frozenset[int],
        in_hands: Collection[tuple[str, str]],
    ) -> Idle | Wait | tuple[Claim, RackSim]:
        now = self._clock()
        sender = Sender(
            self._enrolled.phone_id,
            _HOST,
            self._enrolled.epoch,
            self._enrolled.boot_id,
            phone_clock.phone_ms,
            phone_clock.offset_ms,
        )
        soonest: Wait | None = None
        parked: dict[QueuedMessage, rules.Wait] = {}
        for message in self._queue.messages(session, self._enrolled.phone_id, self._sim_ids, now):
            if len(parked) >= _PARK_AT_ONCE:
                break
            if (wait := self._rules.held(session, message, now)) is not None:
                parked[message] = wait
                continue
            # Two equal rows could not be told apart.
            is_there = (message.msisdn, message.text) in in_hands
            choice = None if is_there else self._judge(message, now, usable_slots)
            if isinstance(choice, RackSim):
                claim = attempts.claim(session, message, choice.sim_id, sender, now=now, actor=self._actor)
                self._queue.drop(message)
                if claim is not None:
                    return claim, choice
            elif choice is not None and (soonest is None or choice.until < soonest.until):
                soonest = choice
        return soonest or Idle(self._queue.due_at)

    def _judge(self, message: QueuedMessage, now: datetime, usable_slots: frozenset[int]) -> RackSim | Wait | None:
        """Give the SIM for a message, or what it waits for; None where it is not for this phone, or not now."""
        if message.only_phone_id not in (None, self._enrolled.phone_id):
            return None
        if message.only_sim_id is not None and message.only_sim_id not in self._sim_ids:
            return None
        return self._choice.choose(message.parts, now, usable_slots, message.only_sim_id)

    def _hand_over(self, driver: PhoneDriver, claim: Claim, sim: RackSim, parts: Sequence[str]) -> SubmitReceipt:
        try:
            return driver.submit(claim.wire_id, sim.sim, claim.message.msisdn, parts)
        except NotSubmittedError as error:
            self._give_back(claim, sim, f"not handed over: {error.reason}", Evidence.LINK)
            raise
        except SubmitRejectedError as error:
            self._give_back(claim, sim, f"the phone refused it: {error.reason}", Evidence.REJECTED)
            raise
        except SubmitError as error:
            _log.warning("message %s may have left: %s", claim.message.message_id, error)
            raise

    def _give_back(self, claim: Claim, sim: RackSim, reason: str, evidence: Evidence) -> None:
        """Nothing left: settle the attempt and take its parts out of the SIM's limits again."""

        def work(session: Session) -> None:
            verdict = Verdict(self._clock(), self._actor, reason, evidence)
            attempts.settle_not_sent(session, claim.attempt_id, verdict, self._timings)
            self._choice.reload(session, sim, verdict.now)

        failpoint("not_sent.before")
        self._store.write(work)
        failpoint("not_sent.after")
        self._queue.forget()
        self._hands.forget([claim.attempt_id])


def _unproven(
    claim: Claim, sim: RackSim, phone_clock: ClockReading, boot_id: str | None, parts: int
) -> UnprovenAttempt:
    return UnprovenAttempt(
        claim.attempt_id,
        AttemptState.INTENT,
        sim.sim.subscription_id,
        phone_clock.phone_ms,
        claim.wire_id,
        parts,
        boot_id,
        claim.intent_at,
        claim.message.msisdn,
        claim.message.text,
    )
