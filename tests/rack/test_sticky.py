"""The same SIM for the same recipient, with real lanes: also within a phone, and not for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest

from device_drivers.base import Sim
from host_controller.fleet.phone import PhoneStatus
from host_controller.messaging.holds import HoldKind, Scope
from host_controller.messaging.submit import Draft, submit
from host_controller.messaging.why import Why
from host_controller.rules.states import MessageState
from host_controller.rules.waiting import WaitReason
from host_controller.store.models import RecipientRecord
from host_controller.wiring import utc_now

ANNA = "+420777123456"
STICKY = {"enabled": True, "fails_over_after_min": 0.05}


@pytest.fixture
def database(fresh_database):
    return fresh_database("sqlite")


def send(rack, count: int, only_phone_id: int | None = None) -> None:
    sent = rack.states().count(MessageState.SENT)
    made = [Draft(ANNA, f"Zpráva {sent} {n}", only_phone_id=only_phone_id) for n in range(count)]
    submit(rack.store, rack.settings.messages, made, now=utc_now(), actor="test")
    rack.bells.ring_in(1)
    rack.wait_until(lambda: rack.states().count(MessageState.SENT) == sent + count)


def knows(rack, sim_id: int) -> None:
    """Anna was written to from this SIM a moment ago."""
    record = {"msisdn": ANNA, "sim_id": sim_id, "last_at": utc_now() - timedelta(minutes=1)}
    rack.store.write(lambda session: session.merge(RecipientRecord(**record)) and None)


def ready(rack) -> bool:
    return all(view.status == PhoneStatus.READY for view in rack.rack.phones())


@pytest.fixture
def two(make_rack, fake_phone):
    rack = make_rack(sticky=STICKY)
    one, other = (fake_phone(f"fake-{n}", sims=(Sim(0, 40 + n, f"894200{n}", "Op"),)) for n in (1, 2))
    rack.plug_in(one)
    rack.wait_until(lambda: len(rack.rack.phones()) == 1 and ready(rack))
    rack.plug_in(other)
    rack.wait_until(lambda: ready(rack))
    return rack, one, other


def test_within_a_phone(make_rack, fake_phone):
    rack = make_rack(sticky=STICKY)
    phone = fake_phone()
    rack.plug_in(phone)
    rack.wait_until(lambda: ready(rack))
    knows(rack, 2)
    send(rack, 4)
    assert {sent.subscription_id for sent in phone.air} == {52}


def test_between_phones(two):
    rack, one, other = two
    knows(rack, 2)
    send(rack, 4)
    assert (len(one.air), len(other.air)) == (0, 4)


def test_a_sim_that_is_gone_is_not_waited_for(two):
    rack, one, other = two
    knows(rack, 2)
    other.link_down = True
    rack.wait_until(lambda: rack.rack.find("fake-2").view().status == PhoneStatus.OFFLINE)
    send(rack, 1)
    assert len(one.air) == 1


def test_a_sim_whose_phone_may_not_write_to_the_recipient_is_not_waited_for(two):
    rack, one, other = two
    knows(rack, 2)
    rack.care.set_filter("fake-2", '[["country", "=", "SK"]]', "test")
    rack.wait_until(lambda: rack.rack.find("fake-2").view().enrolled is None or not ready(rack))
    rack.wait_until(lambda: ready(rack))
    send(rack, 2)
    assert (len(one.air), len(other.air)) == (2, 0)


def test_a_message_that_is_bound_to_another_phone_goes_from_there(two):
    rack, one, _ = two
    knows(rack, 2)
    send(rack, 2, only_phone_id=1)
    assert len(one.air) == 2


def test_a_lane_sees_also_what_lies_behind_more_than_one_look_covers(two):
    rack, one, other = two
    other.link_down = True
    rack.dispatcher.queue._window = 4
    rack.care.set_filter("fake-1", '[["number", "=", "+420777123456"]]', "test")
    rack.wait_until(lambda: rack.rack.find("fake-1").view().enrolled is not None)
    others = [Draft("+420777000001", f"Zpráva {n}") for n in range(150)]
    submit(rack.store, rack.settings.messages, others, now=utc_now(), actor="test")
    submit(rack.store, rack.settings.messages, [Draft(ANNA, "Ahoj")], now=utc_now(), actor="test")
    rack.bells.ring()
    rack.wait_until(lambda: len(one.air) == 1)
    assert one.air[0].msisdn == ANNA


@pytest.mark.parametrize("what", ["paused", "no network"])
def test_a_sim_that_takes_nothing_is_waited_for_as_long_as_the_rule_says(two, what):
    """Also where its phone goes on; and `smsrack why` says the same as the lanes do."""
    rack, one, other = two
    knows(rack, 2)
    why = Why(rack.store, rack.settings, rack.rack, rack.dispatcher, utc_now)
    if what == "paused":
        rack.control.hold(Scope.SIM, "2", HoldKind.PAUSED, "x", "anna")
    else:
        other.in_service = False
        rack.lanes[1].ask_for_health()
    rack.wait_until(lambda: rack.dispatcher.board.standing(2).held is not None)
    submit(rack.store, rack.settings.messages, [Draft(ANNA, "Ahoj")], now=utc_now(), actor="test")
    rack.bells.ring()
    found = why.of_message(1)
    assert found.reason is WaitReason.STICKY
    assert one.air == []
    rack.wait_until(lambda: rack.states() == [MessageState.SENT])
    assert (len(one.air), len(other.air)) == (1, 0)
    assert utc_now() - rack.dispatcher.board.standing(2).away_since >= timedelta(seconds=3)
