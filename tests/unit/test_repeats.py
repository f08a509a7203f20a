"""One recipient, one text: never more often than allowed, and not held for longer than needed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from host_controller.rules.classes import MessageClass
from host_controller.rules.repeats import Handed, RepeatLedger, RepeatLimits, text_key
from host_controller.rules.waiting import Wait, WaitReason

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
OTP, TRANSACTIONAL, MARKETING = MessageClass
ANNA, BORIS = "+420777000001", "+420777000002"
CODE, SALE = text_key("Kod 1234"), text_key("Sleva 20 %")


def handed(seconds, message_class=OTP, recipient=ANNA, key=CODE):
    return Handed(NOON + timedelta(seconds=seconds), message_class, recipient, key)


def test_a_text_is_not_in_its_key():
    assert text_key("Kod 1234") == CODE != SALE
    assert b"1234" not in CODE


def test_a_recipient_is_spared():
    limits = RepeatLimits(recipient_per_hour={OTP: 3, MARKETING: 2}, same_text={})
    ledger = RepeatLedger(limits, [handed(-3000), handed(-60, MARKETING)])
    assert ledger.next_allowed(OTP, ANNA, CODE, NOON) is None
    until = NOON + timedelta(seconds=600)
    assert ledger.next_allowed(MARKETING, ANNA, CODE, NOON) == Wait(until, WaitReason.RECIPIENT_HOUR)
    assert ledger.next_allowed(MARKETING, ANNA, CODE, until) is None
    assert ledger.next_allowed(MARKETING, BORIS, CODE, NOON) is None
    assert ledger.next_allowed(TRANSACTIONAL, ANNA, CODE, NOON) is None


def test_a_program_that_runs_wild_is_held_and_marketing_is_not():
    limits = RepeatLimits(recipient_per_hour={}, same_text={OTP: 2, TRANSACTIONAL: 3})
    ledger = RepeatLedger(limits, [handed(-n, MARKETING, f"+4207770001{n}", SALE) for n in range(50)])
    assert ledger.next_allowed(MARKETING, ANNA, SALE, NOON) is None
    assert ledger.next_allowed(OTP, ANNA, SALE, NOON) is None
    ledger = RepeatLedger(limits, [handed(-300), handed(-10, TRANSACTIONAL, BORIS)])
    until = NOON + timedelta(seconds=300)
    assert ledger.next_allowed(OTP, ANNA, CODE, NOON) == Wait(until, WaitReason.SAME_TEXT)
    assert ledger.next_allowed(TRANSACTIONAL, ANNA, CODE, NOON) is None
    assert ledger.next_allowed(OTP, ANNA, SALE, NOON) is None


def test_a_limit_of_nothing_holds_for_ever():
    ledger = RepeatLedger(RepeatLimits(recipient_per_hour={MARKETING: 0}))
    assert ledger.next_allowed(MARKETING, ANNA, SALE, NOON) == Wait(None, WaitReason.RECIPIENT_HOUR)
    ledger.note(handed(-1, MARKETING))
    assert ledger.next_allowed(MARKETING, ANNA, SALE, NOON).until is None


def test_what_did_not_leave_is_taken_back():
    ledger = RepeatLedger(RepeatLimits(recipient_per_hour={OTP: 1}, same_text={OTP: 1}), [handed(-5)])
    assert ledger.next_allowed(OTP, ANNA, CODE, NOON) is not None
    ledger.take_back(handed(-5))
    ledger.take_back(handed(-5))
    assert ledger.next_allowed(OTP, ANNA, CODE, NOON) is None


def test_only_that_one_is_taken_back():
    ledger = RepeatLedger(RepeatLimits(recipient_per_hour={OTP: 1}), [handed(-9), handed(-5)])
    ledger.take_back(handed(-5))
    assert ledger.next_allowed(OTP, ANNA, CODE, NOON).until == NOON + timedelta(seconds=3591)


def test_a_clock_set_back():
    ledger = RepeatLedger(RepeatLimits(recipient_per_hour={OTP: 1}, same_text={}), [handed(86400)])
    hour = NOON + timedelta(hours=1)
    assert ledger.next_allowed(OTP, ANNA, CODE, NOON) == Wait(hour, WaitReason.RECIPIENT_HOUR)
    assert ledger.next_allowed(OTP, ANNA, CODE, hour) is None


def test_memory_is_that_of_the_last_hour():
    ledger = RepeatLedger(RepeatLimits())
    for n in range(20_000):
        ledger.note(handed(n, recipient=f"+4207{n:08d}"))
    assert len(ledger._recipients._times) <= 3600 + 4096
    assert ledger.start(NOON) == NOON - timedelta(hours=1)


@settings(max_examples=200)
@given(
    st.fixed_dictionaries({c: st.none() | st.integers(1, 4) for c in MessageClass}),
    st.fixed_dictionaries({c: st.none() | st.integers(1, 4) for c in MessageClass}),
    st.floats(60, 7200).map(lambda s: timedelta(seconds=s)),
    st.lists(
        st.tuples(
            st.floats(0, 2400),
            st.sampled_from(MessageClass),
            st.sampled_from([ANNA, BORIS]),
            st.sampled_from([CODE, SALE]),
        ),
        max_size=30,
    ),
    st.sets(st.integers(0, 29)),
)
def test_against_counting_everything(per_hour, same_text, within, asked, restarts):
    limits = RepeatLimits(per_hour, same_text, within)
    done, now, ledger = [], NOON, RepeatLedger(limits)

    def allowed(message_class, recipient, key, when) -> bool:
        to_it = [h for h in done if h.recipient == recipient and h.at > when - timedelta(hours=1)]
        same = [
            h for h in done if h.text_key == key and h.at > when - within and same_text[h.message_class] is not None
        ]
        limits_ = ((len(to_it), per_hour[message_class]), (len(same), same_text[message_class]))
        return all(limit is None or count + 1 <= limit for count, limit in limits_)

    for number, (pause_s, *question) in enumerate(asked):
        now += timedelta(seconds=pause_s)
        if number in restarts:
            ledger = RepeatLedger(limits, [h for h in done if h.at >= ledger.start(now)])
        wait = ledger.next_allowed(*question, now)
        assert (wait is None) == allowed(*question, now)
        if wait is not None:
            now = wait.until
            assert allowed(*question, now)
            assert not allowed(*question, now - timedelta(microseconds=1))
        done.append(Handed(now, *question))
        ledger.note(done[-1])


def test_limits_may_be_changed_class_by_class():
    limits = replace(RepeatLimits(), same_text={MARKETING: 1})
    assert RepeatLedger(limits, [handed(-1, MARKETING)]).next_allowed(MARKETING, BORIS, CODE, NOON) is not None
