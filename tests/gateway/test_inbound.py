"""The contract's part F: what phones have received."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from tests.gateway.device import error, refusal

UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def inbound(sender, text, **more):
    return {"from_number": sender, "message": text, "to_number": "", **more}


def test_case_44_an_answer(gateway, phone):
    sender = gateway.number()
    answer = phone.ok("inbound", inbound(sender, "Dekuji") | {"to_number": phone.numbers[0]})
    assert answer.items() >= {"success": True, "blacklisted": False, "partner_found": False, "is_stop": False}.items()
    assert answer.get("duplicate") in (None, False)
    (row,) = phone.history()
    assert row["id"] == answer["id"]
    assert (row["from_number"], row["message"], row["to_number"]) == (sender, "Dekuji", phone.numbers[0])
    (stored,) = gateway.received(sender)
    assert stored["text"] == "Dekuji"


def test_case_45_three_reporters(gateway, phone):
    sender = gateway.number()
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: phone.ok("inbound", inbound(sender, "Dekuji")), range(3)))
    assert sorted(bool(answer.get("duplicate")) for answer in answers) == [False, True, True]
    assert len({answer["id"] for answer in answers}) == 1
    assert len(phone.history()) == len(gateway.received(sender)) == 1


@pytest.mark.parametrize("text", ["STOP", "stop", " Stop. ", "STOP prosim", "Odhlásit", "ODHLASIT"])
def test_case_46_stop(gateway, phone, text):
    sender = gateway.number()
    answer = phone.ok("inbound", inbound(sender, text))
    assert (answer["blacklisted"], answer["is_stop"]) == (True, True)
    assert gateway.is_opted_out(sender)


@pytest.mark.parametrize("text", ["Mate otevreno nonstop?", "Stopka", "zastopovat"])
def test_case_47_not_stop(gateway, phone, text):
    sender = gateway.number()
    answer = phone.ok("inbound", inbound(sender, text))
    assert (answer["blacklisted"], answer["is_stop"]) == (False, False)
    assert not gateway.is_opted_out(sender)


def test_case_47_suspected(gateway, phone):
    sender = gateway.number()
    answer = phone.ok("inbound", inbound(sender, "prosim uz STOP dekuji moc"))
    assert (answer["blacklisted"], answer["is_stop"]) == (False, True)
    assert not gateway.is_opted_out(sender)
    (row,) = phone.history()
    assert (row["blacklisted"], row["is_stop"]) == (False, True)


@pytest.mark.parametrize("text", ["Volejte nonstop", "STOP"])
@pytest.mark.parametrize("sender", ["Vodafone", "90210"])
def test_case_48_senders_that_are_no_numbers(phone, sender, text):
    assert phone.ok("inbound", inbound(sender, text))["blacklisted"] is False
    (row,) = phone.history()
    assert (row["from_number"], row["message"], row["blacklisted"]) == (sender, text, False)


def test_case_49_stop_cancels_marketing(gateway, phone):
    contact = gateway.number()
    with gateway.opt_outs_bar("marketing"):
        marketing = phone.queue_to([contact] * 3, batch="case 49", **{"class": "marketing"})
        transactional = phone.queue_to([contact] * 2)
        assert phone.ok("inbound", inbound(contact, "STOP"))["blacklisted"] is True
        assert gateway.states(marketing) == ["cancelled"] * 3
        assert phone.pick_up_ids() == transactional


@pytest.mark.parametrize("body", [{"from_number": "+420776999999"}, {"message": "x"}, {}], ids=repr)
def test_case_50_something_is_missing(phone, body):
    expected = error(400, "from_number and message are required")
    assert refusal(phone.call("inbound", body)) == expected
    assert refusal(phone.call("inbound", {"from_number": "", "message": "", **body})) == expected


def test_case_50_blanks_are_a_message(gateway, phone):
    phone.ok("inbound", inbound(gateway.number(), "  "))
    assert [row["message"] for row in phone.history()] == ["  "]


def batch_of_three(gateway):
    """What the app uploads on its first idle poll: no times, no SIM, senders that are no numbers."""
    middle = inbound("T-Mobile", f"NONSTOP akce {gateway.number()}")
    return [inbound(gateway.number(), "Dekuji"), middle, inbound(gateway.number(), "Kdy prijdete?")]


def test_case_51_batch(gateway, phone):
    answer = phone.ok("inbound-batch", {"messages": batch_of_three(gateway)})
    assert (answer["recorded"], answer["skipped"], answer["blacklisted"]) == (3, 0, 0)
    assert (answer["processed"], answer["duplicates_skipped"], answer["already_blacklisted"]) == (3, 0, 0)
    assert len(phone.history()) == 3


def test_case_51_stop_in_a_batch(gateway, phone):
    first, second = gateway.number(), gateway.number()
    messages = [inbound(first, "STOP"), inbound(second, "Ne, dekuji")]
    assert phone.ok("inbound-batch", {"messages": messages})["blacklisted"] == 1
    assert gateway.is_opted_out(first)
    assert not gateway.is_opted_out(second)


def test_case_52_the_same_batch_again(gateway, phone):
    messages = batch_of_three(gateway)
    phone.ok("inbound-batch", {"messages": messages})
    answer = phone.ok("inbound-batch", {"messages": messages})
    counts = tuple(answer[name] for name in ("recorded", "skipped", "duplicates_skipped", "processed"))
    assert counts == (0, 3, 3, 3)
    assert len(phone.history()) == 3


def test_case_52_batch_of_what_came_one_by_one(gateway, phone):
    messages = batch_of_three(gateway)
    for message in messages:
        phone.ok("inbound", message)
    assert phone.ok("inbound-batch", {"messages": messages})["recorded"] == 0
    assert len(phone.history()) == 3


def test_case_52_copies_in_a_batch_are_counted(gateway, phone):
    sender = gateway.number()
    phone.ok("inbound", inbound(sender, "ANO"))
    # The phone has it three times, of which one was reported.
    answer = phone.ok("inbound-batch", {"messages": [inbound(sender, "ANO")] * 3})
    assert (answer["recorded"], answer["duplicates_skipped"]) == (2, 1)
    assert phone.ok("inbound-batch", {"messages": [inbound(sender, "ANO")] * 3})["recorded"] == 0


def test_case_53_the_same_words_on_two_days(gateway, phone):
    sender = gateway.number()
    times = ["2026-03-22T10:30:00Z", "2026-03-25T10:30:00Z"]
    messages = [inbound(sender, "ANO", received_at=at) for at in times]
    assert phone.ok("inbound-batch", {"messages": messages})["recorded"] == 2
    assert phone.ok("inbound-batch", {"messages": messages})["recorded"] == 0
    assert [row["received_at"] for row in phone.history()] == times[::-1]


MOMENT = datetime(2026, 3, 22, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "at",
    ["2026-03-22T10:30:00Z", "2026-03-22 10:30:00", "2026-03-22T11:30:00+01:00", round(MOMENT.timestamp() * 1000)],
    ids=["UTC", "as the seed writes it", "another zone", "milliseconds"],
)
@pytest.mark.parametrize("route", ["inbound", "inbound-batch"])
def test_case_53_ways_to_write_a_time(gateway, phone, route, at):
    message = inbound(gateway.number(), "ANO", received_at=at)
    phone.ok(route, message if route == "inbound" else {"messages": [message]})
    assert [row["received_at"] for row in phone.history()] == ["2026-03-22T10:30:00Z"]


def test_case_53_told_with_a_time_and_without(gateway, phone):
    sender, now = gateway.number(), datetime.now(UTC).isoformat(timespec="seconds")
    phone.ok("inbound", inbound(sender, "ANO", received_at=now))
    assert phone.ok("inbound", inbound(sender, "ANO"))["duplicate"] is True
    assert phone.ok("inbound-batch", {"messages": [inbound(sender, "ANO")]})["recorded"] == 0
    assert len(phone.history()) == 1


@pytest.mark.parametrize("body", [{"messages": []}, {}, {"messages": "x"}, {"messages": None}], ids=repr)
def test_case_54_no_messages(phone, body):
    assert refusal(phone.call("inbound-batch", body)) == error(400, "messages list is required")


@pytest.mark.parametrize("odd", [{"message": "x"}, {"from_number": "+420776999999"}, 5, None, [], {}], ids=repr)
def test_case_54_one_without_a_sender(gateway, phone, odd):
    answer = phone.ok("inbound-batch", {"messages": [odd, inbound(gateway.number(), "Dekuji")]})
    assert (answer["recorded"], answer["skipped"], answer["duplicates_skipped"]) == (1, 1, 0)


def test_case_55_history(gateway, phone):
    first, second = gateway.number(), gateway.number()
    phone.ok("inbound", inbound(first, "Volejte 777"))
    phone.ok("inbound", inbound(second, "Dekuji"))
    query = {"limit": 50, "offset": 0, "stop_only": False, "stop_not_blacklisted": False}
    answer = phone.ok("inbound-history", query)
    assert answer.keys() == {"success", "messages", "total", "limit", "offset"}
    assert (answer["total"], answer["limit"], answer["offset"]) == (2, 50, 0)
    assert [row["from_number"] for row in answer["messages"]] == [second, first]
    for row in answer["messages"]:
        assert UTC_TIME.fullmatch(row["received_at"])
        assert abs((datetime.now().astimezone() - datetime.fromisoformat(row["received_at"])).total_seconds()) < 60
        assert None not in row.values()
    assert phone.ok("inbound-history", {"limit": 500})["limit"] == 200
    assert [row["from_number"] for row in phone.history(search="777")] == [first]
    assert [row["from_number"] for row in phone.history(search=second[-9:])] == [second]
    assert [row["from_number"] for row in phone.history(search=" VOLEJTE ")] == [first]
    assert len(phone.history(search=None)) == 2
    assert [row["from_number"] for row in phone.history(limit=1, offset=1)] == [first]
    assert [row["from_number"] for row in phone.history(before_id=answer["messages"][0]["id"])] == [first]


def test_case_55_history_of_this_phone_only(gateway, phone):
    gateway.phone().ok("inbound", inbound(gateway.number(), "Dekuji"))
    assert phone.history() == []


def test_case_56_stop_that_is_not_done(gateway, phone):
    certain, suspected, neither = (gateway.number() for _ in range(3))
    phone.ok("inbound", inbound(certain, "STOP"))
    phone.ok("inbound", inbound(suspected, "prosim uz STOP dekuji moc"))
    phone.ok("inbound", inbound(neither, "Dekuji"))
    assert {row["from_number"] for row in phone.history(stop_only=True)} == {certain, suspected}
    assert [row["from_number"] for row in phone.history(stop_not_blacklisted=True)] == [suspected]
    # It wins over the other.
    assert [row["from_number"] for row in phone.history(stop_not_blacklisted=True, stop_only=True)] == [suspected]
    # The number opts out by another way: there is nothing to do any more.
    gateway.api.call("POST", "/optouts", {"number": suspected})
    assert phone.history(stop_not_blacklisted=True) == []


def test_case_57_blacklist(gateway, phone):
    sender = gateway.number()
    row_id = phone.ok("inbound", inbound(sender, "Dekuji, nemam zajem"))["id"]
    assert gateway.phone().ok("inbound-blacklist", {"ids": [row_id]})["blacklisted"] == 0
    assert not gateway.is_opted_out(sender)
    assert phone.ok("inbound-blacklist", {"ids": [row_id, 77_777_777]})["blacklisted"] == 1
    assert gateway.is_opted_out(sender)
    assert phone.history()[0]["blacklisted"] is True
    assert phone.ok("inbound-blacklist", {"ids": [row_id]})["blacklisted"] == 0


@pytest.mark.parametrize("body", [{"ids": []}, {}, {"ids": "x"}, {"ids": None}], ids=repr)
def test_case_57_no_ids(phone, body):
    assert refusal(phone.call("inbound-blacklist", body)) == error(400, "ids list is required")
