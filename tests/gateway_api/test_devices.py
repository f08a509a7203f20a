"""Heartbeats, messages to send, reports and figures, as spec/API.md has them."""

from __future__ import annotations

import re

import pytest

from host_controller.fleet.sim_limits import change_limits
from host_controller.store import queries
from host_controller.store.models import RemotePhoneRecord
from tests.gateway_api.conftest import NOW, SIM_1, SIM_2, SIM_OF_ONE

COUNTERS = {"sent_today": 0, "daily_limit": 500, "sent_month": 0, "monthly_limit": 0, "sent_total": 0}


def picked(bench, **terms):
    return [one["id"] for one in bench.ok("pending", **terms)["sms_list"]]


def state(bench, message_id):
    with bench.store.reading() as session:
        return queries.find_message(session, message_id)[0].state


def test_the_heartbeat_of_the_app(bench):
    answer = bench.ok("heartbeat", {"phone_numbers": [SIM_1], "unsynced_count": 0})
    assert answer == {
        "success": True,
        "pending_count": {SIM_1: 0, SIM_2: 0},
        "rate_limit": 100,
        "phone_stats": {SIM_1: COUNTERS, SIM_2: COUNTERS},
    }
    assert list(answer["phone_stats"]) == [SIM_1, SIM_2]
    assert bench.ok("stats")["phones"][0]["state"] == "online"


def test_what_a_heartbeat_does_not_say_stays(both):
    both.ok("heartbeat", {"battery_level": 85, "signal_strength": -70, "unsynced_count": "11"})
    both.ok("heartbeat", {"battery_level": None})
    with both.store.reading() as session:
        remote = session.get_one(RemotePhoneRecord, both.phones["two"])
        assert (remote.battery_percent, remote.signal_dbm, remote.unsynced_count) == (85, -70, 0)
        assert remote.heartbeat_at == NOW


@pytest.mark.parametrize("name", ["battery_level", "signal_strength", "unsynced_count"])
@pytest.mark.parametrize("value", ["x", [], {}, True, 1.5, "", "1e3"])
def test_a_heartbeat_that_says_nonsense(bench, name, value):
    answer = bench.post("heartbeat", {name: value})
    assert (answer.status_code, answer.json["error"]) == (400, f"{name} must be an integer")


def test_what_waits_is_counted_once(both):
    both.send(7)
    both.send(5, only_sim_id=2)
    both.send(3, only_sim_id=3)
    counts = both.ok("heartbeat")["pending_count"]
    assert counts == {SIM_1: 7, SIM_2: 5}
    assert both.ok("stats")["phones"][0]["pending_count"] == 12
    assert both.ok("heartbeat", key="one")["pending_count"] == {SIM_OF_ONE: 10}


def test_figures(bench):
    two = bench.ok("stats")["phones"]
    assert two == [
        {
            "id": bench.phones["two"],
            "name": "two",
            "phone_number": SIM_1,
            "phone_number_2": SIM_2,
            "state": "offline",
            **COUNTERS,
            "pending_count": 0,
            "rate_limit": 100,
        }
    ]
    assert bench.ok("stats", key="one")["phones"][0]["phone_number_2"] is None


def test_fcm(bench):
    assert bench.ok("register-fcm", {"fcm_token": "x"})["message"] == "FCM not enabled, token ignored"
    for body in ({}, {"fcm_token": ""}, {"fcm_token": None}, {"fcm_token": []}):
        assert bench.post("register-fcm", body).json["error"] == "fcm_token is required"


def test_nothing_to_send(bench):
    assert bench.ok("pending", {"phone_numbers": [SIM_1], "limit": 20}) == {"success": True, "sms_list": []}


def test_a_message_is_handed_over_once(both):
    (message_id,) = both.send()
    (handed,) = both.ok("pending")["sms_list"]
    assert re.fullmatch("[0-9a-f]{32}", handed.pop("uuid"))
    assert handed == {
        "id": message_id,
        "phone_number": "+420777555000",
        "message": "text 0",
        "gateway_phone_number": "",
    }
    assert picked(both) == []
    assert picked(both, key="one") == []


