"""Every kind of phone that the simulator knows, through the real adb server: codes, check lists, health, sending.

The tables here are written by hand from facts about Android, apart from the drivers' table and from the simulator's.
"""

from __future__ import annotations

import itertools

import pytest

from device_drivers.android import isms
from device_drivers.android.framework import FrameworkCache
from device_drivers.android.phone import AndroidPhone
from device_drivers.base import EnrolOptions, MessageQuery, SendGuard
from device_drivers.errors import NotSubmittedError, PhoneAnswerError
from device_drivers.simulator.profile import PROFILES

TO = "+420777123456"
# A phone begins an attempt once: each takes an id of its own.
IDS = itertools.count(1)
PARTS = ("ř" * 67, "konec $(reboot) '\"")
# Profile -> (transaction code of text, of multipart), None where nothing may be called (FACTS 1).
CODES = {
    "21": (10, 14), "22": (10, 13), "23": (6, 9), "24": (6, 9), "25": (6, 9), "26": (6, 9), "27": (6, 9),
    "28": (6, 10), "29": (6, 10), "30": (5, 8), "31": (5, 8), "32": (5, 8), "33": (5, 8), "34": (5, 8),
    "35": (5, 8), "36": (5, 8),
    "23-caf": (6, 10), "24-caf": (6, 10), "25-caf": (6, 10), "26-caf": (6, 10), "27-caf": (6, 10),
    "22-shifted": None, "34-shifted": (6, 9),
    "23-stdin": (6, 9), "28-stdin": (6, 10), "31-noread": (5, 8), "33-nohex": (5, 8), "30-rewrites": (5, 8),
}  # fmt: skip
SENDS = ("sendTextForSubscriber", "sendMultipartTextForSubscriber")
# What an enrolment without any decision of the operator finds: p pass, w warn, f fail. One column for each group.
GROUPS = {
    "5": ("21", "22"),
    "6": ("23", "23-caf", "23-stdin"),
    "7": ("24", "25", "24-caf", "25-caf"),
    "8,9": ("26", "27", "28", "26-caf", "27-caf", "28-stdin"),
    "10": ("29",),
    "11+": ("30", "31", "32", "33", "34", "35", "36", "30-rewrites"),
    "shift5": ("22-shifted",),
    "shift14": ("34-shifted",),
    "noread": ("31-noread",),
    "nohex": ("33-nohex",),
}
CHECKS = """
check            facts   5  6  7  8,9 10 11+ shift5 shift14 noread nohex
shell            9       w  w  p  p   p  p   w      p       p      p
isms             1       p  p  p  p   p  p   f      w       p      p
send_sms         3       p  p  p  p   p  p   p      p       p      p
read_sms         3,5     f  f  f  f   p  p   f      p       f      p
hex              6       w  w  w  w   p  p   w      p       w      f
journal          4       p  p  p  p   p  p   p      p       p      p
sims             8       p  p  p  p   p  p   p      p       p      p
default_sms_app  5       p  p  p  p   p  p   p      p       p      p
rcs              5       w  w  w  w   w  w   w      w       w      w
guard            7       p  p  p  p   p  p   p      p       p      p
premium_prompt   7       p  p  p  p   p  p   p      p       p      p
clock            4       p  p  p  p   p  p   p      p       p      p
stay_awake       8       p  p  p  p   p  p   p      p       p      p
doze             8       p  w  w  w   w  w   p      w       w      w
adb_timeout      RACK4   p  p  p  p   p  w   p      w       w      w
tcp_adb          RACK4   p  p  p  p   p  p   p      p       p      p
battery          8       p  p  p  p   p  p   p      p       p      p
screen_lock      RACK4   w  w  w  p   p  p   w      p       p      p
"""


def expected_checks(profile):
    header, *rows = (line.split() for line in CHECKS.strip().splitlines())
    column = header.index(next(group for group, names in GROUPS.items() if profile in names))
    words = {"p": "pass", "w": "warn", "f": "fail"}
    return {row[0]: words[row[column]] for row in rows}


@pytest.fixture(scope="module")
def rack(start_rack, attach):
    return attach(start_rack(phones=len(PROFILES), profiles=tuple(PROFILES), seed=41))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return FrameworkCache(tmp_path_factory.mktemp("frameworks"))


@pytest.fixture(params=list(PROFILES))
def name(request):
    return request.param


@pytest.fixture
def serial(rack, name):
    return rack.phones[list(PROFILES).index(name)]


@pytest.fixture
def phone(link, serial, cache):
    made = AndroidPhone(link, serial, cache)
    made.enrolment = made.enrol(EnrolOptions(send_only=True))
    return made


def calls(rack, serial):
    return rack.call("GET", f"/phones/{serial}/calls")["calls"]


def test_the_tables_cover_every_profile():
    assert CODES.keys() == PROFILES.keys() == {name for names in GROUPS.values() for name in names}


