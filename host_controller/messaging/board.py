"""How each SIM of the rack stands, as its own lane last said: for the other lanes, and for who asks why."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from host_controller.rules.choice import SimView
from host_controller.rules.classes import MessageClass
from host_controller.rules.recipient_filter import EVERYBODY, Node
from host_controller.rules.waiting import Wait, WaitReason

# A SIM that is not held itself does not wait for this: another SIM of its phone does.
_OF_ONE_SIM = (WaitReason.PAUSED, WaitReason.NO_SERVICE)

Limits = Callable[[int, int, MessageClass, str | None, datetime], Wait | None]
"""What the limits of a SIM say to a message of so many parts, a class and a recipient now. Thread-safe."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One SIM."""

    wait: Wait | None
    """What holds its next message; None where it sends, or has nothing to send."""
    away_since: datetime | None
    """Since when it takes nothing at all; None while it may take messages."""
    sim: SimView | None = None
    """The SIM, its limits and whom it may write to; None while its phone has not been at work."""
    held: Wait | None = None
    """What holds it for every message, though its phone is at work: a pause, no network."""
    limits: Limits | None = None
    """What its limits say; None where its lane has not told."""

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
        """The SIMs whose phones are at work."""
        found = list(self._standings.items())
        return {sim_id: one for sim_id, one in found if one.away_since is None or one.held is not None}

    def post(self, sims: Collection[SimView], wait: Wait | None) -> None:
        """These are at work, and wait, or do not; one that is held waits for that."""
        with self._lock:
            for sim in sims:
                found = self._standings.get(sim.sim_id)
                if found is None or found.held is None:
                    limits = found.limits if found else None
                    shown = None if limits and wait and wait.reason in _OF_ONE_SIM else wait
                    self._standings[sim.sim_id] = Standing(shown, None, sim, limits=limits)
                else:
                    self._standings[sim.sim_id] = replace(found, sim=sim)

    def tell(self, held: Mapping[int, Wait | None], limits: Limits, now: datetime) -> None:
        """Of SIMs of a phone at work: what holds each for every message from now on, if anything, and who is asked."""
        with self._lock:
            for sim_id, wait in held.items():
                found = self._standings.get(sim_id) or Standing(None, None)
                if (found.held, found.limits) == (wait, limits) and (wait is None) is (found.away_since is None):
                    continue
                since = None if wait is None else found.away_since or now
                shown = found.wait if wait is None and found.held is None else wait
                self._standings[sim_id] = Standing(shown, since, found.sim, wait, limits)

    def leave(self, sim_ids: Collection[int], now: datetime) -> None:
        """These take nothing from now on."""
        with self._lock:
            for sim_id in sim_ids:
                found = self._standings.get(sim_id) or Standing(None, None)
                since = found.away_since or now
                self._standings[sim_id] = replace(found, away_since=since, held=None, limits=None)
