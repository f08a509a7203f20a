"""What a lane remembers of its phone's hands, against what others do to the record."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, update

from device_drivers.base import SentRow
from host_controller.events import Bells
from host_controller.messaging import attempts, unproven
from host_controller.messaging.hands import Hands
from host_controller.messaging.sweep import sweep_overdue
from host_controller.rules.states import AttemptState, MessageState
from host_controller.rules.timings import Timings
from host_controller.store.models import AttemptRecord, MessageEvent, MessageRecord
from host_controller.store.store import Store
from tests.phone_rows import phone_row

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)
TIMINGS = Timings()
LATE = timedelta(seconds=TIMINGS.confirm_horizon_s + 1)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, fresh_database):
    with closing(Store(fresh_database(request.param))) as opened:
        opened.write(_add_phone)
        yield opened


def _add_phone(session):
    session.add(phone_row(NOON, subscriptions=[11]))


@pytest.fixture
def bells():
    return Bells()


@pytest.fixture
def hands(store, bells):
    return Hands(store, bells, 1, lambda: NOON - timedelta(hours=24))


def begin(store, n, text="Ahoj"):
    """Put an attempt on record; give it as the lane's memory has it."""

    def work(session):
        message = MessageRecord(
            uid=n, msisdn="+420777000001", text=text, part_count=1, state=MessageState.SUBMITTING, sim_id=1,
            created_at=NOON, changed_at=NOON,
        )  # fmt: skip
        session.add(message)
        session.flush()
        attempt = AttemptRecord(
            message_id=message.id, n=1, wire_id=n, phone_id=1, sim_id=1, part_count=1, state=AttemptState.INTENT,
            intent_at=NOON, phone_clock_ms=NOON_MS,
        )  # fmt: skip
        session.add(attempt)
        session.flush()
        return attempt.id

    attempt_id = store.write(work)
    with store.reading() as session:
        return next(one for one in unproven.open_attempts(session, 1) if one.attempt_id == attempt_id)


def row(n):
    return SentRow(n, NOON_MS + n, 11, "+420777000001", "Ahoj")


def test_a_sweep_by_another_thread_is_seen_when_its_bells_have_rung(store, bells, hands):
    hands.take(begin(store, 1))
    assert len(hands.open) == 1
    assert sweep_overdue(store, bells, TIMINGS, NOON + LATE) == 1
    assert hands.open == []
    assert not hands.is_trusted
    # Its row may still come, and is looked for among the late ones.
    assert [one.wire_id for one in hands.to_confirm(late=True)] == [1]
    assert hands.to_confirm(late=False) == []


def test_what_was_given_up_is_looked_for_where_an_equal_one_is_open(store, bells, hands):
    begin(store, 1)
    begin(store, 2, "Něco jiného")
    sweep_overdue(store, bells, TIMINGS, NOON + LATE)
    hands.take(begin(store, 3))
    assert [one.wire_id for one in hands.open] == [3]
    assert [one.wire_id for one in hands.to_confirm(late=False)] == [1, 3]
    assert [one.wire_id for one in hands.to_confirm(late=True)] == [1, 2, 3]


def test_what_a_person_has_settled_is_in_no_hands_after_the_bells(store, bells, hands):
    attempt = begin(store, 1)
    assert len(hands.open) == 1
    store.write(lambda session: session.execute(update(AttemptRecord).values(state=AttemptState.SENT)))
    bells.ring()
    assert hands.open == []
    hands.note_returned(attempt.attempt_id, NOON_MS)  # its lane hears of it only now
    assert hands.open == []


def test_a_row_that_has_proven_something_stays_claimed_also_from_the_record(store, bells, hands):
    first, second = begin(store, 1), begin(store, 2)
    assert hands.claimed_since(NOON_MS) == set()
    proofs = {first.attempt_id: row(1)}
    store.write(lambda session: attempts.settle_sent(session, proofs, now=NOON, actor="test"))
    hands.note_proven(first.attempt_id, row(1))
    assert hands.claimed_since(NOON_MS) == {(1, NOON_MS + 1)}
    assert [one.attempt_id for one in hands.open] == [second.attempt_id]
    assert hands.is_trusted
    bells.ring()
    assert hands.claimed_since(NOON_MS) == {(1, NOON_MS + 1)}
    assert hands.claimed_since(NOON_MS + 2) == {(1, NOON_MS + 1)}  # more than asked for does no harm
    assert Hands(store, bells, 1, lambda: NOON).claimed_since(NOON_MS) == {(1, NOON_MS + 1)}


def test_questions_between_two_bells_cost_no_sql(store, bells, hands):
    hands.take(begin(store, 1))
    assert hands.open
    hands.claimed_since(NOON_MS)
    statements = []
    event.listen(store._engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    for _ in range(5):
        assert hands.open
        assert hands.is_trusted
        hands.to_confirm(late=True)
        hands.claimed_since(NOON_MS)
    bells.ring_in(1)
    assert hands.open
    assert statements == []


steps = st.lists(
    st.tuples(
        st.sampled_from(("take", "take", "take", "returned", "proven", "forget", "given up", "settled", "ring")),
        st.integers(0, 9),
    ),
    max_size=30,
)


def test_the_count_and_the_contents_are_those_of_the_open_attempts_whatever_happens(store):
    is_file = store._engine.dialect.name == "sqlite"

    @settings(
        max_examples=60 if is_file else 10,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(steps)
    def live(plan):
        for table in (AttemptRecord, MessageEvent, MessageRecord):
            store.write(lambda session, table=table: session.execute(delete(table)) and None)
        bells = Bells()
        hands = Hands(store, bells, 1, lambda: NOON - timedelta(hours=24))
        _act(store, bells, hands, plan)

    live()


def _act(store, bells, hands, plan):
    made = []
    for n, (what, which) in enumerate(plan, 1):
        attempt_id = made[which % len(made)].attempt_id if made else 0
        to_state = update(AttemptRecord).where(AttemptRecord.id == attempt_id)
        if what == "take":
            made.append(begin(store, n, f"Text {which % 3}"))
            hands.take(made[-1])
        elif what == "returned":
            hands.note_returned(attempt_id, NOON_MS)
        elif what == "proven":
            store.write(lambda s, to=to_state: s.execute(to.values(state=AttemptState.SENT)) and None)
            hands.note_proven(attempt_id, row(n))
        elif what == "forget":
            hands.forget([attempt_id] if which % 2 else ())
        elif what == "given up":
            store.write(lambda s, to=to_state: s.execute(to.values(state=AttemptState.UNKNOWN)) and None)
        elif what == "settled":
            store.write(lambda s, to=to_state: s.execute(to.values(state=AttemptState.NOT_SENT)) and None)
            hands.forget([attempt_id])
        else:
            bells.ring()
        opened = hands.open
        assert hands.count == len(opened)
        assert set(hands.contents) == {(one.msisdn, one.text) for one in opened}


def test_before_each_message_the_open_ones_are_not_gone_through(store, bells, hands, monkeypatch):
    for n in range(3):
        hands.take(begin(store, n, f"Text {n}"))
    assert hands.count == 3

    def fail(_):
        raise AssertionError("each open attempt is looked at")

    monkeypatch.setattr(type(next(iter(hands._attempts.values()))), "is_open", property(fail))
    assert hands.count == 3
    assert ("+420777000001", "Text 2") in hands.contents
