"""Which SIM a message gets, or why it gets none; and which SIMs leave to others what those can take as well.

Pure: functions over frozen values. A message goes to the SIM with the fewest minutes of work before it, so that phones
of different speed finish together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from host_controller.rules.classes import MessageClass
from host_controller.rules.ledger import most_parts
from host_controller.rules.limits import SimLimits
from host_controller.rules.recipient_filter import EVERYBODY, Facts, Node, is_match, truth
from host_controller.rules.sticky import Sticky, StickyRule, is_kept
from host_controller.rules.waiting import NeverReason, Wait, WaitReason, shortest

PATIENCE = timedelta(minutes=10)
"""How long a long message lets shorter, younger ones take the room that it waits for."""
_NEVER_USED = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message that waits, with all that the choice depends on."""

    message_id: int
    message_class: MessageClass
    created_at: datetime
    parts: int
    recipient: str = field(repr=False)
    facts: Facts = field(default_factory=dict, repr=False)
    """What is known of the recipient."""
    only_phone_id: int | None = None
    only_sim_ids: frozenset[int] | None = None
    """The SIMs that it may leave from; None for any."""
    sticky: Sticky | None = None
    held: Wait | None = None
    """What holds it on every SIM: its window, quiet hours, a pause, a retry, a cap."""


@dataclass(frozen=True, slots=True)
class SimView:
    """A SIM of the rack, ready or not, as the choice sees it."""

    sim_id: int
    phone_id: int
    limits: SimLimits
    recipients: Node = EVERYBODY
    """Whom its phone may write to."""
    held: Wait | None = None
    """What holds the SIM for every message: a pause, no network, no phone."""
    away_since: datetime | None = None
    """Since when it has been held, where it has."""
    bound_parts: float = 0
    """Parts that wait for this SIM alone, with its share of those that wait for its phone."""
    last_used_at: datetime = _NEVER_USED

    @property
    def minutes(self) -> float:
        """Work that no other SIM can take from it."""
        return self.bound_parts / self.limits.lasting_parts_per_minute


@dataclass(frozen=True, slots=True)
class Never:
    """No phone could ever take the message."""

    reason: NeverReason


Allowed = Callable[[SimView, QueuedMessage], Wait | None]
"""What the limits of a SIM say to a message now."""


def may_take(message: QueuedMessage, sim: SimView) -> bool:
    """Say whether the constraints of the message and the filter of the phone let the SIM take it at all."""
    if message.only_phone_id not in (None, sim.phone_id):
        return False
    if message.only_sim_ids is not None and sim.sim_id not in message.only_sim_ids:
        return False
    return is_match(sim.recipients, message.facts)


def never(message: QueuedMessage, sims: Sequence[SimView]) -> Never | None:
    """Say why none of all the SIMs of the rack could ever take it.

    None where one could, and in a rack without SIMs where the message is not bound to one.
    """
    phones = [sim for sim in sims if message.only_phone_id in (None, sim.phone_id)]
    forced = [sim for sim in sims if message.only_sim_ids is None or sim.sim_id in message.only_sim_ids]
    both = [sim for sim in phones if message.only_sim_ids is None or sim.sim_id in message.only_sim_ids]
    if message.only_phone_id is not None and not phones:
        return Never(NeverReason.NO_SUCH_PHONE)
    if message.only_sim_ids is not None and not forced:
        return Never(NeverReason.NO_SUCH_SIM)
    if not both:
        return Never(NeverReason.CONTRADICTION) if sims else None
    # A recipient of whom too little is known may match when more is.
    open_to_it = [sim for sim in both if truth(sim.recipients, message.facts) is not False]
    if not open_to_it:
        return Never(NeverReason.NO_MATCH)
    rooms = [most_parts(sim.limits, message.message_class) for sim in open_to_it]
    if all(room is not None and room < message.parts for room in rooms):
        return Never(NeverReason.TOO_LONG)
    return None


def choose_sim(
    message: QueuedMessage, sims: Sequence[SimView], allowed: Allowed, now: datetime, rule: StickyRule | None = None
) -> SimView | Wait | Never:
    """Give the best SIM that may take the message now; else what it waits for; else why it will never go."""
    hopeless = never(message, sims)
    if hopeless is not None:
        return hopeless
    if message.held is not None:
        return message.held
    able = [sim for sim in sims if may_take(message, sim)]
    if not able:
        return Wait(None, WaitReason.NO_ROUTE if sims else WaitReason.NO_PHONE)
    waits = {sim.sim_id: _wait(message, sim, allowed) for sim in able}
    free = [sim for sim in able if waits[sim.sim_id] is None]
    stuck = _stuck_to(message, able, allowed, now, rule)
    if stuck is not None:
        wait = waits[stuck.sim_id]
        if wait is None:
            return stuck
        return Wait(wait.until, WaitReason.STICKY) if free else wait
    if free:
        return min(free, key=_least_work)
    return shortest(wait for wait in waits.values() if wait is not None) or Wait(None, WaitReason.NO_PHONE)


def level_minutes(sims: Sequence[SimView], free_parts: int) -> float:
    """In how many minutes all will be done at best, where any SIM may take the free parts.

    SIMs with more work of their own than this get none of the free parts and are done later.
    """
    level, rate, parts = 0.0, 0.0, float(free_parts)
    for sim in sorted(sims, key=lambda sim: sim.minutes):
        needed = (sim.minutes - level) * rate
        if rate and needed >= parts:
            break
        parts -= needed
        level = sim.minutes
        rate += sim.limits.lasting_parts_per_minute
    return level + parts / rate if rate else level


def is_behind(sim: SimView, sims: Sequence[SimView], free_parts: int) -> bool:
    """Say whether the SIM has so much work of its own that the others should do the rest without it.

    `sims` are those that are at work.
    """
    return sim.bound_parts > 0 and sim.minutes >= level_minutes(sims, free_parts)


def _least_work(sim: SimView) -> tuple[float, datetime, int]:
    return sim.minutes, sim.last_used_at, sim.sim_id


def _wait(message: QueuedMessage, sim: SimView, allowed: Allowed) -> Wait | None:
    return sim.held or allowed(sim, message)


def _stuck_to(
    message: QueuedMessage, able: Iterable[SimView], allowed: Allowed, now: datetime, rule: StickyRule | None
) -> SimView | None:
    """The SIM that the recipient knows, where the message must leave from it."""
    if rule is None or message.sticky is None:
        return None
    for sim in able:
        if sim.sim_id == message.sticky.sim_id:
            kept = is_kept(message.sticky, rule, _wait(message, sim, allowed), sim.away_since, now)
            return sim if kept else None
    return None
