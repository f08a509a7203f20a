"""Which phone is which: clones, moved phones, swapped SIMs, a new Android. Nothing of it sends by itself again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from device_drivers.base import Sim
from host_controller.fleet.care import PhoneCare
from host_controller.fleet.phone import PhoneStatus
from host_controller.rules.states import MessageState
from host_controller.store.models import PhoneEvent, SimRecord
from host_controller.wiring import utc_now

ANNA = ("+420777123456", "Ahoj")


@pytest.fixture
def care(rack):
    return PhoneCare(rack.rack, rack.store, rack.bells, utc_now)


def status(rack, serial="fake-1"):
    return next(view.status for view in rack.rack.phones() if view.serial == serial)


def advice(rack, serial="fake-1"):
    return next(view.advice for view in rack.rack.phones() if view.serial == serial) or ""


def kinds(rack):
    with rack.store.reading() as session:
        return list(session.scalars(select(PhoneEvent.kind).order_by(PhoneEvent.id)))


def replug(rack, phone, **changes):
    """Pull the phone out, change it, put it back."""
    phone.link_down = True
    rack.wait_until(lambda: status(rack) is PhoneStatus.OFFLINE)
    for name, value in changes.items():
        setattr(phone, name, value)
    phone.link_down = False
    rack.wait_until(lambda: status(rack) in (PhoneStatus.READY, PhoneStatus.STOPPED))


@pytest.fixture
def phone(rack, fake_phone):
    made = fake_phone()
    rack.finder.usb_paths["fake-1"] = "1-2.3"
    rack.plug_in(made)
    rack.wait_until(lambda: status(rack) is PhoneStatus.READY)
    return made


def test_a_phone_that_comes_back_as_it_was_sends_at_once(rack, phone):
    replug(rack, phone)
    assert status(rack) is PhoneStatus.READY
    assert kinds(rack) == ["enrolled"]


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"build_fingerprint": "fake/other"}, "os_changed", "its Android changed"),
        ({"sims": (Sim(0, 41, "8942001", "Op A"), Sim(1, 53, "8942009", "Op B"))}, "sim_swapped", "another SIM"),
    ],
)
def test_a_changed_phone_waits_for_a_person(rack, phone, care, changes, kind, words):
    replug(rack, phone, **changes)
    assert words in advice(rack)
    assert kinds(rack) == ["enrolled", kind]
    only_second = rack.submit(ANNA)[0] if kind == "os_changed" else None
    if only_second:
        for _ in range(20):
            rack.tick()
        assert rack.states() == [MessageState.QUEUED]
    count = care.confirm("fake-1", "test")
    assert count == (2 if kind == "os_changed" else 1)
    rack.wait_until(lambda: status(rack) is PhoneStatus.READY and "SIM" not in advice(rack))
    if only_second:
        assert rack.wait_settled() == [MessageState.SENT]
    assert kinds(rack).count("confirmed") == count


def test_a_moved_phone_waits_for_a_person(rack, phone, care):
    rack.finder.usb_paths["fake-1"] = "1-2.4"
    replug(rack, phone)
    assert status(rack) is PhoneStatus.STOPPED
    assert "moved from USB port 1-2.3 to 1-2.4" in advice(rack)
    rack.submit(ANNA)
    for _ in range(20):
        rack.tick()
    assert rack.states() == [MessageState.QUEUED]
    assert phone.air == []
    care.confirm("fake-1", "test")
    assert rack.wait_settled() == [MessageState.SENT]
    replug(rack, phone)
    assert status(rack) is PhoneStatus.READY


def test_a_swapped_sim_stops_that_sim_only(rack, phone):
    replug(rack, phone, sims=(Sim(0, 41, "8942001", "Op A"), Sim(1, 53, "8942009", "Op B")))
    assert status(rack) is PhoneStatus.READY
    rack.submit(*[(f"+42077700000{n}", "Ahoj") for n in range(4)])
    assert rack.wait_settled() == [MessageState.SENT] * 4
    assert {entry.subscription_id for entry in phone.air} == {41}
    with rack.store.reading() as session:
        stopped = session.scalars(
            select(SimRecord.stopped).where(SimRecord.active).order_by(SimRecord.slot_index)
        ).all()
    assert stopped == [None, "another SIM is in the slot"]


def test_a_sim_that_is_swapped_while_the_phone_is_plugged_in_is_noticed(rack, phone):
    phone.sims = (phone.sims[0], Sim(1, 53, "8942009", "Op B"))
    for lane in rack.lanes:
        lane.ask_for_health()
    rack.wait_until(lambda: "another SIM" in advice(rack))


def test_going_through_the_check_list_again_confirms_nothing(rack, phone, care):
    replug(rack, phone, build_fingerprint="fake/other")
    care.enrol("fake-1")
    rack.wait_until(lambda: rack.rack.find("fake-1").invitation is None)
    rack.wait_until(lambda: status(rack) is PhoneStatus.STOPPED)
    assert kinds(rack) == ["enrolled", "os_changed"]


def test_what_is_stopped_stays_stopped_after_a_restart(rack, phone, make_rack, fake_phone):
    replug(rack, phone, build_fingerprint="fake/other")
    replug(rack, phone)
    assert status(rack) is PhoneStatus.STOPPED


def test_two_phones_with_one_hardware_serial_are_both_refused(rack, fake_phone):
    first, second = (fake_phone(serial_name=name, hardware_serial="0123456789ABCDEF") for name in ("fake-1", "fake-2"))
    rack.plug_in(first)
    rack.wait_until(lambda: status(rack) is PhoneStatus.READY)
    rack.plug_in(second)
    rack.wait_until(lambda: {view.status for view in rack.rack.phones()} == {PhoneStatus.REFUSED})
    assert "fake-2 has the same serial number, 0123456789ABCDEF" in advice(rack, "fake-1")
    assert "fake-1 has the same serial number" in advice(rack, "fake-2")
    rack.submit(ANNA)
    for _ in range(20):
        rack.tick()
    assert rack.states() == [MessageState.QUEUED]
    del rack.finder.phones["fake-2"]
    assert rack.wait_settled() == [MessageState.SENT]


def test_two_phones_with_one_adb_serial_are_refused_and_named_by_port(rack, phone, fake_phone):
    names = ["fake-1@1-2.3", "fake-1@1-2.4"]
    shown = rack.finder.list_phones
    places = {"1-2.3", "1-2.4"}
    rack.finder.list_phones = lambda: [replace(shown()[0], usb_path=place) for place in sorted(places)]
    rack.finder.phones |= {name: fake_phone(serial_name=name) for name in names}
    rack.wait_until(lambda: {v.serial for v in rack.rack.phones()} == set(names))
    assert {view.status for view in rack.rack.phones()} == {PhoneStatus.REFUSED}
    for view in rack.rack.phones():
        assert "at USB ports 1-2.3 and 1-2.4" in view.advice
    rack.submit(ANNA)
    for _ in range(20):
        rack.tick()
    assert rack.states() == [MessageState.QUEUED]
    places.remove("1-2.4")
    assert rack.wait_settled() == [MessageState.SENT]
    assert [view.serial for view in rack.rack.phones()] == ["fake-1"]
