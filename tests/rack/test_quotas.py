"""What a gateway is asked of its daily quotas (the contract's cases 27 to 31), by whole lanes."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from device_drivers.base import Sim
from host_controller.rules.states import MessageState
from host_controller.store.models import AttemptRecord
from host_controller.wiring import utc_now
from web import Services

ANNA, BORIS = "+420777000001", "+420777000002"
ONE_SIM = (Sim(0, 41, "8942001", "Op A"),)
TEN_A_DAY = {"parts_per_minute": 6000, "parts_per_day": 10}


def texts(count):
    return [(ANNA, f"Zpráva {n}") for n in range(count)]


def sent_today(rack):
    (spent,) = rack.rack.phones()[0].spent(utc_now()).values()
    return sum(spent.day)


def test_a_full_day_holds_the_queue_and_the_next_one_lets_it_go(make_rack, fake_phone):
    rack = make_rack(new_sims=TEN_A_DAY)
    rack.plug_in(fake_phone(sims=ONE_SIM))
    rack.submit(*texts(10))
    assert rack.wait_settled() == [MessageState.SENT] * 10  # a queue that just fits goes out
    rack.submit((ANNA, "Navíc"))
    rack.wait_until(lambda: rack.rack.phones()[0].waiting_for == "quota")
    assert rack.states()[-1] == MessageState.QUEUED
    rack.stop()
    # What today has used becomes yesterday's: nothing is to be reset.
    with_yesterday = make_rack(new_sims=TEN_A_DAY)

    def days_ago(session):
        for attempt in session.scalars(select(AttemptRecord)):
            attempt.intent_at -= timedelta(days=2)

    with_yesterday.store.write(days_ago)
    with_yesterday.plug_in(fake_phone(sims=ONE_SIM))
    assert with_yesterday.wait_settled()[-1] == MessageState.SENT
    assert sent_today(with_yesterday) == 1


def test_of_twenty_with_room_for_ten_ten_go_and_ten_wait(make_rack, fake_phone):
    rack = make_rack(new_sims=TEN_A_DAY)
    phone = fake_phone(sims=ONE_SIM)
    rack.plug_in(phone)
    rack.submit(*texts(20))
    rack.wait_until(lambda: rack.states().count(MessageState.SENT) == 10)
    rack.wait_until(lambda: rack.rack.phones()[0].waiting_for == "quota")
    assert rack.states().count(MessageState.QUEUED) == 10
    assert sent_today(rack) == sum(sent.parts for sent in phone.air) == 10


def test_parts_count_as_the_phone_cuts_them(rack, fake_phone):
    rack.plug_in(fake_phone(sims=ONE_SIM))
    for text, total in (("x" * 200, 2), ("ř" * 100, 4), ("x" * 149 + "€", 5)):
        rack.submit((ANNA, text))
        rack.wait_settled()
        assert sent_today(rack) == total


def test_a_number_that_opts_out_after_its_message_was_queued(make_rack, fake_phone):
    rack = make_rack()
    rack.submit((ANNA, "Ahoj"), (BORIS, "Ahoj"))
    Services(rack.store, rack.rack, rack.bells, rack.settings, utc_now).consent.opt_out(ANNA, "test")
    phone = fake_phone(sims=ONE_SIM)
    rack.plug_in(phone)
    assert rack.wait_settled() == [MessageState.CANCELLED, MessageState.SENT]
    assert rack.message(1).failure_code == "opted_out"
    assert len(phone.air) == 1


def test_what_never_fits_waits_without_a_time(make_rack, fake_phone):
    rack = make_rack(new_sims={**TEN_A_DAY, "parts_per_hour": 10}, reserve={"otp_percent": 50})
    rack.plug_in(fake_phone(sims=ONE_SIM))
    rack.submit((ANNA, "x" * 1500))
    rack.wait_until(lambda: rack.rack.phones()[0].waiting_for == "too_long")
    view = rack.rack.phones()[0]
    assert (view.waiting_until, view.last_error, rack.states()) == (None, None, [MessageState.QUEUED])


def test_a_new_sim_starts_with_what_the_settings_say(make_rack, fake_phone):
    limits = {
        "parts_per_minute": 60, "parts_per_hour": 100, "parts_per_day": None, "parts_per_month": 4000,
        "recipients_per_month": 300, "month_reset_day": 17, "jitter_percent": 10,
    }  # fmt: skip
    rack = make_rack(new_sims=limits)
    rack.plug_in(fake_phone(sims=ONE_SIM))
    rack.wait_until(lambda: rack.rack.phones()[0].enrolled is not None)
    (sim,) = rack.rack.phones()[0].enrolled.sims
    assert {name: getattr(sim, name) for name in limits} == limits
    assert sim.zone is None
    Services(rack.store, rack.rack, rack.bells, rack.settings, utc_now).limit_sim(sim.sim_id, {"zone": "Asia/Dhaka"})
    rack.wait_until(lambda: (found := rack.rack.phones()[0].enrolled) and found.sims[0].zone == "Asia/Dhaka")
    (sim,) = rack.rack.phones()[0].enrolled.sims
    assert {name: getattr(sim, name) for name in limits} == limits
