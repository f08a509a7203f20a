"""The contract's part E from 32 to 41: what a phone reports. Leases that end (41 to 43) are in test_clock.py."""

from __future__ import annotations

import pytest

from tests.gateway.device import error, refusal

COUNTERS = ("sent_today", "sent_month", "sent_total")


def counters(answer):
    return tuple(answer[name] for name in COUNTERS)


@pytest.fixture
def handed(phone):
    """Give a function that has messages queued and picked up."""

    def make(count=1, **terms):
        ids = phone.queue(count, **terms)
        assert phone.pick_up_ids(count) == ids
        return ids

    return make


def test_case_32_sent_counts_on_a_new_phone(phone, handed):
    (message_id,) = handed(text="a" * 200)
    answer = phone.report(message_id, "sent")
    assert counters(answer) == (2, 2, 2)
    assert counters(phone.stats()) == (2, 2, 2)


def test_case_33_what_is_sent_stays_sent(gateway, phone, handed):
    (message_id,) = handed()
    for status in ("sent", "sent", "sending", "sent", "error", "sent"):
        phone.report(message_id, status)
        assert gateway.state(message_id) == "sent"
        assert counters(phone.stats()) == (1, 1, 1)


def test_case_33_what_comes_too_late_is_ignored(phone, handed):
    (message_id,) = handed()
    assert "ignored" not in phone.report(message_id, "sent")
    assert phone.report(message_id, "sending")["ignored"] is True
    assert phone.report(message_id, "error", "RADIO_OFF")["ignored"] is True


def test_case_33_sending_is_on_its_way(gateway, phone, handed):
    (message_id,) = handed()
    phone.report(message_id, "sending")
    assert gateway.state(message_id) == "submitting"
    assert counters(phone.report(message_id, "sent")) == (1, 1, 1)


@pytest.mark.parametrize("body", [{"status": "foo"}, {}, {"status": None}, {"status": ["sent"]}], ids=repr)
def test_case_34_no_such_status(phone, handed, body):
    (message_id,) = handed()
    expected = error(400, "Invalid status. Must be: sending, sent, or error")
    assert refusal(phone.call(f"confirm/{message_id}", body)) == expected


def test_case_34_no_such_message(gateway, phone, handed):
    (message_id,) = handed()
    not_found = error(404, "SMS not found or unauthorized")
    for other_id in (77_777_777, 2**31, 10**30):
        assert refusal(phone.call(f"confirm/{other_id}", {"status": "sent"})) == not_found
    assert refusal(gateway.phone().call(f"confirm/{message_id}", {"status": "sent"})) == not_found
    answer = phone.call("confirm/abc", {"status": "sent"})
    assert (answer.status, answer.json["success"]) == (404, False)
    assert gateway.state(message_id) == "submitting"


def test_case_34_what_was_never_handed_over(gateway, phone):
    (message_id,) = phone.queue()
    assert phone.call(f"confirm/{message_id}", {"status": "sent"}).status == 404
    assert gateway.state(message_id) == "queued"


def test_case_35_the_phones_own_words(gateway, phone, handed):
    (message_id,) = handed()
    answer = phone.call(f"confirm/{message_id}", {"status": "error", "error_message": "Permission denied"})
    assert (answer.status, answer.json) == (200, {"success": True})
    message = gateway.message(message_id)
    assert message["state"] == "failed"
    assert "Permission denied" in message["error_message"]


@pytest.mark.parametrize("name", ["id", "sms_id"], ids=["case_36", "case_37"])
def test_case_36_and_37_confirm_batch(gateway, phone, handed, name):
    sent, failed = handed(2)
    results = [{name: sent, "status": "sent"}, {name: failed, "status": "error", "error_message": "NO_SERVICE"}]
    answer = phone.ok("confirm-batch", {"results": results})
    assert answer["processed"] == 2
    assert sorted(answer["ack_ids"]) == [sent, failed]
    assert "errors" not in answer
    assert counters(answer) == (1, 1, 1)
    assert (answer["daily_limit"], answer["monthly_limit"]) == (0, 0)
    assert gateway.states([sent, failed]) == ["sent", "failed"]
    assert "NO_SERVICE" in gateway.message(failed)["error_message"]


