"""What a phone's SIMs have sent, from the rows: after a restart as if it had never ended."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from device_drivers.base import PhoneIdentity, SendGuard, Sim
from host_controller.fleet.phone import Enrolled, RackSim
from host_controller.messaging.ledgers import PhoneLedgers
from host_controller.rules.classes import MessageClass
from host_controller.rules.ledger import Left, Spent, Use
from host_controller.rules.states import AttemptState, MessageState
from host_controller.rules.waiting import Wait, WaitReason
from host_controller.settings import Settings, load_settings
from host_controller.store.models import AttemptRecord, MessageRecord, PhoneRecord, SimRecord
from host_controller.store.spent import spent_on_record
from host_controller.store.store import Store

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
IDENTITY = PhoneIdentity("A1", "HW1", "Maker", "Model", "14", 34, "fp")
SIM = RackSim(1, Sim(0, 11, None, None), 6000, 500)
OTP, TRANSACTIONAL, MARKETING = MessageClass
ANNA, BORIS = "+420777000001", "+420777000002"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, fresh_database):
    return fresh_database(request.param)


@pytest.fixture
def store(database):
    with closing(Store(database)) as opened:
        opened.write(_add_phone)
        yield opened


def _add_phone(session):
    session.add(
        PhoneRecord(
            hardware_serial="HW1",
            adb_serial="A1",
            manufacturer="Maker",
            model="Model",
            android_release="14",
            api_level=34,
            build_fingerprint="fp",
            send_only=False,
            send_way="isms",
            capabilities={},
            guard_max_parts=10_000,
            guard_interval_s=60,
            enrolled_at=NOON,
            inbox_date_ms=0,
            sims=[SimRecord(slot_index=0, subscription_id=11, active=True, parts_per_minute=6000, parts_per_day=500)],
        )
    )


def put_on_record(store, uses, state=AttemptState.SENT):
    def work(session):
        session.execute(delete(AttemptRecord))
        session.execute(delete(MessageRecord))
        for number, use in enumerate(uses, 1):
            session.execute(
                insert(MessageRecord).values(
                    id=number,
                    uid=number,
                    msisdn=use.recipient,
                    text="Ahoj",
                    part_count=use.parts,
                    state=MessageState.SENT,
                    message_class=use.message_class,
                    created_at=use.at,
                    changed_at=use.at,
                )
            )
            session.execute(
                insert(AttemptRecord).values(
                    id=number,
                    message_id=number,
                    n=1,
                    wire_id=number,
                    phone_id=1,
                    sim_id=1,
                    part_count=use.parts,
                    state=state,
                    intent_at=use.at,
                    phone_clock_ms=0,
                )
            )

    store.write(work)


def ledgers(store, now=NOON, settings=None, **limits):
    enrolled = Enrolled(1, IDENTITY, SendGuard(10_000, 60), (replace(SIM, **limits),))
    return PhoneLedgers(store, enrolled, settings or Settings(), now)


def use(seconds, parts=1, message_class=MARKETING, recipient=ANNA):
    return Use(NOON + timedelta(seconds=seconds), parts, message_class, recipient)


def test_what_may_have_left_counts_and_what_did_not_does_not(store):
    for state in AttemptState:
        put_on_record(store, [use(-7200, 3), use(-60, 2, OTP, BORIS)], state)
        spent = ledgers(store, recipients_per_month=9).spent(NOON)[1]
        if state is AttemptState.NOT_SENT:
            assert spent == Spent()
        else:
            assert spent == Spent(hour=(2, 0, 0), day=(2, 0, 3), month=(2, 0, 3), recipients=2)


def test_a_sim_has_a_zone_and_a_month_of_its_own(store):
    midnight_s = -18 * 3600  # in Dhaka the 25th begins
    put_on_record(store, [use(midnight_s - 1, 1), use(midnight_s, 2)])
    found = ledgers(store, zone="Asia/Dhaka", parts_per_month=100, month_reset_day=25)
    assert found.spent(NOON)[1] == Spent(day=(0, 0, 2), month=(0, 0, 2))
    found = ledgers(store, parts_per_month=100, month_reset_day=25)
    assert found.spent(NOON)[1] == Spent()
    assert ledgers(store).spent(NOON - timedelta(hours=17))[1].day == (0, 0, 3)


def test_the_racks_reserve_counts_on_every_sim(store):
    settings = load_settings(None, {"reserve": {"otp_percent": 10, "transactional_percent": 20}})
    found = ledgers(store, settings=settings, parts_per_day=100)
    assert [found.left(1, each, NOON).day for each in MessageClass] == [100, 90, 70]


def test_it_is_kept_up_to_date(store):
    found = ledgers(store, parts_per_day=10)
    found.note(1, use(-1, 4))
    found.note(1, use(0, 5, OTP, BORIS))
    assert found.left(1, OTP, NOON) == Left(None, 1, None, None)
    found.take_back(1, use(0, 5, OTP, BORIS), NOON)
    assert found.left(1, OTP, NOON) == Left(None, 6, None, None)
    # What it does not know of makes it look at the rows.
    found.take_back(1, use(0, 5, OTP, BORIS), NOON)
    assert found.left(1, OTP, NOON) == Left(None, 10, None, None)
    put_on_record(store, [use(-9, 7)])
    found.reload(NOON)
    assert found.left(1, OTP, NOON) == Left(None, 3, None, None)


def test_a_recipient_is_not_asked_about_where_it_is_a_known_one(store):
    put_on_record(store, [use(-60)])
    found = ledgers(store, recipients_per_month=1)
    assert found.next_allowed(1, 1, OTP, BORIS, NOON).reason is WaitReason.RECIPIENTS
    assert found.next_allowed(1, 1, OTP, ANNA, NOON) is None
    assert found.next_allowed(1, 1, OTP, None, NOON) is None


def test_a_clock_that_is_set_far_back_makes_it_read_the_rows_again(store):
    yesterday = use(-86400, 10)
    put_on_record(store, [yesterday])
    found = ledgers(store, parts_per_day=10)
    assert found.next_allowed(1, 1, OTP, ANNA, NOON) is None
    midnight = datetime(2026, 11, 24, 23, tzinfo=UTC)
    assert found.next_allowed(1, 1, OTP, ANNA, NOON - timedelta(hours=20)) == Wait(midnight, WaitReason.QUOTA)
    assert found.next_allowed(1, 1, OTP, ANNA, NOON) is None


moments = st.one_of(st.floats(-40 * 86400, 0), st.sampled_from([0, -3600, -13 * 3600, -13 * 3600 - 1e-6]))


@settings(max_examples=25)
@given(st.lists(st.tuples(moments, st.integers(1, 9), st.sampled_from(MessageClass), st.sampled_from([ANNA, BORIS]))))
def test_the_database_adds_up_the_same(store, found):
    limits = {"parts_per_hour": 100, "parts_per_month": 100, "recipients_per_month": 100, "month_reset_day": 12}
    put_on_record(store, [use(*each) for each in found])
    in_memory = ledgers(store, **limits)
    with store.reading() as session:
        assert spent_on_record(session, {1: in_memory.limits(1)}, NOON) == in_memory.spent(NOON)


questions = st.tuples(
    st.one_of(st.floats(0, 60), st.floats(0, 40 * 3600)),
    st.integers(1, 3),
    st.sampled_from(MessageClass),
    st.sampled_from([ANNA, BORIS, "+420777000003"]),
)


@settings(max_examples=25)
@given(st.lists(questions, min_size=1, max_size=25), st.integers(0, 24))
def test_a_restart_in_mid_run_changes_no_answer(store, asked, restart_at):
    limits = {"parts_per_hour": 10, "parts_per_day": 12, "parts_per_month": 30, "recipients_per_month": 2}
    put_on_record(store, [])
    now, done = NOON, []
    running = ledgers(store, now, **limits)
    for number, (pause_s, *question) in enumerate(asked):
        now += timedelta(seconds=pause_s)
        if number >= restart_at:
            put_on_record(store, done)
            restarted = ledgers(store, now, **limits)
            assert restarted.next_allowed(1, *question, now) == running.next_allowed(1, *question, now)
            assert restarted.spent(now) == running.spent(now)
        if running.next_allowed(1, *question, now) is None:
            done.append(Use(now, *question))
            running.note(1, done[-1])
