"""The heads of the queue in memory, against a reading of the whole table, on both kinds of database."""

from __future__ import annotations

from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import delete, func, select, update

from host_controller.events import Bells
from host_controller.messaging import queue as queue_module
from host_controller.messaging.queue import Queue, move_due
from host_controller.rules.classes import MessageClass
from host_controller.rules.states import MessageState
from host_controller.rules.waiting import Wait, WaitReason
from host_controller.store.models import MessageRecord
from host_controller.store.store import Store
from tests.phone_rows import phone_row

START = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OTP, TRANSACTIONAL, MARKETING = MessageClass
# Phone -> its SIMs, as the fixture makes them.
PHONES = {1: (1, 2), 2: (3,)}
WINDOW = 4
ALL = tuple(MessageClass)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, fresh_database):
    with closing(Store(fresh_database(request.param))) as opened:
        opened.write(_add_phones)
        yield opened


def _add_phones(session):
    for number, sim_ids in PHONES.items():
        session.add(phone_row(START, number, range(len(sim_ids))))
        session.flush()


def message(n, message_class=MARKETING, *, sim=None, phone=None, not_before=None):
    return MessageRecord(
        uid=n,
        msisdn=f"+420777{n:06d}",
        text=f"Zpráva {n}",
        part_count=1,
        state=MessageState.QUEUED,
        message_class=message_class,
        only_sim_id=sim,
        only_phone_id=phone,
        not_before=not_before,
        waiting_for=not_before and WaitReason.NOT_BEFORE,
        created_at=START,
        changed_at=START,
    )


def ids(queue, store, phone=1, now=START, **options):
    return store.write(lambda s: [one.message_id for one in queue.messages(s, phone, PHONES[phone], now, **options)])


classes = st.sampled_from(ALL)
bounds = st.sampled_from(((None, None),) * 4 + ((1, None), (3, None), (None, 1), (None, 2), (2, 1)))
phones = st.sampled_from(list(PHONES))


class FailedError(Exception):
    """A work that is taken back."""


