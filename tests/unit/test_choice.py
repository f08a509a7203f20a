"""Which message leaves from which SIM: by cases, against a naive search, and worked through to the end."""

from __future__ import annotations

import heapq
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_controller.messaging.reach import Letter
from host_controller.rules.choice import (
    Never,
    QueuedMessage,
    SimView,
    choose_sim,
    is_behind,
    level_minutes,
    may_take,
    never,
)
from host_controller.rules.classes import MessageClass
from host_controller.rules.limits import GuardLimit, Reserve, SimLimits
from host_controller.rules.recipient_filter import EVERYBODY, NOBODY, parse_filter
from host_controller.rules.repeats import Handed
from host_controller.rules.sticky import SimMode, Sticky, StickyRule, is_kept, sims_for
from host_controller.rules.waiting import NeverReason, Wait, WaitReason

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
OTP, TRANSACTIONAL, MARKETING = MessageClass
LIMITS = SimLimits(20, 500, GuardLimit(10_000, 60), ZoneInfo("Europe/Prague"))
CZECH = parse_filter('[["country", "=", "CZ"]]')
RULE = StickyRule(timedelta(days=30), timedelta(minutes=10))
SOON, LATE = NOON + timedelta(minutes=1), NOON + timedelta(hours=9)


def message(number=1, message_class=MARKETING, age_s=0.0, parts=1, **more):
    return QueuedMessage(number, message_class, NOON - timedelta(seconds=age_s), parts, "+420777000001", **more)


def sim(number, phone=None, per_minute=20, **more):
    return SimView(number, phone or number, replace(LIMITS, parts_per_minute=per_minute), **more)


def everything(_sim, _message):
    return None


def by_sim(**waits):
    return lambda sim, message: waits.get(f"sim{sim.sim_id}")


def test_the_sim_with_the_fewest_minutes_of_work():
    slow, fast = sim(1, per_minute=10, bound_parts=20), sim(2, per_minute=60, bound_parts=60)
    assert choose_sim(message(), [slow, fast], everything, NOON) is fast
    rested = sim(3, per_minute=60, bound_parts=60, last_used_at=NOON - timedelta(hours=1))
    used = replace(fast, last_used_at=NOON)
    assert choose_sim(message(), [used, rested], everything, NOON) is rested


def test_limits_decide_and_the_shortest_wait_is_told():
    allowed = by_sim(sim1=Wait(LATE, WaitReason.QUOTA), sim2=Wait(SOON, WaitReason.PACE))
    assert choose_sim(message(), [sim(1), sim(2)], allowed, NOON) == Wait(SOON, WaitReason.PACE)
    assert choose_sim(message(), [sim(1), sim(2), sim(3)], allowed, NOON).sim_id == 3


def test_forced_phones_and_sims():
    rack = [sim(1, phone=1), sim(2, phone=1), sim(3, phone=2)]
    assert choose_sim(message(only_phone_id=2), rack, everything, NOON).sim_id == 3
    assert choose_sim(message(only_sim_ids=frozenset({2})), rack, everything, NOON).sim_id == 2


def test_a_filter_and_a_recipient_who_is_not_known():
    rack = [sim(1, recipients=CZECH)]
    known = message(facts={"country": "CZ"})
    assert choose_sim(known, rack, everything, NOON) is rack[0]
    assert choose_sim(message(), rack, everything, NOON) == Wait(None, WaitReason.NO_ROUTE)
    assert choose_sim(message(facts={"country": "SK"}), rack, everything, NOON) == Never(NeverReason.NO_MATCH)


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (message(only_phone_id=9), NeverReason.NO_SUCH_PHONE),
        (message(only_sim_ids=frozenset({9})), NeverReason.NO_SUCH_SIM),
        (message(only_sim_ids=frozenset({1}), only_phone_id=2), NeverReason.CONTRADICTION),
        (message(facts={"country": "SK"}, only_phone_id=2), NeverReason.NO_MATCH),
        (message(parts=451, facts={"country": "CZ"}), NeverReason.TOO_LONG),
        (message(parts=451, message_class=OTP, facts={"country": "CZ"}), None),
        (message(only_phone_id=2), None),
    ],
)
def test_never(one, reason):
    limits = replace(LIMITS, reserve=Reserve(5, 5))
    rack = [SimView(1, 1, limits), SimView(2, 2, limits, recipients=CZECH)]
    hopeless = never(one, rack)
    assert hopeless == (None if reason is None else Never(reason))
    assert reason is None or choose_sim(one, rack, everything, NOON) == hopeless


