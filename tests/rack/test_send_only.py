"""Phones whose messages cannot be read, errands, guard and canaries."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select

from device_drivers.base import EnrolOptions, RadioAnswers, SendGuard
from host_controller.errors import ConfigError, PhoneBusyError, UnknownPhoneError
from host_controller.fleet.care import PhoneCare
from host_controller.fleet.errands import Errands
from host_controller.fleet.phone import PhoneStatus
from host_controller.messaging.canary import read_canary, send_canary
from host_controller.rules.states import MessageState
from host_controller.store.models import PhoneEvent, PhoneRecord, SimRecord
from host_controller.wiring import utc_now


@pytest.fixture
def care(rack):
    return PhoneCare(rack.rack, rack.store, rack.bells, utc_now)


def view(rack):
    return rack.rack.phones()[0]


def join(rack, phone):
    rack.plug_in(phone)
    rack.wait_until(lambda: view(rack).status is PhoneStatus.READY)
    return phone


def test_a_phone_that_cannot_be_read_needs_a_persons_word(rack, fake_phone, care):
    phone = fake_phone(can_read_sms=False)
    rack.plug_in(phone)
    rack.wait_until(lambda: view(rack).status is PhoneStatus.REFUSED)
    assert view(rack).advice == "reading SMS; `smsrack phones show fake-1` and its page say what to do"
    care.enrol("fake-1", send_only=True)
    rack.wait_until(lambda: view(rack).status is PhoneStatus.READY)
    ids = rack.submit(*[(f"+42077700000{n}", "Ahoj") for n in range(5)])
    assert rack.wait_settled() == [MessageState.SENT] * 5
    assert rack.events(ids[0])[-1] == "sent"
    assert phone.reads == 0
    # What was decided holds after the phone was away.
    phone.link_down = True
    rack.wait_until(lambda: view(rack).status is PhoneStatus.OFFLINE)
    phone.link_down = False
    rack.wait_until(lambda: view(rack).status is PhoneStatus.READY)


@pytest.mark.gives_up
def test_without_an_answer_of_the_radio_a_message_ends_unknown(rack, fake_phone, care):
    phone = fake_phone(can_read_sms=False)
    phone.read_radio_answers = lambda _: RadioAnswers(0, 1)
    rack.plug_in(phone)
    care.enrol("fake-1", send_only=True)
    rack.wait_until(lambda: view(rack).status is PhoneStatus.READY)
    rack.submit(("+420777000001", "Ahoj"), ("+420777000002", "Ahoj"))
    rack.wait_until(lambda: rack.states()[0] is MessageState.UNKNOWN)
    # One at a time: the second was not in the phone's hands while the first was open.
    assert len(phone.air) <= 2


def test_a_guard_dialog_holds_the_phone(rack, fake_phone, care):
    phone = join(rack, fake_phone())
    phone.guard_dialog = True
    for lane in rack.lanes:
        lane.ask_for_health()
    rack.wait_until(lambda: view(rack).status is PhoneStatus.HELD)
    assert "dialog on its screen" in view(rack).advice
    phone.guard_dialog = False
    care.release("fake-1")
    rack.wait_until(lambda: view(rack).status is PhoneStatus.READY)


def test_a_raised_guard_counts_from_the_next_start_on(make_rack, fake_phone):
    rack = make_rack(phones={"enrol_all": False})
    care = PhoneCare(rack.rack, rack.store, rack.bells, utc_now)
    phone = fake_phone(guard=SendGuard(30, 60.0))
    rack.plug_in(phone)
    rack.wait_until(lambda: view(rack).status is PhoneStatus.WAITING)
    care.enrol("fake-1")
    rack.wait_until(lambda: view(rack).status is PhoneStatus.READY)
    care.set_guard("fake-1", SendGuard(500, 60.0), "test")
    rack.wait_until(lambda: view(rack).status is PhoneStatus.READY)
    assert phone.guard == SendGuard(500, 60.0)
    assert view(rack).enrolled.guard == SendGuard(30, 60.0)
    phone.link_down = True
    rack.wait_until(lambda: view(rack).status is PhoneStatus.OFFLINE)
    phone.boot_id = "00000000-0000-0000-0000-000000000002"
    phone.link_down = False
    rack.wait_until(lambda: view(rack).status is PhoneStatus.READY)
    assert view(rack).enrolled.guard == SendGuard(500, 60.0)
    assert phone.options == EnrolOptions(known_boot_id="00000000-0000-0000-0000-000000000001")
    care.remove("fake-1", "test")
    assert phone.guard == SendGuard(30, 60.0)
    with rack.store.reading() as session:
        assert session.scalars(select(PhoneRecord.removed_at)).one() is not None
        kinds = list(session.scalars(select(PhoneEvent.kind).order_by(PhoneEvent.id)))
    assert kinds == ["enrolled", "guard", "guard", "removed"]


def test_a_phone_that_is_taken_out_while_it_joins_stays_out(rack, fake_phone, care):
    phone = join(rack, fake_phone())
    read_clock_ms = phone.read_clock_ms

    def remove_first():
        phone.read_clock_ms = read_clock_ms
        care.remove("fake-1", "test")
        return read_clock_ms()

    phone.read_clock_ms = remove_first
    rack.rack.find("fake-1").update(enrolled=None)
    rack.bells.ring()
    rack.wait_until(lambda: view(rack).status is PhoneStatus.WAITING)
    with rack.store.reading() as session:
        assert session.scalars(select(PhoneRecord.removed_at)).one() is not None
    care.enrol("fake-1")
    rack.wait_until(lambda: view(rack).status is PhoneStatus.READY)


def test_a_report_comes_from_the_phones_own_lane(rack, fake_phone, care):
    join(rack, fake_phone())
    report = care.report("fake-1")
    assert report["phone_says"] == {"battery": "level: 90"}
    assert "hw-fake-1" not in str(report)
    with pytest.raises(UnknownPhoneError):
        care.report("nobody")


def test_an_absent_phone_does_no_errand(rack, fake_phone, care):
    phone = join(rack, fake_phone())
    phone.link_down = True
    rack.wait_until(lambda: view(rack).status is PhoneStatus.OFFLINE)
    with pytest.raises(ConfigError, match="not ready"):
        care.report("fake-1")


def test_an_errand_that_nobody_gets_to_is_taken_back():
    errands, done = Errands(), []
    with pytest.raises(PhoneBusyError):
        errands.ask(lambda _: done.append(1), lambda: None, 0.01)
    assert errands.run_next(None)
    assert not errands.run_next(None)
    assert done == []


def test_an_errands_error_goes_to_who_asked():
    errands, woken = Errands(), threading.Event()

    def lane():
        woken.wait(5)
        errands.run_next(None)

    threading.Thread(target=lane, daemon=True).start()
    with pytest.raises(ZeroDivisionError):
        errands.ask(lambda _: 1 / 0, woken.set, 5)


def test_a_canary_from_one_sim_to_another(rack, fake_phone, care):
    phone = join(rack, fake_phone())
    with rack.store.reading() as session:
        source, target = session.scalars(select(SimRecord.id).order_by(SimRecord.slot_index))

    def send(first, second):
        return send_canary(rack.store, rack.settings.messages, first, second, now=utc_now(), actor="test")

    with pytest.raises(ConfigError, match="number of SIM"):
        send(source, target)
    care.set_number(target, "602 000 001", "CZ")
    rack.wait_until(lambda: view(rack).status is PhoneStatus.READY)
    with pytest.raises(ConfigError, match="from one SIM to another"):
        send(target, target)
    message_id = send(source, target)
    rack.bells.ring()
    assert rack.wait_settled() == [MessageState.SENT]
    (entry,) = phone.air
    assert (entry.subscription_id, entry.msisdn) == (41, "+420602000001")
    phone.receive("+420601000001", entry.text)

    def seen():
        with rack.store.reading() as session:
            return read_canary(session, message_id)

    rack.wait_until(lambda: seen().received_after_s is not None)
    assert seen().sent_after_s >= 0
    with rack.store.reading() as session:
        assert read_canary(session, 999) is None


def test_a_sim_has_many_names(rack, fake_phone, care):
    join(rack, fake_phone())
    first, second = care.find_sim("fake-1:1"), care.find_sim("hw-fake-1:2")
    care.set_number(second, "+420602000001", "CZ")
    assert [care.find_sim(name) for name in (str(first), "8942001", "+420602000001")] == [first, first, second]
    for nobody in ("fake-1:3", "999", ""):
        with pytest.raises(ConfigError, match="no SIM is"):
            care.find_sim(nobody)


def test_a_phone_that_is_gone_for_good_is_removed_as_it_is(rack, fake_phone, care):
    phone = join(rack, fake_phone(guard=SendGuard(30, 60.0)))
    care.set_guard("fake-1", SendGuard(500, 60.0), "test")
    phone.link_down = True
    rack.wait_until(lambda: view(rack).status is PhoneStatus.OFFLINE)
    care.remove("fake-1", "test")
    with rack.store.reading() as session:
        words = list(session.scalars(select(PhoneEvent.words).order_by(PhoneEvent.id)))
    assert words[-1] == "taken out of the rack, out of sight"
    with pytest.raises(UnknownPhoneError):
        care.remove("fake-1", "test")
    with pytest.raises(ConfigError, match="not ready"):
        care.enrol("fake-1")


@pytest.mark.gives_up
def test_a_phone_without_any_witness_is_not_held_for_want_of_one(rack, fake_phone, care):
    phone = fake_phone(can_read_sms=False, has_radio_log=False)
    phone.read_radio_answers = lambda _: None
    rack.plug_in(phone)
    care.enrol("fake-1", send_only=True)
    rack.wait_until(lambda: view(rack).status is PhoneStatus.READY)
    rack.submit(*[(f"+42077700000{n}", "Ahoj") for n in range(4)])
    assert rack.wait_settled() == [MessageState.UNKNOWN] * 4
    assert view(rack).status is PhoneStatus.READY