def test_case_38_unknown_ids_are_acknowledged(gateway, phone, handed):
    (message_id,) = handed()
    foreign = gateway.phone()
    (foreign_id,) = foreign.queue()
    foreign.pick_up()
    ids = [message_id, 77_777, foreign_id]
    answer = phone.ok("confirm-batch", {"results": [{"id": id_, "status": "sent"} for id_ in ids]})
    assert {"id": 77_777, "error": "Not found or unauthorized"} in answer["errors"]
    assert {"id": foreign_id, "error": "Not found or unauthorized"} in answer["errors"]
    assert sorted(answer["ack_ids"]) == sorted(ids)
    assert answer["processed"] == 1
    assert gateway.states([message_id, foreign_id]) == ["sent", "submitting"]


@pytest.mark.parametrize("body", [{"results": []}, {}, {"results": "x"}, {"results": None}, {"results": {}}], ids=repr)
def test_case_39_no_results(phone, body):
    assert refusal(phone.call("confirm-batch", body)) == error(400, "results list is required")


ODD = [5, None, "x", [], {}, {"id": "x", "status": "sent"}, {"id": None}, {"id": 10**30, "status": "sent"}]


@pytest.mark.parametrize("odd", [*ODD, {"status": "sent"}, {"id": True, "status": "sent"}], ids=repr)
def test_case_39_one_odd_result_among_others(gateway, phone, handed, odd):
    (message_id,) = handed()
    answer = phone.ok("confirm-batch", {"results": [odd, {"id": message_id, "status": "sent"}]})
    assert len(answer["errors"]) == 1
    assert message_id in answer["ack_ids"]
    assert answer["processed"] == 1
    assert gateway.state(message_id) == "sent"


def test_case_39_a_status_that_is_none(gateway, phone, handed):
    (message_id,) = handed()
    answer = phone.ok("confirm-batch", {"results": [{"id": message_id, "status": "foo"}]})
    assert answer["errors"] == [{"id": message_id, "error": "Invalid id or status"}]
    # Else the app would report it every 3 seconds for ever.
    assert answer["ack_ids"] == [message_id]
    assert gateway.state(message_id) == "submitting"


def test_case_40_reconcile_nothing_and_the_unknown(phone):
    nothing = {"already_confirmed_ids": [], "stuck_ids": [], "not_found_ids": []}
    assert phone.ok("reconcile", {"known_ids": []}) == {"success": True, **nothing}
    assert phone.ok("reconcile", {"known_ids": [77_777_777]})["not_found_ids"] == [77_777_777]


@pytest.mark.parametrize("known", ["x", None, 5, {}], ids=repr)
def test_case_40_reconcile_what_is_no_list(phone, known):
    assert refusal(phone.call("reconcile", {"known_ids": known})) == error(400, "known_ids must be a list")


def test_case_41_reconcile(gateway, phone, handed):
    sent, leased, failed, overdue = handed(4)
    phone.report(sent, "sent")
    phone.report(failed, "error", "RADIO_OFF")
    phone.report(overdue, "error", "TIMEOUT_0of1_parts_sent_0_failed")
    foreign = gateway.phone()
    (foreign_id,) = foreign.queue()
    foreign.pick_up()
    answer = phone.ok("reconcile", {"known_ids": [sent, leased, failed, overdue, foreign_id]})
    assert answer["already_confirmed_ids"] == [sent]
    assert answer["stuck_ids"] == [leased]
    # What failed, or may have, is in none: the phone may know better, and reports again.
    assert answer["not_found_ids"] == [foreign_id]


def test_case_41_the_phone_knows_better(gateway, phone, handed):
    (message_id,) = handed()
    phone.report(message_id, "error", "TIMEOUT_0of1_parts_sent_0_failed")
    assert gateway.state(message_id) == "unknown"
    assert phone.ok("reconcile", {"known_ids": [message_id]})["already_confirmed_ids"] == []
    phone.ok("confirm-batch", {"results": [{"id": message_id, "status": "sent"}]})
    assert gateway.state(message_id) == "sent"
    assert counters(phone.stats()) == (1, 1, 1)