def test_a_rack_without_phones_waits_for_one():
    assert never(message(), []) is None
    assert choose_sim(message(), [], everything, NOON) == Wait(None, WaitReason.NO_PHONE)


def test_what_holds_the_message_everywhere_comes_first():
    held = Wait(LATE, WaitReason.QUIET_HOURS)
    assert choose_sim(message(held=held), [sim(1)], everything, NOON) == held


def test_a_recipient_keeps_the_sim_that_is_known():
    sticky = message(sticky=Sticky(1, NOON - timedelta(days=2)))
    rack = [sim(1, bound_parts=99), sim(2)]
    assert choose_sim(sticky, rack, everything, NOON, RULE) is rack[0]
    assert choose_sim(sticky, rack, everything, NOON) is rack[1]


def test_it_waits_a_little_for_that_sim_and_not_for_long():
    sticky = message(sticky=Sticky(1, NOON - timedelta(days=2)))
    rack = [sim(1), sim(2)]
    soon, late = by_sim(sim1=Wait(SOON, WaitReason.PACE)), by_sim(sim1=Wait(LATE, WaitReason.QUOTA))
    assert choose_sim(sticky, rack, soon, NOON, RULE) == Wait(SOON, WaitReason.STICKY)
    assert choose_sim(sticky, rack[:1], soon, NOON, RULE) == Wait(SOON, WaitReason.PACE)
    assert choose_sim(sticky, rack, late, NOON, RULE) is rack[1]
    away = replace(rack[0], held=Wait(None, WaitReason.NO_PHONE), away_since=NOON - timedelta(minutes=9))
    assert choose_sim(sticky, [away, rack[1]], everything, NOON, RULE) == Wait(None, WaitReason.STICKY)
    gone = replace(away, away_since=NOON - timedelta(minutes=10))
    assert choose_sim(sticky, [gone, rack[1]], everything, NOON, RULE) is rack[1]
    assert choose_sim(sticky, rack[1:], everything, NOON, RULE) is rack[1]


@pytest.mark.parametrize(
    ("days", "wait", "away_min", "kept"),
    [
        (29, None, None, True),
        (30, None, None, False),
        (1, Wait(NOON + timedelta(minutes=10), WaitReason.PACE), None, True),
        (1, Wait(NOON + timedelta(minutes=11), WaitReason.HOUR), None, False),
        (1, Wait(None, WaitReason.TOO_LONG), None, False),
        (1, Wait(None, WaitReason.NO_SERVICE), 5, True),
        (1, Wait(None, WaitReason.NO_SERVICE), 15, False),
    ],
)
def test_sticky_ends(days, wait, away_min, kept):
    away_since = None if away_min is None else NOON - timedelta(minutes=away_min)
    assert is_kept(Sticky(1, NOON - timedelta(days=days)), RULE, wait, away_since, NOON) is kept


def test_dual_sim_modes():
    assert sims_for(SimMode.AUTO, (4, 5), 3) is None
    assert sims_for(SimMode.SPLIT, (), 3) is None
    assert sims_for(SimMode.SINGLE, (4, 5), 3) == {4}
    split = [sims_for(SimMode.SPLIT, (4, 5), index) for index in range(20)]
    assert split == [{4}, {5}] * 10


def test_a_sim_with_too_much_of_its_own_leaves_the_rest_to_others():
    rack = [sim(1, per_minute=10, bound_parts=100), sim(2, per_minute=10)]
    assert is_behind(rack[0], rack, 99)
    assert not is_behind(rack[0], rack, 101)
    assert not is_behind(rack[1], rack, 0)
    assert level_minutes([], 5) == 0


