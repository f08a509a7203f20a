"""Rows and attempts: one row proves one attempt, after it was seen twice."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from device_drivers.base import SentRow
from host_controller.messaging.evidence import Sightings, match_rows
from host_controller.messaging.unproven import UnprovenAttempt
from host_controller.rules.states import AttemptState

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def attempt(n, *, sub=3, clock=100, to="+420777123456", text="Ahoj", state=AttemptState.RETURNED):
    return UnprovenAttempt(n, state, sub, clock, n, 1, None, NOW, to, text)


def row(n, *, sub=3, date=150, to="+420777123456", text="Ahoj"):
    return SentRow(n, date, sub, to, text)


def test_a_row_must_match_in_all_it_says():
    rows = [row(1, sub=4), row(2, to="+420777123457"), row(3, text="Ahoj "), row(4, date=99)]
    assert match_rows([attempt(1)], rows, set()) == {}
    assert match_rows([attempt(1)], [*rows, row(5)], set()) == {1: row(5)}


def test_a_claimed_row_proves_nothing_else():
    assert match_rows([attempt(1)], [row(5)], {(5, 150)}) == {}
    assert match_rows([attempt(1)], [row(5)], {(5, 149)}) == {1: row(5)}


def test_with_fewer_rows_than_attempts_the_oldest_are_proven():
    attempts = [attempt(1), attempt(2), attempt(3)]
    assert match_rows(attempts, [row(8, date=160), row(7)], set()) == {1: row(7), 2: row(8, date=160)}


@given(
    st.lists(st.tuples(st.integers(1, 2), st.integers(0, 5), st.sampled_from("ab")), max_size=8),
    st.lists(st.tuples(st.integers(1, 2), st.integers(0, 9), st.sampled_from("ab")), max_size=8),
    st.sets(st.integers(0, 7)),
)
def test_matching_is_injective_and_never_invents(wanted, found, claimed_ids):
    attempts = [attempt(n, sub=sub, clock=clock, text=text) for n, (sub, clock, text) in enumerate(wanted)]
    rows = [row(n, sub=sub, date=date, text=text) for n, (sub, date, text) in enumerate(found)]
    claimed = {(r.row_id, r.date_ms) for r in rows if r.row_id in claimed_ids}
    matches = match_rows(attempts, rows, claimed)
    assert max(Counter(r.row_id for r in matches.values()).values(), default=1) == 1
    by_id = {a.attempt_id: a for a in attempts}
    for attempt_id, matched in matches.items():
        a = by_id[attempt_id]
        assert (a.subscription_id, a.text) == (matched.subscription_id, matched.body)
        assert matched.date_ms >= a.phone_clock_ms
        assert (matched.row_id, matched.date_ms) not in claimed


def test_a_row_counts_when_it_is_still_there_two_seconds_later():
    sightings = Sightings(2.0)
    assert sightings.judge([1], {1: row(5)}, 10.0, 10.0).confirmed == {}
    assert sightings.judge([1], {1: row(5)}, 11.9, 11.9).confirmed == {}
    assert sightings.judge([1], {1: row(5)}, 12.0, 12.0).confirmed == {1: row(5)}


def test_a_row_that_is_gone_again_was_withdrawn():
    sightings = Sightings(2.0)
    assert sightings.judge([1, 2], {1: row(5)}, 10.0, 10.0).sighted == {1}
    judgement = sightings.judge([1, 2], {}, 13.0, 13.0)
    assert (judgement.confirmed, judgement.withdrawn) == ({}, (1,))


def test_another_row_in_its_place_starts_over():
    sightings = Sightings(2.0)
    sightings.judge([1], {1: row(5)}, 10.0, 10.0)
    assert sightings.judge([1], {1: row(6)}, 13.0, 13.0).confirmed == {}
    assert sightings.judge([1], {1: row(6)}, 15.0, 15.0).confirmed == {1: row(6)}


def test_one_sending_proves_one_of_two_equal_messages():
    given_up, sending = attempt(1, state=AttemptState.UNKNOWN), attempt(2)
    # What waits for its row now has it before what was given up...
    assert match_rows([given_up, sending], [row(5)], set()) == {2: row(5)}
    # ...and so has what the radio has proven, or one sending would prove both.
    by_radio = attempt(2, state=AttemptState.RADIO)
    assert match_rows([given_up, by_radio], [row(5)], set()) == {2: row(5)}
    assert match_rows([sending, attempt(3, state=AttemptState.RADIO)], [row(5)], set()) == {3: row(5)}
    both_given_up = [given_up, attempt(2, state=AttemptState.UNKNOWN)]
    assert match_rows(both_given_up, [row(5)], set()) == {1: row(5)}
    assert match_rows([given_up, sending], [row(5), row(6)], set()) == {2: row(5), 1: row(6)}
