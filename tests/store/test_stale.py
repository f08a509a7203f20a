"""What an outage makes stale, on both kinds of database: found by one simple rule, held, released or cancelled."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from host_controller.errors import StoreFullError, UnknownBatchError
from host_controller.events import Bells
from host_controller.messaging import stale
from host_controller.messaging.batch_changes import change_window
from host_controller.messaging.expiry import Expiry
from host_controller.messaging.holds import HoldKind, Scope, hold
from host_controller.messaging.pulse import Pulse
from host_controller.messaging.queue import Queue, look_anew
from host_controller.messaging.rack_rules import RackRules
from host_controller.messaging.stale import cancel_stale, list_stale, release_stale
from host_controller.messaging.submit import Draft, submit
from host_controller.rules.classes import MessageClass
from host_controller.rules.states import MessageState
from host_controller.rules.waiting import WaitReason
from host_controller.settings import load_settings
from host_controller.store.models import MessageEvent, MessageRecord, RackRecord
from host_controller.store.store import Store

# A Wednesday, at eleven in Prague.
BEGUN = datetime(2026, 11, 25, 10, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BACK = BEGUN + 2 * DAY
MARKETING, TRANSACTIONAL = MessageClass.MARKETING, MessageClass.TRANSACTIONAL


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, fresh_database):
    with closing(Store(fresh_database(request.param))) as opened:
        yield opened


class Scene:
    """A rack without phones, whose sign of life is given by hand."""

    def __init__(self, store: Store, **values) -> None:
        self.store = store
        self.settings = load_settings(None, values)
        self.numbers = iter(range(10_000))
        self.start()

    def start(self) -> None:
        rules = RackRules(self.settings)
        self.pulse = Pulse(self.store, self.settings, rules.opens_at)

    def queue(self, at: datetime, *, message_class=MARKETING, **values) -> int:
        draft = Draft(f"+42077700{next(self.numbers):04}", "Ahoj", message_class=message_class, **values)
        (outcome,) = submit(self.store, self.settings.messages, [draft], now=at, actor="test")
        return outcome.message_id

    def change(self, message_id: int, **values) -> None:
        self.store.write(
            lambda session: session.execute(
                update(MessageRecord).where(MessageRecord.id == message_id).values(**values)
            )
        )

    def held(self) -> list[int]:
        with self.store.reading() as session:
            query = select(MessageRecord.id).where(MessageRecord.waiting_for == WaitReason.STALE)
            return list(session.scalars(query.order_by(MessageRecord.id)))

    def record(self) -> tuple:
        with self.store.reading() as session:
            record = session.get_one(RackRecord, 1)
            return record.able_at, record.outage_since, record.outage_until

    def events(self, message_id: int) -> list[tuple]:
        with self.store.reading() as session:
            query = select(MessageEvent).where(MessageEvent.message_id == message_id).order_by(MessageEvent.id)
            return [(event.new_state, event.actor, event.reason) for event in session.scalars(query)]


@pytest.fixture
def scene(store):
    made = Scene(store)
    made.pulse.beat(BEGUN)
    return made


def test_what_was_due_for_a_day_of_the_outage_is_held_and_the_rest_goes(scene):
    before = scene.queue(BEGUN - 5 * DAY)
    early = scene.queue(BACK - 25 * HOUR)
    late = scene.queue(BACK - 23 * HOUR)
    scene.start()
    assert scene.pulse.beat(BACK)
    assert scene.held() == [before, early]
    words = "held: nothing could be sent from 2026-11-25 10:00:00 UTC to 2026-11-27 10:00:00 UTC"
    assert scene.events(early)[1:] == [("queued", "outage", words)]
    assert scene.events(late)[1:] == []
    assert scene.record() == (BACK, BEGUN, BACK)
    # Once is enough.
    scene.change(late, changed_at=BEGUN)
    assert not scene.pulse.beat(BACK + MINUTE)
    assert scene.held() == [before, early]


@pytest.mark.parametrize("away", [MINUTE, 23 * HOUR, DAY])
def test_a_restart_holds_nothing_however_long_the_queue_has_waited(scene, away):
    for days in (1, 5, 30):
        scene.queue(BEGUN - days * DAY)
    scene.start()
    scene.pulse.beat(BEGUN + away)
    assert scene.held() == []


def test_a_rack_that_is_able_all_the_time_has_no_outage(scene):
    scene.queue(BEGUN - 5 * DAY)
    for minutes in range(0, 3 * 24 * 60, 7):
        scene.pulse.beat(BEGUN + minutes * MINUTE)
    assert scene.record()[1:] == (None, None)
    scene.start()
    scene.pulse.beat(BEGUN + 3 * DAY + 23 * HOUR)
    assert scene.held() == []


def test_the_sign_of_life_costs_a_write_now_and_then(scene, monkeypatch):
    writes, write = [], scene.store.write
    monkeypatch.setattr(scene.store, "write", lambda work: (writes.append(1), write(work))[1])
    for seconds in range(0, 3600, 10):
        scene.pulse.beat(BEGUN + timedelta(seconds=seconds))
    assert len(writes) == 11
    assert scene.record()[0] == BEGUN + 55 * MINUTE


def test_a_sign_that_cannot_be_written_stops_nobody_and_a_hold_that_cannot_be_stops_all(scene, monkeypatch):
    scene.queue(BEGUN)

    def refuse(work):
        raise StoreFullError("the disk is full")

    monkeypatch.setattr(scene.store, "write", refuse)
    for minutes in (10, 11):
        assert not scene.pulse.beat(BEGUN + minutes * MINUTE)
    for _ in range(2):
        with pytest.raises(StoreFullError):
            scene.pulse.beat(BACK)
    monkeypatch.undo()
    scene.pulse.beat(BACK)
    assert len(scene.held()) == 1


def test_without_a_record_there_was_no_outage(store):
    scene = Scene(store)
    scene.queue(BEGUN)
    scene.pulse.beat(BACK)
    assert (scene.held(), scene.record()) == ([], (BACK, None, None))


def test_a_time_that_was_asked_for_is_when_it_is_due(scene):
    asked = {hours: scene.queue(BEGUN, not_before=BEGUN + hours * HOUR) for hours in (1, 23, 25, 47)}
    later = scene.queue(BEGUN, not_before=BACK + HOUR)
    retried = scene.queue(BEGUN - HOUR)
    scene.change(retried, waiting_for=WaitReason.RETRY, not_before=BEGUN + MINUTE)
    scene.pulse.beat(BACK)
    assert scene.held() == [asked[1], asked[23], retried]
    with scene.store.reading() as session:
        assert session.get_one(MessageRecord, later).waiting_for == WaitReason.NOT_BEFORE


def test_quiet_hours_make_nothing_stale(scene):
    saturday = datetime(2026, 11, 28, 18, 30, tzinfo=UTC)
    scene.pulse.beat(saturday)
    # Marketing goes until eight in the evening in Prague, and on from Monday at eight.
    open_yet, too_late = scene.queue(saturday), scene.queue(saturday + HOUR)
    transactional = scene.queue(saturday + HOUR, message_class=TRANSACTIONAL, ttl_s=7 * 86_400)
    # Whoever starts anew has the rules asked anew, and what they had said is not on record any more.
    scene.start()
    look_anew(scene.store)
    scene.pulse.beat(saturday + 39 * HOUR)
    assert scene.held() == [open_yet, transactional]
    assert too_late not in scene.held()


def test_what_waits_for_a_person_or_is_over_is_left_alone(scene):
    batch = scene.queue(BEGUN, batch="autumn")
    aside = scene.queue(BEGUN)
    scene.change(aside, waiting_for=WaitReason.TOO_LONG)
    over = scene.queue(BEGUN, ttl_s=3600)
    sent = scene.queue(BEGUN)
    scene.change(sent, state=MessageState.SENT)
    scene.store.write(lambda session: hold(session, Scope.BATCH, 1, HoldKind.PAUSED, "wait", BEGUN, "anna"))
    scene.pulse.beat(BACK)
    assert scene.held() == []
    assert Expiry(scene.store, lambda: BACK).run() == 1
    assert {batch, aside, over, sent} == set(range(1, 5))


def test_a_message_that_a_person_sends_again_is_as_old_as_that(scene):
    again = scene.queue(BEGUN - 5 * DAY)
    scene.change(again, changed_at=BACK - HOUR)
    scene.pulse.beat(BACK)
    assert scene.held() == []


def test_off(store):
    scene = Scene(store, messages={"stale_after_h": 0}, ramp_up={"minutes": 0})
    scene.pulse.beat(BEGUN)
    scene.queue(BEGUN)
    scene.pulse.beat(BACK)
    assert scene.held() == []
    assert scene.record() == (BACK, None, None)


def test_a_clock_that_was_wrong(scene):
    scene.queue(BEGUN - 5 * DAY)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    scene.start()
    # A host without a battery starts in 1970, and learns the time an hour later.
    for minutes in range(0, 60, 10):
        scene.pulse.beat(epoch + minutes * MINUTE)
    scene.pulse.beat(BEGUN + HOUR)
    assert scene.held() == []
    assert scene.record()[0] == BEGUN + HOUR


@pytest.mark.parametrize("restarts", [False, True])
def test_a_clock_that_jumped_ahead_hides_no_outage(scene, restarts, caplog):
    ahead = BEGUN + 1000 * DAY
    scene.pulse.beat(ahead)
    if restarts:
        scene.start()
    # It may be this time that is wrong: a while is waited for another.
    for minutes in (1, 2, 15):
        scene.pulse.beat(BEGUN + minutes * MINUTE)
    assert scene.record()[0] == ahead
    scene.pulse.beat(BEGUN + 16 * MINUTE)
    assert scene.record()[0] == BEGUN + 16 * MINUTE
    assert len([each for each in caplog.records if "the clock was set back" in each.getMessage()]) == 1
    message_id = scene.queue(BEGUN + HOUR)
    scene.pulse.beat(BACK)
    assert scene.held() == [message_id]
    assert scene.record() == (BACK, BEGUN + 16 * MINUTE, BACK)


def test_the_ramp_follows_an_outage_of_an_hour_and_outlives_a_restart(scene):
    assert not scene.pulse.ramp().is_on(BEGUN)
    scene.pulse.beat(BEGUN + 59 * MINUTE)
    assert scene.pulse.ramp().ends_at is None
    back = BEGUN + 2 * HOUR
    scene.pulse.beat(back)
    scene.start()
    assert scene.pulse.ramp().is_on(back)
    assert scene.pulse.ramp().ends_at == back + 10 * MINUTE
    # Another restart meanwhile does not begin it anew.
    scene.pulse.beat(back + 5 * MINUTE)
    assert scene.pulse.ramp().ends_at == back + 10 * MINUTE


def test_no_lane_passes_before_all_of_it_is_held(scene, monkeypatch):
    for _ in range(7):
        scene.queue(BEGUN)
    monkeypatch.setattr(stale, "_CHUNK", 2)
    found = []

    def beat():
        scene.pulse.beat(BACK)
        found.append(len(scene.held()))

    threads = [threading.Thread(target=beat) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [7] * 8


def test_broken_off_it_is_done_again(scene, monkeypatch):
    for _ in range(5):
        scene.queue(BEGUN)
    monkeypatch.setattr(stale, "_CHUNK", 2)
    hold_some, calls = stale._hold, []

    def stumble(session, *values):
        calls.append(1)
        if len(calls) >= 2:
            raise RuntimeError("the power is gone")
        return hold_some(session, *values)

    monkeypatch.setattr(stale, "_hold", stumble)
    with pytest.raises(RuntimeError):
        scene.pulse.beat(BACK)
    assert len(scene.held()) == 2
    monkeypatch.setattr(stale, "_hold", hold_some)
    scene.start()
    scene.pulse.beat(BACK + MINUTE)
    assert len(scene.held()) == 5


def test_it_leaves_the_heads_of_the_queue_and_comes_back(scene):
    held, new = scene.queue(BEGUN), scene.queue(BACK)
    queue = Queue(Bells())

    def heads():
        queue.forget()
        return scene.store.write(lambda session: [one.message_id for one in queue.messages(session, 1, [1], BACK)])

    scene.pulse.beat(BACK)
    assert heads() == [new]
    assert release_stale(scene.store, None, now=BACK, actor="cli eva", reason="still true") == 1
    assert heads() == [held, new]
    assert scene.events(held)[-1] == ("queued", "cli eva", "released: still true")
    # What was released stays so, also at a restart.
    scene.start()
    scene.pulse.beat(BACK + 10 * MINUTE)
    assert scene.held() == []
    assert release_stale(scene.store, None, now=BACK, actor="cli eva", reason="again") == 0


def test_batch_by_batch(scene, monkeypatch):
    monkeypatch.setattr(stale, "_CHUNK", 2)
    autumn = [scene.queue(BEGUN, batch="autumn") for _ in range(5)]
    winter = [scene.queue(BEGUN + HOUR, batch="winter") for _ in range(3)]
    alone = scene.queue(BEGUN + 2 * HOUR)
    scene.pulse.beat(BACK)
    with scene.store.reading() as session:
        assert [(g.batch, g.messages, g.oldest_at) for g in list_stale(session)] == [
            ("autumn", 5, BEGUN), ("winter", 3, BEGUN + HOUR), (None, 1, BEGUN + 2 * HOUR),
        ]  # fmt: skip
    assert release_stale(scene.store, "autumn", now=BACK, actor="page", reason="go") == len(autumn)
    assert scene.held() == [*winter, alone]
    assert cancel_stale(scene.store, "winter", now=BACK, actor="page", reason="too late") == len(winter)
    assert scene.events(winter[0])[-1] == ("cancelled", "page", "too late")
    with scene.store.reading() as session:
        assert session.get_one(MessageRecord, winter[0]).failure_code == "withdrawn"
    assert cancel_stale(scene.store, None, now=BACK, actor="page", reason="the rest") == 1
    for act in (release_stale, cancel_stale):
        with pytest.raises(UnknownBatchError):
            act(scene.store, "spring", now=BACK, actor="page", reason="?")


def test_what_is_held_expires_in_its_time_and_says_so(scene):
    message_id = scene.queue(BEGUN, ttl_s=3 * 86_400)
    scene.pulse.beat(BACK)
    assert Expiry(scene.store, lambda: BEGUN + 3 * DAY).run() == 1
    assert scene.events(message_id)[-1] == ("expired", "expiry", "not sent in time; it waited for: stale")


def test_a_new_beginning_of_its_batch_is_a_release(scene):
    message_id = scene.queue(BEGUN, batch="autumn")
    scene.pulse.beat(BACK)
    change_window(scene.store, scene.settings.messages, "autumn", {"not_before": BACK + HOUR}, now=BACK)
    with scene.store.reading() as session:
        message = session.get_one(MessageRecord, message_id)
        assert (message.waiting_for, message.not_before) == (WaitReason.NOT_BEFORE, BACK + HOUR)


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.integers(-80, 80), st.none() | st.integers(-80, 120), st.none() | st.integers(1, 200)),
        min_size=1,
        max_size=12,
    ),
    st.integers(1, 70),
    st.integers(1, 48),
)
def test_against_the_rule_in_other_words(fresh_sqlite, messages, away_h, after_h):
    """Held is what has waited, with nothing but the outage in its way, for longer than it may."""
    with closing(Store(fresh_sqlite())) as store:
        scene = Scene(store, messages={"stale_after_h": after_h}, quiet_hours={"marketing": {}})
        scene.pulse.beat(BEGUN)
        back, expected = BEGUN + away_h * HOUR, []
        for queued_h, not_before_h, ttl_h in messages:
            if queued_h > away_h:
                continue
            not_before = None if not_before_h is None or not_before_h <= queued_h else BEGUN + not_before_h * HOUR
            ttl_s = ttl_h and ttl_h * 3600
            message_id = scene.queue(BEGUN + queued_h * HOUR, not_before=not_before, ttl_s=ttl_s)
            begins_h = max(queued_h, not_before_h or queued_h)
            hours = [h for h in range(away_h) if h >= begins_h]  # of the outage, in which it might have gone
            is_over = ttl_h is not None and begins_h + ttl_h <= away_h
            if len(hours) > after_h and not is_over:
                expected.append(message_id)
        scene.pulse.beat(back)
        assert scene.held() == expected


@pytest.fixture
def fresh_sqlite(tmp_path):
    names = iter(range(10_000))
    return lambda: tmp_path / f"{next(names)}.db"
