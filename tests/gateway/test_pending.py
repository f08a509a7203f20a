"""The contract's part E up to 31: what a phone is handed. What waits for another day (27, 29) is in test_clock.py."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest


def test_case_20_nothing_is_queued(p1):
    answer = p1.call("pending", {"phone_numbers": ["+420777123456"], "limit": 20})
    assert (answer.status, answer.json) == (200, {"success": True, "sms_list": []})


def test_case_21_one_is_queued(gateway):
    phone = gateway.phone(parts_per_minute=100)
    number = gateway.number()
    (message_id,) = phone.queue_to([number], "Příliš žluťoučký kůň")
    (sms,) = phone.pick_up()
    assert re.fullmatch("[0-9a-f]{32}", sms.pop("uuid"))
    expected = {"id": message_id, "phone_number": number, "message": "Příliš žluťoučký kůň"}
    assert sms == expected | {"gateway_phone_number": ""}
    assert phone.pick_up() == []
    assert gateway.state(message_id) == "submitting"


def test_case_21_bound_to_a_sim(gateway):
    phone = gateway.phone(sims=2)
    phone.queue(sim=phone.numbers[1])
    (sms,) = phone.pick_up()
    assert sms["gateway_phone_number"] == phone.numbers[1]


def test_case_22_a_batch_by_ascending_ids(gateway):
    phone = gateway.phone(parts_per_minute=100)
    ids = phone.queue(25)
    assert phone.pick_up_ids() == ids[:20]
    assert phone.pick_up_ids() == ids[20:]


def test_case_23_limits(phone):
    ids = phone.queue(105)
    assert phone.pick_up(0) == []
    assert phone.pick_up_ids(500) == ids[:100]
    answer = phone.call("pending", {"limit": -1})
    assert answer.status == 400 or [sms["id"] for sms in answer.json["sms_list"]] == ids[100:101]


@pytest.mark.parametrize("limit", ["20", None, 1.5, [], {}, "x", 10**30], ids=repr)
def test_case_23_odd_limits(phone, limit):
    phone.queue()
    assert phone.call("pending", {"limit": limit}).status in (200, 400)


def test_case_24_two_calls_at_once(phone):
    ids = phone.queue(30)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: phone.pick_up_ids(), range(2))
    assert sorted(first + second + phone.pick_up_ids()) == ids


def test_case_25_messages_of_another_phone(gateway, phone):
    other = gateway.phone()
    ids = phone.queue(3)
    assert other.pick_up() == []
    assert phone.pick_up_ids() == ids


def test_case_26_paused_batch(gateway, phone):
    phone.queue(3, batch="case 26", **{"class": "marketing"})
    plain = phone.queue(2)
    gateway.pause("case 26")
    assert phone.pick_up_ids() == plain


def test_case_28_exactly_as_many_as_the_day_lets_go(gateway):
    # No limit of ours is below 10: a message of the longest kind must fit in.
    phone = gateway.phone(parts_per_day=10)
    ids = phone.queue(10)
    answer = phone.ok("pending", {"limit": 20})
    assert [sms["id"] for sms in answer["sms_list"]] == ids
    assert not answer.get("limit_reached")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param("a" * 200, 2, id="200 of GSM"),
        pytest.param("Žluťoučký kůň " * 7 + "ěš", 2, id="100 Czech"),
        pytest.param("a" * 149 + "€", 1, id="a euro"),
    ],
)
def test_case_30_parts_are_counted(phone, text, parts):
    (message_id,) = phone.queue(text=text)
    assert phone.pick_up_ids() == [message_id]
    assert phone.report(message_id, "sent")["sent_today"] == parts
    assert phone.stats()["sent_today"] == parts


def test_case_31_opted_out_after_queueing(gateway, phone):
    number = gateway.number()
    (message_id,) = phone.queue_to([number])
    phone.ok("inbound", {"from_number": number, "message": "STOP", "to_number": ""})
    assert phone.pick_up() == []
    message = gateway.message(message_id)
    assert (message["state"], message["failure_code"]) == ("cancelled", "opted_out")
