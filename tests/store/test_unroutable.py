"""What no phone could ever take: refused at the door, or failed where the rack was changed later."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, select

from host_controller.messaging.batches import BatchDraft, make_batch
from host_controller.messaging.submit import Accepted, Draft, submit
from host_controller.messaging.unroutable import Unroutable
from host_controller.rules.classes import MessageClass
from host_controller.rules.sticky import SimMode
from host_controller.settings import Settings, load_settings
from host_controller.store.models import BatchRecord, MessageEvent, MessageRecord, PhoneRecord, SimRecord
from host_controller.store.store import Store

NOW = datetime(2026, 11, 26, 5, 0, tzinfo=UTC)
ANNA, SLOVAK = "+420777123456", "+421905123456"
SETTINGS = load_settings(
    None, {"messages": {"allowed_regions": ["CZ", "SK"]}, "reserve": {"otp_percent": 30, "transactional_percent": 30}}
)
ONLY_CZ = '[["country", "=", "CZ"]]'


@pytest.fixture
def store(tmp_path):
    with closing(Store(tmp_path / "smsrack.db")) as opened:
        yield opened


@pytest.fixture
def add_phone(store):
    def add(name: str = "A1", *, recipient_filter: str | None = None, **sim: object) -> None:
        def work(session):
            phone = PhoneRecord(
                hardware_serial=f"HW{name}", adb_serial=name, manufacturer="M", model="M", android_release="14",
                api_level=34, build_fingerprint="fp", send_only=False, send_way="isms", capabilities={},
                guard_max_parts=30, guard_interval_s=60, enrolled_at=NOW, inbox_date_ms=0,
                recipient_filter=recipient_filter,
            )  # fmt: skip
            phone.sims = [SimRecord(slot_index=0, subscription_id=1, active=True, parts_per_minute=20, **sim)]
            session.add(phone)

        store.write(work)

    return add


@pytest.fixture
def send(store):
    def call(*drafts: Draft) -> list[str | int]:
        outcomes = submit(store, SETTINGS.messages, drafts, now=NOW, actor="test", rack=SETTINGS)
        return [found.message_id if isinstance(found, Accepted) else found.code for found in outcomes]

    return call


def change(store, model: type, key: int, **values: object) -> None:
    def work(session):
        record = session.get_one(model, key)
        for name, value in values.items():
            setattr(record, name, value)

    store.write(work)


def marketing(text: str) -> Draft:
    return Draft(ANNA, text, message_class=MessageClass.MARKETING)


def test_without_phones_it_waits_for_one(send):
    assert send(Draft(ANNA, "x")) == [1]
    assert send(Draft(ANNA, "x", only_sim_id=7), Draft(ANNA, "x", only_phone_id=7)) == ["no_such_sim", "no_such_phone"]


def test_what_it_must_leave_from(send, add_phone, store):
    add_phone("A1")
    add_phone("B2")
    assert send(Draft(ANNA, "x", only_phone_id=1, only_sim_id=1)) == [1]
    assert send(Draft(ANNA, "x", only_phone_id=1, only_sim_id=2)) == ["contradiction"]
    change(store, SimRecord, 2, active=False)
    assert send(Draft(ANNA, "x", only_sim_id=2)) == ["no_such_sim"]


def test_the_sims_of_its_batch(send, add_phone, store):
    add_phone()
    store.write(
        lambda s: make_batch(s, BatchDraft("autumn", sim_mode=SimMode.SINGLE, sim_ids=(1,)), now=NOW, actor="t").id
    )
    assert send(Draft(ANNA, "x", batch="autumn")) == [1]
    change(store, SimRecord, 1, active=False)
    assert send(Draft(ANNA, "x", batch="autumn")) == ["no_such_sim"]


def test_a_filter_against_it(send, add_phone, store):
    add_phone("A1", recipient_filter=ONLY_CZ)
    assert send(Draft(ANNA, "x"), Draft(SLOVAK, "x", batch="never")) == [1, "no_match"]
    with store.reading() as session:
        assert session.scalars(select(BatchRecord.name)).all() == []
    add_phone("B2")
    assert send(Draft(SLOVAK, "x"), Draft(SLOVAK, "x", only_phone_id=1)) == [2, "no_match"]


def test_more_parts_than_a_sim_ever_lets_through(send, add_phone):
    add_phone(parts_per_day=10)
    # Of ten parts four are marketing's.
    assert send(marketing("x" * 600), marketing("x" * 700)) == [1, "too_long"]
    assert send(Draft(ANNA, "x" * 700, message_class=MessageClass.OTP)) == [2]
    add_phone("B2")
    assert send(marketing("x" * 700)) == [3]


def test_more_parts_than_the_cap_of_its_number_ever_lets_through(add_phone, store):
    add_phone()
    caps = {"+42077": {"parts_per_hour": 3, "parts_per_day": 2}, "+4207771": {"parts_per_hour": 9}, "+421": {}}
    capped = Settings(messages=SETTINGS.messages, prefix_caps=load_settings(None, {"prefix_caps": caps}).prefix_caps)

    def put_in(number, parts, rack):
        draft = Draft(number, "x" * 150 * parts)
        (found,) = submit(store, SETTINGS.messages, [draft], now=NOW, actor="test", rack=rack)
        return found.message_id if isinstance(found, Accepted) else found.code

    asked = [("+420776123456", 2), ("+420776123456", 3), (ANNA, 9), (ANNA, 10), (SLOVAK, 10)]
    assert [put_in(*each, capped) for each in asked] == [1, "too_long", 2, "too_long", 3]
    # What came in before the cap was set fails.
    assert put_in(ANNA, 10, SETTINGS) == 4
    assert Unroutable(store, capped, lambda: NOW).run() == 1
    with store.reading() as session:
        assert "the cap of its number" in session.get_one(MessageRecord, 4).error_message


def test_a_thousand_cost_one_small_question(send, add_phone, store):
    add_phone(parts_per_day=500)
    statements: list[str] = []
    event.listen(store._engine, "before_cursor_execute", lambda *found: statements.append(found[2]))
    send(*(Draft(f"+42077712{n:04d}", "x") for n in range(1000)))
    assert len([statement for statement in statements if "FROM sim" in statement]) == 1


class FakeClock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def job(store):
    return Unroutable(store, SETTINGS, lambda: NOW)


def states(store) -> list[tuple[str, str | None]]:
    with store.reading() as session:
        query = select(MessageRecord.state, MessageRecord.failure_code).order_by(MessageRecord.id)
        return [tuple(row) for row in session.execute(query)]


QUEUED, FAILED = ("queued", None), ("failed", "unroutable")


def test_a_filter_that_came_later(send, add_phone, store, job):
    add_phone()
    send(Draft(ANNA, "x"), Draft(SLOVAK, "x"))
    assert job.run() == 0
    change(store, PhoneRecord, 1, recipient_filter=ONLY_CZ)
    assert job.run() == 1
    assert states(store) == [QUEUED, FAILED]
    with store.reading() as session:
        words = session.get_one(MessageRecord, 2).error_message
        actors = session.scalars(select(MessageEvent.actor).where(MessageEvent.message_id == 2)).all()
    assert words.startswith("no phone can take it: the recipient filter of every phone")
    assert actors == ["test", "rack"]
    # What nobody has checked at the door is looked at when it is there.
    submit(store, SETTINGS.messages, [Draft(SLOVAK, "x"), Draft(ANNA, "x")], now=NOW, actor="odoo")
    assert job.run() == 1
    assert states(store)[2:] == [FAILED, QUEUED]
    assert job.run() == 0


def test_a_phone_that_was_taken_out_and_one_whose_sim_is_out(send, add_phone, store, job):
    add_phone("A1")
    add_phone("B2")
    send(Draft(ANNA, "x", only_sim_id=1), Draft(ANNA, "x", only_sim_id=2), Draft(ANNA, "x"))
    change(store, PhoneRecord, 1, removed_at=NOW)
    change(store, SimRecord, 2, active=False)
    job.run()
    assert states(store) == [FAILED, QUEUED, QUEUED]


def test_what_a_phone_may_have_stays(send, add_phone, store, job):
    add_phone()
    send(Draft(SLOVAK, "x"), Draft(SLOVAK, "y"))
    change(store, MessageRecord, 1, restored=True)
    change(store, PhoneRecord, 1, recipient_filter=ONLY_CZ)
    assert job.run() == 1
    assert states(store) == [QUEUED, FAILED]


def test_a_long_queue(send, add_phone, store, job):
    add_phone()
    for _ in range(3):
        send(*(Draft(SLOVAK, "x") for _ in range(900)))
    change(store, PhoneRecord, 1, recipient_filter=ONLY_CZ)
    assert job.run() == 2700


def test_what_need_not_be_looked_at_is_not_read_again(send, add_phone, store, job):
    """Where every SIM takes all, only what is bound is looked at: the rest of a long queue is passed over once."""
    add_phone()
    send(*(Draft(ANNA, f"{n}") for n in range(20)))
    job.run()
    read = []

    def look(_connection, _cursor, statement, parameters, _context, _is_many):
        if "message.msisdn" in statement:
            read.append(parameters)

    event.listen(store._engine, "before_cursor_execute", look)
    job.run()
    assert len(read) == 1
    assert 20 in read[0]


def test_what_was_given_back_is_looked_at_within_the_hour(send, add_phone, store, clock):
    job = Unroutable(store, SETTINGS, clock)
    add_phone()
    send(Draft(SLOVAK, "x"), Draft(ANNA, "y"))
    change(store, MessageRecord, 1, restored=True)
    change(store, PhoneRecord, 1, recipient_filter=ONLY_CZ)
    assert job.run() == 0
    change(store, MessageRecord, 1, restored=False)
    assert job.run() == 0
    clock.now += timedelta(hours=1)
    assert job.run() == 1
