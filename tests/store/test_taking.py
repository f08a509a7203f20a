"""What a phone takes next, against a naive choice from the whole table, on both kinds of database."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, func, select, update

from device_drivers.base import PhoneIdentity, SendGuard, Sim
from host_controller.events import Bells
from host_controller.fleet.phone import Enrolled, RackSim
from host_controller.messaging.attempts import Sender
from host_controller.messaging.dispatcher import build_dispatcher
from host_controller.messaging.holds import Holds
from host_controller.messaging.ledgers import PhoneLedgers
from host_controller.messaging.sim_choice import SimChoice
from host_controller.messaging.submit import Accepted, Draft, submit
from host_controller.messaging.taking import Taking
from host_controller.rule_settings import RepeatSettings
from host_controller.rules.choice import PATIENCE
from host_controller.rules.classes import MessageClass
from host_controller.rules.ledger import Use
from host_controller.rules.recipient_filter import EVERYBODY, parse_filter
from host_controller.rules.states import MessageState
from host_controller.settings import ReserveSettings, Settings
from host_controller.store.models import AttemptRecord, MessageEvent, MessageRecord
from host_controller.store.store import Store
from tests.phone_rows import phone_row

# A Wednesday, one o'clock in Prague.
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
OTP, TRANSACTIONAL, MARKETING = MessageClass
SENDER = Sender(1, "host", 1, None, 0, 0)
PER_HOUR = 12
RULES = Settings(
    repeats=RepeatSettings(recipient_per_hour={}, same_text={}),
    reserve=ReserveSettings(otp_percent=10, transactional_percent=10),
)
"""Of 12 parts an hour one is kept for codes, and one more for codes and notices."""
KEPT = {OTP: 0, TRANSACTIONAL: 1, MARKETING: 2}
SHORT = parse_filter('[["parts", "=", 1]]')
PHONE_1_SIMS = (1, 2)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, fresh_database):
    with closing(Store(fresh_database(request.param))) as opened:
        opened.write(_add_phones)
        yield opened


def _add_phones(session):
    for number, sims in ((1, 2), (2, 1)):
        session.add(phone_row(NOON, number, range(sims), guard_max_parts=10_000))


@dataclass
class Offer:
    """A message, as somebody hands it in."""

    number: int
    message_class: MessageClass
    parts: int
    only_phone_id: int | None
    only_sim_id: int | None

    def draft(self) -> Draft:
        text = "x" * (160 if self.parts == 1 else 153 * self.parts)
        return Draft(
            f"+42077700000{self.number}",
            text,
            message_class=self.message_class,
            ttl_s=86_400,
            only_phone_id=self.only_phone_id,
            only_sim_id=self.only_sim_id,
        )


@dataclass
class Naive:
    """The rules as their sentences say: each use in a list, each message looked at anew."""

    paces: dict[int, int]
    filtered: bool
    uses: list[tuple[int, datetime, int, MessageClass]] = field(default_factory=list)

    def choose(self, store, now) -> tuple[int, int] | None:
        with store.reading() as session:
            queued = session.scalars(select(MessageRecord).where(MessageRecord.state == MessageState.QUEUED)).all()
        left = set(PHONE_1_SIMS)
        for message in sorted(queued, key=lambda one: (MessageClass(one.message_class).rank, one.id)):
            if message.only_phone_id == 2 or message.only_sim_id == 3 or (self.filtered and message.part_count > 1):
                continue
            kind, parts = MessageClass(message.message_class), message.part_count
            sims = [sim for sim in left if message.only_sim_id in (None, sim)]
            free = [sim for sim in sims if self._has_pace(sim, now) and self._has_hour(sim, parts, kind, now)]
            if free:
                return message.id, min(free, key=lambda sim: (self._last_used(sim), sim))
            if now - message.created_at > PATIENCE and not any(self._has_hour(sim, parts, kind, now) for sim in sims):
                left -= set(sims)  # what comes free of these is kept for it
        return None

    def _last_used(self, sim):
        return max((at for sim_id, at, _, _ in self.uses if sim_id == sim), default=NOON - HOUR)

    def _has_pace(self, sim, now):
        mine = [(at, parts) for sim_id, at, parts, _ in self.uses if sim_id == sim]
        return not mine or now >= mine[-1][0] + timedelta(minutes=1) * mine[-1][1] / self.paces[sim]

    def _has_hour(self, sim, parts, message_class, now):
        """What the upper classes have used comes out of what is kept for them."""
        used = {each: 0 for each in MessageClass}
        for sim_id, at, count, kind in self.uses:
            if sim_id == sim and at > now - HOUR:
                used[kind] += count
        kept = KEPT[message_class]
        for above in MessageClass:
            if above.rank < message_class.rank:
                kept -= min(used[above], KEPT[message_class] - KEPT[above])
        return sum(used.values()) + parts + max(0, kept) <= PER_HOUR


offers = st.lists(
    st.builds(
        Offer,
        st.integers(0, 9),
        st.sampled_from(MessageClass),
        st.sampled_from((1, 1, 1, 2, 5)),
        st.sampled_from((None, None, None, 1, 2)),
        st.just(None),
    )
    | st.builds(
        Offer, st.integers(0, 9), st.sampled_from(MessageClass), st.just(1), st.just(None), st.sampled_from((1, 2, 3))
    ),
    max_size=5,
)
steps = st.lists(st.tuples(offers, st.sampled_from((0, 1, 3, 10, 60, 700, 1800))), min_size=1, max_size=12)


def test_the_best_message_that_may_go(store):
    is_file = store._engine.dialect.name == "sqlite"

    @settings(
        max_examples=120 if is_file else 15,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(steps, st.sampled_from((6, 20, 60)), st.booleans())
    def live(plan, pace, filtered):
        _check(store, plan, pace, filtered=filtered)

    live()


def _check(store, plan, pace, *, filtered):
    for table in (AttemptRecord, MessageEvent, MessageRecord):
        store.write(lambda session, table=table: session.execute(delete(table)))
    store._writer._on_rollback.clear()
    bells = Bells()
    dispatcher = build_dispatcher(store, bells, Holds(store), RULES, lambda: NOON)
    sims = tuple(
        RackSim(sim_id, Sim(sim_id - 1, sim_id - 1, None, ""), pace, None, parts_per_hour=PER_HOUR)
        for sim_id in PHONE_1_SIMS
    )
    identity = PhoneIdentity("A1", "HW1", "Maker", "Model", "14", 34, "fp")
    enrolled = Enrolled(1, identity, SendGuard(10_000, 60), sims, recipients=SHORT if filtered else EVERYBODY)
    choice = SimChoice(enrolled, PhoneLedgers(store, enrolled, RULES, NOON))
    taking = Taking(dispatcher, enrolled, choice, "test")
    naive = Naive(dict.fromkeys(PHONE_1_SIMS, pace), filtered)
    slots = frozenset((0, 1))
    now = NOON
    for offered, pause_s in plan:
        outcomes = submit(store, RULES.messages, [offer.draft() for offer in offered], now=now, actor="test")
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        bells.ring_in(len(offered))
        while True:
            expected = naive.choose(store, now)
            blocked = taking.blocked(now, slots)
            assert blocked is None or expected is None
            taken = store.write(lambda session, now=now: taking.take(session, SENDER, now, slots, ()))
            if not isinstance(taken, tuple):
                assert expected is None, f"{taken} at {now}, though message {expected} could go"
                break
            claim, sim = taken
            message = claim.message
            assert (message.message_id, sim.sim_id) == expected
            choice.note(sim, Use(now, message.parts, message.message_class, message.msisdn))
            naive.uses.append((sim.sim_id, now, message.parts, message.message_class))
        now += timedelta(seconds=pause_s)


def test_an_old_message_for_one_sim_does_not_stop_the_other(store):
    bells = Bells()
    dispatcher = build_dispatcher(store, bells, Holds(store), RULES, lambda: NOON)
    sims = tuple(
        RackSim(sim_id, Sim(sim_id - 1, sim_id - 1, None, ""), 60, None, parts_per_hour=hour)
        for sim_id, hour in ((1, PER_HOUR), (2, None))
    )
    enrolled = Enrolled(1, PhoneIdentity("A1", "HW1", "Maker", "Model", "14", 34, "fp"), SendGuard(10_000, 60), sims)
    choice = SimChoice(enrolled, PhoneLedgers(store, enrolled, RULES, NOON))
    taking = Taking(dispatcher, enrolled, choice, "test")
    bound = [Offer(0, MARKETING, 1, None, 1) for _ in range(20)]
    free = [Offer(1, MARKETING, 1, None, None) for _ in range(40)]
    submit(store, RULES.messages, [offer.draft() for offer in bound + free], now=NOON, actor="test")
    bells.ring()
    sent = {1: 0, 2: 0}
    for minute in range(20):
        now = NOON + timedelta(minutes=minute)
        take = partial(taking.take, sender=SENDER, now=now, usable_slots=frozenset((0, 1)), in_hands=())
        while isinstance(taken := store.write(take), tuple):
            claim, sim = taken
            choice.note(sim, Use(now, 1, MARKETING, claim.message.msisdn))
            sent[sim.sim_id] += 1
    assert sent == {1: PER_HOUR - KEPT[MARKETING], 2: 20}


def test_what_lies_behind_thousands_that_the_phone_may_not_take_is_found(store):
    """No look costs the writer more than its nine windows."""
    bells = Bells()
    dispatcher = build_dispatcher(store, bells, Holds(store), RULES, lambda: NOON)
    dispatcher.queue._window = 16
    sims = (RackSim(1, Sim(0, 0, None, ""), 6000, None),)
    mine = parse_filter('[["number", "=like", "+420777000001"]]')
    identity = PhoneIdentity("A1", "HW1", "Maker", "Model", "14", 34, "fp")
    enrolled = Enrolled(1, identity, SendGuard(10_000, 60), sims, recipients=mine)
    choice = SimChoice(enrolled, PhoneLedgers(store, enrolled, RULES, NOON))
    taking = Taking(dispatcher, enrolled, choice, "test")
    others = [Offer(2, TRANSACTIONAL, 1, None, None)] * 1000
    submit(store, RULES.messages, [offer.draft() for offer in others], now=NOON, actor="test")
    bells.ring()
    pages = []

    @partial(event.listen, store._engine, "before_cursor_execute")
    def note(connection, cursor, statement, parameters, *rest):
        if statement.startswith("SELECT message.id") and "transactional" in str(parameters):
            pages.append(statement)

    def looks(now):
        """Look until one is taken, or all was seen; give how often that was, what was taken, and when."""
        for n in range(1, 100):
            del pages[:]
            assert taking.blocked(now, frozenset((0,))) is None
            take = partial(taking.take, sender=SENDER, now=now, usable_slots=frozenset((0,)), in_hands=())
            found = store.write(take)
            assert 1 <= len(pages) <= 9
            if isinstance(found, tuple):
                choice.note(found[1], Use(now, 1, TRANSACTIONAL, found[0].message.msisdn))
                return n, found[0].message.message_id, now
            if found.until is None:
                return n, None, now
            assert NOON < found.until <= now + timedelta(seconds=1)
            now = found.until
        raise AssertionError("it is never seen")

    n, taken, now = looks(NOON)
    assert (taken, 7 <= n <= 9) == (None, True)
    for _ in range(2):
        first = store.write(lambda session: session.scalar(select(func.max(MessageRecord.id))))
        submit(store, RULES.messages, [Offer(1, TRANSACTIONAL, 1, None, None).draft()], now=now, actor="test")
        bells.ring_in(1)
        now += timedelta(seconds=5)
        n, taken, now = looks(now)
        assert (n, taken) == (1, first + 1)  # at once: what lies before it was seen
    # Something has changed: in time all of it is looked at again, also what was passed.
    with store.reading() as session:
        passed = session.scalar(select(MessageRecord.id).where(MessageRecord.state == MessageState.QUEUED).offset(500))
    change = update(MessageRecord).where(MessageRecord.id == passed).values(msisdn="+420777000001")
    store.write(lambda session: session.execute(change) and None)
    bells.ring()
    n, taken, now = looks(now + timedelta(minutes=2))
    assert (taken, n > 1) == (passed, True)