@pytest.mark.parametrize("parts", [("Ahoj",), PARTS], ids=["text", "multipart"])
@pytest.mark.parametrize("slot", [0, 1])
def test_a_message_reaches_the_right_method_with_the_right_parts(rack, name, serial, phone, eventually, parts, slot):
    before, on_air = calls(rack, serial), len(rack.air())
    can = phone.enrolment.capabilities
    if CODES[name] is None:
        assert (can.text_code, can.multipart_code) == (None, None)
        with pytest.raises(NotSubmittedError, match="not made sure of"):
            phone.submit(next(IDS), phone.enrolment.sims[slot], TO, parts)
        assert not set(calls(rack, serial)) & set(SENDS)
        return
    assert (can.text_code, can.multipart_code) == CODES[name]
    phone.submit(next(IDS), phone.enrolment.sims[slot], TO, parts)
    assert calls(rack, serial)[len(before) :] == [SENDS[len(parts) > 1]]
    air = eventually(lambda: len(rack.air()) >= on_air + len(parts) and rack.air()[on_air:])
    assert [(entry["text"], entry["slot_index"], entry["to"]) for entry in air] == [(p, slot, TO) for p in parts]


def test_what_the_check_list_says(link, name, serial, cache):
    found = AndroidPhone(link, serial, cache).enrol(EnrolOptions()).checks
    assert {check.name: str(check.verdict) for check in found} == expected_checks(name)
    assert all(check.next_step for check in found if check.verdict == "fail")


def test_no_code_is_called_that_was_not_probed(rack, name, serial, link, monkeypatch):
    """Whatever the table proposes for this phone: either the probes refuse it, or its codes are the right ones."""
    candidates = {c.source: c for known in isms.CANDIDATES.values() for c in known}
    # Their harmless methods stand at the same places, so that only ro.build.version.sdk tells these two apart.
    alike = {"Android 6 to 8", "Android 11 to 16"}
    own = {c.source for c in isms.CANDIDATES[PROFILES[name].api_level]}
    for source, candidate in candidates.items():
        if source in alike and not own & {source} and own & alike:
            continue
        monkeypatch.setattr(isms, "CANDIDATES", {PROFILES[name].api_level: (candidate,)})
        before = len(calls(rack, serial))
        phone = AndroidPhone(link, serial)
        enrolment = phone.enrol(EnrolOptions(send_only=True))
        assert not set(calls(rack, serial)[before:]) & set(SENDS)
        if enrolment.capabilities.text_code is None:
            probed = len(calls(rack, serial))
            with pytest.raises(NotSubmittedError):
                phone.submit(next(IDS), enrolment.sims[0], TO, ["x"])
            assert len(calls(rack, serial)) == probed
        else:
            methods = PROFILES[name].isms_methods
            codes = enrolment.capabilities.text_code, enrolment.capabilities.multipart_code
            assert [methods[code - 1] for code in codes] == list(SENDS), (name, source)


def test_health(rack, serial, phone):
    health = phone.read_health()
    assert health.battery_percent in range(101)
    assert (health.charging, health.battery_health, health.airplane_mode) == (True, "good", False)
    assert [(sim.in_service, sim.roaming) for sim in health.sims] == [(True, False)] * 2
    assert all(-120 < sim.signal_dbm < -50 and sim.network for sim in health.sims)
    assert health.subscriptions == phone.enrolment.sims
    assert (health.guard_dialog, health.boot_id) == (False, phone.enrolment.boot_id)
    assert health.clock_ms > 1_700_000_000_000


def test_health_without_a_network(rack, serial, phone):
    rack.call("PATCH", f"/phones/{serial}", {"airplane_mode": True, "battery_health": 3, "roaming": True})
    health = phone.read_health()
    rack.call("PATCH", f"/phones/{serial}", {"airplane_mode": False, "battery_health": 2, "roaming": False})
    assert (health.airplane_mode, health.battery_health) == (True, "overheated")
    assert [(sim.in_service, sim.signal_dbm, sim.roaming) for sim in health.sims] == [(False, None, True)] * 2


def test_a_report_holds_no_number(rack, serial, phone):
    words = "\n".join(phone.read_report().values())
    assert "ro.build.version.sdk" in words
    secrets = [value for sim in rack.sims(serial) for value in (sim["number"][1:], sim["iccid"][:9])]
    secrets += [p["hardware_serial"] for p in rack.call("GET", "/phones")["phones"] if p["serial"] == serial]
    assert [secret for secret in secrets if secret in words] == []


def test_the_guard_is_written_and_read_back(rack, serial, phone):
    phone.set_guard(SendGuard(500, 30.0))
    assert phone.enrol(EnrolOptions(send_only=True)).guard == SendGuard(500, 30.0)
    phone.set_guard(None)
    assert phone.enrol(EnrolOptions(send_only=True)).guard == SendGuard(30, 60.0)


def test_rows_come_back_where_they_may_be_read(rack, name, serial, phone, eventually):
    if not phone.enrolment.capabilities.can_read_sms:
        with pytest.raises(PhoneAnswerError):
            phone.read_messages(MessageQuery(0, 0, None))
        return
    text = "  Row: 0 _id=1, type=1\nahoj 😀  "
    since = phone.submit(next(IDS), phone.enrolment.sims[1], TO, [text]).phone_clock_ms
    rows = eventually(lambda: phone.read_messages(MessageQuery(since, since, None)).sent)
    # A framework that rewrites what it stores leaves us without proof, never with a wrong one.
    assert (rows[-1].body == text) is (name != "30-rewrites")


def test_the_radio_is_the_witness_where_nothing_can_be_read(name, phone, eventually):
    if phone.enrolment.capabilities.can_read_sms or CODES[name] is None:
        return
    attempt_id = next(IDS)
    phone.submit(attempt_id, phone.enrolment.sims[0], TO, PARTS)
    assert eventually(lambda: (a := phone.read_radio_answers(attempt_id)) and a.sent == 2 and a).refused == 0
    assert phone.read_radio_answers(attempt_id - 1) is None
