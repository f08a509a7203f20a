"""A day of a rack: three classes, all limits, quiet hours, pauses, ten phones that fail; every wait is explained.

`make soak` lives it with 100 SIMs and 50,000 messages. SMSRACK_TEST_SEED repeats a day.
"""

from __future__ import annotations

import os
import random
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from host_controller.messaging.queue import Queue
from host_controller.messaging.submit import Draft
from host_controller.rules.classes import MessageClass
from host_controller.store.models import AttemptRecord, MessageRecord
from tests.model import day_checks
from tests.model.bad_hours import plan_bad_hours
from tests.model.day import FULL, HOUR_S, MINUTE_S, SMALL, START, Day, plan_messages
from tests.model.day_checks import Watcher

SIZE = FULL if os.environ.get("SMSRACK_TEST_DAY") == "full" else SMALL
SEED = int(os.environ.get("SMSRACK_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
_LOOK_EVERY_S = 300.0
_MOST_WAIT_S = 5.0


@pytest.mark.timeout(7200)
def test_a_day_of_a_rack(tmp_path):
    print(f"SMSRACK_TEST_SEED={SEED}, {SIZE.sims} SIMs, {SIZE.messages} messages")
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    day = Day(tmp_path / "smsrack.db", SIZE, SEED)
    try:
        plan_messages(day)
        plan_bad_hours(day)
        watcher = Watcher(day)
        day.on_turn = watcher.after_turn
        day.every(_LOOK_EVERY_S, watcher.look)
        day.run()
        watcher.look()
        attempts = day_checks.check_limits(day)
        on_air = day_checks.check_air(day)
        waits = day_checks.waits_s(day)
        _print(day, watcher, waits, attempts, on_air, time.monotonic() - began_s, time.process_time() - began_cpu_s)
        assert _at(waits[MessageClass.OTP], 0.99) < _MOST_WAIT_S
    finally:
        day.close()


def test_what_is_due_goes_at_once_though_the_rest_waits_for_longer(tmp_path):
    """The lane sleeps until its hour has room; the code that was put off is of a class for which it has."""
    day = Day(tmp_path / "smsrack.db", replace(SMALL, single_phones=1, dual_phones=0, bad_phones=0), seed=1)
    due_at = day.clock() + timedelta(minutes=20, seconds=7)
    try:
        offers = [Draft(f"+420603{n:06d}", "Jaro", message_class=MessageClass.MARKETING) for n in range(60)]
        day.at(10.0, lambda: day.submit(*offers))
        code = Draft("+420602000001", "Kód 1", message_class=MessageClass.OTP, not_before=due_at)
        day.at(20.0, lambda: day.submit(code))
        day.run(1800.0)
        with day.store.reading() as session:
            query = select(AttemptRecord.intent_at).join(AttemptRecord.message)
            intent_at = session.scalar(query.where(MessageRecord.message_class == MessageClass.OTP))
        assert due_at <= intent_at <= due_at + timedelta(seconds=1.5)
    finally:
        day.close()


def test_a_lane_that_waits_for_its_hour_leaves_the_queue_alone(tmp_path, monkeypatch):
    """Of a class of which nothing may go now, no message is looked at, whatever wakes the lane."""
    day = Day(tmp_path / "smsrack.db", replace(SMALL, single_phones=1, dual_phones=0, bad_phones=0), seed=1)
    given = []
    messages = Queue.messages

    def counted(self, *args, **options):
        for message in messages(self, *args, **options):
            given.append(message.message_class)
            yield message

    try:
        offers = [Draft(f"+420603{n:06d}", "Jaro", message_class=MessageClass.MARKETING) for n in range(400)]
        day.at(10.0, lambda: day.submit(*offers))
        day.run(600.0)
        assert day.rack.phones()[0].waiting_for == "reserve"
        monkeypatch.setattr(Queue, "messages", counted)
        for n in range(5):
            code = Draft(f"+420602{n:06d}", "Kód 1", message_class=MessageClass.OTP)
            day.at(610.0 + n * 30, lambda code=code: day.submit(code))
        day.run(800.0)
        assert given.count(MessageClass.MARKETING) == 0
        # One part is kept for codes, and two for codes and notices.
        assert given.count(MessageClass.OTP) >= 3
    finally:
        day.close()


def test_long_messages_are_not_passed_over_for_ever(tmp_path):
    """What comes free of an hour comes part by part: after a while it is kept for the oldest, however long that is."""
    day = Day(tmp_path / "smsrack.db", replace(SMALL, single_phones=1, dual_phones=0, bad_phones=0), seed=1)
    try:
        # The hour is filled with short ones, whose room comes free part by part.
        texts = ["Jaro"] * 20 + ["x" * 400] * 3 + ["Jaro"] * 60
        offers = [Draft(f"+420603{n:06d}", text, message_class=MessageClass.MARKETING) for n, text in enumerate(texts)]
        day.at(10.0, lambda: day.submit(*offers))
        day.run(3 * 3600.0)
        with day.store.reading() as session:
            states = session.scalars(select(MessageRecord.state).order_by(MessageRecord.id)).all()
        assert states[20:23] == ["sent"] * 3
        assert "queued" in states
    finally:
        day.close()


@pytest.mark.parametrize(
    ("free", "own_of_slow", "own_of_fast", "best_min"),
    [
        pytest.param(200, 100, 0, 20, id="the slow one has a pile: the other does what is for all"),
        pytest.param(150, 0, 100, 10, id="the fast one has a small pile: both do what is for all"),
    ],
)
def test_phones_of_different_speed_finish_together(tmp_path, free, own_of_slow, own_of_fast, best_min):
    """One sends 5 a minute, one 20. A count is taken every few seconds, so that the plan is a few messages late."""
    size = replace(SMALL, single_phones=2, dual_phones=0, bad_phones=2, parts_per_hour=10_000, parts_per_day=10_000)
    day = Day(tmp_path / "smsrack.db", size, seed=1)
    try:
        day.run(60.0)
        slow, fast = (seat.rack_phone.view().enrolled.sims[0].sim_id for seat in day.seats)
        day.services.limit_sim(slow, {"parts_per_minute": 5})
        sims = [None] * free + [slow] * own_of_slow + [fast] * own_of_fast
        offers = [Draft(f"+420603{n:06d}", "Jaro", only_sim_id=sim_id) for n, sim_id in enumerate(sims)]
        day.at(70.0, lambda: day.submit(*offers))
        day.run(70.0 + HOUR_S)
        with day.store.reading() as session:
            intents = session.scalars(select(AttemptRecord.intent_at)).all()
        assert len(intents) == len(sims)
        assert (max(intents) - START).total_seconds() - 70 <= best_min * MINUTE_S + 40
    finally:
        day.close()


def _at(values, share):
    return values[min(len(values) - 1, int(share * len(values)))]


def _print(day, watcher, waits, attempts, on_air, took_s, cpu_s):
    for message_class, found in waits.items():
        marks = ", ".join(f"p{share * 100:g} {_at(found, share):.1f}" for share in (0.5, 0.99, 1.0))
        print(f"{message_class}: {len(found)} begun, wait {marks} s")
    per_sim = day_checks.sent_per_sim(day)
    middle = per_sim[len(per_sim) // 2]
    print(f"parts of each SIM: {per_sim[0]} least, {middle} median, {per_sim[-1]} most")
    print(f"states at the end: {dict(day_checks.states(day))}; {attempts} attempts, {on_air} on the air")
    print(f"lanes slept ({day.steps} turns) for: {dict(watcher.asleep_with.most_common())}")
    print(f"messages waited ({watcher.looks} looks) for: {dict(watcher.waiting_for.most_common())}")
    print(f"took {took_s:.0f} s, {cpu_s:.0f} s of CPU")
