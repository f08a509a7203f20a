"""The ledger of a SIM: by cases, and against an oracle that keeps every use and counts it anew at every question."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_controller.rules.classes import MessageClass
from host_controller.rules.ledger import Left, SimLedger, Use, ledger_start, pause_after
from host_controller.rules.limits import GuardLimit, Reserve, SimLimits
from host_controller.rules.waiting import Wait, WaitReason

PRAGUE = ZoneInfo("Europe/Prague")
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
LOOSE = SimLimits(6000, None, GuardLimit(10_000, 60), PRAGUE)
OTP, TRANSACTIONAL, MARKETING = MessageClass
ANNA, BORIS, CYRIL = "+420777000001", "+420777000002", "+420777000003"


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def use(seconds: float, parts: int = 1, message_class: MessageClass = MARKETING, recipient: str = ANNA) -> Use:
    return Use(at(seconds), parts, message_class, recipient)


def ask(limits, uses=(), parts=1, message_class=MARKETING, recipient=BORIS, now=NOON):
    wait = SimLedger(limits, uses).next_allowed(parts, message_class, recipient, now)
    return wait and (wait.until, wait.reason)


def test_an_unused_sim_may_send_at_once():
    assert ask(replace(LOOSE, parts_per_day=500, parts_per_hour=60, recipients_per_month=99), parts=10) is None


def test_spacing_is_by_the_parts_of_the_last_message():
    assert ask(replace(LOOSE, parts_per_minute=20), [use(-2, 3)]) == (at(7), WaitReason.PACE)


def test_jitter_only_lengthens_and_is_the_same_after_a_restart():
    limits = replace(LOOSE, parts_per_minute=20, jitter_percent=50)
    pauses = {pause_after(limits, 2, at(n), seed=7) for n in range(200)}
    assert timedelta(seconds=6) <= min(pauses) < timedelta(seconds=6.2)
    assert timedelta(seconds=8.8) < max(pauses) <= timedelta(seconds=9)
    assert pause_after(limits, 2, at(1), 7) == pause_after(limits, 2, at(1), 7) != pause_after(limits, 2, at(1), 8)
    running = SimLedger(limits, seed=7)
    running.note(use(0))
    again = SimLedger(limits, [use(0)], seed=7)
    assert running.next_allowed(1, OTP, ANNA, at(1)) == again.next_allowed(1, OTP, ANNA, at(1))


def test_a_message_of_more_parts_than_the_guard_leaves_goes_when_its_window_is_empty():
    limits = replace(LOOSE, guard=GuardLimit(10, 60))
    assert ask(limits, parts=10) is None
    assert ask(limits, [use(-1)], parts=10) == (at(-1) + limits.guard.window, WaitReason.GUARD)


def test_the_hour_slides():
    limits = replace(LOOSE, parts_per_hour=10)
    uses = [use(-3500, 4), use(-1800, 4), use(-60, 2)]
    assert ask(limits, uses) == (at(100), WaitReason.HOUR)
    assert ask(limits, uses, parts=5) == (at(1800), WaitReason.HOUR)
    assert ask(limits, uses, parts=11) == (None, WaitReason.TOO_LONG)
    assert ask(limits, uses, now=at(100)) is None


def test_over_the_daily_limit_it_waits_for_midnight():
    limits = replace(LOOSE, parts_per_day=10)
    assert ask(limits, [use(-3600, 9)]) is None
    assert ask(limits, [use(-3600, 9)], parts=2) == (datetime(2026, 11, 25, 23, tzinfo=UTC), WaitReason.QUOTA)
    assert ask(limits, [use(-13 * 3600 - 1, 9)], parts=2) is None


def test_the_billing_month_begins_on_the_last_day_of_a_short_month():
    limits = replace(LOOSE, parts_per_month=10, month_reset_day=31)
    now = datetime(2028, 2, 28, 12, tzinfo=UTC)
    full = Use(datetime(2028, 1, 31, 0, tzinfo=PRAGUE), 10, OTP, ANNA)
    assert ask(limits, [full], now=now) == (datetime(2028, 2, 28, 23, tzinfo=UTC), WaitReason.MONTH)
    before = replace(full, at=full.at.astimezone(UTC) - timedelta(seconds=1))
    assert ask(limits, [before], now=now) is None


def test_a_known_recipient_costs_nothing_in_the_month():
    limits = replace(LOOSE, recipients_per_month=2)
    uses = [use(-900, recipient=ANNA), use(-800, recipient=BORIS), use(-700, recipient=ANNA)]
    assert ask(limits, uses, recipient=ANNA) is None
    assert ask(limits, uses, recipient=CYRIL) == (datetime(2026, 11, 30, 23, tzinfo=UTC), WaitReason.RECIPIENTS)
    assert ask(limits, uses[:1], recipient=CYRIL) is None


def test_the_upper_classes_have_a_reserve_that_their_own_use_comes_out_of():
    limits = replace(LOOSE, parts_per_day=100, reserve=Reserve(10, 20))
    midnight = datetime(2026, 11, 25, 23, tzinfo=UTC)
    uses = [use(-600, 70)]
    assert ask(limits, uses) == (midnight, WaitReason.RESERVE)
    assert ask(limits, uses, parts=20, message_class=TRANSACTIONAL) is None
    assert ask(limits, uses, parts=21, message_class=TRANSACTIONAL) == (midnight, WaitReason.RESERVE)
    assert ask(limits, uses, parts=30, message_class=OTP) is None
    assert ask(limits, uses, parts=31, message_class=OTP) == (midnight, WaitReason.QUOTA)
    # What transactional messages have used of their 20 is not kept for them a second time.
    assert ask(limits, [use(-600, 60), use(-500, 20, TRANSACTIONAL)], parts=10) is None
    assert ask(limits, [use(-600, 60), use(-500, 20, TRANSACTIONAL)], parts=11) == (midnight, WaitReason.RESERVE)
    assert ask(limits, [use(-600, 60), use(-500, 30, OTP)], parts=10) is None


def test_new_recipients_have_a_reserve_too():
    limits = replace(LOOSE, recipients_per_month=10, reserve=Reserve(10, 10))
    uses = [use(-1 - n, recipient=f"+42077700010{n}") for n in range(8)]
    assert ask(limits, uses)[1] is WaitReason.RESERVE
    assert ask(limits, uses, message_class=TRANSACTIONAL) is None


def test_a_small_limit_has_no_reserve():
    limits = replace(LOOSE, parts_per_day=5, reserve=Reserve(5, 5))
    assert ask(limits, [use(-60, 4)]) is None


def test_a_reserve_is_a_share():
    with pytest.raises(ValueError, match="99 percent"):
        Reserve(60, 40)


def test_what_did_not_leave_is_taken_back():
    limits = replace(LOOSE, parts_per_minute=1, parts_per_hour=20, parts_per_month=20, recipients_per_month=1)
    ledger = SimLedger(limits, [use(-1200, 10, OTP), use(0, 10, OTP, BORIS)])
    assert ledger.take_back(use(0, 10, OTP, BORIS))
    assert ledger.left(OTP, NOON) == Left(hour=10, day=None, month=10, recipients=0)
    assert ledger.next_allowed(10, OTP, ANNA, NOON) is None
    assert ledger.take_back(use(-1200, 10, OTP))
    assert ledger.left(OTP, NOON) == Left(hour=20, day=None, month=20, recipients=1)
    assert not ledger.take_back(use(-1200, 10, OTP))
    ledger = SimLedger(LOOSE, [use(n) for n in range(-9000, 0, 30)])
    assert ledger.take_back(use(-9000))


def test_what_was_never_counted_is_not_taken_back():
    ledger = SimLedger(replace(LOOSE, recipients_per_month=5), [use(0, 2)])
    assert not ledger.take_back(use(0, 3))
    assert not ledger.take_back(use(0, 2, recipient=BORIS))
    assert not ledger.take_back(use(86400 * 5, 2))
    assert ledger.take_back(use(0, 2))


def test_a_use_that_is_told_late_does_not_change_the_pause():
    ledger = SimLedger(replace(LOOSE, parts_per_minute=20), [use(0)])
    ledger.note(use(-1, 10))
    assert ledger.next_allowed(1, OTP, ANNA, NOON).until == at(3)


def test_a_clock_set_back_forgets_nothing_and_does_not_wait_for_the_future():
    limits = replace(LOOSE, parts_per_minute=60, parts_per_day=10, recipients_per_month=1)
    ledger = SimLedger(limits, [use(40 * 86400, 10)])
    assert ledger.next_allowed(1, OTP, ANNA, NOON).reason is WaitReason.QUOTA
    assert ledger.left(OTP, NOON) == Left(None, 0, None, 0)
    assert ledger.next_allowed(1, OTP, ANNA, NOON + timedelta(days=1)) is None
    ledger = SimLedger(limits, [use(3600, 2)])
    assert ledger.next_allowed(1, OTP, ANNA, NOON).until == at(2)
    assert ledger.next_allowed(1, OTP, ANNA, at(2)) is None


def test_a_clock_that_is_set_back_over_midnight_and_forth_does_not_open_the_day_again():
    limits = replace(LOOSE, parts_per_day=6, parts_per_hour=8, recipients_per_month=9)
    midnight = datetime(2026, 11, 25, 23, tzinfo=UTC)
    after, before = midnight + timedelta(minutes=5), midnight - timedelta(minutes=55)
    ledger = SimLedger(limits, [Use(after + timedelta(seconds=n), 1, MARKETING, f"+42077700000{n}") for n in range(6)])
    assert ledger.next_allowed(1, OTP, ANNA, before) == Wait(midnight, WaitReason.QUOTA)
    assert ledger.left(OTP, before) == Left(hour=2, day=0, month=None, recipients=3)
    again = after + timedelta(minutes=1)
    assert ledger.next_allowed(1, OTP, ANNA, again).reason is WaitReason.QUOTA
    assert ledger.left(OTP, again) == Left(hour=2, day=0, month=None, recipients=3)
    assert ledger.take_back(Use(after, 1, MARKETING, "+420777000000"))
    assert ledger.left(OTP, before) == Left(hour=3, day=1, month=None, recipients=4)
    assert ledger.left(OTP, again) == Left(hour=3, day=1, month=None, recipients=4)


def test_rows_of_a_clock_that_was_a_year_ahead_make_it_forget_nothing():
    limits = replace(LOOSE, parts_per_day=10, parts_per_month=20)
    uses = [use(-20 * 86400 + n, 1) for n in range(9)] + [use(366 * 86400, 2)]
    ledger = SimLedger(limits, uses, since=ledger_start(limits, NOON))
    assert ledger.covers(NOON)
    assert ledger.left(OTP, NOON) == Left(hour=None, day=8, month=9, recipients=None)


def test_it_says_when_the_clock_was_set_back_further_than_it_remembers():
    ledger = SimLedger(LOOSE, [use(n) for n in range(300)])
    ledger.next_allowed(1, OTP, ANNA, NOON + timedelta(days=400))
    assert ledger.covers(NOON)
    ledger.note(use(120 * 86400))
    assert ledger.covers(NOON + timedelta(days=120))
    assert ledger.covers(NOON + timedelta(days=60))
    assert not ledger.covers(NOON)
    rebuilt = SimLedger(LOOSE, since=ledger_start(LOOSE, NOON))
    assert rebuilt.covers(NOON)
    assert not rebuilt.covers(NOON - timedelta(days=1))


ZONES = ["Europe/Prague", "America/Havana", "Atlantic/Azores", "Australia/Lord_Howe", "Africa/Cairo", "UTC"]


@cache
def walked_month_start(day: date, reset_day: int) -> date:
    is_last = (day + timedelta(days=1)).month != day.month
    if day.day == reset_day or (is_last and day.day < reset_day):
        return day
    return walked_month_start(day - timedelta(days=1), reset_day)


class Oracle:
    """Every use in a list; each rule is what its sentence says, at one instant.

    A use that lies ahead of the clock counts at the earliest moment that the clock has shown since, and on the
    earliest day; once its time has come, it counts at that.
    """

    def __init__(self, limits: SimLimits, uses: list[Use], *, forgets: bool = False) -> None:
        self.limits = limits
        self.uses = list(uses)
        self.forgets = forgets
        """Whether a use whose time has come is as if it had never lain ahead: with the next jump it counts later."""
        self.seen: dict[int, datetime] = {}
        self.seen_on: dict[date, date] = {}

    def note(self, use: Use) -> None:
        self.uses.append(use)
        self.seen_on.pop(self.date(use.at), None)

    def see(self, now: datetime) -> None:
        today = self.date(now)
        for number, use in enumerate(self.uses):
            if use.at > now:
                self.seen[number] = min(self.seen.get(number, now), now)
            elif self.forgets:
                self.seen.pop(number, None)
            if self.date(use.at) > today:
                self.seen_on[self.date(use.at)] = min(self.seen_on.get(self.date(use.at), today), today)
            elif self.forgets:
                self.seen_on.pop(self.date(use.at), None)

    def counted(self, when: datetime) -> list[Use]:
        return [replace(u, at=self.seen.get(n, u.at) if u.at > when else u.at) for n, u in enumerate(self.uses)]

    def counted_on(self, use: Use, when: datetime) -> date:
        day = self.date(use.at)
        return self.seen_on.get(day, day) if day > self.date(when) else day

    def date(self, when: datetime):
        return when.astimezone(self.limits.zone).date()

    def month_of(self, day: date):
        return walked_month_start(day, self.limits.month_reset_day)

    def fits(self, limit, uses, parts, message_class) -> bool:
        """By trying: could the upper classes still use all of their reserve afterwards, after each other?"""
        if limit is None:
            return True
        used = {c: sum(u.parts for u in uses if u.message_class is c) for c in MessageClass}
        used[message_class] += parts
        otp_kept = limit * self.limits.reserve.otp_percent // 100
        both_kept = otp_kept + limit * self.limits.reserve.transactional_percent // 100
        if message_class is not OTP:
            used[OTP] = max(used[OTP], otp_kept)
        if message_class is MARKETING:
            used[TRANSACTIONAL] = max(used[TRANSACTIONAL], both_kept - used[OTP])
        return sum(used.values()) <= limit

    def broken(self, parts, message_class, recipient, when) -> set[WaitReason]:
        """The rules that do not allow it at this instant."""
        limits, uses, broken = self.limits, self.counted(when), set()
        latest = max(((u.at, u.parts) for u in uses), default=None)
        if latest and (when - latest[0]) * limits.parts_per_minute < timedelta(minutes=latest[1]):
            broken.add(WaitReason.PACE)
        guard = [u.parts for u in uses if u.at > when - limits.guard.window]
        if guard and sum(guard) + parts > limits.guard.usable_parts:
            broken.add(WaitReason.GUARD)
        hour = [u for u in uses if u.at > when - timedelta(hours=1)]
        day = [u for u in self.uses if self.counted_on(u, when) == self.date(when)]
        month = [u for u in self.uses if self.month_of(self.counted_on(u, when)) == self.month_of(self.date(when))]
        for reason, limit, inside in (
            (WaitReason.HOUR, limits.parts_per_hour, hour),
            (WaitReason.QUOTA, limits.parts_per_day, day),
            (WaitReason.MONTH, limits.parts_per_month, month),
        ):
            if not self.fits(limit, inside, parts, message_class):
                broken.add(reason)
        known = {u.recipient for u in month}
        if limits.recipients_per_month is not None and recipient not in known:
            kept = limits.reserve.of(limits.recipients_per_month)[message_class.rank]
            if len(known) + 1 > limits.recipients_per_month - kept:
                broken.add(WaitReason.RECIPIENTS)
        return broken


limit_sets = st.builds(
    SimLimits,
    parts_per_minute=st.integers(1, 120),
    parts_per_day=st.none() | st.integers(10, 60),
    guard=st.builds(GuardLimit, st.integers(10, 40), st.sampled_from([60, 1800])),
    zone=st.sampled_from([ZoneInfo(name) for name in ZONES]),
    parts_per_hour=st.none() | st.integers(5, 40),
    parts_per_month=st.none() | st.integers(10, 120),
    recipients_per_month=st.none() | st.integers(1, 4),
    month_reset_day=st.integers(1, 31),
    reserve=st.builds(Reserve, st.sampled_from([0, 5, 30]), st.sampled_from([0, 20, 50])),
)
pauses = st.one_of(
    st.floats(0, 30),
    st.floats(0, 7200),
    st.floats(0, 3 * 86400),
    st.just(0),
)
recipients = st.sampled_from([f"+42077700000{n}" for n in range(6)])
questions = st.tuples(pauses, st.integers(1, 10), st.sampled_from(MessageClass), recipients)
# Half of the histories begin within two days of a change of the clock in Prague, or of a month's end.
starts = st.one_of(
    st.datetimes(datetime(2024, 1, 1), datetime(2032, 12, 31)),  # noqa: DTZ001 - hypothesis wants naive bounds
    st.builds(
        lambda year, month, day, hours: datetime(year, month, day) + timedelta(hours=hours),  # noqa: DTZ001
        st.integers(2024, 2032),
        st.sampled_from([2, 3, 10, 12]),
        st.integers(24, 28),
        st.floats(0, 96),
    ),
)


@settings(max_examples=400)
@given(limit_sets, starts, st.lists(questions, min_size=1, max_size=40), st.sets(st.integers(0, 39)))
def test_never_early_never_late_and_right_about_the_rule(limits, start, asked, restarts):
    now = start.replace(tzinfo=UTC)
    ledger, oracle = SimLedger(limits), Oracle(limits, [])
    for number, (pause_s, parts, message_class, recipient) in enumerate(asked):
        now += timedelta(seconds=pause_s)
        if number in restarts:
            since = ledger_start(limits, now)
            ledger = SimLedger(limits, [u for u in oracle.uses if u.at >= since])
        question = (parts, message_class, recipient)
        wait = ledger.next_allowed(*question, now)
        broken = oracle.broken(*question, now)
        assert (wait is None) == (not broken)
        if wait is not None and wait.reason is WaitReason.TOO_LONG:
            assert wait.until is None
            assert Oracle(limits, []).broken(*question, now)
            continue
        if wait is not None:
            assert wait.until is not None
            before = oracle.broken(*question, wait.until - timedelta(microseconds=1))
            assert wait.reason in before or (wait.reason is WaitReason.RESERVE and before)
            assert not oracle.broken(*question, wait.until)
            now = wait.until
            assert ledger.next_allowed(*question, now) is None
        done = Use(now, parts, message_class, recipient)
        ledger.note(done)
        oracle.note(done)


jumps = st.one_of(st.floats(-3 * 86400, 0), st.sampled_from([-3600, 3600, 5 * 86400]))


@settings(max_examples=300)
@given(limit_sets, starts, st.lists(st.tuples(questions, jumps), min_size=1, max_size=30))
def test_a_clock_that_is_set_neither_loses_a_use_nor_opens_a_day_again(limits, start, asked):
    now = start.replace(tzinfo=UTC)
    ledger, oracle, strict = SimLedger(limits), Oracle(limits, []), Oracle(limits, [], forgets=True)
    for (pause_s, *question), jump_s in asked:
        now += timedelta(seconds=pause_s + jump_s * (pause_s < 10))
        oracle.see(now)
        strict.see(now)
        assert ledger.covers(now)
        if ledger.next_allowed(*question, now) is None:
            done = Use(now, *question)
            assert not oracle.broken(*question, now)
            ledger.note(done)
            oracle.note(done)
            strict.note(done)
        else:
            # How long ago it was that a use lay ahead may be forgotten: that only makes it wait longer.
            assert oracle.broken(*question, now) or strict.broken(*question, now)
    by_day = Counter()
    for done in oracle.uses:
        by_day[oracle.date(done.at)] += done.parts
    assert max(by_day.values(), default=0) <= (limits.parts_per_day or 10_000)


@settings(max_examples=100)
@given(limit_sets, st.lists(questions, min_size=1, max_size=30), st.data())
def test_what_is_taken_back_never_was(limits, asked, data):
    now, uses = NOON, []
    for pause_s, *question in asked:
        now += timedelta(seconds=pause_s)
        uses.append(Use(now, *question))
    gone = data.draw(st.sampled_from(uses))
    ledger = SimLedger(limits, uses)
    assert ledger.take_back(gone)
    uses.remove(gone)
    fresh = SimLedger(limits, uses)
    for message_class in MessageClass:
        assert ledger.next_allowed(1, message_class, BORIS, now) == fresh.next_allowed(1, message_class, BORIS, now)
        assert ledger.left(message_class, now) == fresh.left(message_class, now)


def sent_by(ledger: SimLedger, count: int, now: datetime, hours: float = 1) -> int:
    """How many of so many one-part campaign messages leave within the time."""
    sent, end = 0, now + timedelta(hours=hours)
    while sent < count and now < end:
        wait = ledger.next_allowed(1, MARKETING, ANNA, now)
        if wait is None:
            ledger.note(Use(now, 1, MARKETING, ANNA))
            sent += 1
        else:
            now = wait.until
    return sent


def test_the_gateway_contract_for_daily_limits():
    """A full day resumes by itself, a queue that just fits goes out, and of twenty with room for ten, ten go."""
    five, ten = replace(LOOSE, parts_per_day=5), replace(LOOSE, parts_per_day=10)
    full = SimLedger(five, [use(-60, 5)])
    assert sent_by(full, 1, NOON) == 0
    assert sent_by(full, 1, NOON + timedelta(hours=11)) == 1
    assert sent_by(SimLedger(five), 5, NOON) == 5
    ledger = SimLedger(ten)
    assert sent_by(ledger, 20, NOON) == 10
    assert sent_by(ledger, 10, NOON + timedelta(hours=11)) == 10


def test_parts_are_counted_not_messages():
    ledger = SimLedger(replace(LOOSE, parts_per_day=500), [use(-60, 2)])
    assert ledger.left(MARKETING, NOON).day == 498


def test_an_hour_of_saturated_work_loses_nothing():
    limits = replace(LOOSE, parts_per_minute=37, parts_per_day=3000)
    assert 37 * 60 * 0.99 <= sent_by(SimLedger(limits), 10_000, NOON) <= 37 * 60
