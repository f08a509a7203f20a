"""A STOP that is stored between the claim and the phone still keeps the message back."""

from __future__ import annotations

import itertools
import os
import threading
import time

import pytest
from sqlalchemy import select

from device_drivers.base import InboxRow
from host_controller.inbox.receive import InboundStore
from host_controller.messaging.consent_care import ConsentCare
from host_controller.messaging.submit import Draft
from host_controller.rules.states import Evidence, MessageState
from host_controller.store.models import AttemptRecord, MessageRecord, OptOutRecord
from host_controller.store.refusals import Refusals, RefusedMeanwhileError
from host_controller.wiring import utc_now

ANNA, PETR = "+420777123456", "+420603111222"
# `make soak` takes 10,000, of which every second one comes between claim and phone.
STOPS = int(os.environ.get("SMSRACK_TEST_STOPS", "60"))


def attempts(rack):
    with rack.store.reading() as session:
        return session.scalars(select(AttemptRecord).order_by(AttemptRecord.id)).all()


def is_at_rest(rack):
    with rack.store.reading() as session:
        moving = (MessageState.QUEUED, MessageState.SUBMITTING)
        return session.scalar(select(MessageRecord.id).where(MessageRecord.state.in_(moving)).limit(1)) is None


def test_a_stop_that_is_stored_after_the_claim_keeps_the_message_back(rack, fake_phone):
    phone = fake_phone()
    care = ConsentCare(rack.store, rack.settings, utc_now)
    phone.before_open = lambda number: care.opt_out(number, "test") if number == ANNA else None
    rack.plug_in(phone)
    rack.submit((ANNA, "x"), (PETR, "y"))
    assert rack.wait_settled() == [MessageState.CANCELLED, MessageState.SENT]
    assert [entry.msisdn for entry in phone.air] == [PETR]
    assert rack.message(1).failure_code == "opted_out"
    assert attempts(rack)[0].evidence == Evidence.OPTED_OUT
    assert attempts(rack)[0].state == "not_sent"


def test_what_was_kept_back_for_an_opt_out_that_was_not_stored_goes_later(rack, fake_phone):
    phone = fake_phone()

    def fail(number):
        phone.before_open = None
        with pytest.raises(RuntimeError), rack.store.refusals.writing([number]):
            raise RuntimeError("the disk is full")

    phone.before_open = fail
    rack.plug_in(phone)
    rack.submit((ANNA, "x"))
    assert rack.wait_settled() == [MessageState.SENT]
    assert [attempt.state for attempt in attempts(rack)] == ["not_sent", "sent"]


def test_an_opt_out_for_one_brand_keeps_back_that_brand(rack, fake_phone):
    phone = fake_phone()
    care = ConsentCare(rack.store, rack.settings, utc_now)
    stopped = []

    def stop(number):
        if not stopped:
            stopped.append(number)
            care.opt_out(number, "test", brand="Alfa")

    phone.before_open = stop
    rack.plug_in(phone)
    rack.submit_drafts(Draft(ANNA, "a", brand="Beta"), Draft(ANNA, "b", brand="Alfa"))
    assert rack.wait_settled() == [MessageState.SENT, MessageState.CANCELLED]


def test_stops_by_the_thousand_into_running_sends(make_rack, fake_phone):
    """Each number has a message queued and most have one being sent; nothing is handed over after a stored STOP."""
    rack = make_rack(repeats={"recipient_per_hour": {}, "same_text": {}})
    inbound = InboundStore(rack.store, rack.settings, utc_now)
    phones = [fake_phone(f"P{n}") for n in range(4)]
    numbers = [f"+420777{n:06d}" for n in range(STOPS)]
    handed_over, stored_s, between, lock = [], {}, [], threading.Lock()
    row_ids = itertools.count(1)

    def stop(number):
        """As a phone's inbox is read by another lane."""
        now_ms = time.time_ns() // 1_000_000
        row = InboxRow(next(row_ids), now_ms, now_ms, 1, number, "STOP")
        inbound.take(1, [row], now_ms)
        stored_s[number] = time.monotonic()

    def before_open(number):
        with lock:
            is_first = number not in between and int(number[-1]) % 2 == 0
            if is_first:
                between.append(number)
        if is_first:
            stop(number)

    for phone in phones:
        phone.before_open = before_open
        phone.after_open = lambda number: handed_over.append((number, time.monotonic()))
    rack.plug_in(*phones)
    rack.submit(*((number, f"{n}") for number in numbers for n in range(2)))
    others = threading.Thread(target=lambda: [stop(number) for number in numbers if int(number[-1]) % 2])
    others.start()
    rack.wait_until(lambda: is_at_rest(rack), limit_s=3000)
    others.join()
    with rack.store.reading() as session:
        assert set(session.scalars(select(OptOutRecord.msisdn))) == set(numbers)
    late = [number for number, at_s in handed_over if at_s > stored_s[number]]
    kept_back = sum(attempt.evidence == Evidence.OPTED_OUT for attempt in attempts(rack))
    print(f"{STOPS} STOPs, {len(between)} of them between claim and phone; {kept_back} claims were kept back there;")
    print(f"{len(handed_over)} messages went before their number's STOP, {len(late)} after it")
    assert late == []
    assert kept_back >= len(between) >= STOPS // 10


def test_the_last_look():
    refusals = Refusals(most_marks=2)
    before = refusals.stamp()
    with refusals.last_look(ANNA, before):
        pass
    with refusals.writing([ANNA]), pytest.raises(RefusedMeanwhileError), refusals.last_look(ANNA, refusals.stamp()):
        pass
    with pytest.raises(RefusedMeanwhileError), refusals.last_look(ANNA, before):
        pass
    with refusals.last_look(PETR, before):
        pass
    with refusals.last_look(ANNA, refusals.stamp()):
        pass  # who claims now asks the database


def test_who_claimed_before_what_is_remembered_claims_again():
    refusals = Refusals(most_marks=2)
    before = refusals.stamp()
    for number in (ANNA, "+1", "+2"):
        with refusals.writing([number]):
            pass
    with pytest.raises(RefusedMeanwhileError), refusals.last_look(PETR, before):
        pass
    with refusals.last_look(PETR, refusals.stamp()):
        pass
