"""Which SIM of a phone may send now, by the limits of each; and when, if none may."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from host_controller.fleet.phone import Enrolled, RackSim
from host_controller.messaging.attempts import spent_parts
from host_controller.rules.limits import GuardLimit, SendHistory, SimLimits, history_start, next_allowed
from host_controller.rules.waiting import WaitReason
from host_controller.store.store import Store

_NEVER = datetime.min.replace(tzinfo=UTC)
# How soon to ask again whether a radio has come back; the health reading that says so is slower.
_NO_SERVICE_PAUSE = timedelta(seconds=15)


@dataclass(frozen=True)
class Wait:
    """No SIM may send before this time."""

    until: datetime
    reason: WaitReason


class SimChoice:
    """The limits of one phone's SIMs, held in memory and filled from the attempts on record."""

    def __init__(self, store: Store, enrolled: Enrolled, zone: ZoneInfo, now: datetime) -> None:
        guard = GuardLimit(enrolled.guard.max_parts, enrolled.guard.interval_s)
        self._sims = {sim.sim_id: sim for sim in enrolled.usable_sims}
        self._limits = {
            sim.sim_id: SimLimits(sim.parts_per_minute, sim.parts_per_day, guard, zone) for sim in self._sims.values()
        }
        self._history: dict[int, SendHistory] = {}
        self._last_used = dict.fromkeys(self._sims, _NEVER)
        with store.reading() as session:
            self.reload_all(session, now)

    def choose(
        self, part_count: int, now: datetime, usable_slots: frozenset[int], only_sim_id: int | None = None
    ) -> RackSim | Wait:
        """Give the SIM that may send so many parts now, the longest idle first; else the soonest wait."""
        if not self._sims:
            return Wait(now + _NO_SERVICE_PAUSE, WaitReason.STOPPED)
        verdicts = [
            (next_allowed(self._limits[sim.sim_id], self._history[sim.sim_id], part_count, now), sim)
            for sim in self._sims.values()
            if sim.sim.slot_index in usable_slots and only_sim_id in (None, sim.sim_id)
        ]
        if not verdicts:
            return Wait(now + _NO_SERVICE_PAUSE, WaitReason.NO_SERVICE)
        verdict, sim = min(verdicts, key=lambda pair: (pair[0].allowed_at, self._last_used[pair[1].sim_id]))
        return sim if verdict.allowed_at <= now else Wait(verdict.allowed_at, verdict.reason)

    def note(self, sim: RackSim, at: datetime, part_count: int) -> None:
        """Count parts against a SIM's limits, from the moment of the intent."""
        history = self._history[sim.sim_id]
        history.append(at, part_count)
        history.prune(history_start(self._limits[sim.sim_id], at))
        self._last_used[sim.sim_id] = at

    def reload_all(self, session: Session, now: datetime) -> None:
        """Take every SIM's history from the record."""
        for sim in self._sims.values():
            self.reload(session, sim, now)

    def reload(self, session: Session, sim: RackSim, now: datetime) -> None:
        """Take a SIM's history from the record again, after an attempt turned out not to have left."""
        since = history_start(self._limits[sim.sim_id], now)
        self._history[sim.sim_id] = SendHistory(spent_parts(session, sim.sim_id, since))
