"""An hour of work without a pause: nothing that the limits allow is left undone, whatever restarts there are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from host_controller.rules.classes import MessageClass
from host_controller.rules.ledger import SimLedger, Use, ledger_start
from host_controller.rules.limits import GuardLimit, SimLimits

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MARKETING = MessageClass.MARKETING

loads = st.builds(
    SimLimits,
    parts_per_minute=st.integers(2, 120),
    parts_per_day=st.none() | st.integers(200, 3000),
    guard=st.builds(GuardLimit, st.integers(20, 400), st.sampled_from([60, 600])),
    zone=st.sampled_from([ZoneInfo("Europe/Prague"), ZoneInfo("America/Havana")]),
    parts_per_hour=st.none() | st.integers(100, 3000),
    parts_per_month=st.none() | st.integers(500, 5000),
    recipients_per_month=st.none() | st.integers(100, 1000),
)


def allowed(limits: SimLimits) -> int:
    """The most that one hour can hold, by each limit alone, for messages of one part to a new number each."""
    by_pace = 60 * limits.parts_per_minute
    window, usable = limits.guard.window, limits.guard.usable_parts
    whole, rest = divmod(HOUR, window)
    by_guard = usable * whole + min(usable, int(rest / timedelta(minutes=1) * limits.parts_per_minute) + 1)
    quotas = (limits.parts_per_hour, limits.parts_per_day, limits.parts_per_month, limits.recipients_per_month)
    return min(by_pace, by_guard, *(quota for quota in quotas if quota is not None))


def worked(limits: SimLimits, restarts: set[int]) -> list[datetime]:
    """When messages leave within an hour where there are always more; restarts come after so many of them."""
    ledger, uses, now = SimLedger(limits), [], NOON
    while now < NOON + HOUR:
        if len(uses) in restarts:
            since = ledger_start(limits, now)
            ledger = SimLedger(limits, [use for use in uses if use.at >= since], since=since)
        recipient = f"+4207770{len(uses):05}"
        wait = ledger.next_allowed(1, MARKETING, recipient, now)
        if wait is None:
            uses.append(Use(now, 1, MARKETING, recipient))
            ledger.note(uses[-1])
        else:
            now = wait.until
    return [use.at for use in uses]


@settings(max_examples=150)
@given(loads, st.sets(st.integers(0, 1000), max_size=3))
def test_within_one_percent_of_what_an_hour_allows(limits, restarts):
    count = len(worked(limits, restarts))
    assert allowed(limits) * 0.99 - 1 <= count <= allowed(limits)


def test_the_stock_phone_and_a_raised_guard():
    stock = SimLimits(20, 10_000, GuardLimit(30, 60), ZoneInfo("Europe/Prague"))
    assert len(worked(stock, {100})) == 20 * 60
    raised = SimLimits(600, None, GuardLimit(10_000, 60), ZoneInfo("Europe/Prague"), parts_per_hour=3000)
    assert len(worked(raised, {7, 2000})) == 3000
