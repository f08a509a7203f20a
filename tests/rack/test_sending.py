"""A message's way through the controller, with every way it can go wrong at the phone."""

from __future__ import annotations

from collections import Counter

import pytest

from device_drivers.base import SentRow, Sim
from host_controller.fleet.phone import Enrolled
from host_controller.rules.states import MessageState

ANNA, PETR = "+420777123456", "+420603111222"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, fresh_database):
    return fresh_database(request.param)


def test_a_message_is_sent_by_the_phones_own_row(rack, fake_phone):
    phone = fake_phone()
    rack.plug_in(phone)
    (message_id,) = rack.submit((ANNA, "Ahoj Anno"))
    assert rack.wait_settled() == [MessageState.SENT]
    assert rack.events(message_id) == ["queued", "submitting", "sent"]
    assert [(sent.msisdn, sent.text) for sent in phone.air] == [(ANNA, "Ahoj Anno")]


def test_a_hundred_messages_over_three_phones_go_once_each(rack, fake_phone):
    phones = [fake_phone(f"fake-{n}") for n in range(3)]
    rack.plug_in(*phones)
    drafts = [(f"+42077712{n:04d}", f"Zpráva {n}") for n in range(100)]
    rack.submit(*drafts)
    rack.wait_sent()
    air = Counter((sent.msisdn, sent.text) for phone in phones for sent in phone.air)
    assert air == Counter(drafts)
    assert all(phone.air for phone in phones)
    assert {sent.subscription_id for phone in phones for sent in phone.air} == {41, 52}


def test_two_equal_messages_are_both_sent_each_proven_by_its_own_row(rack, fake_phone):
    phone = fake_phone()
    rack.plug_in(phone)
    rack.submit((ANNA, "Pair"), (ANNA, "Pair"))
    assert rack.wait_settled() == [MessageState.SENT] * 2
    assert len(phone.air) == 2


def test_not_handed_over_goes_back_to_the_queue_and_out_later(rack, fake_phone):
    phone = fake_phone(faults=["refused"])
    rack.plug_in(phone)
    (message_id,) = rack.submit((ANNA, "Ahoj"))
    assert rack.wait_settled() == [MessageState.SENT]
    assert rack.events(message_id) == ["queued", "submitting", "queued", "submitting", "sent"]
    assert len(phone.air) == 1


def test_no_answer_but_a_row_is_sent_and_never_repeated(rack, fake_phone):
    phone = fake_phone(faults=["lost"])
    rack.plug_in(phone)
    rack.submit((ANNA, "Ahoj"))
    assert rack.wait_settled() == [MessageState.SENT]
    assert len(phone.air) == 1


@pytest.mark.gives_up
@pytest.mark.parametrize("fault", ["no_row", "silent", "withdrawn"])
def test_without_proof_it_is_unknown_and_never_repeated(rack, fake_phone, fault):
    phone = fake_phone(faults=[fault])
    rack.plug_in(phone)
    (message_id,) = rack.submit((ANNA, "Ahoj"))
    assert rack.wait_settled() == [MessageState.UNKNOWN]
    assert "may have left" in rack.message(message_id).error_message
    assert rack.events(message_id) == ["queued", "submitting", "unknown"]
    assert len(phone.air) == (0 if fault == "silent" else 1)


@pytest.mark.gives_up
def test_a_late_row_turns_unknown_into_sent(rack, fake_phone):
    phone = fake_phone(faults=["no_row"])
    rack.plug_in(phone)
    rack.submit((ANNA, "Ahoj"))
    assert rack.wait_settled() == [MessageState.UNKNOWN]
    sent = phone.air[0]
    phone.sent_rows.append(SentRow(99, phone.read_clock_ms(), sent.subscription_id, sent.msisdn, sent.text))
    rack.wait_until(lambda: rack.states() == [MessageState.SENT])
    assert len(phone.air) == 1


def test_a_phone_that_refuses_is_held_and_another_one_sends(rack, fake_phone):
    bad, good = fake_phone("bad", faults=["rejected"] * 10), fake_phone("good")
    rack.plug_in(bad)
    rack.submit((ANNA, "Ahoj"))
    rack.wait_until(lambda: rack.rack.phones()[0].hold is not None)
    assert rack.states() == [MessageState.QUEUED]
    assert "SecurityException" in rack.rack.phones()[0].advice
    rack.plug_in(good)
    assert rack.wait_settled() == [MessageState.SENT]
    assert (len(bad.air), len(good.air)) == (0, 1)


