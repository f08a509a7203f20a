"""Messages whose time is over, on both kinds of database."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, select

from host_controller.messaging import expiry
from host_controller.messaging.expiry import Expiry
from host_controller.messaging.judgement import Settlement, settle
from host_controller.messaging.submit import Accepted, Draft, submit
from host_controller.rules.classes import MessageClass
from host_controller.rules.states import MessageState
from host_controller.rules.waiting import WaitReason
from host_controller.settings import MessageSettings
from host_controller.store.models import AttemptRecord, MessageEvent, MessageRecord, PhoneRecord, SimRecord
from host_controller.store.store import Store

START = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class FakeClock:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, fresh_database):
    with closing(Store(fresh_database(request.param))) as opened:
        yield opened


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def job(store, clock):
    return Expiry(store, clock)


def send(store, clock, count=1, **values):
    drafts = [Draft(f"+4207771{n:05d}", f"Zpráva {n}", **values) for n in range(count)]
    outcomes = submit(store, MessageSettings(), drafts, now=clock.now, actor="test")
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    return [outcome.message_id for outcome in outcomes]


def states(store):
    with store.reading() as session:
        return list(session.scalars(select(MessageRecord.state).order_by(MessageRecord.id)))


def change(store, message_id, **values):
    def work(session):
        message = session.get_one(MessageRecord, message_id)
        for name, value in values.items():
            setattr(message, name, value)

    store.write(work)


def test_each_expires_at_its_own_time_to_the_moment(store, clock, job):
    send(store, clock, message_class=MessageClass.OTP)
    send(store, clock)
    send(store, clock, message_class=MessageClass.MARKETING)
    assert job.run() == 0
    clock.now = START + 15 * MINUTE - timedelta(microseconds=1)
    assert job.run() == 0
    clock.now = START + 15 * MINUTE
    assert job.run() == 1
    clock.now = START + timedelta(hours=24)
    assert job.run() == 1
    clock.now = START + timedelta(days=3650)
    assert job.run() == 0
    assert states(store) == ["expired", "expired", "queued"]


def test_it_says_what_it_waited_for(store, clock):
    known = {4: WaitReason.NO_PHONE}
    job = Expiry(store, clock, known.get)
    send(store, clock, 4, ttl_s=60)
    change(store, 1, waiting_for="quiet_hours")
    change(store, 2, waiting_for="month", not_before=START + timedelta(days=3))
    clock.now += MINUTE
    assert job.run() == 4
    with store.reading() as session:
        words = list(session.scalars(select(MessageRecord.error_message).order_by(MessageRecord.id)))
        events = session.scalars(select(MessageEvent).where(MessageEvent.new_state == "expired")).all()
    assert words == [
        "not sent in time; it waited for: quiet hours",
        "not sent in time; it waited for: month",
        "not sent in time; nothing held it but that no SIM came to take it",
        "not sent in time; it waited for: no phone",
    ]
    assert sorted((e.message_id, e.old_state, e.actor, e.reason) for e in events) == [
        (n, "queued", "expiry", reason) for n, reason in enumerate(words, start=1)
    ]
    assert {e.at for e in events} == {clock.now}


def test_it_goes_in_chunks(store, clock, job, monkeypatch):
    monkeypatch.setattr(expiry, "_CHUNK", 7)
    send(store, clock, 30, ttl_s=60)
    send(store, clock, 1, ttl_s=61)
    clock.now += MINUTE
    assert job.run() == 30
    assert states(store).count("expired") == 30


def test_never_what_a_phone_may_have(store, clock, job):
    send(store, clock, 4, ttl_s=60)
    store.write(_add_phone)

    def begin(session):
        session.get_one(MessageRecord, 1).state = MessageState.SUBMITTING
        for message_id, state in ((1, "intent"), (2, "returned"), (3, "not_sent")):
            session.add(
                AttemptRecord(
                    message_id=message_id, n=1, wire_id=message_id, phone_id=1, sim_id=1, part_count=1, state=state,
                    intent_at=START, phone_clock_ms=0,
                )
            )  # fmt: skip
        session.get_one(MessageRecord, 4).restored = True

    store.write(begin)
    clock.now += MINUTE
    assert job.run() == 1
    assert states(store) == ["submitting", "queued", "expired", "queued"]
    change(store, 4, restored=False)
    assert job.run() == 1


def _add_phone(session):
    phone = PhoneRecord(
        hardware_serial="HW1", adb_serial="A1", manufacturer="Maker", model="Model", android_release="14", api_level=34,
        build_fingerprint="fp", send_only=False, send_way="isms", capabilities={}, guard_max_parts=30,
        guard_interval_s=60, enrolled_at=START, inbox_date_ms=0,
    )  # fmt: skip
    phone.sims = [SimRecord(slot_index=0, subscription_id=1, active=True, parts_per_minute=20)]
    session.add(phone)


def test_what_comes_later_and_ends_sooner_is_seen_at_once(store, clock, job):
    send(store, clock, ttl_s=3600)
    job.run()
    clock.now += timedelta(seconds=2)
    send(store, clock, ttl_s=4)
    clock.now += timedelta(seconds=2)
    assert job.run() == 0
    clock.now += timedelta(seconds=2)
    assert job.run() == 1
    assert states(store) == ["queued", "expired"]


def test_an_end_that_was_moved_is_seen_at_once_also_after_the_clock_was_set_back(store, clock, job):
    send(store, clock, ttl_s=36_000)
    job.run()
    change(store, 1, expires_at=START + timedelta(seconds=1))
    clock.now += timedelta(seconds=2)
    assert job.run() == 1
    send(store, clock, ttl_s=36_000)
    job.run()
    clock.now = START - timedelta(days=1)
    job.run()
    change(store, 2, expires_at=clock.now - timedelta(seconds=1))
    assert job.run() == 1


def test_it_reads_each_message_once(store, clock, job, monkeypatch):
    """Of 32 with the same end, in chunks of 7, a phone may have one of every chunk."""
    monkeypatch.setattr(expiry, "_CHUNK", 7)
    send(store, clock, 32, ttl_s=60)
    for message_id in range(1, 32, 4):
        change(store, message_id, restored=True)
    clock.now += MINUTE
    statements = []
    event.listen(store._engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    assert job.run() == 24
    assert len([s for s in statements if s.startswith("SELECT message.expires_at")]) == 4
    assert states(store).count("expired") == 24


def test_an_idle_rack_is_asked_little(store, clock, job):
    send(store, clock, 3, ttl_s=3600)
    job.run()
    statements = []
    event.listen(store._engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    for _ in range(10):
        clock.now += timedelta(seconds=2)
        job.run()
    assert len([s for s in statements if "FROM message" in s]) == 10


def test_what_a_person_sends_once_more_does_not_expire_at_once(store, clock, job):
    (message_id,) = send(store, clock, ttl_s=60)
    change(store, message_id, state=MessageState.UNKNOWN)
    clock.now += timedelta(hours=1)
    store.write(
        lambda session: settle(session, [message_id], Settlement.RESEND, now=clock.now, actor="anna", reason="call")
    )
    assert job.run() == 0
    assert states(store) == ["queued"]
