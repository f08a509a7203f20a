"""A pause, a drain and an emergency stop, with real lanes: before the next single message, and after a restart too."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from host_controller.errors import ConfigError, UnknownPhoneError, UnknownTargetError
from host_controller.messaging.held import list_held
from host_controller.messaging.holds import HoldKind, Scope
from host_controller.messaging.queue import look_anew
from host_controller.messaging.submit import Draft, submit
from host_controller.rules.states import MessageState
from host_controller.store.models import AttemptRecord, MessageRecord
from host_controller.wiring import utc_now

DRAFTS = [(f"+42077712{n:04d}", f"Zpráva {n}") for n in range(60)]
ONE_SIM = 41


@pytest.fixture
def database(request, fresh_database):
    return fresh_database(getattr(request, "param", "sqlite"))


def newest_intent(rack) -> datetime | None:
    with rack.store.reading() as session:
        return session.scalar(select(func.max(AttemptRecord.intent_at)))


def on_air(*phones) -> Counter:
    return Counter((sent.msisdn, sent.text) for phone in phones for sent in phone.air)


@pytest.mark.parametrize(
    ("database", "kind"),
    [
        ("sqlite", HoldKind.PAUSED),
        ("sqlite", HoldKind.DRAINED),
        ("postgresql", HoldKind.STOPPED),
    ],
    indirect=["database"],
)
def test_nothing_begins_after_it_returns_and_a_restart_changes_nothing(make_rack, fake_phone, kind):
    rack, phones = make_rack(), [fake_phone(f"fake-{n}") for n in range(3)]
    rack.plug_in(*phones)
    rack.submit(*DRAFTS)
    rack.wait_until(lambda: len(on_air(*phones)) >= 10)
    rack.control.hold(Scope.RACK, None, kind, "a wrong text", "anna")
    returned_at = utc_now()
    # What was in the phones' hands by then is confirmed as ever; no more is begun.
    rack.wait_until(lambda: MessageState.SUBMITTING not in rack.states())
    left = rack.states().count(MessageState.QUEUED)
    assert left > 0
    assert newest_intent(rack) <= returned_at
    rack.wait_until(lambda: all(view.waiting_for == "paused" for view in rack.rack.phones()))
    rack.stop()

    again = make_rack()
    again.plug_in(*phones)
    again.wait_until(lambda: all(view.waiting_for == "paused" for view in again.rack.phones()))
    rounds = [phone.reads for phone in phones]
    again.wait_until(lambda: all(phone.reads > before + 2 for phone, before in zip(phones, rounds, strict=True)))
    assert again.states().count(MessageState.QUEUED) == left
    assert newest_intent(again) <= returned_at
    assert (again.holds.rack().reason, again.holds.rack().actor) == ("a wrong text", "anna")
    assert again.control.release(Scope.RACK, None, "petr") == 1
    again.wait_sent()
    assert on_air(*phones) == Counter(DRAFTS)


def test_a_release_wakes_a_sleeping_lane_at_once(rack, fake_phone, eventually):
    phone = fake_phone()
    rack.plug_in(phone)
    rack.wait_until(lambda: rack.rack.phones()[0].status == "ready")
    rack.control.hold(Scope.RACK, None, HoldKind.PAUSED, "a test", "anna")
    rack.submit(DRAFTS[0])
    rack.wait_until(lambda: rack.rack.phones()[0].waiting_for == "paused")
    rack.control.release(Scope.RACK, None, "anna")
    # Nothing else wakes it here: no clock runs.
    eventually(lambda: phone.air, 1.0)


def test_a_held_phone_leaves_the_work_to_the_others(rack, fake_phone):
    held, free = fake_phone("held"), fake_phone("free")
    rack.plug_in(held, free)
    rack.wait_until(lambda: all(view.status == "ready" for view in rack.rack.phones()))
    rack.control.hold(Scope.PHONE, "hw-held", HoldKind.DRAINED, "a new battery", "anna")
    rack.submit(*DRAFTS)
    rack.wait_sent()
    assert (len(held.air), len(free.air)) == (0, len(DRAFTS))


def test_a_held_sim_leaves_the_work_to_the_other_slot(rack, fake_phone):
    phone = fake_phone()
    rack.plug_in(phone)
    rack.wait_until(lambda: rack.rack.phones()[0].status == "ready")
    rack.control.hold(Scope.SIM, f"{phone.serial}:1", HoldKind.PAUSED, "no credit", "anna")
    rack.submit(*DRAFTS[:10])
    rack.wait_sent()
    assert ONE_SIM not in {sent.subscription_id for sent in phone.air}
    rack.control.release(Scope.SIM, "8942001", "anna")
    rack.submit(*DRAFTS[10:20])
    rack.wait_settled()
    assert ONE_SIM in {sent.subscription_id for sent in phone.air}


def test_a_drained_phone_says_when_nothing_is_in_its_hands_any_more(rack, fake_phone):
    phone = fake_phone()
    phone.before_submit = threading.Event()
    rack.plug_in(phone)
    rack.submit(*DRAFTS[:5])
    rack.wait_until(lambda: MessageState.SUBMITTING in rack.states())

    def in_its_hands() -> int:
        with rack.store.reading() as session:
            return list_held(session)[0].unproven

    rack.control.hold(Scope.PHONE, phone.serial, HoldKind.DRAINED, "to be taken out", "anna")
    assert in_its_hands() == 1
    phone.before_submit.set()
    rack.wait_until(lambda: in_its_hands() == 0)
    assert Counter(rack.states()) == {MessageState.SENT: 1, MessageState.QUEUED: 4}
    assert len(phone.air) == 1


def test_a_phone_that_was_taken_out_meanwhile_can_be_released_by_its_name(rack, fake_phone):
    phone = fake_phone()
    rack.plug_in(phone)
    rack.wait_until(lambda: rack.rack.phones()[0].status == "ready")
    rack.control.hold(Scope.PHONE, phone.serial, HoldKind.DRAINED, "to be taken out", "anna")
    rack.control.hold(Scope.SIM, f"{phone.serial}:2", HoldKind.PAUSED, "no credit", "anna")
    rack.care.remove(phone.serial, "anna")
    with pytest.raises(UnknownPhoneError):
        rack.control.hold(Scope.PHONE, phone.serial, HoldKind.PAUSED, "again", "anna")
    assert rack.control.release(Scope.PHONE, phone.serial, "anna") == 1
    assert rack.control.release(Scope.SIM, f"{phone.serial}:2", "anna") == 1


@pytest.mark.parametrize(
    ("scope", "name", "error"),
    [
        (Scope.RACK, "A1", UnknownTargetError),
        (Scope.PHONE, None, UnknownTargetError),
        (Scope.PHONE, "nobody", UnknownPhoneError),
        (Scope.SIM, "99", ConfigError),
        (Scope.BATCH, "autumn", UnknownTargetError),
    ],
)
def test_what_is_not_there(rack, scope, name, error):
    with pytest.raises(error):
        rack.control.hold(scope, name, HoldKind.PAUSED, "a test", "anna")
    with pytest.raises(error):
        rack.control.release(scope, name, "anna")


def test_a_batch_that_is_resumed_goes_on(rack, fake_phone):
    batch = {"batch": "autumn"}
    drafts = [Draft(number, text, **batch) for number, text in DRAFTS[:5]]
    rack.control.hold(Scope.RACK, None, HoldKind.PAUSED, "wait", "anna")
    submit(rack.store, rack.settings.messages, drafts, now=utc_now(), actor="test")
    rack.control.hold(Scope.BATCH, "autumn", HoldKind.PAUSED, "the client calls back", "anna")
    rack.control.release(Scope.RACK, None, "anna")
    phone = fake_phone()
    rack.plug_in(phone)
    rack.submit(DRAFTS[6])
    rack.wait_until(lambda: len(phone.air) == 1)
    assert {rack.message(message_id).waiting_for for message_id in range(1, 6)} == {"batch_paused"}
    rack.control.release(Scope.BATCH, "autumn", "anna")
    rack.wait_sent()


def test_what_rules_have_put_aside_is_looked_at_again_at_a_start(rack, fake_phone):
    rack.control.hold(Scope.RACK, None, HoldKind.PAUSED, "wait", "anna")
    ids = rack.submit(*DRAFTS[:3])
    reasons = ["quiet_hours", "not_before", "retry"]
    later = utc_now() + timedelta(hours=1)

    def put_aside(session):
        for message_id, reason in zip(ids, reasons, strict=True):
            message = session.get_one(MessageRecord, message_id)
            message.waiting_for, message.not_before = reason, later

    rack.store.write(put_aside)
    look_anew(rack.store)
    assert [rack.message(message_id).waiting_for for message_id in ids] == [None, "not_before", "retry"]
