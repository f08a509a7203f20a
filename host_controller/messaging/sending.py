"""Taking the next message for one phone and handing it over, the intent always on disk first."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from device_drivers.base import PhoneDriver, SubmitReceipt
from device_drivers.errors import NotSubmittedError, SubmitError, SubmitRejectedError
from host_controller.fleet.phone import Enrolled, RackSim
from host_controller.messaging import attempts
from host_controller.messaging.attempts import Claim
from host_controller.messaging.sim_choice import SimChoice, Wait
from host_controller.store.store import Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Idle:
    """There is nothing that this phone may take."""


class Sending:
    """Sends through one phone, from one thread."""

    def __init__(
        self, store: Store, enrolled: Enrolled, choice: SimChoice, clock: Callable[[], datetime], actor: str
    ) -> None:
        self._store = store
        self._phone_id = enrolled.phone_id
        self._sim_ids = [sim.sim_id for sim in enrolled.usable_sims]
        # What the proof of such a phone cannot tell apart must not be in its hands at once.
        self._most_unproven = 1 if enrolled.proof_is_singular else attempts.MAX_UNCONFIRMED
        self._choice = choice
        self._clock = clock
        self._actor = actor

    def send_next(self, driver: PhoneDriver, phone_clock_ms: int, usable_slots: frozenset[int]) -> Idle | Wait | None:
        """Send one message, or say why none goes now; None means that one was handed over.

        `phone_clock_ms` is the last reading of the phone's clock: no row of this send can be older.
        Raises SubmitError after what it means is on record.
        """
        # Both looks spare a hundred lanes the wait for the only writer.
        with self._store.reading() as session:
            if attempts.is_queue_empty(session):
                return Idle()
        blocked = self._choice.choose(1, self._clock(), usable_slots)
        if isinstance(blocked, Wait):
            return blocked  # no SIM may send even a single part
        taken = self._store.write(lambda session: self._take(session, phone_clock_ms, usable_slots))
        if isinstance(taken, (Idle, Wait)):
            return taken
        claim, sim = taken
        self._choice.note(sim, self._clock(), len(claim.parts))
        receipt = self._hand_over(driver, claim, sim)
        self._store.write(lambda session: attempts.note_returned(session, claim.attempt_id, receipt.phone_clock_ms))
        return None

    def _take(
        self, session: Session, phone_clock_ms: int, usable_slots: frozenset[int]
    ) -> Idle | Wait | tuple[Claim, RackSim]:
        now = self._clock()
        candidate = attempts.next_candidate(
            session, self._phone_id, self._sim_ids, self._most_unproven, now=now, actor=self._actor
        )
        if candidate is None:
            return Idle()
        choice = self._choice.choose(candidate.part_count, now, usable_slots, candidate.only_sim_id)
        if isinstance(choice, Wait):
            return choice
        claim = attempts.record_intent(session, candidate, choice.sim_id, phone_clock_ms, now=now, actor=self._actor)
        return claim, choice

    def _hand_over(self, driver: PhoneDriver, claim: Claim, sim: RackSim) -> SubmitReceipt:
        try:
            return driver.submit(claim.wire_id, sim.sim, claim.msisdn, claim.parts)
        except NotSubmittedError as error:
            self._give_back(claim, sim, attempts.settle_not_sent, f"not handed over: {error.reason}")
            raise
        except SubmitRejectedError as error:
            self._give_back(claim, sim, attempts.settle_rejected, f"the phone refused it: {error.reason}")
            raise
        except SubmitError as error:
            _log.warning("message %s may have left: %s", claim.message_id, error)
            raise

    def _give_back(self, claim: Claim, sim: RackSim, settle: Callable[..., None], reason: str) -> None:
        """Nothing left: settle the attempt and take its parts out of the SIM's limits again."""

        def work(session: Session) -> None:
            settle(session, claim.attempt_id, now=self._clock(), actor=self._actor, reason=reason)
            session.flush()
            self._choice.reload(session, sim, self._clock())

        self._store.write(work)
