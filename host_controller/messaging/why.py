"""Why a message waits: the reason, the rule behind it, until when, and how every SIM stands towards it.

What the lanes decide they decide by the same rules; nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from host_controller.errors import StoreError
from host_controller.fleet.phone import PhoneView
from host_controller.fleet.rack import Rack
from host_controller.messaging import recipients
from host_controller.messaging.dispatcher import Dispatcher
from host_controller.messaging.rack_rules import RackRules, as_queued
from host_controller.messaging.reach import NEVER_WORDS, facts_of
from host_controller.messaging.standings import Standing, Standings
from host_controller.messaging.turn import ahead_of, forecast
from host_controller.messaging.why_words import counted, held_words, sim_words
from host_controller.rules import choice
from host_controller.rules.choice import Never, SimView, choose_sim, may_take
from host_controller.rules.classes import MessageClass
from host_controller.rules.configured import sticky_rule
from host_controller.rules.ramp import NO_RAMP
from host_controller.rules.states import MessageState
from host_controller.rules.waiting import Wait, WaitReason
from host_controller.settings import Settings
from host_controller.store.models import MessageRecord
from host_controller.store.store import Store

_ENDED = {
    MessageState.SUBMITTING: "it waits no more: a phone has it in its hands, and its proof is still to come",
    MessageState.SENT: "it waits no more: it is sent",
    MessageState.FAILED: "it waits no more: it has failed",
    MessageState.UNKNOWN: "it may have been sent, or not; `smsrack settle` closes it",
    MessageState.CANCELLED: "it waits no more: it was cancelled",
    MessageState.EXPIRED: "it waits no more: it has expired",
}
_NOTHING_RUNS = "no daemon runs, start it with `smsrack run`"
_NO_PHONE = "no phone is in the rack; plug one in and run `smsrack phones enrol SERIAL`"


@dataclass(frozen=True)
class SimLine:
    """How one SIM stands towards a message."""

    sim_id: int
    phone: str
    slot_index: int
    reason: WaitReason | None
    """None where it could take it now."""
    until: datetime | None
    words: str


@dataclass(frozen=True)
class Explanation:
    """Why a message waits."""

    message_id: int
    state: MessageState
    running: bool
    """Whether a daemon runs."""
    reason: WaitReason | None
    """None where nothing holds it: it goes when its turn comes; also where it waits no more, or nobody can tell."""
    until: datetime | None
    """When what holds it ends; None where nobody can tell."""
    words: str
    """The rule that holds it, with its figures."""
    sims: tuple[SimLine, ...] = ()
    """Of the SIMs that it is not kept from by who asked for it; none where something holds it on every SIM."""
    ahead: int | None = None
    """Messages that go before it, where its turn is all that counts."""
    expected_at: datetime | None = None
    """About when it goes; None where nobody can tell."""


class Why:
    """Answers for one rack, with its lanes or, where no daemon runs, by the record alone."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        rack: Rack | None,
        dispatcher: Dispatcher | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._settings = settings
        self._rack = rack
        self._dispatcher = dispatcher
        self._clock = clock

    def of_message(self, message_id: int) -> Explanation | None:
        """Explain one message; None where there is none."""
        with self._store.reading() as session:
            message = session.get(MessageRecord, message_id)
            if message is None:
                return None
            if message.state != MessageState.QUEUED:
                state = MessageState(message.state)
                return Explanation(message_id, state, self._rack is not None, None, None, _ENDED[state])
            return self.explain(session, message, self.standings(session))

    def standings(self, session: Session) -> Standings:
        """Give how the SIMs stand now."""
        phones: Sequence[PhoneView] | None = self._rack.phones() if self._rack else None
        board = self._dispatcher.board if self._dispatcher else None
        ramp = self._dispatcher.ramp() if self._dispatcher else NO_RAMP
        return Standings(session, self._settings, phones, board, self._clock(), ramp)

    def explain(self, session: Session, message: MessageRecord, standings: Standings) -> Explanation:
        """Explain a message that is queued."""
        now = self._clock()
        row = on_record(
            restored=message.restored, waiting_for=message.waiting_for, not_before=message.not_before, now=now
        )
        paused = Wait(None, WaitReason.BATCH_PAUSED) if standings.batch_hold(message.batch_id) else None
        try:
            held = row or paused or self._rules_say(session, message, now)
        except StoreError as error:
            return self._answer(message, None, f"what the rack's rules say of it cannot be told now: {error}")
        if held is None:
            return self._by_sims(session, message, standings, now)
        words = held_words(session, self._settings, message, held.reason, now)
        besides = standings.besides(message.batch_id, held.reason)
        expected_at = None if besides else held.until
        return self._answer(message, held, "; besides, ".join((words, *besides)), expected_at=expected_at)

    def _by_sims(self, session: Session, record: MessageRecord, standings: Standings, now: datetime) -> Explanation:
        message, rule = _as_chosen(session, record), sticky_rule(self._settings.sticky)
        sims = [each.sim for each in standings.all]
        asked = standings.asker(record.msisdn, record.text)
        # What a SIM's limits said a moment ago they must say again: one answer for the lines and the choice.
        said = {sim.sim_id: asked(sim, message) for sim in sims}

        def allowed(sim: SimView, _: choice.QueuedMessage) -> Wait | None:
            return said[sim.sim_id]

        found = choose_sim(message, sims, allowed, now, rule)
        lines = tuple(self._line(each, message, said[each.sim.sim_id], found, standings) for each in standings.all)
        lines = tuple(line for line in lines if _is_meant(message, standings.by_id[line.sim_id].sim))
        if isinstance(found, Never):
            wait, words = Wait(None, WaitReason.NO_ROUTE), f"no phone can take it: {NEVER_WORDS[found.reason]}"
            return self._answer(record, wait, words, lines)
        free = [standings.by_id[sim.sim_id] for sim in sims if may_take(message, sim) and sim.held is None]
        ahead, parts = ahead_of(session, record)
        # None of them goes before the shortest pause is over.
        is_short = isinstance(found, Wait) and found.reason in (WaitReason.PACE, WaitReason.GUARD)
        start = found.until if is_short and isinstance(found, Wait) and found.until is not None else now
        gone = forecast(free, parts + record.part_count, message.message_class, start)
        if isinstance(found, SimView):
            turn = f"{counted(ahead, 'goes', 'go')} before it" if ahead else "it goes next"
            words = f"nothing holds it; {turn}"
            return self._answer(record, None, words, lines, ahead=ahead, expected_at=gone)
        words = _chosen_words(found, lines, has_sims=bool(sims))
        expected_at = None if found.until is None else max(gone or found.until, found.until)
        return self._answer(record, found, words, lines, ahead=ahead, expected_at=expected_at)

    def _answer(
        self,
        message: MessageRecord,
        wait: Wait | None,
        words: str,
        lines: tuple[SimLine, ...] = (),
        *,
        ahead: int | None = None,
        expected_at: datetime | None = None,
    ) -> Explanation:
        if expected_at is not None and message.expires_at is not None and message.expires_at <= expected_at:
            words, expected_at = f"{words}; it will have expired by then", None
        if self._rack is None:
            words = words if _NOTHING_RUNS in words else f"{_NOTHING_RUNS}; by what is on record: {words}"
            expected_at = None
        reason, until = (wait.reason, wait.until) if wait else (None, None)
        state = MessageState(message.state)
        running = self._rack is not None
        return Explanation(message.id, state, running, reason, until, words, lines, ahead, expected_at)

    def _line(
        self,
        standing: Standing,
        message: choice.QueuedMessage,
        said: Wait | None,
        found: SimView | Wait | Never,
        standings: Standings,
    ) -> SimLine:
        wait = standing.sim.held or said
        known = standings.by_id.get(message.sticky.sim_id) if message.sticky else None
        if not may_take(message, standing.sim):
            wait = Wait(None, WaitReason.NO_ROUTE)
        elif wait is None and isinstance(found, Wait) and found.reason is WaitReason.STICKY:
            wait = Wait(found.until, WaitReason.STICKY)
        if wait is None:
            words, reason, until = "it may take it now", None, None
        else:
            held = standing.sim.held is not None and wait is standing.sim.held
            words = standing.words if held else sim_words(standing, wait.reason, message, known)
            reason, until = wait.reason, wait.until
        return SimLine(standing.sim.sim_id, standing.phone, standing.slot_index, reason, until, words)

    def _rules_say(self, session: Session, message: MessageRecord, now: datetime) -> Wait | None:
        """What the rules of the whole rack say, where no lane has asked them yet. Raises StoreError."""
        asked = as_queued(message)
        if self._dispatcher is None:
            return RackRules(self._settings).would_hold(session, asked, now)
        rules = self._dispatcher.rules
        # They are the writer's: nobody else may look into what it counts.
        return self._store.write(lambda writing: rules.would_hold(writing, asked, self._clock()))