class Heads(RuleBasedStateMachine):
    """Everything that happens to a queue, in any order."""

    store: Store

    def __init__(self):
        super().__init__()
        self.bells = Bells()
        self.queue = Queue(self.bells, WINDOW)
        self.now = START
        self.last_uid = 0
        self.behind_its_back = set()
        """Cancelled by somebody who does not ring."""

    @initialize(first=st.lists(st.tuples(classes, bounds), max_size=12))
    def begin(self, first):
        self.store.write(lambda session: session.execute(delete(MessageRecord)))
        self.store._writer._on_rollback[:] = [self.queue.forget]
        for message_class, bound in first:
            self.submit(1, message_class, bound, None)

    @rule(
        count=st.sampled_from((1, 1, 2, WINDOW, 7)),
        message_class=classes,
        bound=bounds,
        later_min=st.sampled_from((None, None, None, 1, 10)),
    )
    def submit(self, count, message_class, bound, later_min):
        at = None if later_min is None else self.now + later_min * MINUTE

        def work(session):
            if session.scalar(select(func.count()).select_from(MessageRecord)) > 5 * WINDOW:
                return
            for n in range(self.last_uid + 1, self.last_uid + 1 + count):
                session.add(message(n, message_class, sim=bound[0], phone=bound[1], not_before=at))

        self.store.write(work)
        self.last_uid += count
        self.bells.ring_in(1)

    @rule(
        phone=phones,
        own_first=st.booleans(),
        classes=st.sampled_from((ALL, ALL, (OTP, MARKETING))),
    )
    def read(self, phone, own_first, classes):
        self.check(phone, own_first, classes)

    @rule(phone=phones, which=st.sampled_from((0, 0, 1, 3, 6)), fails=st.sampled_from((False, False, True)))
    def claim(self, phone, which, fails):
        def work(session):
            for n, one in enumerate(self.queue.messages(session, phone, PHONES[phone], self.now)):
                if n == which:
                    if one.message_id not in self.behind_its_back:
                        self._set(session, one.message_id, state=MessageState.SUBMITTING)
                    self.queue.drop(one)
                    break
            if fails:
                raise FailedError

        self._try(work)

    @rule(
        phone=phones,
        most=st.integers(1, 6),
        minutes=st.sampled_from((None, 0, 1, 10)),
        fails=st.sampled_from((False, False, True)),
    )
    def park(self, phone, most, minutes, fails):
        until = None if minutes is None else self.now + minutes * MINUTE

        def work(session):
            found = [one for one in self.queue.messages(session, phone, PHONES[phone], self.now)][:most]
            self.queue.park(session, {one: Wait(until, WaitReason.QUIET_HOURS) for one in found})
            if fails:
                raise FailedError

        self._try(work)

    @rule(what=st.sampled_from(("give_back", "resume", "cancel", "cancel")))
    def somebody(self, what):
        if what == "cancel":
            self.behind_its_back.add(self._first(MessageState.QUEUED, state=MessageState.CANCELLED))
            return
        if what == "give_back":
            self._first(MessageState.SUBMITTING, state=MessageState.QUEUED)
        else:
            timeless = MessageRecord.waiting_for.is_not(None), MessageRecord.not_before.is_(None)
            self.store.write(
                lambda session: session.execute(update(MessageRecord).where(*timeless).values(waiting_for=None))
            )
        self.bells.ring()

    @rule(minutes=st.sampled_from((1, 5, 20)))
    def go_on(self, minutes):
        self.now += minutes * MINUTE

    @invariant()
    def is_never_wrongly_empty(self):
        for phone in PHONES:
            for classes in (ALL, (OTP,), (OTP, TRANSACTIONAL)):
                if self.queue.is_empty(phone, PHONES[phone], self.now, classes):
                    left = self._brute_force(phone, classes)
                    assert not left, f"phone {phone} is told that nothing is there, and {left} are"

    def teardown(self):
        for phone in PHONES:
            self.check(phone, False, ALL)
        with self.store.reading() as session:
            first = session.scalar(
                select(func.min(MessageRecord.not_before)).where(
                    MessageRecord.state == MessageState.QUEUED, MessageRecord.waiting_for.is_not(None)
                )
            )
        # It may have been cancelled meanwhile; then a lane wakes for nothing.
        assert first is None or (self.queue.due_at is not None and self.queue.due_at <= first)

    def check(self, phone, own_first, classes):
        found = ids(self.queue, self.store, phone, self.now, own_first=own_first, classes=classes)
        assert len(found) == len(set(found))
        ready = [one for one in found if one not in self.behind_its_back]
        assert ready == self._brute_force(phone, classes, own_first=own_first)

    def _brute_force(self, phone, classes, *, own_first=False):
        with self.store.reading() as session:
            rows = session.scalars(select(MessageRecord).where(MessageRecord.state == MessageState.QUEUED)).all()

        def bound(row):
            return row.only_sim_id is not None or row.only_phone_id is not None

        mine = [
            row
            for row in rows
            if row.message_class in classes
            and (row.waiting_for is None or (row.not_before is not None and row.not_before <= self.now))
            # What is bound to a SIM and a phone stands with its SIM; whether they fit is asked at the claim.
            and (row.only_sim_id in PHONES[phone] if row.only_sim_id else row.only_phone_id in (None, phone))
        ]
        mine.sort(key=lambda row: (MessageClass(row.message_class).rank, own_first and not bound(row), row.id))
        return [row.id for row in mine]

    def _first(self, old_state, **values):
        def work(session):
            found = session.scalar(select(func.min(MessageRecord.id)).where(MessageRecord.state == old_state))
            self._set(session, found, **values)
            return found

        return self.store.write(work)

    def _set(self, session, message_id, **values):
        session.execute(update(MessageRecord).where(MessageRecord.id == message_id).values(**values))

    def _try(self, work):
        with suppress(FailedError):
            self.store.write(work)


