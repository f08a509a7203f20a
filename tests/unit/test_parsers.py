"""Readers of Android's shell tools, on transcripts in the formats of Android 10 and 14."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_drivers.android import parsers
from device_drivers.base import SendGuard, Sim, SimHealth

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"


def transcript(name: str) -> str:
    return (TRANSCRIPTS / name).read_text("utf-8")


def test_sims_of_android_10_with_a_forged_display_name():
    sims = parsers.parse_sims(transcript("generic-api29/isub.txt"), "T-Mobile CZ,O2.CZ\n")
    assert sims == (Sim(0, 3, "8942001[****]", "T-Mobile CZ"), Sim(1, 7, "8942002[****]", "O2.CZ"))


def test_sims_of_android_14_with_an_empty_tray():
    assert parsers.parse_sims(transcript("generic-api34/isub.txt"), "Vodafone CZ,\n") == (
        Sim(0, 5, "8942001[****]", "Vodafone CZ"),
    )


@pytest.mark.parametrize("answer", ["", "Can't find service: isub\n", "SubscriptionController:\n ActiveSubInfoList:\n"])
def test_no_sims(answer):
    assert parsers.parse_sims(answer, "") == ()


@pytest.mark.parametrize(("api_level", "name"), [(29, "generic-api29"), (34, "generic-api34")])
def test_the_line_that_anchors_a_send_to_its_sim_is_in_the_dump(api_level, name):
    isub = transcript(f"{name}/isub.txt")
    sim = parsers.parse_sims(isub, "")[0]
    lines = [line.strip() for line in isub.splitlines()]
    assert parsers.slot_mapping_line(api_level, sim) in lines
    other = Sim(sim.slot_index, sim.subscription_id + 1, None, None)
    assert parsers.slot_mapping_line(api_level, other) not in lines


def test_battery():
    assert parsers.parse_battery(transcript("generic-api29/battery.txt")) == (87, 30.5, True)


def test_battery_that_says_nothing():
    assert parsers.parse_battery("Can't find service: battery\n") == (None, None, None)


@pytest.mark.parametrize("name", ["generic-api29", "generic-api34"])
def test_radio_is_read_from_the_last_known_state_only(name):
    assert parsers.parse_radio(transcript(f"{name}/telephony_registry.txt")) == (
        SimHealth(0, in_service=True, signal_dbm=-97),
        SimHealth(1, in_service=False, signal_dbm=-71),
    )


def test_radio_that_says_nothing():
    assert parsers.parse_radio("") == ()
    assert parsers.parse_radio("last known state:\n  Phone Id=0\n") == (SimHealth(0, None, None),)


@pytest.mark.parametrize(
    ("output", "clock_ms"),
    [
        ("1700000000123\n", 1700000000123),
        ("1700000000123456789\n", 1700000000123),
        ("17000000003N\n", 1700000000000),
        ("1700000000%3N\n", 1700000000000),
        ("date: bad format\n", None),
        ("", None),
    ],
)
def test_clock(output, clock_ms):
    assert parsers.parse_clock_ms(output) == clock_ms


@pytest.mark.parametrize(
    ("count", "interval", "guard"),
    [
        ("null\n", "null\n", SendGuard(30, 60.0)),
        ("1000\n", "60000\n", SendGuard(1000, 60.0)),
        ("30\n", "1800000\n", SendGuard(30, 1800.0)),
        ("0\n", "-1\n", SendGuard(30, 60.0)),
    ],
)
def test_guard(count, interval, guard):
    assert parsers.parse_guard(count, interval) == guard