def test_a_message_for_one_sim_says_so(bench):
    bench.send(only_sim_id=2)
    assert bench.ok("pending")["sms_list"][0]["gateway_phone_number"] == SIM_2


@pytest.mark.parametrize(
    ("body", "count"),
    [({}, 20), ({"limit": None}, 20), ({"limit": 7}, 7), ({"limit": "7"}, 7), ({"limit": 7.0}, 7),
     ({"limit": 500}, 100), ({"limit": 10**30}, 100), ({"limit": 0}, 0), ({"limit": -1}, 1), ({"limit": -(10**30)}, 1)],
)  # fmt: skip
def test_how_many(bench, body, count):
    ids = bench.send(120)
    assert picked(bench, body=body) == ids[:count]


@pytest.mark.parametrize("limit", ["x", "", [], {}, True, 1.5, "9" * 30])
def test_a_limit_that_is_no_number(bench, limit):
    assert bench.post("pending", {"limit": limit}).json["error"] == "limit must be an integer"


def test_limits_say_when_to_ask_again(bench):
    for sim_id in (1, 2):
        bench.store.write(lambda session, sim_id=sim_id: change_limits(session, sim_id, {"parts_per_day": 10}))
    bench.remote.refresh()
    ids = bench.send(30)
    handed = picked(bench)
    bench.ok("confirm-batch", {"results": [{"id": id_, "status": "sent"} for id_ in handed]})
    answer = bench.ok("pending")
    assert handed
    assert handed == ids[: len(handed)]
    while answer["sms_list"]:
        answer = bench.ok("pending")
    assert answer["limit_reached"] is True
    assert 0 < answer["retry_after"] <= 24 * 3600


def test_a_report(both):
    (message_id,) = both.send()
    picked(both)
    assert both.ok(f"confirm/{message_id}", {"status": "sending"}) == {"success": True}
    sent = both.ok(f"confirm/{message_id}", {"status": "sent"})
    assert sent == {"success": True, "sent_today": 1, "sent_month": 1, "sent_total": 1}
    assert both.ok(f"confirm/{message_id}", {"status": "sent"}) == sent
    assert both.ok(f"confirm/{message_id}", {"status": "sending"})["success"]
    assert both.ok(f"confirm/{message_id}", {"status": "error"}) == {"success": True, "ignored": True}
    assert state(both, message_id) == "sent"


def test_a_report_of_an_error_keeps_its_words(bench):
    (message_id,) = bench.send()
    picked(bench)
    words = "Permission denied \ud83d\0" + "x" * 9000
    assert bench.ok(f"confirm/{message_id}", {"status": "error", "error_message": words}) == {"success": True}
    with bench.store.reading() as session:
        view = queries.find_message(session, message_id)[0]
    assert "Permission denied" in view.error_message
    assert len(view.error_message) < 1000


@pytest.mark.parametrize("status", ["foo", None, "SENT", 1, [], {}, "queued"])
def test_a_status_that_there_is_not(bench, status):
    answer = bench.post("confirm/1", {"status": status})
    assert (answer.status_code, answer.json["error"]) == (400, "Invalid status. Must be: sending, sent, or error")


@pytest.mark.parametrize("message_id", [0, 77777, 2**31, 10**40])
def test_a_report_on_a_message_that_there_is_not(both, message_id):
    answer = both.post(f"confirm/{message_id}", {"status": "sent"})
    assert (answer.status_code, answer.json["error"]) == (404, "SMS not found or unauthorized")


def test_a_report_on_another_phones_message(bench):
    (message_id,) = bench.send()
    picked(bench)
    assert bench.post(f"confirm/{message_id}", {"status": "sent"}, key="one").status_code == 404
    assert state(bench, message_id) == "submitting"


