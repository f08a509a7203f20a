"""Which message a phone takes next, at the moment when it may send one. Asked within a work of the store's writer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy.orm import Session

from host_controller.fleet.phone import Enrolled, RackSim
from host_controller.messaging import attempts, recipients
from host_controller.messaging.attempts import Claim, Sender
from host_controller.messaging.depth import Depth
from host_controller.messaging.dispatcher import Dispatcher
from host_controller.messaging.queue import QueuedMessage
from host_controller.messaging.sim_choice import SimChoice
from host_controller.rules.choice import PATIENCE
from host_controller.rules.classes import MessageClass
from host_controller.rules.ledger import ONE_HOUR
from host_controller.rules.recipient_filter import EVERYBODY, is_match
from host_controller.rules.waiting import Wait, WaitReason, shortest

# So many are put aside in one transaction that it holds up nobody.
_PARK_AT_ONCE = 500


@dataclass(frozen=True)
class Idle:
    """There is nothing that this phone may take."""

    until: datetime | None = None
    """When the first message is due that waits for a time; None where none does."""


@dataclass(frozen=True)
class Blown:
    """The fuse for money has blown: the rack must be held."""

    words: str


Taken = tuple[Claim, RackSim]
_ROOM = (WaitReason.GUARD, WaitReason.HOUR, WaitReason.RESERVE)


class Taking:
    """One phone's choice."""

    def __init__(self, dispatcher: Dispatcher, enrolled: Enrolled, choice: SimChoice, actor: str) -> None:
        self._shared = dispatcher
        self._enrolled = enrolled
        self._choice = choice
        self._actor = actor
        self._depth = Depth()
        self.sim_ids = [sim.sim_id for sim in enrolled.usable_sims]
        self.is_shut = False
        """Whether, when it was asked last, no message whatever could have gone, also none that is still to come."""

    def blocked(self, now: datetime, usable_slots: frozenset[int]) -> Idle | Wait | None:
        """Say, without the writer, whether surely no message goes now, and until when."""
        self.is_shut = self._depth.is_cut = False
        self.tell(now, usable_slots)
        slots = self._free_slots(usable_slots)
        if slots and not isinstance(slots, Wait) and self._shared.beat(now):
            return Idle(now)  # at once, but with a new look at the phone
        if self._shared.queue.is_empty(self._enrolled.phone_id, self.sim_ids, now):
            return Idle(self._shared.queue.due_at)
        if isinstance(slots, Wait):
            self.is_shut = True
            return slots
        classes, waits = self._open_classes(now, slots)
        self.is_shut = not classes
        if classes and not self._shared.queue.is_empty(self._enrolled.phone_id, self.sim_ids, now, classes):
            return None
        return shortest(waits)

    def tell(self, now: datetime, usable_slots: frozenset[int]) -> None:
        """Let the others know which SIMs take nothing now, and whom to ask about the others."""
        self._shared.board.tell(
            {sim.sim_id: self._held_sim(sim, usable_slots) for sim in self._usable}, self._choice.allowed, now
        )

    def take(
        self,
        session: Session,
        sender: Sender,
        now: datetime,
        usable_slots: frozenset[int],
        in_hands: Collection[tuple[str, str]],
    ) -> Taken | Idle | Blown | Wait:
        """Claim the best message that may go now; else say what the next one waits for.

        `in_hands` are the (number, text) that the phone has already: two equal rows could not be told apart.
        """
        shared, slots = self._shared, self._free_slots(usable_slots)
        if isinstance(slots, Wait):
            return slots
        classes, waits = self._open_classes(now, slots)
        full: set[tuple[int, MessageClass, int | None]] = set()
        left = slots
        """Of the SIMs whose room is kept for nobody."""
        aside: dict[QueuedMessage, Wait] = {}
        result: Taken | Idle | Blown | Wait | None = None
        for message in self._messages(session, now, classes):
            if len(aside) >= _PARK_AT_ONCE:
                result = Idle(now)
                break
            kind = message.parts, message.message_class, message.only_sim_id
            if kind in full:
                continue
            held = self._held(session, message, now)
            if held is not None and held.reason is WaitReason.SPEND_FUSE:
                result = Blown(shared.rules.blown(session, now) or "")
                break
            if held is not None:
                aside[message] = held
                continue
            if (message.msisdn, message.text) in in_hands or not self._may_take(message, now):
                continue
            kept_sim_id = self._kept_sim(session, message, now, slots)
            if kept_sim_id is not None and kept_sim_id not in self.sim_ids:
                continue
            only_sim_id = message.only_sim_id or kept_sim_id
            if left != slots and self._slots_of(only_sim_id).isdisjoint(left):
                continue
            sim = self._choice.choose(message.parts, message.message_class, message.msisdn, now, left, only_sim_id)
            if isinstance(sim, Wait):
                waits.append(self._reason_of(sim, only_sim_id))
                if _is_out_of_patience(message, sim, now):
                    left -= self._kept_for(message, now, left & self._slots_of(only_sim_id))
                    if not left:
                        break
                    continue
                known = self._choice.choose(*kind[:2], None, now, left, message.only_sim_id)
                if isinstance(known, Wait):
                    full.add(kind)  # whoever the others are for
                continue
            claim = attempts.claim(session, message, sim.sim_id, sender, now=now, actor=self._actor)
            shared.queue.drop(message)
            if claim is not None:
                self._note(session, message, sim, now)
                result = claim, sim
                break
        shared.queue.park(session, aside)
        return result or shortest(waits) or Idle(self.goes_on_at or shared.queue.due_at)

    def count(self, session: Session, now: datetime, usable_slots: frozenset[int], most: int) -> dict[int, int]:
        """Count what the phone could take now, limits aside, up to `most`, by the SIM that it would leave from.

        The first SIM stands for any. Nothing is taken, put aside or held because of it.
        """
        slots = self._free_slots(usable_slots)
        if isinstance(slots, Wait):
            return {}
        found: Counter[int] = Counter()
        waiting = self._shared.queue.messages(session, self._enrolled.phone_id, self.sim_ids, now)
        for message in islice(waiting, most):
            is_held = self._shared.holds.of_batch(message.batch_id) or self._shared.rules.would_hold(
                session, message, now
            )
            if is_held or not self._may_take(message, now):
                continue
            kept_sim_id = self._kept_sim(session, message, now, slots)
            if kept_sim_id is None or kept_sim_id in self.sim_ids:
                found[message.only_sim_id or kept_sim_id or self.sim_ids[0]] += 1
        return found

    @property
    def goes_on_at(self) -> datetime | None:
        """When to look at more of what there is, where the last look did not see all of it."""
        return self._depth.goes_on_at

    def _messages(self, session: Session, now: datetime, classes: Collection[MessageClass]) -> Iterable[QueuedMessage]:
        """Give what there is for the phone, the first to go first."""
        return self._shared.queue.messages(
            session,
            self._enrolled.phone_id,
            self.sim_ids,
            now,
            classes=classes,
            own_first=self._shared.workload.is_behind(self.sim_ids),
            depth=self._depth,
            phones=len(self._shared.board.at_work()),
        )

    def _slots_of(self, only_sim_id: int | None) -> frozenset[int]:
        """Where the SIM is that a message must leave from; of all, where it is left to any."""
        return frozenset(sim.sim.slot_index for sim in self._usable if only_sim_id in (None, sim.sim_id))

    def _reason_of(self, wait: Wait, only_sim_id: int | None) -> Wait:
        """What a message waits for that no SIM takes, or that the one SIM does not that it must leave from."""
        if wait.reason is not WaitReason.NO_SERVICE or only_sim_id is None:
            return wait
        return self._shared.board.standing(only_sim_id).held or wait

    def _kept_for(self, message: QueuedMessage, now: datetime, slots: frozenset[int]) -> frozenset[int]:
        """Of these SIMs, those that shorter, younger messages leave to this one."""
        found = set()
        for slot in slots:
            only = frozenset((slot,))
            wait = self._choice.choose(message.parts, message.message_class, message.msisdn, now, only)
            if isinstance(wait, Wait) and _is_out_of_patience(message, wait, now):
                found.add(slot)
        return frozenset(found)

    def _open_classes(self, now: datetime, slots: frozenset[int]) -> tuple[list[MessageClass], list[Wait]]:
        """Give the classes of which some SIM may send at least a single part, and what the others wait for.

        A queue of a million that no SIM may send from today need not be looked through.
        """
        found = {each: self._choice.choose(1, each, None, now, slots) for each in MessageClass}
        waits = [wait for wait in found.values() if isinstance(wait, Wait)]
        return [each for each, sim in found.items() if not isinstance(sim, Wait)], waits

    def _free_slots(self, usable_slots: frozenset[int]) -> frozenset[int] | Wait:
        """Slots of the SIMs that nobody holds."""
        found = [(sim, self._paused(sim)) for sim in self._usable]
        free = {sim.sim.slot_index for sim, wait in found if wait is None}
        if found and not free:
            return next(wait for _, wait in found if wait is not None)
        return usable_slots & free

    def _held_sim(self, sim: RackSim, usable_slots: frozenset[int]) -> Wait | None:
        """What holds a SIM for every message."""
        no_service = None if sim.sim.slot_index in usable_slots else Wait(None, WaitReason.NO_SERVICE)
        return self._paused(sim) or no_service

    def _paused(self, sim: RackSim) -> Wait | None:
        """What a person, or a fuse, holds of a SIM."""
        hold = self._shared.holds.of_sim(self._enrolled.phone_id, sim.sim_id)
        return None if hold is None else Wait(None, hold.wait_reason)

    @property
    def _usable(self) -> tuple[RackSim, ...]:
        return self._enrolled.usable_sims

    def _held(self, session: Session, message: QueuedMessage, now: datetime) -> Wait | None:
        """What holds a message on every SIM."""
        hold = self._shared.holds.of_batch(message.batch_id)
        if hold is not None:
            return Wait(None, hold.wait_reason)
        return self._shared.rules.held(session, message, now)

    def _may_take(self, message: QueuedMessage, now: datetime) -> bool:
        """Say whether the message is for this phone."""
        if message.expires_at is not None and message.expires_at <= now:
            return False  # it is about to be closed
        if message.only_phone_id not in (None, self._enrolled.phone_id):
            return False
        if message.only_sim_id is not None and message.only_sim_id not in self.sim_ids:
            return False
        recipients_filter = self._enrolled.recipients
        return recipients_filter is EVERYBODY or is_match(recipients_filter, self._shared.rules.facts(message))

    def _kept_sim(self, session: Session, message: QueuedMessage, now: datetime, slots: frozenset[int]) -> int | None:
        """The SIM that the recipient knows, where the message must leave from it; None for any."""
        rule = self._shared.sticky
        if rule is None or message.only_sim_id is not None:
            return None

        def wait_of(sim_id: int) -> tuple[Wait | None, datetime | None] | None:
            if sim_id not in self.sim_ids:
                return self._elsewhere(message, sim_id, now)
            standing = self._shared.board.standing(sim_id)
            if standing.held is not None and self._slots_of(sim_id).isdisjoint(slots):
                return standing.held, standing.away_since
            found = self._choice.choose(message.parts, message.message_class, message.msisdn, now, slots, sim_id)
            return (found if isinstance(found, Wait) else None), None

        return recipients.kept_sim(session, message.msisdn, rule, wait_of, now)

    def _elsewhere(
        self, message: QueuedMessage, sim_id: int, now: datetime
    ) -> tuple[Wait | None, datetime | None] | None:
        """What holds a SIM of another phone, and since when it is away; None where the message is not for it."""
        standing = self._shared.board.standing(sim_id)
        if message.only_phone_id is not None or not is_match(standing.recipients, self._shared.rules.facts(message)):
            return None
        if standing.away_since is not None:
            return standing.held or Wait(None, WaitReason.NO_PHONE), standing.away_since
        if standing.limits is None:
            return standing.wait, None
        return standing.limits(sim_id, message.parts, message.message_class, message.msisdn, now), None

    def _note(self, session: Session, message: QueuedMessage, sim: RackSim, now: datetime) -> None:
        self._shared.rules.note(message, now)
        if self._shared.sticky is not None:
            recipients.remember(session, message.msisdn, sim.sim_id, now)


def _is_out_of_patience(message: QueuedMessage, wait: Wait, now: datetime) -> bool:
    """Say whether a message has waited so long for room that shorter, younger ones must leave it what comes free.

    Not where the room comes much later: what is left of a day is not kept for the next.
    """
    is_soon = wait.until is not None and wait.until - now <= ONE_HOUR
    return is_soon and wait.reason in _ROOM and now - message.created_at > PATIENCE
