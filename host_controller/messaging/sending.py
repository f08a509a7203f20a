"""Handing the next message to one phone, the intent always on disk first."""

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
from host_controller.messaging import attempts
from host_controller.messaging.attempts import Claim, Sender, Verdict
from host_controller.messaging.dispatcher import Dispatcher
from host_controller.messaging.hands import Hands
from host_controller.messaging.sim_choice import SimChoice
from host_controller.messaging.taking import Blown, Idle, Taken, Taking
from host_controller.messaging.unproven import UnprovenAttempt
from host_controller.rules.states import AttemptState, Evidence
from host_controller.rules.timings import Timings
from host_controller.rules.waiting import Wait
from host_controller.store.refusals import RefusedMeanwhileError
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
class Full:
    """As many messages as may be are in the phone's hands; some must be proven first."""


class Sending:
    """Sends through one phone, from one thread."""

    def __init__(
        self,
        store: Store,
        dispatcher: Dispatcher,
        hands: Hands,
        enrolled: Enrolled,
        choice: SimChoice,
        timings: Timings,
        clock: Callable[[], datetime],
        actor: str,
        is_current: Callable[[], bool] = lambda: True,
    ) -> None:
        """`is_current` says whether the phone is still enrolled as `enrolled` says, limits and filter included."""
        self._is_current = is_current
        self._store = store
        self._shared = dispatcher
        self._hands = hands
        self._enrolled = enrolled
        self._choice = choice
        self._taking = Taking(dispatcher, enrolled, choice, actor)
        self._timings = timings
        self._clock = clock
        self._actor = actor

    def send_next(
        self, driver: PhoneDriver, phone_clock: ClockReading, usable_slots: frozenset[int]
    ) -> Idle | Full | Wait | None:
        """Send one message, or say why none goes now.

        None means that one was handed over, or was kept back at the last moment: go on at once.
        Raises SubmitError after what it means is on record.
        """
        # These looks spare a hundred lanes the wait for the only writer.
        waiting = self._hands.count
        # While the last one ended without proof, one more at a time is enough to find out.
        if waiting >= (self._enrolled.most_unproven if self._hands.is_trusted else 1):
            self.write_note()
            self._taking.tell(self._clock(), usable_slots)
            return Full()
        blocked = self._taking.blocked(self._clock(), usable_slots)
        if blocked is not None:
            self.write_note()
            return blocked
        in_hands = self._hands.contents
        enrolled = self._enrolled
        sender = Sender(
            enrolled.phone_id, _HOST, enrolled.epoch, enrolled.boot_id, phone_clock.phone_ms, phone_clock.offset_ms
        )

        def take(session: Session) -> Taken | Idle | Blown | Wait:
            # With the note of the last one: a commit for each would halve what a phone can send.
            self._note_on_record(session)
            if not self._is_current():
                return Idle(self._clock())  # a person has just changed it: what comes after that goes by the new rules
            return self._taking.take(session, sender, self._clock(), usable_slots, in_hands)

        stamp = self._store.refusals.stamp()
        failpoint("intent.before")
        taken = self._store.write(take)
        failpoint("intent.after")
        self._hands.unwritten = None
        if isinstance(taken, Blown):
            return self._shared.hold_rack(taken.words, self._clock())
        if isinstance(taken, (Idle, Wait)):
            return taken
        claim, sim = taken
        self._choice.note(sim, claim.use)
        self._hands.take(_unproven(claim, sim, sender))
        receipt = self._hand_over(driver, claim, sim, stamp)
        if receipt is None:
            return None
        self._hands.note_returned(claim.attempt_id, receipt.phone_clock_ms)
        return None

    def write_note(self) -> None:
        """Put on record that the last call has returned, where that is not there yet. Raises StoreError."""
        if self._hands.unwritten is None:
            return
        failpoint("returned.before")
        self._store.write(self._note_on_record)
        failpoint("returned.after")
        self._hands.unwritten = None

    def _note_on_record(self, session: Session) -> None:
        if self._hands.unwritten is not None:
            attempts.note_returned(session, *self._hands.unwritten)

    @property
    def is_shut(self) -> bool:
        """See Taking."""
        return self._taking.is_shut

    @property
    def goes_on_at(self) -> datetime | None:
        """See Taking."""
        return self._taking.goes_on_at

    def recount(self) -> None:
        """Attempts turned out to have sent nothing: what is in memory is taken from the record again."""
        self._choice.recount(self._clock())
        self._hands.forget()
        self._shared.queue.forget()

    def _hand_over(self, driver: PhoneDriver, claim: Claim, sim: RackSim, stamp: int) -> SubmitReceipt | None:
        """None where the recipient has opted out since the claim began: then it stays with us."""
        number = claim.message.msisdn
        parts = cut_into_parts(claim.message.text).texts
        refusals = self._store.refusals
        try:
            return driver.submit(claim.wire_id, sim.sim, number, parts, lambda: refusals.last_look(number, stamp))
        except RefusedMeanwhileError:
            self._give_back(claim, sim, "the recipient opted out before it was handed over", Evidence.OPTED_OUT)
            return None
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
        """Nothing left: settle the attempt and take its parts out of the limits again."""
        verdict = Verdict(self._clock(), self._actor, reason, evidence)

        def work(session: Session) -> None:
            attempts.settle_not_sent(session, claim.attempt_id, verdict, self._timings)
            self._shared.rules.take_back(claim.message, claim.intent_at)

        failpoint("not_sent.before")
        self._store.write(work)
        failpoint("not_sent.after")
        self._choice.take_back(sim, claim.use, verdict.now)
        self._hands.forget([claim.attempt_id])
        self._shared.queue.forget()


def _unproven(claim: Claim, sim: RackSim, sender: Sender) -> UnprovenAttempt:
    return UnprovenAttempt(
        claim.attempt_id,
        AttemptState.INTENT,
        sim.sim.subscription_id,
        sender.phone_clock_ms,
        claim.wire_id,
        claim.message.parts,
        sender.boot_id,
        claim.intent_at,
        claim.message.msisdn,
        claim.message.text,
    )