def on_record(*, restored: bool, waiting_for: str | None, not_before: datetime | None, now: datetime) -> Wait | None:
    """What holds a queued message by its own row."""
    if restored:
        return Wait(None, WaitReason.RESTORED)
    if waiting_for is None or (not_before is not None and not_before <= now):
        return None
    return Wait(not_before, WaitReason(waiting_for))


def _as_chosen(session: Session, message: MessageRecord) -> choice.QueuedMessage:
    message_class = MessageClass(message.message_class)
    return choice.QueuedMessage(
        message.id,
        message_class,
        message.created_at,
        message.part_count,
        message.msisdn,
        facts_of(message.msisdn, message_class, message.part_count),
        message.only_phone_id,
        None if message.only_sim_id is None else frozenset((message.only_sim_id,)),
        recipients.find(session, message.msisdn),
    )


def _is_meant(message: choice.QueuedMessage, sim: SimView) -> bool:
    """Whether who asked for the message left it to this SIM."""
    is_phone = message.only_phone_id in (None, sim.phone_id)
    return is_phone and (message.only_sim_ids is None or sim.sim_id in message.only_sim_ids)


def _chosen_words(wait: Wait, lines: Sequence[SimLine], *, has_sims: bool) -> str:
    """What the shortest wait is, and of which SIM."""
    if not has_sims:
        return _NO_PHONE
    line = next((line for line in lines if (line.reason, line.until) == (wait.reason, wait.until)), None)
    if line is None:
        return f"it waits: {wait.reason.replace('_', ' ')}"
    if wait.reason is WaitReason.STICKY:
        return f"{line.words}; it waits for that"
    return f"SIM {line.slot_index + 1} of {line.phone}: {line.words}"
