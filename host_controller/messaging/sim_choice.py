"""Which SIM of a phone may send now, by the limits of each; and when, if none may."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from host_controller.fleet.phone import Enrolled, RackSim
from host_controller.messaging.attempts import spent_parts
from host_controller.rules.limits import GuardLimit, SendHistory, SimLimits, WaitReason, history_start, next_allowed
from host_controller.store.store import Store


@dataclass(frozen=True)
class Wait:
    """No SIM may send before this time."""

    until: datetime
    reason: WaitReason


class SimChoice:
    """The limits of one phone's SIMs, held in memory and filled from the attempts on record."""

    def __init__(self, store: Store, enrolled: Enrolled, zone: ZoneInfo, now: datetime) -> None:
        guard = GuardLimit(enrolled.guard.max_parts, enrolled.guard.interval_s)
        self._sims = {sim.sim_id: sim for sim in enrolled.sims}
        self._limits = {
            sim.sim_id: SimLimits(sim.parts_per_minute, sim.parts_per_day, guard, zone) for sim in enrolled.sims
        }
        self._history: dict[int, SendHistory] = {}
        with store.reading() as session:
            for sim in enrolled.sims:
                self.reload(session, sim, now)

    def choose(self, part_count: int, now: datetime, usable_slots: frozenset[int]) -> RackSim | Wait:
        """Give the SIM that may send so many parts now, the one that is free longest first; else how long to wait."""
        raise NotImplementedError
