"""Readers of Android's shell tools, on transcripts in the formats of every Android from 5 to 16."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from device_drivers.android import device_state, radio_state, subscriptions
from device_drivers.android.device_state import Battery
from device_drivers.android.radio_state import RadioState
from device_drivers.base import SendGuard, Sim

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"
EXPECTED = json.loads((TRANSCRIPTS / "android" / "expected.json").read_text("utf-8"))


def named(kind: str) -> list[str]:
    return [name for name in sorted(EXPECTED) if kind in EXPECTED[name]]


def transcript(name: str, kind: str) -> str:
    return (TRANSCRIPTS / "android" / name / f"{kind}.txt").read_text("utf-8")


@pytest.mark.parametrize("name", named("sims"))
def test_sims(name):
    sims = subscriptions.parse_sims(transcript(name, "isub"), "T-Mobile CZ,O2.CZ\n")
    assert [[s.slot_index, s.subscription_id, s.iccid] for s in sims] == EXPECTED[name]["sims"]
    assert subscriptions.default_sms_subscription(transcript(name, "isub")) == EXPECTED[name]["default_sms"]


@pytest.mark.parametrize("name", named("anchors"))
def test_the_line_that_anchors_a_send_to_its_sim(name):
    isub = transcript(name, "isub")
    sims = subscriptions.parse_sims(isub, "")
    assert [subscriptions.mapping_line(isub, sim) for sim in sims] == EXPECTED[name]["anchors"]
    other = Sim(sims[0].slot_index, sims[0].subscription_id + 1, None, None)
    assert subscriptions.mapping_line(isub, other) is None


@pytest.mark.parametrize("name", named("radio"))
def test_radio_is_read_from_the_last_known_state_only(name):
    states = radio_state.parse_radio(transcript(name, "telephony_registry"))
    assert [[s.slot_index, s.in_service, s.signal_dbm] for s in states] == EXPECTED[name]["radio"]


@pytest.mark.parametrize("name", named("battery"))
def test_battery(name):
    found = device_state.parse_battery(transcript(name, "battery"))
    assert [found.percent, found.temperature_c, found.charging, found.health] == EXPECTED[name]["battery"]


@pytest.mark.parametrize("name", named("dialog"))
def test_the_guards_dialog_on_the_screen(name):
    assert device_state.shows_guard_dialog(transcript(name, "window")) is EXPECTED[name]["dialog"]


@pytest.mark.parametrize("answer", ["", "Can't find service: isub\n", "SubscriptionController:\n ActiveSubInfoList:\n"])
def test_no_sims(answer):
    assert subscriptions.parse_sims(answer, "") == ()


def test_a_tools_silence_is_none_and_no_zero():
    assert device_state.parse_battery("Can't find service: battery\n") == Battery()
    assert radio_state.parse_radio("") == ()
    assert radio_state.parse_radio("last known state:\n  Phone Id=0\n") == (RadioState(0, None, None),)
    assert device_state.shows_guard_dialog("") is None
    assert device_state.parse_switch("null\n") is None
    assert device_state.parse_boot_id("cat: No such file\n") is None


@pytest.mark.parametrize(
    ("line", "dbm"),
    [
        # Android 5 to 9: the LTE figure, else the GSM one; 99 and 2147483647 mean unknown.
        ("SignalStrength: 20 0 -120 -160 -120 -160 -1 99 2147483647 -10 120 2147483647 gsm|lte", -73),
        ("SignalStrength: 99 0 -120 -160 -120 -160 -1 31 -97 -10 120 2147483647 gsm|lte", -97),
        ("SignalStrength: 99 0 -120 -160 -120 -160 -1 31 97 -10 120 2147483647 gsm|lte", -97),
        ("SignalStrength: 99 0 -120 -160 -120 -160 -1 99 2147483647 2147483647 gsm|lte", None),
        ("SignalStrength:{mGsm=CellSignalStrengthGsm: rssi=-71 ber=0,primary=CellSignalStrengthGsm}", -71),
        ("SignalStrength:{mWcdma=CellSignalStrengthWcdma: ss=-71 ber=0 rscp=-80,primary=CellSignalStrengthWcdma}", -80),
        ("SignalStrength:{mNr=CellSignalStrengthNr:{ csiRsrp = 2147483647 ssRsrp = -95 level = 2 },"
         "primary=CellSignalStrengthNr}", -95),
        ("SignalStrength:{mLte=CellSignalStrengthLte: rssi=-67 rsrp=-5,primary=CellSignalStrengthLte}", None),
        ("SignalStrength:{primary=CellSignalStrengthCdma}", None),
    ],
)  # fmt: skip
def test_signal(line, dbm):
    (state,) = radio_state.parse_radio(f"last known state:\n  Phone Id=0\n    mSignalStrength={line}\n")
    assert state.signal_dbm == dbm


@pytest.mark.parametrize(
    ("output", "clock_ms"),
    [
        ("1700000000123\n", 1700000000123),
        ("1700000000123456789\n", 1700000000123),
        ("17000000003N\n", 1700000000000),
        ("1700000000%3N\r\n", 1700000000000),
        ("date: bad format\n", None),
        ("", None),
    ],
)
def test_clock(output, clock_ms):
    assert device_state.parse_clock_ms(output) == clock_ms


@pytest.mark.parametrize(
    ("count", "interval", "guard"),
    [
        ("null\n", "null\n", SendGuard(30, 60.0)),
        ("1000\n", "60000\n", SendGuard(1000, 60.0)),
        ("30\n", "1800000\n", SendGuard(30, 1800.0)),
        ("0\n", "-1\n", SendGuard(30, 60.0)),
        ("9" * 5000, "²", SendGuard(30, 60.0)),
    ],
)
def test_guard(count, interval, guard):
    assert device_state.parse_guard(count, interval) == guard
