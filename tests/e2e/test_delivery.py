"""A few rows of the delivery table with few messages: ours count zero, and the measurement is able to count doubles."""

from __future__ import annotations

import pytest

from benchmarks import gateway, host_faults, phone_faults
from benchmarks.gateway import CONTRAST, OURS
from benchmarks.tally import Balance, Stored, balance, whole_messages

MESSAGES = 60


@pytest.fixture(autouse=True)
def few_phones(monkeypatch):
    monkeypatch.setattr(gateway, "PHONES", 4)


def check(counted: Balance) -> None:
    wrong = (counted.doubled, counted.lost, counted.false_sent, counted.false_failed)
    assert wrong == (0, 0, 0, 0), counted
    assert counted.sent + counted.unknown == counted.messages


def test_unplugged_after_the_sms_left():
    counted = phone_faults.on_sends("drop_after")(OURS, MESSAGES)
    check(counted)
    assert counted.to_clear_s, "no message was hit"


def test_a_queue_that_retries_doubles_on_the_same_fault():
    assert phone_faults.on_sends("drop_after")(CONTRAST, MESSAGES).doubled > 0


def test_a_row_says_sent_and_then_failed():
    check(phone_faults.on_sends("radio_fail", seconds=0.02)(OURS, MESSAGES))


def test_one_ref_by_fifty_at_once():
    assert host_faults.same_ref(OURS, 100).doubled == 0


def part(to, message, *, part=1, parts=1, slot=0):
    return {"phone": "p", "slot_index": slot, "message": message, "to": to, "part": part, "parts": parts, "text": "x"}


def test_the_ledger_counts_what_is_wrong():
    states = ["sent", "sent", "sent", "unknown", "failed", "queued", "sent", "unknown"]
    stored = {id_: Stored(f"+{id_}", state, 0.0) for id_, state in enumerate(states)}
    accepted = {id_: f"+{id_}" for id_ in range(len(states) + 1)}
    air = [part("+0", "1"), part("+0", "2"), part("+1", "3"), part("+3", "4"), part("+4", "5")]
    air += [part("+6", "6", part=1, parts=2), part("+7", "7", part=1, parts=2), part("+7", "7", part=2, parts=2)]
    counted = balance(accepted, stored, whole_messages(air))
    assert counted == Balance(messages=9, doubled=1, lost=2, false_sent=2, false_failed=1, unknown=2, sent=4)


def test_equal_messages_are_counted_together():
    stored = {id_: Stored("+1", state, 0.0) for id_, state in enumerate(("sent", "unknown", "sent"))}
    accepted = dict.fromkeys(stored, "+1")
    assert balance(accepted, stored, whole_messages([part("+1", str(n)) for n in range(3)])).false_sent == 0
    assert balance(accepted, stored, whole_messages([part("+1", "1")])).false_sent == 1
    assert balance(accepted, stored, whole_messages([part("+1", str(n)) for n in range(5)])).doubled == 2
