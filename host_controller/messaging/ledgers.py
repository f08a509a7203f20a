"""What the SIMs of one phone have sent, in memory, filled from the attempts on record."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from host_controller.fleet.phone import Enrolled
from host_controller.fleet.sim_limits import limits_of
from host_controller.rules.classes import MessageClass
from host_controller.rules.ledger import Left, SimLedger, Spent, Use
from host_controller.rules.limits import SimLimits
from host_controller.rules.ramp import NO_RAMP, Ramp
from host_controller.rules.waiting import Wait
from host_controller.settings import Settings
from host_controller.store.spent import load_ledger
from host_controller.store.store import Store


class PhoneLedgers:
    """The ledgers of a phone's SIMs, stopped ones too. Thread-safe: its lane counts, the pages look.

    A question is answered from memory. Only where the clock was set far back are the rows read again.
    """

    def __init__(
        self,
        store: Store,
        enrolled: Enrolled,
        settings: Settings,
        now: datetime,
        ramp: Callable[[], Ramp] = lambda: NO_RAMP,
    ) -> None:
        """`ramp` says at each question what slows the SIMs."""
        self._store = store
        self._ramp = ramp
        self._limits = {sim.sim_id: limits_of(sim, enrolled.guard, settings) for sim in enrolled.sims}
        self._ledgers: dict[int, SimLedger] = {}
        self._asked_at: dict[int, datetime] = {}
        self._lock = threading.RLock()
        self.reload(now)

    def limits(self, sim_id: int) -> SimLimits:
        """Give the limits of a SIM."""
        return self._limits[sim_id]

    def next_allowed(
        self, sim_id: int, parts: int, message_class: MessageClass, recipient: str | None, now: datetime
    ) -> Wait | None:
        """Say what holds a message on a SIM for longest and until when; None where it may be handed over now.

        `recipient` None is one that the SIM has written to in this month.
        """
        with self._lock:
            return self._ledger(sim_id, now).next_allowed(parts, message_class, recipient, now, self._ramp())

    def note(self, sim_id: int, use: Use) -> None:
        """Count a use, at the time of its intent."""
        with self._lock:
            self._ledgers[sim_id].note(use)

    def take_back(self, sim_id: int, use: Use, now: datetime) -> None:
        """Uncount a use that is on record as not sent."""
        with self._lock:
            if not self._ledgers[sim_id].take_back(use):
                self._load([sim_id], now)

    def reload(self, now: datetime) -> None:
        """Take everything from the record again, after attempts turned out not to have left."""
        with self._lock:
            self._load(list(self._limits), now)

    def left(self, sim_id: int, message_class: MessageClass, now: datetime) -> Left:
        """Say what a SIM may still send for a class, leaving pace and guard aside."""
        with self._lock:
            return self._ledger(sim_id, now).left(message_class, now)

    def spent(self, now: datetime) -> dict[int, Spent]:
        """Say what each SIM has used."""
        with self._lock:
            return {sim_id: self._ledger(sim_id, now).spent(now) for sim_id in self._limits}

    def _ledger(self, sim_id: int, now: datetime) -> SimLedger:
        is_back, self._asked_at[sim_id] = now < self._asked_at[sim_id], now
        if is_back and not self._ledgers[sim_id].covers(now):
            self._load([sim_id], now)
        return self._ledgers[sim_id]

    def _load(self, sim_ids: list[int], now: datetime) -> None:
        with self._store.reading() as session:
            for sim_id in sim_ids:
                self._asked_at[sim_id] = now
                self._ledgers[sim_id] = load_ledger(session, sim_id, self._limits[sim_id], now)