def test_refused_by_every_phone_it_fails_in_the_phones_words(rack, fake_phone):
    rack.plug_in(*(fake_phone(f"bad-{n}", faults=["rejected"] * 10) for n in range(3)))
    (message_id,) = rack.submit((ANNA, "Ahoj"))
    assert rack.wait_settled() == [MessageState.FAILED]
    assert rack.message(message_id).failure_code == "phone_rejected"
    assert "SecurityException" in rack.message(message_id).error_message


@pytest.mark.gives_up
def test_three_messages_without_trace_hold_the_phone(rack, fake_phone):
    phone = fake_phone(faults=["silent"] * 3)
    rack.plug_in(phone)
    rack.submit(*((ANNA, f"Zpráva {n}") for n in range(3)))
    assert rack.wait_settled() == [MessageState.UNKNOWN] * 3
    rack.wait_until(lambda: rack.rack.phones()[0].hold is not None)
    rack.rack.find(phone.serial).release()
    for lane in rack.lanes:
        lane.ask_to_read()
    # What it did before it was released is not held against it again, however often it is read.
    rounds = phone.reads
    rack.wait_until(lambda: phone.reads >= rounds + 5)
    assert rack.rack.phones()[0].hold is None
    rack.submit((PETR, "Další"))
    rack.wait_until(lambda: rack.states()[-1] is MessageState.SENT)


@pytest.mark.gives_up
def test_no_more_than_eight_wait_for_their_proof_at_a_time(make_rack, fake_phone, monkeypatch):
    monkeypatch.setattr(Enrolled, "most_unproven", 8)
    rack = make_rack(timings_scale=0.04)
    phone = fake_phone(faults=["no_row"] * 100)
    rack.plug_in(phone)
    rack.submit(*((ANNA, f"Zpráva {n}") for n in range(20)))
    rack.wait_until(lambda: rack.states().count(MessageState.SUBMITTING) == 8)
    rack.wait_until(lambda: MessageState.UNKNOWN in rack.states(), 60)
    assert len(phone.air) <= 16


def test_a_sim_without_network_is_not_used(rack, fake_phone):
    phone = fake_phone(in_service=False)
    rack.plug_in(phone)
    rack.wait_until(lambda: rack.rack.phones()[0].health is not None)
    rack.submit((ANNA, "Ahoj"))
    rack.wait_until(lambda: rack.rack.phones()[0].waiting_for == "no_service")
    assert rack.states() == [MessageState.QUEUED]
    assert phone.air == []


def test_the_daily_limit_holds_what_is_over_it(make_rack, fake_phone):
    rack = make_rack(new_sims={"parts_per_minute": 6000, "parts_per_day": 10})
    phone = fake_phone(sims=(Sim(0, 41, "8942001", "Op A"),))
    rack.plug_in(phone)
    rack.submit(*((ANNA, f"Zpráva {n}") for n in range(12)))
    rack.wait_until(lambda: rack.states().count(MessageState.SENT) == 10)
    rack.wait_until(lambda: rack.rack.phones()[0].waiting_for == "quota")
    assert rack.states().count(MessageState.QUEUED) == 2
    assert sum(sent.parts for sent in phone.air) == 10


def test_a_restart_neither_repeats_nor_forgets(make_rack, fake_phone):
    first = make_rack()
    phone = fake_phone(faults=["lost"])
    first.plug_in(phone)
    first.submit(*((f"+42077712{n:04d}", f"Zpráva {n}") for n in range(30)))
    first.wait_until(lambda: len(phone.air) >= 5)
    first.stop()
    second = make_rack()
    second.plug_in(phone)
    second.wait_sent()
    assert len(phone.air) == 30


def test_a_phone_that_goes_and_comes_back_goes_on(rack, fake_phone):
    phone = fake_phone()
    rack.plug_in(phone)
    rack.submit((ANNA, "1"))
    rack.wait_settled()
    phone.link_down = True
    rack.look()
    rack.submit((ANNA, "2"))
    assert rack.rack.phones()[0].status == "offline"
    phone.link_down = False
    assert rack.wait_settled() == [MessageState.SENT] * 2
    assert len(phone.air) == 2
