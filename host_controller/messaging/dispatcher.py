"""What all lanes share to choose their next message."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from host_controller.events import Bells
from host_controller.messaging.board import Board
from host_controller.messaging.holds import HoldKind, Holds, Scope, hold
from host_controller.messaging.pulse import Pulse
from host_controller.messaging.queue import Queue
from host_controller.messaging.rack_rules import RackRules
from host_controller.messaging.workload import Workload
from host_controller.rules.configured import sticky_rule
from host_controller.rules.ramp import Ramp
from host_controller.rules.sticky import StickyRule
from host_controller.rules.waiting import Wait, WaitReason, shortest
from host_controller.settings import Settings
from host_controller.store.store import Store

_log = logging.getLogger(__name__)
_ACTOR = "spend fuse"


@dataclass(frozen=True)
class Dispatcher:
    """The queue, what holds it back as a whole, and how each SIM stands."""

    queue: Queue
    holds: Holds
    rules: RackRules
    board: Board
    workload: Workload
    pulse: Pulse
    sticky: StickyRule | None

    def beat(self, now: datetime) -> bool:
        """A SIM is free to send: what an outage has made stale is held before anybody looks for a message.

        True where that took its time: see `Pulse.beat`.
        """
        if not self.pulse.beat(now):
            return False
        self.queue.forget()
        return True

    def ramp(self) -> Ramp:
        """What slows the SIMs since the last outage, or did."""
        return self.pulse.ramp()

    def rolled_back(self) -> None:
        """The writer took back what it had done; called in its thread."""
        self.queue.forget()
        self.rules.rolled_back()

    def usual_wait(self) -> WaitReason | None:
        """What a message for any SIM waits for, as the lanes last said; None where one of them would take it."""
        hold = self.holds.rack()
        if hold is not None:
            return hold.wait_reason
        waits = [standing.wait for standing in self.board.at_work().values()]
        found = shortest(wait for wait in waits if wait is not None)
        if found is None or None in waits:
            return None if waits else WaitReason.NO_PHONE
        return found.reason

    def hold_rack(self, words: str, now: datetime) -> Wait:
        """The fuse for money has blown: nothing goes until a person lets it."""
        self.holds.change(lambda session: hold(session, Scope.RACK, None, HoldKind.FUSE, words, now, _ACTOR))
        _log.error("the rack is held: %s", words)
        return Wait(None, WaitReason.SPEND_FUSE)


def build_dispatcher(
    store: Store,
    bells: Bells,
    holds: Holds,
    settings: Settings,
    clock: Callable[[], datetime],
    elapsed_s: Callable[[], float] = time.monotonic,
) -> Dispatcher:
    """Put together what the lanes of a store share. `elapsed_s` is a monotonic clock."""
    queue, rules, board = Queue(bells), RackRules(settings), Board(clock())
    workload, pulse = Workload(store, queue, board, clock, elapsed_s), Pulse(store, settings, rules.opens_at)
    dispatcher = Dispatcher(queue, holds, rules, board, workload, pulse, sticky_rule(settings.sticky))
    store.on_begin(rules.began)
    store.on_rollback(dispatcher.rolled_back)
    return dispatcher