def test_it_gives_what_a_reading_of_the_table_gives(store):
    is_file = store._engine.dialect.name == "sqlite"
    Heads.store = store
    run_state_machine_as_test(
        Heads,
        settings=settings(
            max_examples=100 if is_file else 20,
            stateful_step_count=40,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture
def queue(store):
    made = Queue(Bells(), WINDOW)
    store.on_rollback(made.forget)
    return made


def add(store, *messages):
    store.write(lambda session: session.add_all(messages))


def test_what_a_work_had_taken_that_failed_is_there_again(store, queue):
    add(store, message(1), message(2))
    bells = queue._bells

    def take_and_fail(session):
        queue.drop(next(iter(queue.messages(session, 1, PHONES[1], START))))
        raise FailedError

    with pytest.raises(FailedError):
        store.write(take_and_fail)
    assert not queue.is_empty(1, PHONES[1], START)
    assert ids(queue, store) == [1, 2]
    assert bells.counts.changes == 0


def test_what_a_work_had_put_aside_that_failed_is_ready_and_no_time_is_kept(store, queue):
    add(store, message(1))

    def park_and_fail(session):
        found = next(iter(queue.messages(session, 1, PHONES[1], START)))
        queue.park(session, {found: Wait(START + MINUTE, WaitReason.QUIET_HOURS)})
        raise FailedError

    with pytest.raises(FailedError):
        store.write(park_and_fail)
    assert ids(queue, store) == [1]
    assert queue.due_at is None


def test_what_becomes_due_is_given_at_its_time_and_not_before(store, queue):
    add(store, message(1), message(2, OTP, not_before=START + 2 * MINUTE))
    assert ids(queue, store) == [1]
    assert queue.due_at == START + 2 * MINUTE
    store.write(
        lambda session: [
            queue.park(session, {one: Wait(START + MINUTE, WaitReason.RECIPIENT_HOUR)})
            for one in list(queue.messages(session, 1, PHONES[1], START))
        ]
    )
    assert queue.is_empty(1, PHONES[1], START)
    assert queue.due_at == START + MINUTE
    assert not queue.is_empty(1, PHONES[1], START + MINUTE)
    assert ids(queue, store, now=START + MINUTE) == [1]
    assert ids(queue, store, now=START + 2 * MINUTE) == [2, 1]


def test_an_arrival_costs_the_other_lanes_nothing(store, queue):
    """A hundred lanes are woken by it: who comes second finds in memory that nothing is left."""
    assert ids(queue, store, phone=1) == ids(queue, store, phone=2) == []
    add(store, message(1, OTP))
    queue._bells.ring_in(1)
    store.write(lambda session: [queue.drop(one) for one in list(queue.messages(session, 1, PHONES[1], START))])
    assert queue.is_empty(2, PHONES[2], START)


def test_more_arrivals_than_are_held_in_memory_are_all_found(store, queue):
    assert ids(queue, store) == []
    add(store, *(message(n) for n in range(1, 3 * WINDOW)))
    queue._bells.ring_in(1)
    assert ids(queue, store) == list(range(1, 3 * WINDOW))


def test_a_message_that_is_bound_twice_is_given_once(store, queue):
    add(store, message(1, sim=2, phone=1), message(2, sim=3), message(3, phone=1), message(4))
    assert ids(queue, store, phone=1) == [1, 3, 4]
    assert ids(queue, store, phone=1, own_first=True) == [1, 3, 4]
    assert ids(queue, store, phone=2, own_first=True) == [2, 4]


def test_classes_that_nobody_asks_for_are_not_read(store, queue):
    add(store, message(1, MARKETING), message(2, OTP))
    assert ids(queue, store, classes=(OTP,)) == [2]
    assert queue.is_empty(1, PHONES[1], START, (TRANSACTIONAL,)) is False  # nobody has looked
    assert ids(queue, store, classes=(OTP, TRANSACTIONAL)) == [2]
    assert queue.is_empty(1, PHONES[1], START, (TRANSACTIONAL,))
    assert not queue.is_empty(1, PHONES[1], START)


def test_of_very_much_that_is_due_a_part_is_let_go_in_each_transaction(store, queue, monkeypatch):
    """A hold, a STOP and an urgent message have their turn in between; who rests is rung for each part."""
    monkeypatch.setattr(queue_module, "_DUE_AT_ONCE", 3)
    add(store, *(message(n, not_before=START + n * MINUTE) for n in range(1, 9)))
    now = START + 8 * MINUTE
    assert ids(queue, store) == []

    def two_lanes(session):
        return [[one.message_id for one in queue.messages(session, phone, PHONES[phone], now)] for phone in PHONES]

    arrivals = queue._bells.counts.arrivals
    assert store.write(two_lanes) == [[1, 2, 3]] * 2
    assert queue._bells.counts.arrivals == arrivals + 1
    assert queue.has_due(now)
    assert not queue.is_empty(1, PHONES[1], now, (OTP,))  # it looks again, for what it may find then
    add(store, message(9, OTP))
    queue._bells.ring_in(1)
    assert ids(queue, store, now=now) == [9, 1, 2, 3, 4, 5, 6]
    move_due(store, queue, lambda: now)
    assert not queue.has_due(now)
    assert ids(queue, store, now=now) == [9, *range(1, 9)]


def test_what_was_let_go_in_a_transaction_that_failed_is_let_go_by_the_next(store, queue):
    add(store, message(1, not_before=START), message(2))

    def look_and_fail(session):
        assert len(list(queue.messages(session, 1, PHONES[1], START))) == 2
        raise FailedError

    with pytest.raises(FailedError):
        store.write(look_and_fail)
    assert ids(queue, store) == [1, 2]
    assert queue.due_at is None


def test_all_that_rules_have_put_aside_is_judged_again_at_the_start(store, monkeypatch):
    monkeypatch.setattr(queue_module, "_DUE_AT_ONCE", 2)
    add(store, *(message(n, not_before=START + MINUTE) for n in range(1, 10)))
    store.write(
        lambda session: session.execute(
            update(MessageRecord)
            .where(MessageRecord.id.not_in((3, 6)))
            .values(waiting_for=WaitReason.QUIET_HOURS, not_before=None)
        )
    )
    queue_module.look_anew(store)
    with store.reading() as session:
        waits = session.execute(select(MessageRecord.id, MessageRecord.waiting_for).order_by(MessageRecord.id)).all()
    assert [id_ for id_, why in waits if why is not None] == [3, 6]
