"""Which SIM of a phone may send now, by the limits of each; and what the others wait for, if none may."""

from __future__ import annotations

from datetime import UTC, datetime

from host_controller.fleet.phone import Enrolled, RackSim
from host_controller.messaging.ledgers import PhoneLedgers
from host_controller.rules.classes import MessageClass
from host_controller.rules.ledger import Use
from host_controller.rules.waiting import Wait, WaitReason, shortest

_NEVER = datetime.min.replace(tzinfo=UTC)


class SimChoice:
    """The usable SIMs of one phone."""

    def __init__(self, enrolled: Enrolled, ledgers: PhoneLedgers) -> None:
        self._sims = enrolled.usable_sims
        self._ledgers = ledgers
        self._last_used = {sim.sim_id: _NEVER for sim in self._sims}

    def choose(
        self,
        parts: int,
        message_class: MessageClass,
        recipient: str | None,
        now: datetime,
        usable_slots: frozenset[int],
        only_sim_id: int | None = None,
    ) -> RackSim | Wait:
        """Give the SIM that may send a message now, the longest idle first; else the soonest wait.

        `recipient` None is one that every SIM knows.
        """
        if not self._sims:
            return Wait(None, WaitReason.STOPPED)
        waits = []
        for sim in sorted(self._sims, key=lambda sim: self._last_used[sim.sim_id]):
            if sim.sim.slot_index in usable_slots and only_sim_id in (None, sim.sim_id):
                wait = self._ledgers.next_allowed(sim.sim_id, parts, message_class, recipient, now)
                if wait is None:
                    return sim
                waits.append(wait)
        return shortest(waits) or Wait(None, WaitReason.NO_SERVICE)

    def allowed(
        self, sim_id: int, parts: int, message_class: MessageClass, to: str | None, now: datetime
    ) -> Wait | None:
        """What the limits of one SIM say to a message. From any thread."""
        return self._ledgers.next_allowed(sim_id, parts, message_class, to, now)

    def note(self, sim: RackSim, use: Use) -> None:
        """Count a use against a SIM's limits."""
        self._ledgers.note(sim.sim_id, use)
        self._last_used[sim.sim_id] = use.at

    def take_back(self, sim: RackSim, use: Use, now: datetime) -> None:
        """Uncount a use that is on record as not sent."""
        self._ledgers.take_back(sim.sim_id, use, now)

    def recount(self, now: datetime) -> None:
        """Take what every SIM was used for from the record again."""
        self._ledgers.reload(now)
