"""What was accepted against the air and the database: the counting behind the tables of the docs."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.tally import Balance, Stored, balance, clearing_times, whole_messages

TO, OTHER = "+420770000001", "+420770000002"


def part(number=1, of=1, to=TO, message="1/77", phone="p1", slot=0):
    return {"phone": phone, "slot_index": slot, "message": message, "to": to, "part": number, "parts": of}


def test_a_message_has_left_when_its_last_part_has():
    assert whole_messages([part(1, 2)]) == Counter()
    assert whole_messages([part(2, 2), part(1, 2)]) == Counter({TO: 1})


def test_calls_of_one_name_on_two_phones_or_sims_are_two_messages():
    assert whole_messages([part(), part(phone="p2"), part(slot=1), part(message="2/78")]) == Counter({TO: 4})


@pytest.mark.parametrize(
    ("state", "times", "broken"),
    [
        ("sent", 1, {}),
        ("sent", 3, {"doubled": 2}),
        ("sent", 0, {"false_sent": 1}),
        ("failed", 1, {"false_failed": 1}),
        ("expired", 0, {}),
        ("unknown", 1, {}),
        ("unknown", 0, {}),
        ("queued", 0, {"lost": 1}),
        ("submitting", 1, {"lost": 1}),
        (None, 0, {"lost": 1}),
    ],
)
def test_one_message(state, times, broken):
    stored = {7: Stored(TO, state, 0)} if state else {}
    counts = {"sent": state == "sent", "unknown": state == "unknown", **broken}
    assert balance({7: TO}, stored, Counter({TO: times})) == Balance(messages=1, **counts)


def test_equal_messages_share_what_left():
    stored = {1: Stored(TO, "sent", 0), 2: Stored(TO, "sent", 0), 3: Stored(TO, "cancelled", 0)}
    found = balance(dict.fromkeys(stored, TO), stored, Counter({TO: 2}))
    assert (found.doubled, found.false_sent, found.false_failed) == (0, 0, 0)
    assert balance(dict.fromkeys(stored, TO), stored, Counter({TO: 1})).false_sent == 1


def test_what_nobody_asked_for_is_not_counted_to_another():
    assert balance({1: TO}, {1: Stored(TO, "sent", 0)}, Counter({TO: 1, OTHER: 5})).doubled == 0


def test_clearing_counts_from_the_last_fault_and_never_below_zero():
    stored = {1: Stored(TO, "sent", 12.0), 2: Stored(OTHER, "unknown", 3.0), 3: Stored(OTHER, "submitting", 99.0)}
    accepted = {1: TO, 2: OTHER, 3: OTHER}
    assert clearing_times(accepted, stored, {TO: [4.0, 10.0], OTHER: [5.0]}) == [2.0, 0.0]


def test_runs_add_up():
    total = Balance(messages=1, doubled=1, to_clear_s=[1.0]) + Balance(messages=2, lost=1, to_clear_s=[3.0])
    assert total == Balance(messages=3, doubled=1, lost=1, to_clear_s=[1.0, 3.0])
    assert total.percentiles() == (2.0, 2.98)
    assert Balance().percentiles() == (None, None)
