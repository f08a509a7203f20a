"""The contract's part D: heartbeat, stats, FCM. What waits for the clock (17) is in test_clock.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.gateway.device import error, refusal

FIELDS = {
    "id",
    "name",
    "phone_number",
    "phone_number_2",
    "state",
    "sent_today",
    "daily_limit",
    "sent_month",
    "monthly_limit",
    "sent_total",
    "pending_count",
    "rate_limit",
}


def test_case_12_the_apps_own_heartbeat(p1):
    answer = p1.ok("heartbeat", {"phone_numbers": ["+420777123456"], "unsynced_count": 0})
    assert answer["rate_limit"] == 100
    assert answer["pending_count"] == {"+420777123456": 0, "+420608987654": 0}
    # The app reads the first of them only.
    assert next(iter(answer["phone_stats"])) == "+420777123456"
    nothing = {"sent_today": 0, "daily_limit": 500, "sent_month": 0, "monthly_limit": 0, "sent_total": 0}
    assert answer["phone_stats"]["+420777123456"] == nothing
    assert p1.stats()["state"] == "online"


def test_case_13_battery_and_signal(phone):
    phone.heartbeat(battery_level=85, signal_strength=-70, unsynced_count=3)
    card = phone.card()
    assert (card["battery_percent"], card["signal_dbm"], card["unsynced_count"]) == (85, -70, 3)
    phone.heartbeat()
    card = phone.card()
    assert (card["battery_percent"], card["signal_dbm"], card["unsynced_count"]) == (85, -70, 0)


def test_case_14_pending_by_sim(gateway):
    phone = gateway.phone(sims=2)
    phone.queue(7)
    phone.queue(5, sim=phone.numbers[1])
    assert phone.heartbeat()["pending_count"] == dict(zip(phone.numbers, (7, 5), strict=True))


def test_case_15_paused_batch_is_not_pending(gateway, phone):
    phone.queue(10, batch="case 15")
    gateway.pause("case 15")
    assert sum(phone.heartbeat()["pending_count"].values()) == 0


def test_case_15_what_may_not_go_yet_is_not_pending(phone):
    phone.queue(3, not_before=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    assert sum(phone.heartbeat()["pending_count"].values()) == 0
    assert phone.pick_up() == []


@pytest.mark.parametrize("count", ["11", 11, None, -1, 1.5, [], {}, True, 10**30], ids=repr)
def test_case_16_odd_counts(phone, count):
    assert phone.call("heartbeat", {"unsynced_count": count}).status in (200, 400)
    phone.heartbeat()


def test_case_18_stats_of_this_phone_only(p1, p2):
    card = p1.stats()
    assert card.keys() >= FIELDS
    assert (card["name"], card["phone_number"], card["phone_number_2"]) == ("P1", "+420777123456", "+420608987654")
    assert (card["daily_limit"], card["monthly_limit"], card["rate_limit"]) == (500, 0, 100)
    assert p2.stats()["phone_number_2"] is None
    assert p2.stats()["daily_limit"] == 10


def test_case_18_pending_in_stats_counts_what_is_under_way(phone):
    phone.queue(3)
    phone.pick_up(1)
    assert phone.stats()["pending_count"] == 3


def test_case_19_fcm_token(phone):
    assert refusal(phone.call("register-fcm", {})) == error(400, "fcm_token is required")
    assert isinstance(phone.ok("register-fcm", {"fcm_token": "x"})["message"], str)
