"""Sending by the phone's messaging app, through the real adb server and a shell, on phones of four ages."""

from __future__ import annotations

import itertools

import pytest

from device_drivers.android.phone import AndroidPhone
from device_drivers.base import EnrolOptions, MessageQuery, SendWay
from device_drivers.errors import NotSubmittedError

TO = "+420777123456"
# A phone begins an attempt once: each takes an id of its own.
IDS = itertools.count(1)
APP = EnrolOptions(send_only=True, send_way=SendWay.APP)
PROFILES = ("22-shifted", "23-stdin", "29", "34")


@pytest.fixture(scope="module")
def rack(start_rack, attach):
    return attach(start_rack(phones=len(PROFILES), profiles=PROFILES, seed=61))


@pytest.fixture(params=PROFILES)
def phone(request, rack, link):
    made = AndroidPhone(link, rack.phones[PROFILES.index(request.param)])
    made.enrolment = made.enrol(APP)
    made.default_sim = made.enrolment.sims[0]
    yield made
    rack.call("PATCH", f"/phones/{made.serial}", {"screen_locked": False})
    rack.clear(made.serial)


def on_air(rack, text):
    return [entry["text"] for entry in rack.air() if entry["text"].startswith(text)]


def test_a_blocked_service_does_not_stop_it(rack, phone, eventually):
    assert {c.name: c.verdict for c in phone.enrolment.checks}["isms"] != "fail"
    text = f"Ahoj 'x' $(reboot) <&> \"{phone.serial}\""
    phone.submit(next(IDS), phone.default_sim, TO, [text])
    assert eventually(lambda: on_air(rack, "Ahoj 'x'") and on_air(rack, text)) == [text]
    assert "sendTextForSubscriber" not in rack.call("GET", f"/phones/{phone.serial}/calls")["calls"]


def test_the_apps_own_row_is_the_proof(phone, eventually):
    if not phone.enrolment.capabilities.can_read_sms:
        return
    since = phone.submit(next(IDS), phone.default_sim, TO, ["z aplikace\nřádek"]).phone_clock_ms
    (row,) = eventually(lambda: phone.read_messages(MessageQuery(since, since, None)).sent)
    assert (row.address, row.body) == (TO, "z aplikace\nřádek")


def test_one_attempt_taps_once(rack, phone, eventually):
    text = f"jednou {phone.serial}"
    attempt_id = next(IDS)
    phone.submit(attempt_id, phone.default_sim, TO, [text])
    eventually(lambda: on_air(rack, text))
    phone.submit(attempt_id, phone.default_sim, TO, [text])  # gives what the first one gave
    assert on_air(rack, text) == [text]


def test_a_locked_screen_sends_nothing(rack, phone):
    rack.call("PATCH", f"/phones/{phone.serial}", {"screen_locked": True})
    with pytest.raises(NotSubmittedError, match="does not show the message"):
        phone.submit(next(IDS), phone.default_sim, TO, [f"zamčeno {phone.serial}"])
    assert on_air(rack, f"zamčeno {phone.serial}") == []


def test_only_the_default_sim_sends(phone):
    with pytest.raises(NotSubmittedError, match="default for SMS"):
        phone.submit(next(IDS), phone.enrolment.sims[1], TO, ["x"])


def test_without_an_app_nothing_is_sent(rack, link):
    serial = rack.phones[2]
    rack.call("PATCH", f"/phones/{serial}", {"default_sms_app": ""})
    phone = AndroidPhone(link, serial)
    checks = {c.name: c.verdict for c in phone.enrol(APP).checks}
    rack.call("PATCH", f"/phones/{serial}", {"default_sms_app": "com.google.android.apps.messaging"})
    assert checks["default_sms_app"] == "fail"