@pytest.mark.parametrize("name", ["id", "sms_id"])
def test_reports_in_both_spellings(both, name):
    first, second = both.send(2)
    picked(both)
    results = [{name: first, "status": "sent"}, {name: str(second), "status": "error", "error_message": "NO_SERVICE"}]
    answer = both.ok("confirm-batch", {"results": results})
    assert answer == {
        "success": True,
        "processed": 2,
        "ack_ids": [first, second],
        **COUNTERS,
        "sent_today": 1,
        "sent_month": 1,
        "sent_total": 1,
    }
    assert state(both, first) == "sent"
    assert state(both, second) == "failed"


@pytest.mark.tolerated
def test_what_can_never_be_taken_is_acknowledged_too(both):
    (own,) = both.send()
    picked(both)
    results = [
        {"id": own, "status": "sent"},
        {"id": 77777, "status": "sent"},
        {"id": own, "status": "sending"},
        5,
        {"id": "x", "status": "sent"},
        {"id": 2**31, "status": "sent"},
        {"status": "sent"},
        {"id": None, "sms_id": own, "status": "sent"},
    ]
    answer = both.ok("confirm-batch", {"results": results})
    assert answer["processed"] == 2
    assert answer["ack_ids"] == [own, 77777, own, own]
    invalid = {"error": "Invalid id or status"}
    assert answer["errors"] == [
        {"id": 77777, "error": "Not found or unauthorized"},
        {"id": own, **invalid},
        *[{"id": None, **invalid}] * 4,
    ]
    assert answer["sent_today"] == 1


def test_reports_on_another_phones_messages(bench):
    (message_id,) = bench.send()
    picked(bench)
    answer = bench.ok("confirm-batch", {"results": [{"id": message_id, "status": "sent"}]}, key="one")
    assert (answer["processed"], answer["ack_ids"]) == (0, [message_id])
    assert answer["errors"] == [{"id": message_id, "error": "Not found or unauthorized"}]
    assert state(bench, message_id) == "submitting"


@pytest.mark.parametrize("body", [{}, {"results": []}, {"results": "x"}, {"results": None}, {"results": {}}])
def test_no_reports(bench, body):
    answer = bench.post("confirm-batch", body)
    assert (answer.status_code, answer.json["error"]) == (400, "results list is required")


def test_a_thousand_reports_and_one_more(bench):
    results = [{"id": n, "status": "sent"} for n in range(1, 1002)]
    assert len(bench.ok("confirm-batch", {"results": results[:1000]})["ack_ids"]) == 1000
    assert bench.post("confirm-batch", {"results": results}).status_code == 413


@pytest.mark.tolerated
def test_reconciling(both):
    sent, leased, failed = both.send(3)
    picked(both)
    both.ok(f"confirm/{sent}", {"status": "sent"})
    both.ok(f"confirm/{failed}", {"status": "error", "error_message": "NO_SERVICE"})
    known = [sent, leased, failed, 99, "99", None, "x", 2**40]
    assert both.ok("reconcile", {"known_ids": known}) == {
        "success": True,
        "already_confirmed_ids": [sent],
        "stuck_ids": [leased],
        "not_found_ids": [99],
    }
    assert both.ok("reconcile", {"known_ids": [sent]}, key="one")["not_found_ids"] == [sent]


@pytest.mark.parametrize("body", [{}, {"known_ids": []}])
def test_nothing_to_reconcile(bench, body):
    answer = bench.ok("reconcile", body)
    assert answer == {"success": True, "already_confirmed_ids": [], "stuck_ids": [], "not_found_ids": []}


@pytest.mark.parametrize("value", ["x", 5, {}, None])
def test_what_is_no_list_cannot_be_reconciled(bench, value):
    answer = bench.post("reconcile", {"known_ids": value})
    assert (answer.status_code, answer.json["error"]) == (400, "known_ids must be a list")