waits = st.none() | st.builds(
    Wait, st.none() | st.sampled_from([SOON, LATE]), st.sampled_from([WaitReason.PACE, WaitReason.QUOTA])
)
sims = st.lists(
    st.builds(
        sim,
        st.integers(1, 4),
        phone=st.integers(1, 2),
        per_minute=st.integers(1, 60),
        bound_parts=st.integers(0, 50),
        recipients=st.sampled_from([EVERYBODY, CZECH, NOBODY]),
        held=waits,
    ),
    max_size=4,
    unique_by=lambda one: one.sim_id,
)
queues = st.lists(
    st.builds(
        message,
        st.integers(1, 99),
        st.sampled_from(MessageClass),
        age_s=st.integers(0, 5),
        facts=st.sampled_from([{}, {"country": "CZ"}, {"country": "SK"}]),
        only_phone_id=st.none() | st.integers(1, 3),
        only_sim_ids=st.none() | st.sets(st.integers(1, 5), min_size=1).map(frozenset),
        held=st.none() | st.just(Wait(LATE, WaitReason.NOT_BEFORE)),
    ),
    max_size=6,
    unique_by=lambda one: one.message_id,
)


@settings(max_examples=400)
@given(sims, queues, st.dictionaries(st.tuples(st.integers(1, 4), st.integers(1, 99)), waits))
def test_against_a_naive_search(rack, queue, limits):
    def allowed(one, queued):
        return limits.get((one.sim_id, queued.message_id))

    def fits(queued, one) -> bool:
        phone = queued.only_phone_id is None or queued.only_phone_id == one.phone_id
        named = queued.only_sim_ids is None or one.sim_id in queued.only_sim_ids
        country = queued.facts.get("country")
        matches = one.recipients is EVERYBODY or (one.recipients is CZECH and country == "CZ")
        return phone and named and matches

    def goes(queued, one) -> bool:
        return fits(queued, one) and not queued.held and not one.held and not allowed(one, queued)

    for queued in queue:
        assert [may_take(queued, one) for one in rack] == [fits(queued, one) for one in rack]
        chosen = choose_sim(queued, rack, allowed, NOON)
        free = [one for one in rack if goes(queued, one)]
        assert isinstance(chosen, SimView) == bool(free)
        if free:
            assert chosen.minutes == min(one.bound_parts / one.limits.parts_per_minute for one in free)
        if isinstance(chosen, Never):
            assert not any(fits(queued, one) for one in rack)


loads = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 300)), min_size=1, max_size=8)


@given(loads, st.integers(0, 2000))
def test_the_level_against_halving(load, free_parts):
    rack = [sim(n + 1, per_minute=rate, bound_parts=own) for n, (rate, own) in enumerate(load)]
    low, high = 0.0, 10_000.0
    while high - low > 1e-7:
        middle = (low + high) / 2
        taken = sum(max(0.0, middle * rate - own) for rate, own in load)
        low, high = (low, middle) if taken >= free_parts else (middle, high)
    level = level_minutes(rack, free_parts)
    if free_parts:
        assert level == pytest.approx(high, abs=1e-5)


@settings(max_examples=60)
@given(loads, st.integers(0, 400))
def test_phones_of_different_speed_finish_together(load, free_parts):
    """Each SIM takes one message whenever it is free; all are done when the best plan could have them done."""
    own = {n: parts for n, (_, parts) in enumerate(load)}
    idle = [(0.0, n) for n in range(len(load))]
    ends = [0.0]

    def rack():
        return [sim(n, phone=1, per_minute=rate, bound_parts=own[n]) for n, (rate, _) in enumerate(load)]

    best = max(level_minutes(rack(), free_parts), *(parts / rate for rate, parts in load))
    while idle:
        at, n = heapq.heappop(idle)
        now_rack = rack()
        if free_parts and not is_behind(now_rack[n], now_rack, free_parts):
            free_parts -= 1
        elif own[n]:
            own[n] -= 1
        else:
            continue
        ends.append(at + 1 / load[n][0])
        heapq.heappush(idle, (ends[-1], n))
    assert not free_parts
    assert not any(own.values())
    assert max(ends) <= best + 2 / min(rate for rate, _ in load) + 1e-6


def test_no_log_shows_a_number():
    shown = repr(QueuedMessage(1, MARKETING, NOON, 1, "+420777123456", {"number": "+420777123456"}))
    shown += repr(Letter("+420777123456", MARKETING, 1)) + repr(Handed(NOON, MARKETING, "+420777123456", b"key"))
    assert "420777123456" not in shown
