"""What apps tell of and show of messages that came in, as spec/API.md has it; the use-case's own tests are in store."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.gateway_api.conftest import NOW, SIM_1, SIM_2

ANNA = "+420999888777"
STOPS = ["STOP", "stop", " Stop. ", "STOP prosim", "Odhlásit", "ODHLASIT"]


def told(bench, message, sender=ANNA, to_number=SIM_1, **more):
    return bench.ok("inbound", {"from_number": sender, "message": message, "to_number": to_number, **more})


def history(bench, key="two", **query):
    return bench.ok("inbound-history", query, key=key)["messages"]


def test_a_reply(bench):
    answer = told(bench, "Dekuji")
    assert answer == {"success": True, "blacklisted": False, "partner_found": False, "id": 1, "is_stop": False}
    assert told(bench, "Dekuji") == answer | {"duplicate": True}


def test_three_parts_of_the_app_tell_of_it_at_once(both):
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: told(both, "Dekuji"), range(3)))
    assert sorted("duplicate" in answer for answer in answers) == [False, True, True]
    assert len(history(both)) == 1


@pytest.mark.parametrize("text", STOPS)
def test_a_stop(bench, text):
    answer = told(bench, text, to_number="")
    assert (answer["blacklisted"], answer["is_stop"]) == (True, True)
    assert told(bench, text)["blacklisted"] is True


@pytest.mark.parametrize(
    ("text", "is_stop"),
    [("Mate otevreno nonstop?", False), ("Stopka", False), ("zastopovat", False), ("prosim uz STOP dekuji moc", True)],
)
def test_what_is_no_clear_stop(bench, text, is_stop):
    answer = told(bench, text)
    assert (answer["blacklisted"], answer["is_stop"]) == (False, is_stop)


@pytest.mark.parametrize("text", ["Volejte nonstop", "STOP"])
def test_a_company_is_stored_and_not_blacklisted(both, text):
    assert told(both, text, sender="Vodafone")["blacklisted"] is False
    assert history(both)[0]["from_number"] == "Vodafone"


def test_blanks_are_a_message(bench):
    told(bench, " \n ")
    assert history(bench)[0]["message"] == " \n "


@pytest.mark.parametrize(
    "body",
    [{}, {"from_number": ANNA}, {"message": "x"}, {"from_number": "", "message": "x"},
     {"from_number": " ", "message": "x"}, {"from_number": ANNA, "message": ""},
     {"from_number": ANNA, "message": None}, {"from_number": [ANNA], "message": "x"},
     {"from_number": ANNA, "message": {"a": 1}}, {"from_number": True, "message": "x"}],
)  # fmt: skip
def test_what_is_missing(bench, body):
    answer = bench.post("inbound", body)
    assert (answer.status_code, answer.json["error"]) == (400, "from_number and message are required")


def test_numbers_may_be_numbers(bench):
    told(bench, 100, sender=420999888777)
    assert [(row["from_number"], row["message"]) for row in history(bench)] == [("420999888777", "100")]


@pytest.mark.tolerated
@pytest.mark.parametrize(
    ("given", "shown"),
    [("2026-03-22T10:30:00Z", "2026-03-22T10:30:00Z"), ("2026-03-22T11:30:00.999+01:00", "2026-03-22T10:30:00Z"),
     ("2026-03-22 10:30:00", "2026-03-22T10:30:00Z"), (1774175400000, "2026-03-22T10:30:00Z"),
     ("1774175400999", "2026-03-22T10:30:00Z"), ("x", "2026-03-25T10:30:00Z"), ([], "2026-03-25T10:30:00Z"),
     (10**30, "2026-03-25T10:30:00Z"), ("0001-01-01T00:00:00+23:59", "2026-03-25T10:30:00Z"),
     (None, "2026-03-25T10:30:00Z"),
     (True, "2026-03-25T10:30:00Z"), ("2099-01-01", "2026-03-25T10:30:00Z")],
)  # fmt: skip
def test_times(bench, given, shown):
    told(bench, "x", received_at=given)
    assert history(bench)[0]["received_at"] == shown


@pytest.mark.parametrize("name", ["message_id", "uuid"])
def test_ids(bench, name):
    assert "duplicate" not in told(bench, "ANO", **{name: "a"})
    assert "duplicate" not in told(bench, "ANO", **{name: "b"})
    assert told(bench, "ANO", **{name: "a"})["duplicate"] is True
    assert told(bench, "ANO", **{name: "b"})["id"] == 2


def test_a_list_with_a_name_in_its_middle(both):
    messages = [
        {"from_number": ANNA, "message": "Ano", "to_number": ""},
        {"from_number": "T-Mobile", "message": "NONSTOP akce", "to_number": ""},
        {"from_number": "+420777123999", "message": "STOP", "to_number": ""},
    ]
    answer = both.ok("inbound-batch", {"messages": messages})
    assert answer == {
        "success": True,
        "processed": 3,
        "duplicates_skipped": 0,
        "recorded": 3,
        "blacklisted": 1,
        "already_blacklisted": 0,
        "skipped": 0,
    }
    again = both.ok("inbound-batch", {"messages": messages})
    assert again == answer | {"duplicates_skipped": 3, "recorded": 0, "blacklisted": 0, "skipped": 3}


def test_a_list_after_each_was_told_by_itself(bench):
    told(bench, "Ano")
    bench.clock.now += timedelta(days=2)
    answer = bench.ok("inbound-batch", {"messages": [{"from_number": ANNA, "message": "Ano"}] * 2})
    assert (answer["recorded"], answer["duplicates_skipped"]) == (1, 1)


@pytest.mark.tolerated
def test_entries_of_a_list_that_are_no_messages(bench):
    messages = [{"message": "x"}, 5, None, [], "x", {"from_number": ANNA}, {"from_number": ANNA, "message": "STOP"}]
    answer = bench.ok("inbound-batch", {"messages": messages})
    assert (answer["processed"], answer["recorded"], answer["skipped"], answer["blacklisted"]) == (1, 1, 6, 1)


def test_who_had_opted_out_already(bench):
    told(bench, "STOP")
    bench.clock.now += timedelta(days=40)
    answer = bench.ok("inbound-batch", {"messages": [{"from_number": ANNA, "message": "Stop"}]})
    assert (answer["blacklisted"], answer["already_blacklisted"]) == (0, 1)


def test_the_same_text_on_two_days(bench):
    times = ["2026-03-22T10:30:00Z", "2026-03-25T10:30:00Z"]
    messages = [{"from_number": ANNA, "message": "ANO", "received_at": at} for at in times]
    assert bench.ok("inbound-batch", {"messages": messages})["recorded"] == 2
    assert bench.ok("inbound-batch", {"messages": messages})["recorded"] == 0
    assert [row["received_at"] for row in history(bench)] == times[::-1]


@pytest.mark.parametrize("body", [{}, {"messages": []}, {"messages": "x"}, {"messages": None}])
def test_no_list(bench, body):
    answer = bench.post("inbound-batch", body)
    assert (answer.status_code, answer.json["error"]) == (400, "messages list is required")


def test_the_list_as_the_app_asks_for_it(both):
    told(both, "prvni", received_at=(NOW - timedelta(hours=2)).isoformat())
    told(both, "STOP", to_number=SIM_2)
    body = {"limit": 50, "offset": 0, "stop_only": False, "stop_not_blacklisted": False}
    answer = both.ok("inbound-history", body)
    assert answer == {
        "success": True,
        "messages": [
            {
                "id": 2,
                "from_number": ANNA,
                "to_number": SIM_2,
                "message": "STOP",
                "received_at": "2026-03-25T10:30:00Z",
                "is_stop": True,
                "blacklisted": True,
                "partner_name": "",
            },
            {
                "id": 1,
                "from_number": ANNA,
                "to_number": SIM_1,
                "message": "prvni",
                "received_at": "2026-03-25T08:30:00Z",
                "is_stop": False,
                "blacklisted": False,
                "partner_name": "",
            },
        ],
        "total": 2,
        "limit": 50,
        "offset": 0,
    }
    assert both.ok("inbound-history", key="one")["messages"] == []


def test_what_is_asked_of_the_list(bench):
    for number in range(3):
        told(bench, f"Zprava {number} 777")
    told(bench, "prosim uz STOP dekuji moc")
    told(bench, "STOP", sender="+420777123999")
    ids = lambda **query: [row["id"] for row in history(bench, **query)]  # noqa: E731
    assert bench.ok("inbound-history", {"limit": 500})["limit"] == 200
    assert ids(limit="2") == [5, 4]
    assert ids(limit=0) == [5]
    assert ids(offset=3) == [2, 1]
    assert ids(before_id=3, limit=1) == [2]
    assert ids(before_id=77) == []
    assert ids(search=" 7123 ") == [5]
    assert ids(search="ZPRAVA 1") == [2]
    assert ids(search=None) == [5, 4, 3, 2, 1]
    assert ids(search="%") == []
    assert ids(search="\0\ud83d") == []
    assert ids(stop_only=True) == [5, 4]
    assert ids(stop_only="true") == [5, 4]
    assert ids(stop_only=None) == [5, 4, 3, 2, 1]
    assert ids(stop_not_blacklisted=True) == [4]
    assert ids(stop_only=True, stop_not_blacklisted=1) == [4]


@pytest.mark.parametrize(
    "query",
    [{"limit": "x"}, {"offset": []}, {"before_id": "a"}, {"stop_only": 5}, {"stop_not_blacklisted": "perhaps"},
     {"search": []}, {"stop_only": []}],
)  # fmt: skip
def test_a_list_that_nobody_can_give(bench, query):
    assert bench.post("inbound-history", query).status_code == 400


@pytest.mark.tolerated
def test_who_is_blacklisted_by_hand(both):
    told(both, "prosim uz STOP dekuji moc")
    told(both, "Nevolejte", sender="+420777123999")
    told(both, "STOP", sender="Vodafone")
    assert both.ok("inbound-blacklist", {"ids": [1]}, key="one")["blacklisted"] == 0
    assert both.ok("inbound-blacklist", {"ids": [1, "2", 3, 99, None, "x", 2**31, [1]]})["blacklisted"] == 2
    assert both.ok("inbound-blacklist", {"ids": [1, 2, 3]})["blacklisted"] == 0
    assert [row["blacklisted"] for row in history(both)] == [False, True, True]
    assert history(both, stop_not_blacklisted=True) == []


@pytest.mark.parametrize("body", [{}, {"ids": []}, {"ids": "1"}, {"ids": 1}])
def test_nobody_to_blacklist(bench, body):
    answer = bench.post("inbound-blacklist", body)
    assert (answer.status_code, answer.json["error"]) == (400, "ids list is required")
