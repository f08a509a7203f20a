"""Whether a phone and its SIMs do what they say, by what became of the last messages in a row."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from host_controller.fleet.enrolment import stop_sim
from host_controller.fleet.phone import Enrolled, RackPhone
from host_controller.messaging import attempts, unproven
from host_controller.store.store import Store

_log = logging.getLogger(__name__)
# A phone whose framework says yes and leaves no trace of this many messages in a row is not trusted with more.
_UNPROVEN_IN_A_ROW = 3
# So many refusals of the network in a row are the SIM's fault, not the messages'.
_REFUSED_IN_A_ROW = 3


class Trust:
    """Judges one phone, in the thread of its lane, by what it does from the beginning on."""

    def __init__(
        self, store: Store, phone: RackPhone, enrolled: Enrolled, clock: Callable[[], datetime], actor: str
    ) -> None:
        self._store = store
        self._phone = phone
        self._enrolled = enrolled
        self._clock = clock
        self._actor = actor
        self.begin_anew()

    def begin_anew(self) -> None:
        """Judge the phone by what it does from now on: it has just come, or a person has released it."""
        with self._store.reading() as session:
            self._first_attempt_id = attempts.last_attempt_id(session)

    def stop_refused_sims(self) -> bool:
        """Stop the SIMs whose messages the network refused, the last some of them; True where there were any."""
        with self._store.reading() as session:
            refused = [
                sim
                for sim in self._enrolled.usable_sims
                if unproven.withdrawn_in_a_row(session, sim.sim_id, self._first_attempt_id, _REFUSED_IN_A_ROW)
            ]
        if not refused:
            return False
        words = f"the network refused {_REFUSED_IN_A_ROW} messages in a row; look for its credit and its contract"

        def work(session: Session) -> None:
            for sim in refused:
                stop_sim(session, sim.sim_id, words, now=self._clock(), actor=self._actor)

        self._store.write(work)
        _log.error("phone %s: %s SIMs are stopped: %s", self._phone.serial, len(refused), words)
        self._phone.update(enrolled=None)  # enrolled anew, without them
        return True

    def lost(self) -> str | None:
        """Say why the phone is to be held, where nothing of what it took last can be proven."""
        if not self._enrolled.has_witness:
            return None  # the operator has accepted that nothing can be proven
        with self._store.reading() as session:
            nothing_proven = unproven.only_unknowns_since(
                session, self._enrolled.phone_id, self._first_attempt_id, _UNPROVEN_IN_A_ROW
            )
        if not nothing_proven:
            return None
        return (
            f"{_UNPROVEN_IN_A_ROW} messages in a row left no trace in its sent box; look for a dialog on its"
            " screen and for credit on its SIM, then release the phone"
        )
