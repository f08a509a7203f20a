"""Every reason to wait, and every reason never to go, comes out of the rule that it stands for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from host_controller.messaging.why import on_record
from host_controller.rules.choice import Never, QueuedMessage, SimView, choose_sim
from host_controller.rules.classes import MessageClass
from host_controller.rules.holds import SimFlags, sim_hold
from host_controller.rules.ledger import SimLedger, Use
from host_controller.rules.limits import GuardLimit, Reserve, SimLimits
from host_controller.rules.prefixes import PrefixCap, PrefixLedger, PrefixUse
from host_controller.rules.quiet_hours import Place, QuietRules, next_moment
from host_controller.rules.recipient_filter import NOBODY, parse_filter
from host_controller.rules.repeats import Handed, RepeatLedger, RepeatLimits
from host_controller.rules.spend import SpendFuse, SpendLimit
from host_controller.rules.sticky import Sticky, StickyRule
from host_controller.rules.waiting import NeverReason, Wait, WaitReason, longest, shortest
from host_controller.text.msisdn import Msisdn

PRAGUE = ZoneInfo("Europe/Prague")
CZ = Place("CZ", (PRAGUE,))
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
SUNDAY = datetime(2026, 11, 29, 12, tzinfo=UTC)
ANNA = "+420777000001"
OTP, TRANSACTIONAL, MARKETING = MessageClass
LIMITS = SimLimits(20, None, GuardLimit(30, 60), PRAGUE)
MESSAGE = QueuedMessage(1, MARKETING, NOON, 1, ANNA)
TWO_SIMS = [SimView(1, 1, LIMITS), SimView(2, 2, LIMITS)]


def by_limits(parts=1, *, age_s=60.0, used=1, **limits):
    use = Use(NOON - timedelta(seconds=age_s), used, MARKETING, "+420777000009")
    return SimLedger(replace(LIMITS, **limits), [use]).next_allowed(parts, MARKETING, ANNA, NOON)


def by_repeats(limits):
    repeats = RepeatLedger(limits, [Handed(NOON - timedelta(minutes=1), OTP, ANNA, b"text")])
    return repeats.next_allowed(OTP, ANNA, b"text", NOON)


def by_prefix():
    uses = [PrefixUse(NOON - timedelta(minutes=1), Msisdn(ANNA), 1)]
    return PrefixLedger({"+420": PrefixCap(1)}, PRAGUE, uses).next_allowed(Msisdn(ANNA), 1, NOON)


def by_hours(now):
    return next_moment(QuietRules(), MARKETING, CZ, now)


def by_choice(message, sims=TWO_SIMS, pace_of=0):
    def allowed(sim, _message):
        return Wait(NOON + timedelta(seconds=5), WaitReason.PACE) if sim.sim_id == pace_of else None

    return choose_sim(message, sims, allowed, NOON, StickyRule())


WAITS = {
    WaitReason.PACE: lambda: by_limits(age_s=1),
    WaitReason.GUARD: lambda: by_limits(used=25, parts_per_minute=6000),
    WaitReason.HOUR: lambda: by_limits(parts_per_hour=1),
    WaitReason.QUOTA: lambda: by_limits(parts_per_day=1),
    WaitReason.MONTH: lambda: by_limits(parts_per_month=1),
    WaitReason.RECIPIENTS: lambda: by_limits(recipients_per_month=1),
    WaitReason.RESERVE: lambda: by_limits(parts_per_day=2, reserve=Reserve(50)),
    WaitReason.TOO_LONG: lambda: by_limits(2, parts_per_hour=1),
    WaitReason.RECIPIENT_HOUR: lambda: by_repeats(RepeatLimits(recipient_per_hour={OTP: 1})),
    WaitReason.SAME_TEXT: lambda: by_repeats(RepeatLimits(same_text={OTP: 1})),
    WaitReason.PREFIX_CAP: by_prefix,
    WaitReason.SPEND_FUSE: lambda: SpendFuse(SpendLimit(Decimal(1), {"+": Decimal(2)})).next_allowed(
        Msisdn(ANNA), 1, NOON
    ),
    WaitReason.QUIET_HOURS: lambda: by_hours(SUNDAY),
    WaitReason.NOT_BEFORE: lambda: on_record(
        restored=False, waiting_for="not_before", not_before=NOON + timedelta(hours=1), now=NOON
    ),
    WaitReason.BATCH_PAUSED: lambda: on_record(restored=False, waiting_for="batch_paused", not_before=None, now=NOON),
    WaitReason.RETRY: lambda: on_record(
        restored=False, waiting_for="retry", not_before=NOON + timedelta(minutes=1), now=NOON
    ),
    WaitReason.RESTORED: lambda: on_record(restored=True, waiting_for="batch_paused", not_before=None, now=NOON),
    WaitReason.STALE: lambda: on_record(restored=False, waiting_for="stale", not_before=None, now=NOON),
    WaitReason.PAUSED: lambda: sim_hold(SimFlags(paused=True, phone_ready=False)),
    WaitReason.STOPPED: lambda: sim_hold(SimFlags(stopped=True, has_service=False)),
    WaitReason.NO_SERVICE: lambda: sim_hold(SimFlags(has_service=False, busy=True)),
    WaitReason.BUSY: lambda: sim_hold(SimFlags(busy=True)),
    WaitReason.NO_PHONE: lambda: by_choice(MESSAGE, []),
    WaitReason.STICKY: lambda: by_choice(replace(MESSAGE, sticky=Sticky(1, NOON - timedelta(days=1))), pace_of=1),
    WaitReason.NO_ROUTE: lambda: by_choice(
        MESSAGE, [replace(TWO_SIMS[0], recipients=parse_filter('[["country", "=", "CZ"]]'))]
    ),
}
NEVERS = {
    NeverReason.NO_SUCH_PHONE: lambda: by_choice(replace(MESSAGE, only_phone_id=7)),
    NeverReason.NO_SUCH_SIM: lambda: by_choice(replace(MESSAGE, only_sim_ids=frozenset({7}))),
    NeverReason.CONTRADICTION: lambda: by_choice(replace(MESSAGE, only_sim_ids=frozenset({1}), only_phone_id=2)),
    NeverReason.NO_MATCH: lambda: by_choice(MESSAGE, [replace(TWO_SIMS[0], recipients=NOBODY)]),
    NeverReason.TOO_LONG: lambda: by_choice(
        replace(MESSAGE, parts=3), [replace(TWO_SIMS[0], limits=replace(LIMITS, parts_per_day=2))]
    ),
}


def test_the_tables_are_whole():
    assert set(WAITS) == set(WaitReason)
    assert set(NEVERS) == set(NeverReason)


@pytest.mark.parametrize("reason", WaitReason)
def test_every_reason_to_wait(reason):
    wait = WAITS[reason]()
    assert isinstance(wait, Wait)
    assert wait.reason is reason
    assert wait.until is None or wait.until > NOON


@pytest.mark.parametrize("reason", NeverReason)
def test_every_reason_never_to_go(reason):
    assert NEVERS[reason]() == Never(reason)


def test_nothing_on_record_holds_nothing():
    assert on_record(restored=False, waiting_for="retry", not_before=NOON, now=NOON) is None
    assert sim_hold(SimFlags()) is None


def test_a_phone_that_is_not_ready():
    assert sim_hold(SimFlags(phone_ready=False, stopped=True)) == Wait(None, WaitReason.NO_PHONE)


def test_longest_and_shortest():
    pace, quota = Wait(NOON, WaitReason.PACE), Wait(SUNDAY, WaitReason.QUOTA)
    guard, paused = Wait(NOON, WaitReason.GUARD), Wait(None, WaitReason.PAUSED)
    assert longest([None, pace, quota, None]) == quota
    assert longest([pace, guard]) == pace
    assert longest([pace, paused, quota]) == paused
    assert longest([None]) is None
    assert shortest([paused, quota, pace, guard]) == pace
    assert shortest([paused]) == paused
    assert shortest([]) is None
