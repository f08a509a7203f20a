"""Where the rack does not write to, and how much it may write and spend elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_controller.errors import ConfigError
from host_controller.rules.destinations import destination_refusal, short_number_refusal
from host_controller.rules.prefixes import PrefixCap, PrefixLedger, PrefixTable, PrefixUse
from host_controller.rules.spend import SpendFuse, SpendLimit
from host_controller.rules.waiting import Wait, WaitReason
from host_controller.text.msisdn import Msisdn

PRAGUE = ZoneInfo("Europe/Prague")
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
ANNA, SLOVAK, BRATISLAVA = Msisdn("+420777000001"), Msisdn("+421905123456"), Msisdn("+421221234567")
MIDNIGHT = datetime(2026, 11, 25, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("e164", "reason"),
    [
        ("+420777123456", None),
        ("+421905123456", "is in SK, allowed is CZ, GB"),
        ("+420906123456", "premium-rate"),
        ("+420800123456", "toll-free"),
        ("+420840123456", "shared-cost"),
        ("+447012345678", "personal number"),
        ("+447624123456", "is in IM"),
        ("+441534123456", "is in JE"),
        ("+18765551234", "is in JM"),
        ("+881612345678", "is in no country|no kind"),
        ("+420116111", "of no kind"),
    ],
)
def test_countries_and_kinds(e164, reason):
    refusal = destination_refusal(Msisdn(e164), ("CZ", "GB"))
    assert (refusal is None) == (reason is None)
    assert reason is None or (any(words in refusal for words in reason.split("|")) and e164 not in refusal)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("112", "emergency"),
        ("158", "emergency"),
        ("+420112", "emergency"),
        ("90206", "short code"),
        ("9012345", "short code"),
        ("900333", "short code"),
        ("1188", "short code"),
        ("+42090206", "short code"),
        ("777123456", None),
        ("+421905123456", None),
        ("Alza", None),
        ("77712345678901", None),
    ],
)
def test_short_numbers(raw, reason):
    refusal = short_number_refusal(raw, "CZ")
    assert (refusal is None) == (reason is None)
    assert reason is None or reason in refusal


def test_the_longest_beginning_wins():
    table = PrefixTable({"+": 0, "+421": 1, "+4212": 2})
    assert table.longest(SLOVAK) == ("+421", 1)
    assert table.longest(BRATISLAVA) == ("+4212", 2)
    assert table.longest(ANNA) == ("+", 0)
    assert PrefixTable({"+421": 1}).longest(ANNA) is None


@pytest.mark.parametrize("prefix", ["420", "", "+42x", "++"])
def test_a_bad_beginning_is_refused(prefix):
    with pytest.raises(ConfigError, match="no beginning"):
        PrefixTable({prefix: 1})


def test_caps_by_hour_and_day():
    caps = {"+421": PrefixCap(parts_per_hour=5, parts_per_day=8), "+4212": PrefixCap(parts_per_day=1)}
    uses = [PrefixUse(NOON - timedelta(minutes=90 - 60 * n), SLOVAK, 3) for n in range(2)]
    ledger = PrefixLedger(caps, PRAGUE, uses)
    assert ledger.start(NOON) == datetime(2026, 11, 24, 23, tzinfo=UTC)
    assert ledger.next_allowed(SLOVAK, 2, NOON) is None
    assert ledger.next_allowed(SLOVAK, 3, NOON) == Wait(MIDNIGHT, WaitReason.PREFIX_CAP)
    assert ledger.next_allowed(SLOVAK, 6, NOON) == Wait(None, WaitReason.TOO_LONG)
    assert ledger.next_allowed(BRATISLAVA, 1, NOON) is None
    assert ledger.next_allowed(ANNA, 99, NOON) is None
    ledger.note(PrefixUse(NOON, ANNA, 99))
    ledger.take_back(PrefixUse(NOON, ANNA, 99))
    ledger.take_back(uses[1])
    ledger.note(PrefixUse(NOON, SLOVAK, 4))
    assert ledger.next_allowed(SLOVAK, 1, NOON) is None
    ledger = PrefixLedger({"+421": PrefixCap(parts_per_hour=5)}, PRAGUE, uses)
    assert ledger.next_allowed(SLOVAK, 3, NOON) == Wait(NOON + timedelta(minutes=30), WaitReason.PREFIX_CAP)


def test_a_clock_set_back_keeps_the_caps():
    ledger = PrefixLedger({"+": PrefixCap(3, 3)}, PRAGUE, [PrefixUse(NOON + timedelta(days=2), ANNA, 3)])
    assert ledger.next_allowed(ANNA, 1, NOON) == Wait(MIDNIGHT, WaitReason.PREFIX_CAP)
    assert ledger.next_allowed(ANNA, 1, MIDNIGHT) is None


PREFIXES = ["+420", "+4207", "+421", "+4212"]
moves = st.tuples(st.floats(0, 9000), st.sampled_from([ANNA, SLOVAK, BRATISLAVA]), st.integers(1, 4))


@settings(max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from(PREFIXES),
        st.builds(PrefixCap, st.none() | st.integers(2, 9), st.none() | st.integers(2, 15)),
    ),
    st.lists(moves, max_size=30),
    st.sets(st.integers(0, 29)),
)
def test_caps_against_counting_everything(caps, asked, restarts):
    done, now, ledger = [], NOON, PrefixLedger(caps, PRAGUE)

    def winner(msisdn):
        return max((prefix for prefix in caps if msisdn.e164.startswith(prefix)), key=len, default=None)

    def allowed(msisdn, parts, when):
        cap = caps.get(winner(msisdn), PrefixCap())
        same = [use for use in done if winner(use.msisdn) == winner(msisdn)]
        hour = sum(use.parts for use in same if use.at > when - timedelta(hours=1))
        date = when.astimezone(PRAGUE).date()
        day = sum(use.parts for use in same if use.at.astimezone(PRAGUE).date() == date)
        pairs = ((hour, cap.parts_per_hour), (day, cap.parts_per_day))
        return all(limit is None or used + parts <= limit for used, limit in pairs)

    for number, (pause_s, msisdn, parts) in enumerate(asked):
        now += timedelta(seconds=pause_s)
        if number in restarts:
            ledger = PrefixLedger(caps, PRAGUE, [use for use in done if use.at >= ledger.start(now)])
        wait = ledger.next_allowed(msisdn, parts, now)
        assert (wait is None) == allowed(msisdn, parts, now)
        if wait is not None and wait.until is None:
            assert parts > min(limit for limit in vars(caps[winner(msisdn)]).values() if limit is not None)
            continue
        if wait is not None:
            now = wait.until
            assert allowed(msisdn, parts, now)
            assert not allowed(msisdn, parts, now - timedelta(microseconds=1))
        done.append(PrefixUse(now, msisdn, parts))
        ledger.note(done[-1])


COSTS = SpendLimit(Decimal(100), {"+": Decimal("12.50"), "+420": Decimal("0.9"), "+4212": Decimal(0)})


def test_the_fuse_blows_before_the_limit_and_stops_everything():
    fuse = SpendFuse(COSTS, [PrefixUse(NOON - timedelta(hours=1), SLOVAK, 7)])
    assert fuse.spent(NOON) == Decimal("87.5")
    assert fuse.next_allowed(SLOVAK, 1, NOON) is None
    fuse.note(PrefixUse(NOON, SLOVAK, 1))
    assert fuse.next_allowed(BRATISLAVA, 9, NOON) is None
    assert fuse.next_allowed(ANNA, 1, NOON) == Wait(None, WaitReason.SPEND_FUSE)
    assert fuse.next_allowed(BRATISLAVA, 9, NOON) is not None
    assert str(fuse.blown) == (
        "100 CZK was spent within 24 h, and 0.9 more would pass the limit of 100: look at what was sent, then"
        " `smsrack resume`"
    )
    later = NOON + timedelta(days=3)
    assert fuse.next_allowed(ANNA, 1, later) is not None


def test_what_did_not_leave_costs_nothing():
    use = PrefixUse(NOON, SLOVAK, 8)
    fuse = SpendFuse(COSTS, [use])
    fuse.take_back(use)
    assert fuse.spent(NOON) == 0
    assert fuse.next_allowed(SLOVAK, 8, NOON) is None


@pytest.mark.parametrize(
    ("limit", "costs"),
    [(Decimal(1), {"+420": Decimal(1)}), (Decimal(0), {"+": Decimal(1)}), (Decimal(1), {"+": Decimal(-1)})],
)
def test_a_spend_limit_must_know_every_cost(limit, costs):
    with pytest.raises(ConfigError):
        SpendLimit(limit, costs)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.floats(-3600, 30_000), st.sampled_from([ANNA, SLOVAK, BRATISLAVA]), st.integers(1, 4))))
def test_no_window_costs_more_than_the_limit(asked):
    fuse, done, now = SpendFuse(COSTS), [], NOON
    for pause_s, msisdn, parts in asked:
        now += timedelta(seconds=pause_s)
        # What lies ahead of a clock that was set counts at the earliest moment that it has shown since.
        done = [(at, min(seen, now) if at > now else seen, cost) for at, seen, cost in done]
        inside = sum(cost for at, seen, cost in done if (at if at <= now else seen) > now - timedelta(days=1))
        assert fuse.spent(now) == inside
        wait = fuse.next_allowed(msisdn, parts, now)
        assert (wait is not None) == (inside + COSTS.cost(msisdn, parts) > 100)
        if wait is not None:
            break
        fuse.note(PrefixUse(now, msisdn, parts))
        done.append((now, now, COSTS.cost(msisdn, parts)))
