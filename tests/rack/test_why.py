"""Why a message waits, on a whole controller: the reason, the rule and the time, for every reason that there is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from device_drivers.base import SendGuard, Sim
from host_controller.errors import StoreBusyError
from host_controller.fleet.enrolment import stop_sim
from host_controller.fleet.phone import Enrolled, PhoneStatus
from host_controller.messaging.attempts import Sender, Verdict, claim, settle_not_sent
from host_controller.messaging.holds import HoldKind, Scope
from host_controller.messaging.submit import Draft, submit
from host_controller.messaging.why import Explanation, Why
from host_controller.messaging.why_queue import groups_of
from host_controller.rules.classes import MessageClass
from host_controller.rules.states import Evidence, MessageState
from host_controller.rules.timings import Timings
from host_controller.rules.waiting import WaitReason
from host_controller.store.models import MessageRecord, PhoneRecord
from host_controller.wiring import utc_now

ANNA, BEA = "+420777123456", "+420603111222"
ONE_SIM = (Sim(0, 41, "8942001", "Op A"),)
FAST = {"parts_per_minute": 6000, "parts_per_day": None}
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def database(request, fresh_database):
    return fresh_database(getattr(request, "param", "sqlite"))


@dataclass
class Scene:
    """A rack in the making, and what is asked of it."""

    make_rack: Callable
    fake_phone: Callable
    rack: object = None
    asked_at: datetime | None = None
    gate: threading.Event = field(default_factory=threading.Event)
    """Opened at the end."""

    def start(self, *phones, **settings) -> None:
        self.rack = self.make_rack(**settings)
        self.rack.plug_in(*phones)
        self.rack.wait_until(lambda: all(view.status == PhoneStatus.READY for view in self.rack.rack.phones()))

    def phone(self, name="fake-1", **values):
        return self.fake_phone(name, sims=values.pop("sims", ONE_SIM), **values)

    def send(self, *drafts: Draft) -> list[int]:
        """Queue, and wait until all of them have gone."""
        ids = self.queue(*drafts)
        self.rack.wait_settled()
        return ids

    def queue(self, *drafts: Draft) -> list[int]:
        outcomes = submit(self.rack.store, self.rack.settings.messages, drafts, now=utc_now(), actor="test")
        self.rack.bells.ring_in(1)
        return [outcome.message_id for outcome in outcomes]

    def change(self, work: Callable) -> None:
        self.rack.store.write(work)

    def pause(self) -> None:
        self.rack.control.hold(Scope.RACK, None, HoldKind.PAUSED, "wait", "anna")

    @property
    def why(self) -> Why:
        rack = self.rack
        return Why(rack.store, rack.settings, rack.rack, rack.dispatcher, utc_now)

    def explain(self, message_id: int) -> Explanation:
        self.asked_at = utc_now()
        return self.why.of_message(message_id)


def drafts(count: int, **values) -> list[Draft]:
    return [Draft(f"+42077712{n:04d}", f"Zpráva {n}", **values) for n in range(count)]


def one_more(scene: Scene) -> int:
    """The message that waits, once what went before it has gone."""
    (message_id,) = scene.queue(Draft(BEA, "Ahoj"))
    return message_id


def spent(scene: Scene, count: int, *, guard: SendGuard | None = None, **settings) -> int:
    scene.start(scene.phone(guard=guard or SendGuard(1000, 60.0)), **settings)
    scene.send(*drafts(count))
    return one_more(scene)


def pace(scene):
    return spent(scene, 1, new_sims={**FAST, "parts_per_minute": 1}), MINUTE, "1 parts a minute"


def guard(scene):
    return spent(scene, 8, guard=SendGuard(10, 60.0)), 66 * timedelta(seconds=1), "10 parts in 60 s, of which 8"


def hour(scene):
    return spent(scene, 10, new_sims={**FAST, "parts_per_hour": 10}), HOUR, "10 of the 10 parts of this hour are spent"


def quota(scene):
    return spent(scene, 10, new_sims={**FAST, "parts_per_day": 10}), DAY, "10 of the 10 parts of today are spent"


def month(scene):
    return spent(scene, 10, new_sims={**FAST, "parts_per_month": 10}), 31 * DAY, "10 of the 10 parts of this billing"


def numbers(scene):
    message_id = spent(scene, 1, new_sims={**FAST, "recipients_per_month": 1})
    return message_id, 31 * DAY, "has written to 1 numbers"


def reserve(scene):
    settings = {"new_sims": {**FAST, "parts_per_day": 10}, "reserve": {"otp_percent": 50}}
    return spent(scene, 5, **settings), DAY, "kept for what is more urgent than transactional"


def too_long(scene):
    scene.start(scene.phone(), prefix_caps={"+420777": {"parts_per_hour": 1}})
    return scene.queue(Draft(ANNA, "x" * 200))[0], None, "begin with +420777 (1 parts an hour)"


def recipient_hour(scene):
    scene.start(scene.phone(), repeats={"recipient_per_hour": {"transactional": 2}})
    scene.send(Draft(ANNA, "one"), Draft(ANNA, "two"))
    return scene.queue(Draft(ANNA, "three"))[0], HOUR, "got 2 messages within the hour"


def same_text(scene):
    scene.start(scene.phone(), repeats={"same_text": {"transactional": 2}})
    scene.send(Draft(ANNA, "Ahoj"), Draft("+420777123457", "Ahoj"))
    return one_more(scene), 10 * MINUTE, "its text went out 2 times within 10 min"


def prefix_cap(scene):
    scene.start(scene.phone(), prefix_caps={"+420603": {"parts_per_hour": 1}})
    scene.send(Draft(BEA, "one"))
    return one_more(scene), HOUR, "the cap of numbers that begin with +420603 (1 parts an hour) is spent"


def spend_fuse(scene):
    scene.start(scene.phone(), spend={"limit": 2})
    scene.send(*drafts(2))
    message_id = one_more(scene)
    scene.rack.wait_until(lambda: "holds the whole rack" in scene.explain(message_id).words)
    return message_id, None, "the spend fuse holds the whole rack: 2 CZK was spent within 24 h"


def quiet_hours(scene):
    tomorrow = (utc_now() + DAY).weekday()
    days = "".join("1" if day == (tomorrow + 1) % 7 else "0" for day in range(7))
    scene.start(scene.phone(), quiet_hours={"transactional": {"CZ": {"days": days}}})
    return one_more(scene), 3 * DAY, "transactional may reach CZ from 08:00 to 20:00"


def not_before(scene):
    scene.start(scene.phone())
    return scene.queue(Draft(BEA, "Ahoj", not_before=utc_now() + HOUR))[0], HOUR, "its sender asked"


def batch_paused(scene):
    scene.start(scene.phone())
    scene.pause()
    message_id = scene.queue(Draft(BEA, "Ahoj", batch="autumn"))[0]
    scene.rack.control.hold(Scope.BATCH, "autumn", HoldKind.PAUSED, "the client calls back", "eva")
    scene.rack.control.release(Scope.RACK, None, "anna")
    return message_id, None, "its batch autumn is paused by eva: the client calls back"


def paused(scene):
    scene.start(scene.phone())
    scene.pause()
    return one_more(scene), None, "the whole rack is paused by anna: wait"


def sticky(scene):
    phones = [scene.phone("fake-1"), scene.phone("fake-2")]
    scene.start(phones[0], sticky={"enabled": True}, new_sims={**FAST, "parts_per_minute": 1})
    scene.send(Draft(ANNA, "one"))
    scene.rack.plug_in(phones[1])
    scene.rack.wait_until(lambda: all(view.status == PhoneStatus.READY for view in scene.rack.rack.phones()))
    return scene.queue(Draft(ANNA, "two"))[0], MINUTE, "the recipient knows SIM 1 of fake-1"


def busy(scene):
    scene.start(scene.phone(before_submit=scene.gate))
    first = scene.queue(Draft(BEA, "Ahoj"))[0]
    scene.rack.wait_until(lambda: scene.rack.message(first).state == MessageState.SUBMITTING)
    return one_more(scene), None, "an equal message to the same number is in the phone's hands"


def no_route(scene):
    scene.start(scene.phone())
    scene.rack.care.set_filter("fake-1", '[["country", "=", "SK"]]', "test")
    return one_more(scene), None, "no phone can take it: the recipient filter of every phone"


def no_service(scene):
    scene.start(scene.phone(in_service=False))
    scene.rack.wait_until(lambda: scene.rack.rack.phones()[0].health is not None)
    return one_more(scene), None, "it has no network"


def stopped(scene):
    scene.start(scene.phone())
    scene.change(lambda session: stop_sim(session, 1, "another SIM is in the slot", now=utc_now(), actor="test"))
    scene.rack.rack.find("fake-1").update(enrolled=None)
    scene.rack.bells.ring()
    scene.rack.wait_until(lambda: scene.rack.rack.phones()[0].status == PhoneStatus.STOPPED)
    return one_more(scene), None, "stopped: another SIM is in the slot"


def retry(scene):
    scene.start(scene.phone())
    scene.pause()
    message_id = one_more(scene)
    rack = scene.rack

    def try_it(session):
        (message,) = rack.dispatcher.queue.messages(session, 1, [1], utc_now())
        made = claim(session, message, 1, Sender(1, "host", 1, None, 0, 0), now=utc_now(), actor="lane")
        verdict = Verdict(utc_now(), "lane", "the phone refused it: no", Evidence.REJECTED)
        settle_not_sent(session, made.attempt_id, verdict, Timings())

    scene.change(try_it)
    rack.control.release(Scope.RACK, None, "anna")
    return message_id, MINUTE, "try 1 did not leave (the phone refused it: no)"


def restored(scene):
    scene.start(scene.phone())
    scene.pause()
    message_id = one_more(scene)
    scene.change(lambda session: session.execute(update(MessageRecord).values(restored=True)))
    scene.change(lambda session: session.execute(update(PhoneRecord).values(journal_checked=False)))
    return message_id, None, "phones that have not said yet what they have sent since: fake-1"


def stale(scene):
    scene.start(scene.phone())
    scene.pause()
    message_id = one_more(scene)
    two_days = utc_now() - 2 * DAY
    scene.change(lambda session: session.execute(update(MessageRecord).values(changed_at=two_days)))
    scene.rack.dispatcher.pulse._able_at = two_days - HOUR
    scene.rack.control.release(Scope.RACK, None, "anna")
    return message_id, None, "made it late by more than 24 h; `smsrack stale` releases or cancels it"


def no_phone(scene):
    phone = scene.phone()
    scene.start(phone)
    phone.link_down = True
    scene.rack.wait_until(lambda: scene.rack.rack.phones()[0].status == PhoneStatus.OFFLINE)
    return one_more(scene), None, "the phone is offline: unplug the phone and plug it in again"


CASES = {
    WaitReason.PACE: pace,
    WaitReason.GUARD: guard,
    WaitReason.HOUR: hour,
    WaitReason.QUOTA: quota,
    WaitReason.MONTH: month,
    WaitReason.RECIPIENTS: numbers,
    WaitReason.RESERVE: reserve,
    WaitReason.TOO_LONG: too_long,
    WaitReason.RECIPIENT_HOUR: recipient_hour,
    WaitReason.SAME_TEXT: same_text,
    WaitReason.PREFIX_CAP: prefix_cap,
    WaitReason.SPEND_FUSE: spend_fuse,
    WaitReason.QUIET_HOURS: quiet_hours,
    WaitReason.NOT_BEFORE: not_before,
    WaitReason.BATCH_PAUSED: batch_paused,
    WaitReason.PAUSED: paused,
    WaitReason.STICKY: sticky,
    WaitReason.BUSY: busy,
    WaitReason.NO_ROUTE: no_route,
    WaitReason.NO_SERVICE: no_service,
    WaitReason.STOPPED: stopped,
    WaitReason.RETRY: retry,
    WaitReason.RESTORED: restored,
    WaitReason.STALE: stale,
    WaitReason.NO_PHONE: no_phone,
}
# What holds a message on every SIM, which its row says once a lane has looked at it.
PARKED = {
    WaitReason.TOO_LONG,
    WaitReason.RECIPIENT_HOUR,
    WaitReason.SAME_TEXT,
    WaitReason.PREFIX_CAP,
    WaitReason.QUIET_HOURS,
    WaitReason.BATCH_PAUSED,
    WaitReason.STALE,
}


@pytest.fixture
def scene(make_rack, fake_phone):
    return Scene(make_rack, fake_phone)


@pytest.mark.parametrize("reason", WaitReason)
def test_every_reason(scene, reason):
    check(scene, reason)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "reason", [WaitReason.PACE, WaitReason.RECIPIENT_HOUR, WaitReason.NO_ROUTE, WaitReason.STICKY, WaitReason.STALE]
)
def test_on_postgresql(scene, reason):
    check(scene, reason)


def check(scene: Scene, reason: WaitReason) -> None:
    message_id, longest, words = CASES[reason](scene)
    if reason in PARKED:
        scene.rack.wait_until(lambda: scene.rack.message(message_id).waiting_for is not None)
    found = scene.explain(message_id)
    assert (found.reason, found.state, found.running) == (reason, MessageState.QUEUED, True)
    assert words in found.words
    if longest is None:
        assert (found.until, found.expected_at) == (None, None)
    else:
        assert scene.asked_at < found.until <= scene.asked_at + longest
        assert (found.expected_at is None) if "expired by then" in found.words else (found.expected_at >= found.until)
    # The whole queue says the same of it.
    with scene.rack.store.reading() as session:
        groups = {group.reason: group for group in groups_of(scene.why, session)}
    assert groups[reason].messages == 1
    assert groups[reason].until == found.until
    assert groups[reason].words == found.words
    # The lanes do as it says.
    assert scene.rack.message(message_id).state == MessageState.QUEUED
    scene.gate.set()


def test_a_turn(scene):
    scene.start(scene.phone(), new_sims={**FAST, "parts_per_minute": 1})
    scene.send(Draft(BEA, "first"))
    slow = scene.queue(*drafts(3, message_class=MessageClass.TRANSACTIONAL))
    (otp,) = scene.queue(Draft(ANNA, "code", message_class=MessageClass.OTP))
    first, last = scene.explain(otp), scene.explain(slow[-1])
    assert (first.reason, first.ahead, last.ahead) == (WaitReason.PACE, 0, 3)
    assert 2 * MINUTE < last.expected_at - first.expected_at < 5 * MINUTE
    # One line for the SIM, with the same answer.
    (line,) = last.sims
    assert (line.phone, line.slot_index, line.reason, line.until) == ("fake-1", 0, WaitReason.PACE, last.until)


def test_a_slow_start_after_an_outage(scene):
    scene.start(scene.phone(), new_sims={**FAST, "parts_per_minute": 1})
    pulse = scene.rack.dispatcher.pulse
    scene.rack.wait_until(lambda: pulse._written_at is not None)
    pulse._able_at = utc_now() - 2 * HOUR
    scene.send(Draft(BEA, "first"))
    (message_id,) = scene.queue(Draft(ANNA, "second"))
    found = scene.explain(message_id)
    assert (found.reason, found.sims[0].reason) == (WaitReason.PACE, WaitReason.PACE)
    assert 3 * MINUTE < found.until - scene.asked_at <= 4 * MINUTE
    assert found.until <= found.expected_at <= found.until + MINUTE
    assert "after an outage it starts slowly, at full pace from" in found.words
    # The lane does as it says.
    scene.rack.wait_until(lambda: scene.rack.rack.phones()[0].waiting_until == found.until)


def test_a_message_that_expires_before_its_turn(scene):
    scene.start(scene.phone(), new_sims={**FAST, "parts_per_minute": 1})
    scene.send(Draft(BEA, "first"))
    (message_id,) = scene.queue(Draft(ANNA, "soon", ttl_s=5))
    assert "it will have expired by then" in scene.explain(message_id).words


def test_only_the_sims_that_it_is_bound_to(scene):
    scene.start(scene.fake_phone("fake-1"), scene.phone("fake-2"))
    scene.pause()
    (message_id,) = scene.queue(Draft(BEA, "Ahoj", only_sim_id=2))
    assert [line.sim_id for line in scene.explain(message_id).sims] == [2]


def test_hands_that_are_full(scene, monkeypatch):
    monkeypatch.setattr(Enrolled, "most_unproven", 8)
    scene.start(scene.phone(faults=["no_row"] * 8), timings_scale=1)
    last = scene.queue(*drafts(9))[-1]
    scene.rack.wait_until(lambda: scene.rack.states().count(MessageState.SUBMITTING) == 8)
    found = scene.explain(last)
    assert found.reason is WaitReason.BUSY
    assert "8 messages in the phone's hands wait for their proof" in found.words


def test_without_a_daemon_the_record_speaks(scene):
    scene.start(scene.phone())
    scene.pause()
    (message_id,) = scene.queue(Draft(BEA, "Ahoj"))
    rack = scene.rack
    offline = Why(rack.store, rack.settings, None, None, utc_now)
    found = offline.of_message(message_id)
    assert (found.running, found.reason) == (False, WaitReason.PAUSED)
    assert found.words.startswith("no daemon runs")
    assert "the whole rack is paused by anna" in found.words
    rack.control.release(Scope.RACK, None, "anna")
    rack.wait_settled()
    assert offline.of_message(message_id).words == "it waits no more: it is sent"
    assert offline.of_message(99) is None


def test_what_cannot_be_told_now_says_so(scene):
    scene.start(scene.phone())
    scene.pause()
    (message_id,) = scene.queue(Draft(BEA, "Ahoj"))
    rack = scene.rack
    why = Why(_Busy(rack.store), rack.settings, rack.rack, rack.dispatcher, utc_now)
    found = why.of_message(message_id)
    assert (found.reason, found.expected_at, found.ahead) == (None, None, None)
    assert found.words == "what the rack's rules say of it cannot be told now: the database is busy"


class _Busy:
    """A store that is read and does not get to write."""

    def __init__(self, store):
        self.reading = store.reading

    def write(self, _work):
        raise StoreBusyError("the database is busy")


def test_asking_blows_no_fuse(scene):
    scene.start(scene.phone(), spend={"limit": 1})
    scene.send(Draft(BEA, "one"))
    scene.pause()
    (message_id,) = scene.queue(Draft(ANNA, "two"))
    found = scene.explain(message_id)
    assert (found.reason, scene.rack.holds.rack().kind) == (WaitReason.SPEND_FUSE, HoldKind.PAUSED)
    with scene.rack.store.reading() as session:
        assert scene.rack.dispatcher.rules.blown(session, utc_now()) is None


def test_a_batch_that_nobody_has_looked_at_since_it_was_paused(scene):
    scene.start(scene.phone())
    scene.pause()
    (message_id,) = scene.queue(Draft(BEA, "Ahoj", batch="autumn"))
    scene.rack.control.hold(Scope.BATCH, "autumn", HoldKind.PAUSED, "the client calls back", "eva")
    found = scene.explain(message_id)
    assert found.reason is WaitReason.BATCH_PAUSED
    assert found.words == (
        "its batch autumn is paused by eva: the client calls back; besides, the whole rack is paused by anna: wait"
    )


def test_what_has_a_time_and_is_paused_besides(scene):
    scene.start(scene.phone())
    (message_id,) = scene.queue(Draft(BEA, "Ahoj", not_before=utc_now() + HOUR))
    scene.pause()
    found = scene.explain(message_id)
    assert (found.reason, found.expected_at) == (WaitReason.NOT_BEFORE, None)
    assert found.words.endswith("; besides, the whole rack is paused by anna: wait")


def test_what_the_lanes_say_of_any_message(scene):
    phone = scene.phone()
    scene.start(phone, new_sims={**FAST, "parts_per_minute": 1})
    usual = scene.rack.dispatcher.usual_wait
    scene.rack.wait_until(lambda: usual() is None)
    scene.send(Draft(BEA, "one"))
    scene.queue(Draft(ANNA, "two"))
    scene.rack.wait_until(lambda: usual() is WaitReason.PACE)
    phone.link_down = True
    scene.rack.wait_until(lambda: usual() is WaitReason.NO_PHONE)
    scene.pause()
    assert usual() is WaitReason.PAUSED
