"""What holds a message on every SIM, from the rows and in memory, on both kinds of database."""

from __future__ import annotations

import threading
import time
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from device_drivers.base import JournalAnswer, JournalWord
from host_controller.errors import ConfigError, ControllerError, UnknownTargetError
from host_controller.events import Bells
from host_controller.messaging import attempts, rack_ledgers, rack_rules, recipients
from host_controller.messaging.attempts import Claim, Sender, Verdict
from host_controller.messaging.board import Board
from host_controller.messaging.dispatcher import build_dispatcher
from host_controller.messaging.holds import HoldKind, Holds, Scope, active_holds, release
from host_controller.messaging.reconciler import Reconciler
from host_controller.messaging.submit import Accepted, Draft, submit
from host_controller.rule_settings import PrefixSettings, RepeatSettings, SpendSettings
from host_controller.rules.choice import SimView
from host_controller.rules.classes import MessageClass
from host_controller.rules.limits import GuardLimit, SimLimits
from host_controller.rules.states import Evidence
from host_controller.rules.sticky import StickyRule
from host_controller.rules.timings import Timings
from host_controller.rules.waiting import Wait, WaitReason
from host_controller.settings import Settings
from host_controller.store.store import Store
from tests.phone_rows import phone_row

# A Wednesday, one o'clock in Prague.
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
OTP, TRANSACTIONAL, MARKETING = MessageClass
ANNA = "+420777000001"
NO_REPEATS = RepeatSettings(recipient_per_hour={}, same_text={})
SENDER = Sender(1, "host", 1, None, 0, 0)
SIM = SimView(1, 1, SimLimits(20, 500, GuardLimit(30, 60), ZoneInfo("Europe/Prague")))


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, fresh_database):
    with closing(Store(fresh_database(request.param))) as opened:
        opened.write(_add_phone)
        yield opened


def _add_phone(session):
    session.add(phone_row(NOON, subscriptions=range(2)))


