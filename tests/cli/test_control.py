"""Pause, drain, stop and resume on the command line, with a daemon and without one."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from datetime import UTC, datetime

import pytest

from host_controller.cli import control
from host_controller.errors import ControllerError
from host_controller.rules.states import AttemptState
from host_controller.store.data_dir import DataDirectory
from host_controller.store.models import AttemptRecord, BatchRecord, MessageRecord, PhoneRecord, SimRecord
from host_controller.store.store import Store

NOW = datetime(2026, 11, 26, 4, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def a_rack(data_dir):
    """A phone A1 with one SIM, and the batch autumn."""

    def furnish(session):
        phone = PhoneRecord(
            hardware_serial="HW1", adb_serial="A1", manufacturer="M", model="M", android_release="14", api_level=34,
            build_fingerprint="fp", send_only=False, send_way="isms", capabilities={}, guard_max_parts=30,
            guard_interval_s=60, enrolled_at=NOW, inbox_date_ms=0,
        )  # fmt: skip
        phone.sims = [SimRecord(slot_index=0, subscription_id=1, active=True, parts_per_minute=20)]
        session.add(phone)
        session.add(BatchRecord(name="autumn", message_class="otp", created_at=NOW, actor="test"))

    with DataDirectory(data_dir).locked() as data, closing(Store(data.database)) as store:
        store.write(furnish)


@pytest.fixture(autouse=True)
def anna(monkeypatch):
    """Who sits at the terminal of the tests."""
    monkeypatch.setattr(control.os, "getlogin", lambda: "anna")


def held(run) -> list[tuple]:
    answer = json.loads(run("holds", "--json").stdout)
    return [(hold["scope"], hold["target"], hold["kind"], hold["reason"]) for hold in answer["holds"]]


def test_stop_and_resume(smsrack):
    stopped = smsrack("stop", "--reason", "wrong list")
    assert stopped.exit_code == 0, stopped.output
    assert "the rack is stopped since " in stopped.stdout
    assert "by cli anna: wrong list (nothing in its hands)" in stopped.stdout
    assert stopped.stdout.strip() in smsrack("status").stdout
    assert smsrack("holds").stdout == stopped.stdout
    assert smsrack("resume").stdout == "the rack goes on\n"
    listed = smsrack("holds").stdout
    assert listed.startswith("nothing is held\n")
    assert "wrong list" in listed
    assert smsrack("resume").stdout == "the rack was not held\n"


@pytest.mark.parametrize(
    ("command", "kind", "options", "target"),
    [
        ("drain", "drained", (), ("rack", None)),
        ("drain", "drained", ("--phone", "A1"), ("phone", "A1")),
        ("pause", "paused", ("--sim", "A1:1"), ("sim", "A1:1")),
        ("pause", "paused", ("--batch", "autumn"), ("batch", "autumn")),
    ],
)
def test_every_target(offline, command, kind, options, target):
    assert offline(command, *options, "--reason", "a test").exit_code == 0
    assert held(offline) == [(*target, kind, "a test")]
    answer = json.loads(offline("resume", *options, "--json").stdout)
    assert answer == {"released": 1, "holds": []}


def test_what_still_holds_is_told(smsrack):
    smsrack("pause", "--reason", "lunch")
    smsrack("drain", "--phone", "A1", "--reason", "a battery")
    words = smsrack("resume").stdout
    assert words.startswith("the rack goes on\nstill held: phone A1 is drained since ")


@pytest.mark.parametrize(
    "arguments",
    [("pause",), ("stop",), ("pause", "--phone", "A1", "--sim", "1", "--reason", "x"), ("stop", "--phone", "A1")],
)
def test_wrong_usage_is_two(offline, arguments):
    assert offline(*arguments).exit_code == 2


@pytest.mark.parametrize(
    ("option", "name", "words"),
    [("--phone", "B7", "no phone B7"), ("--sim", "9", "no SIM is '9'"), ("--batch", "spring", "no batch 'spring'")],
)
def test_what_does_not_exist(smsrack, option, name, words):
    for arguments in (("pause", option, name, "--reason", "x"), ("resume", option, name)):
        result = smsrack(*arguments)
        assert isinstance(result.exception, ControllerError)
        assert words in str(result.exception)
    assert held(smsrack) == []


def test_who_it_was_without_a_terminal(offline, monkeypatch):
    def no_terminal():
        raise OSError("not a terminal")

    monkeypatch.setattr(control.os, "getlogin", no_terminal)
    answer = json.loads(offline("pause", "--reason", "x", "--json").stdout)
    assert answer["actor"] == f"cli {control.pwd.getpwuid(control.os.getuid()).pw_name}"


@pytest.fixture
def in_hand():
    """Give the function that puts a message into the phone's hands, or takes it out again."""

    def put(store, state):
        def work(session):
            if session.get(AttemptRecord, 1) is None:
                message = {"uid": 1, "msisdn": "+420777123456", "text": "x", "part_count": 1, "state": "submitting"}
                session.add(MessageRecord(**message, created_at=NOW, changed_at=NOW))
                session.flush()
                attempt = {"message_id": 1, "n": 1, "wire_id": 1, "phone_id": 1, "sim_id": 1, "part_count": 1}
                session.add(AttemptRecord(**attempt, state=state, intent_at=NOW, phone_clock_ms=0))
            session.get(AttemptRecord, 1).state = state

        store.write(work)

    return put


DRAIN = ("drain", "--phone", "A1", "--reason", "a battery", "--wait")


def test_drain_waits_until_nothing_is_in_hand(online, online_store, in_hand):
    in_hand(online_store, AttemptState.INTENT)
    result = online(*DRAIN, "--wait-limit", "0")
    assert result.exit_code == 4
    assert result.stdout.endswith("(1 message(s) still in its hands)\n1 message(s) still in its hands\n")
    # Proven while it waits.
    timer = threading.Timer(0.7, in_hand, (online_store, AttemptState.SENT))
    timer.start()
    result = online(*DRAIN)
    timer.join()
    assert result.exit_code == 0
    assert result.stdout.endswith("nothing in its hands any more\n")


def test_drain_waits_in_vain_without_a_daemon(offline, data_dir, in_hand):
    with DataDirectory(data_dir).locked() as data, closing(Store(data.database)) as store:
        in_hand(store, AttemptState.INTENT)
    assert "smsrack run" in str(offline(*DRAIN).exception)
    assert held(offline) == [("phone", "A1", "drained", "a battery")]
