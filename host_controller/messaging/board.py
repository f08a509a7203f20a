"""How each SIM of the rack stands, as its own lane last said: for the other lanes, and for who asks why."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from host_controller.rules.choice import SimView
from host_controller.rules.recipient_filter import EVERYBODY, Node
from host_controller.rules.waiting import Wait


@dataclass(frozen=True, slots=True)
class Standing:
    """One SIM."""

    wait: Wait | None
    """What holds its next message; None where it sends, or has nothing to send."""
    away_since: datetime | None
    """Since when it takes nothing at all; None while it is at work."""
    sim: SimView | None = None
    """The SIM, its limits and whom it may write to; None while its phone has not been at work."""

    @property
    def recipients(self) -> Node:
        """Whom its phone may write to."""
        return EVERYBODY if self.sim is None else self.sim.recipients


class Board:
    """Standings by SIM id. Thread-safe."""

    def __init__(self, started_at: datetime) -> None:
        self._started_at = started_at
        self._standings: dict[int, Standing] = {}
        self._lock = threading.Lock()

    def standing(self, sim_id: int) -> Standing:
        """How a SIM stands; one that nobody has heard of is away since the start."""
        return self._standings.get(sim_id, Standing(None, self._started_at))

    def at_work(self) -> dict[int, Standing]:
        """The SIMs that take messages."""
        return {sim_id: found for sim_id, found in list(self._standings.items()) if found.away_since is None}

    def post(self, sims: Collection[SimView], wait: Wait | None) -> None:
        """These are at work, and wait, or do not."""
        with self._lock:
            for sim in sims:
                self._standings[sim.sim_id] = Standing(wait, None, sim)

    def leave(self, sim_ids: Collection[int], now: datetime) -> None:
        """These take nothing from now on."""
        with self._lock:
            for sim_id in sim_ids:
                found = self._standings.get(sim_id)
                if found is None or found.away_since is None:
                    self._standings[sim_id] = Standing(None, now) if found is None else replace(found, away_since=now)