class Lane:
    """What a lane does with the rules: it asks, claims, and is told what did not leave."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self.holds = Holds(store)
        self.begin_anew()

    def begin_anew(self) -> None:
        """A restart: what is in memory is gone."""
        self.store._writer._on_rollback.clear()
        self.dispatcher = build_dispatcher(self.store, Bells(), self.holds, self.settings, lambda: NOON)
        self.rules = self.dispatcher.rules

    def submit(self, number=ANNA, text="Ahoj", message_class=TRANSACTIONAL, now=NOON):
        draft = Draft(number, text, message_class=message_class, ttl_s=30 * 86_400)
        (outcome,) = submit(self.store, self.settings.messages, [draft], now=now, actor="test")
        assert isinstance(outcome, Accepted)
        self.dispatcher.queue.forget()
        return outcome.message_id

    def send(self, message_id, now=NOON, *, fails=False):
        """Claim a message if no rule holds it; give the claim, or the wait."""

        return self.store.write(lambda session: self.send_in(session, message_id, now, fails=fails))

    def send_in(self, session, message_id, now, *, fails=False):
        """Do so within a work of the writer."""
        message = self._find(session, message_id, now)
        wait = self.rules.held(session, message, now)
        if wait is not None:
            return wait
        claim = attempts.claim(session, message, 1, SENDER, now=now, actor="test")
        self.dispatcher.queue.drop(message)
        self.rules.note(message, now)
        if fails:
            raise ConfigError
        return claim

    def wonder(self, message_id, now):
        """Ask why a message waits."""
        return self.store.write(
            lambda session: self.rules.would_hold(session, self._find(session, message_id, now), now)
        )

    def take_back(self, claim):
        verdict = Verdict(claim.intent_at, "test", "no link", Evidence.LINK)
        self.store.write(lambda session: attempts.settle_not_sent(session, claim.attempt_id, verdict, Timings()))
        self.rules.take_back(claim.message, claim.intent_at)
        self.dispatcher.queue.forget()

    def _find(self, session, message_id, now):
        return next(m for m in self.dispatcher.queue.messages(session, 1, (1, 2), now) if m.message_id == message_id)


CASES = {
    "recipient": (
        Settings(repeats=RepeatSettings(recipient_per_hour={"transactional": 2}, same_text={})),
        Wait(NOON + HOUR, WaitReason.RECIPIENT_HOUR),
    ),
    "same text": (
        Settings(repeats=RepeatSettings(recipient_per_hour={}, same_text={"transactional": 2})),
        Wait(NOON + 10 * MINUTE, WaitReason.SAME_TEXT),
    ),
    "prefix": (
        Settings(repeats=NO_REPEATS, prefix_caps={"+420777": PrefixSettings(parts_per_hour=2)}),
        Wait(NOON + HOUR, WaitReason.PREFIX_CAP),
    ),
    "spend": (
        Settings(repeats=NO_REPEATS, spend=SpendSettings(limit=Decimal(2))),
        Wait(None, WaitReason.SPEND_FUSE),
    ),
}


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_the_third_is_held_also_after_a_restart(store, case, restarts):
    settings, wait = CASES[case]
    lane = Lane(store, settings)
    messages = [lane.submit() for _ in range(3)]
    for message_id in messages[:2]:
        assert not isinstance(lane.send(message_id), Wait)
    if restarts:
        lane.begin_anew()
    assert lane.send(messages[2], NOON + MINUTE) == wait
    if wait.until is not None:
        assert lane.send(messages[2], wait.until - timedelta(microseconds=1)) == wait
        assert not isinstance(lane.send(messages[2], wait.until), Wait)


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_what_did_not_leave_counts_no_more(store, case, restarts):
    lane = Lane(store, CASES[case][0])
    messages = [lane.submit() for _ in range(3)]
    claims = [lane.send(message_id) for message_id in messages[:2]]
    lane.take_back(claims[1])
    if restarts:
        lane.begin_anew()
    assert not isinstance(lane.send(messages[2]), Wait)
    assert isinstance(lane.send(messages[1]), Wait)


@pytest.mark.parametrize("case", CASES)
def test_what_was_written_in_vain_counts_no_more(store, case):
    lane = Lane(store, CASES[case][0])
    messages = [lane.submit() for _ in range(3)]
    for _ in range(3):
        # The writer does such a work twice: alone it fails again.
        with suppress(ConfigError):
            lane.send(messages[0], fails=True)
    assert not isinstance(lane.send(messages[0]), Wait)
    assert not isinstance(lane.send(messages[1]), Wait)
    assert isinstance(lane.send(messages[2]), Wait)


@pytest.fixture
def loads(monkeypatch):
    """Say at each load of what counts at what time that was."""
    times = []

    def load(session, settings, now):
        times.append(now)
        return rack_ledgers.load(session, settings, now)

    monkeypatch.setattr(rack_rules, "load", load)
    return times


def _refuse(_session):
    raise UnknownTargetError


def _at_once(store, works):
    """Have the writer do all of these in one transaction; give what each gave, or raised."""
    may_begin, results = threading.Event(), [None] * len(works)

    def write(place):
        try:
            results[place] = store.write(works[place])
        except ControllerError as error:
            results[place] = error

    first = threading.Thread(target=store.write, args=(lambda _session: may_begin.wait(10),))
    first.start()
    while not store._writer._waiting.empty():
        time.sleep(0.001)
    threads = []
    for place in range(len(works)):
        threads.append(threading.Thread(target=write, args=(place,)))
        threads[-1].start()
        while store._writer._waiting.qsize() <= place:
            time.sleep(0.001)
    may_begin.set()
    for thread in (first, *threads):
        thread.join()
    return results


@pytest.mark.parametrize("case", CASES)
def test_a_refused_write_uncounts_what_it_took_back_and_reads_no_history(store, case, loads):
    lane = Lane(store, CASES[case][0])
    messages = [lane.submit() for _ in range(4)]
    assert not isinstance(lane.send(messages[0]), Wait)
    with pytest.raises(UnknownTargetError):
        store.write(_refuse)
    results = _at_once(
        store,
        [
            _refuse,
            lambda session: lane.send_in(session, messages[1], NOON, fails=True),
            lambda session: lane.send_in(session, messages[2], NOON),
            _refuse,
            lambda session: lane.send_in(session, messages[3], NOON),
        ],
    )
    assert [type(result) for result in results] == [
        UnknownTargetError, ConfigError, Claim, UnknownTargetError, Wait,
    ]  # fmt: skip
    assert isinstance(lane.send(messages[1]), Wait)
    assert loads == [NOON]


@pytest.mark.parametrize("case", CASES)
def test_what_was_uncounted_in_vain_counts_again(store, case):
    lane = Lane(store, CASES[case][0])
    messages = [lane.submit() for _ in range(3)]
    claims = [lane.send(message_id) for message_id in messages[:2]]

    def in_vain(_session):
        lane.rules.take_back(claims[1].message, NOON)
        raise UnknownTargetError

    with pytest.raises(UnknownTargetError):
        store.write(in_vain)
    assert isinstance(lane.send(messages[2]), Wait)


@pytest.mark.parametrize("case", CASES)
def test_what_the_journal_says_did_not_leave_counts_no_more_and_no_history_is_read(store, case, loads):
    lane = Lane(store, CASES[case][0])
    messages = [lane.submit() for _ in range(4)]
    claims = [lane.send(message_id) for message_id in messages[:2]]
    phone = _Phone({claims[1].wire_id: JournalAnswer(JournalWord.REFUSED, None)})
    reconciler = Reconciler(store, lane.rules, lane.settings.messages, Timings(), lambda: NOON + MINUTE, "test")
    assert reconciler.settle_doubts(phone, 1) == 1
    lane.dispatcher.queue.forget()
    assert not isinstance(lane.send(messages[2]), Wait)
    assert isinstance(lane.send(messages[3]), Wait)
    assert loads == [NOON]


class _Phone:
    """One that only answers for its journal."""

    def __init__(self, answers):
        self.answers = answers

    def revoke(self, wire_id):
        return self.answers.get(wire_id, JournalAnswer(JournalWord.BEGUN, None))


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_a_clock_that_jumps_ahead_for_one_message_and_back_lets_nothing_be_forgotten(store, case, restarts, loads):
    lane, ahead = Lane(store, CASES[case][0]), NOON + timedelta(days=3)
    messages = [lane.submit() for _ in range(4)]
    for message_id in messages[:2]:
        assert not isinstance(lane.send(message_id), Wait)
    if restarts:
        lane.begin_anew()
    assert not isinstance(lane.send(messages[2], ahead), Wait)
    assert isinstance(lane.send(messages[3], NOON + MINUTE), Wait)
    assert lane.send(messages[3], NOON + 2 * MINUTE).reason is CASES[case][1].reason
    assert loads == [NOON, *([ahead] if restarts else []), NOON + MINUTE]


def test_marketing_waits_for_the_morning_and_a_code_does_not(store):
    lane = Lane(store, Settings(repeats=NO_REPEATS))
    evening = NOON + 9 * HOUR
    opens = datetime(2026, 11, 26, 7, 0, tzinfo=UTC)
    offer, code = lane.submit(message_class=MARKETING), lane.submit(message_class=OTP)
    assert lane.send(offer, evening) == Wait(opens, WaitReason.QUIET_HOURS)
    assert not isinstance(lane.send(code, evening), Wait)
    assert not isinstance(lane.send(offer, opens), Wait)


@pytest.mark.parametrize("asked", [False, True])
def test_a_blown_fuse_holds_the_rack_and_after_a_release_counts_anew(store, asked):
    lane = Lane(store, CASES["spend"][0])
    messages = [lane.submit() for _ in range(6)]
    for message_id in messages[:2]:
        lane.send(message_id)
    assert lane.send(messages[2], NOON + MINUTE) == Wait(None, WaitReason.SPEND_FUSE)
    words = store.write(lambda session: lane.rules.blown(session, NOON + MINUTE))
    assert "2 CZK" in words
    assert lane.dispatcher.hold_rack(words, NOON + MINUTE) == Wait(None, WaitReason.SPEND_FUSE)
    assert lane.holds.rack().kind is HoldKind.FUSE
    assert lane.holds.of_sim(1, 1).wait_reason is WaitReason.SPEND_FUSE
    if asked:  # by who wants to know why it waits
        assert lane.wonder(messages[2], NOON + MINUTE) == Wait(None, WaitReason.SPEND_FUSE)
    lane.holds.change(lambda session: release(session, Scope.RACK, None, NOON + 2 * MINUTE, "anna"))
    assert lane.holds.rack() is None
    for message_id in messages[2:4]:
        assert not isinstance(lane.send(message_id, NOON + 3 * MINUTE), Wait)
    if asked:
        assert lane.send(messages[4], NOON + 3 * MINUTE) == Wait(None, WaitReason.SPEND_FUSE)
    lane.begin_anew()
    assert lane.send(messages[4], NOON + 4 * MINUTE) == Wait(None, WaitReason.SPEND_FUSE)


def test_a_hold_by_the_fuse_is_one_however_many_lanes_find_it_blown(store):
    lane = Lane(store, CASES["spend"][0])
    for _ in range(3):
        lane.dispatcher.hold_rack("2 CZK were spent", NOON)
    with store.reading() as session:
        assert len(active_holds(session)) == 1


# Whom a recipient knows.

RULE = StickyRule(expires_after=timedelta(days=30), fails_over_after=10 * MINUTE)


def may_take(store, sim_ids, board, now=NOON):
    def wait_of(sim_id):
        standing = board.standing(sim_id)
        return standing.wait, standing.away_since

    kept = store.write(lambda session: recipients.kept_sim(session, ANNA, RULE, wait_of, now))
    return kept is None or kept in sim_ids


def test_a_recipient_keeps_its_sim_until_that_is_away_for_long(store):
    board = Board(NOON - HOUR)
    assert may_take(store, [2], board)  # nobody has written to it
    store.write(lambda session: recipients.remember(session, ANNA, 1, NOON))
    board.post([SIM], None)
    assert may_take(store, [1], board)
    assert not may_take(store, [2], board)
    # It waits, but not for long; then for long.
    board.post([SIM], Wait(NOON + 10 * MINUTE, WaitReason.HOUR))
    assert not may_take(store, [2], board)
    board.post([SIM], Wait(NOON + 11 * MINUTE, WaitReason.HOUR))
    assert may_take(store, [2], board)


def test_a_sim_that_has_left_is_waited_for_as_long_as_the_rule_says(store):
    board = Board(NOON - HOUR)
    store.write(lambda session: recipients.remember(session, ANNA, 1, NOON))
    board.post([SIM], None)
    board.leave([1], NOON)
    assert not may_take(store, [2], board, NOON + 10 * MINUTE - timedelta(seconds=1))
    assert may_take(store, [2], board, NOON + 10 * MINUTE)


def test_a_sim_that_never_came_since_the_start_is_not_waited_for_for_ever(store):
    board = Board(NOON)
    store.write(lambda session: recipients.remember(session, ANNA, 1, NOON))
    assert not may_take(store, [2], board, NOON + MINUTE)
    assert may_take(store, [2], board, NOON + 10 * MINUTE)


def test_after_a_month_any_sim_may_write_and_is_remembered(store):
    board = Board(NOON)
    store.write(lambda session: recipients.remember(session, ANNA, 1, NOON))
    board.post([SIM], None)
    later = NOON + timedelta(days=30)
    assert not may_take(store, [2], board, later - MINUTE)
    assert may_take(store, [2], board, later)
    store.write(lambda session: recipients.remember(session, ANNA, 2, later))
    assert store.write(lambda session: recipients.find(session, ANNA)).sim_id == 2


# How SIMs stand.


def test_a_sim_that_nobody_has_heard_of_is_away_since_the_start():
    board = Board(NOON)
    assert board.standing(7).away_since == NOON
    assert board.at_work() == {}


def test_who_leaves_twice_is_away_since_the_first_time():
    board, wait = Board(NOON), Wait(NOON + HOUR, WaitReason.PACE)
    board.post([SIM, replace(SIM, sim_id=2)], wait)
    board.leave([1], NOON + MINUTE)
    board.leave([1], NOON + 2 * MINUTE)
    assert board.standing(1).away_since == NOON + MINUTE
    assert board.standing(1).wait == wait
    assert list(board.at_work()) == [2]
    board.post([SIM], None)
    assert board.standing(1).away_since is None
    board.leave([3], NOON + HOUR)
    assert board.standing(3).away_since == NOON + HOUR
