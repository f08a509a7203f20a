"""The contract's cases that wait: the daemon's clock is put forward, and nothing else (17, 27, 29, 41 to 43)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

MINUTES_5, HOURS_2 = timedelta(minutes=5, seconds=5), timedelta(hours=2)
# The app waits 60 s for the radio, looks every 30 s whether that is over, and tells every 3 s what it knows.
SLOWEST = timedelta(seconds=60 + 30 + 3)
# Many times what the daemon takes to look around after its clock was put forward.
LIMIT_S = 20


@pytest.fixture
def phone(clocked):
    return clocked.phone(parts_per_day=10)


def test_case_17_a_phone_falls_silent(phone, clocked, eventually):
    assert phone.card()["heartbeat_limit_minutes"] == 5
    phone.heartbeat()
    assert phone.stats()["state"] == "online"
    clocked.let_pass(MINUTES_5)
    eventually(lambda: phone.stats()["state"] == "offline", LIMIT_S, "the phone's silence")
    phone.heartbeat()
    assert phone.stats()["state"] == "online"


def test_case_27_a_day_that_is_spent(phone, clocked, eventually):
    clocked.go_to(12, days=0 if clocked.now.hour < 10 else 1)
    (*first, last) = phone.queue(11, batch=f"case 27 {phone.name}", **{"class": "marketing"})
    assert phone.pick_up_ids() == first
    phone.ok("confirm-batch", {"results": [{"id": id_, "status": "sent"} for id_ in first]})
    card = phone.stats()
    assert (card["sent_today"], card["daily_limit"]) == (10, 10)
    answer = phone.ok("pending", {"limit": 20})
    assert answer.items() >= {"success": True, "sms_list": [], "limit_reached": True}.items()
    assert answer["retry_after"] > 0
    # Nobody has paused anything, and nobody has to resume it.
    assert not clocked.api.call("GET", "/holds")["holds"]
    clocked.go_to(1, days=1)
    assert eventually(phone.pick_up_ids, LIMIT_S, "the next day") == [last]
    assert phone.stats()["sent_today"] == 0
    assert phone.stats()["sent_total"] == 10


def test_case_29_two_days_of_work(phone, clocked, eventually):
    clocked.go_to(12, days=1)
    ids = phone.queue(20, batch=f"case 29 {phone.name}", **{"class": "marketing"})
    assert phone.pick_up_ids() == ids[:10]
    answer = phone.ok("pending", {"limit": 20})
    assert (answer["sms_list"], answer["limit_reached"]) == ([], True)
    assert clocked.states(ids[10:]) == ["queued"] * 10
    phone.ok("confirm-batch", {"results": [{"id": id_, "status": "sent"} for id_ in ids[:10]]})
    clocked.go_to(1, days=1)
    assert eventually(phone.pick_up_ids, LIMIT_S, "the next day") == ids[10:]


def test_case_41_a_lease_that_ended_is_in_no_list(phone, clocked, eventually):
    phone.heartbeat()
    (message_id,) = phone.queue()
    assert phone.pick_up_ids() == [message_id]
    assert phone.ok("reconcile", {"known_ids": [message_id]})["stuck_ids"] == [message_id]
    clocked.let_pass(HOURS_2)
    eventually(lambda: clocked.state(message_id) == "unknown", LIMIT_S, "the end of the lease")
    lists = {"already_confirmed_ids": [], "stuck_ids": [], "not_found_ids": []}
    assert phone.ok("reconcile", {"known_ids": [message_id]}) == {"success": True, **lists}
    # By default silence is no proof that it did not leave: nobody gets it again.
    phone.heartbeat()
    has_looked(clocked, eventually)
    assert phone.pick_up() == []
    phone.ok("confirm-batch", {"results": [{"id": message_id, "status": "sent"}]})
    assert clocked.state(message_id) == "sent"


@pytest.fixture
def reissuing(clocked):
    return clocked.phone(reissues=True)


def picked_up_late(phone, clocked):
    """Let a message wait for 31 minutes, and the phone take it."""
    (message_id,) = phone.queue()
    clocked.let_pass(timedelta(minutes=31))
    phone.heartbeat()
    assert phone.pick_up_ids() == [message_id]
    return message_id


def has_looked(clocked, eventually):
    """Wait until all that the daemon does every few seconds was done since now."""
    since = clocked.now

    def jobs_done():
        jobs = [job for job in clocked.api.call("GET", "/status")["jobs"] if job["interval_s"] <= 5 * clocked.scale]
        return jobs and all(job["last_run_at"] and datetime.fromisoformat(job["last_run_at"]) > since for job in jobs)

    eventually(jobs_done, LIMIT_S, "a look around")


def issue_again(phone, clocked, eventually):
    clocked.let_pass(HOURS_2)

    def asked():
        phone.heartbeat()
        return phone.pick_up_ids()

    return eventually(asked, LIMIT_S, "the message once more")


def test_case_42_issued_again_after_its_own_lease(reissuing, clocked, eventually):
    message_id = picked_up_late(reissuing, clocked)
    clocked.let_pass(SLOWEST)
    reissuing.heartbeat()
    has_looked(clocked, eventually)
    assert reissuing.pick_up() == []
    assert clocked.state(message_id) == "submitting"
    assert issue_again(reissuing, clocked, eventually) == [message_id]
    assert reissuing.pick_up() == []


def test_case_42_a_lease_is_long_enough_for_the_whole_batch(clocked, eventually):
    # 20 messages at 20 a minute: the last of them leaves a minute after it was picked up.
    phone = clocked.phone(reissues=True, parts_per_minute=20)
    ids = phone.queue(20)
    assert phone.pick_up_ids() == ids
    clocked.let_pass(timedelta(seconds=60) + SLOWEST)
    phone.heartbeat()
    has_looked(clocked, eventually)
    assert clocked.states(ids) == ["submitting"] * 20
    assert phone.pick_up() == []


def test_case_42_not_before_the_app_has_spoken(reissuing, clocked, eventually):
    message_id = picked_up_late(reissuing, clocked)
    clocked.let_pass(HOURS_2)
    eventually(lambda: clocked.state(message_id) != "submitting", LIMIT_S, "the end of the lease")
    # An app that has just started polls before it reconciles: what it has sent, it has not told yet.
    has_looked(clocked, eventually)
    assert reissuing.pick_up() == []
    reissuing.ok("confirm-batch", {"results": [{"id": message_id, "status": "sent"}]})
    reissuing.ok("reconcile", {"known_ids": []})
    has_looked(clocked, eventually)
    assert reissuing.pick_up() == []
    assert clocked.state(message_id) == "sent"


def test_case_43_a_late_report_of_the_first_copy(reissuing, clocked, eventually):
    message_id = picked_up_late(reissuing, clocked)
    assert issue_again(reissuing, clocked, eventually) == [message_id]
    reissuing.report(message_id, "sent")
    assert clocked.state(message_id) == "sent"
    clocked.let_pass(HOURS_2)
    reissuing.heartbeat()
    has_looked(clocked, eventually)
    assert reissuing.pick_up() == []
    assert reissuing.stats()["sent_today"] == 1
