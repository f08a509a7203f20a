"""Phones without shell v2 (Android 5 and 6): a script on standard input, a marker instead of an exit code."""

from __future__ import annotations

import io
import itertools

import pytest

from device_drivers.adb.address import ClientLibrary, ServerAddress
from device_drivers.adb.command import call, in_order
from device_drivers.adb.link import ShellKind
from device_drivers.adb.socket_link import SocketLink
from device_drivers.android.phone import AndroidPhone
from device_drivers.base import EnrolOptions
from device_drivers.errors import (
    CommandTimeoutError,
    NotSubmittedError,
    PhoneAnswerError,
    SubmitOutcomeUnknownError,
    SubmitRejectedError,
)
from host_controller.text.parts import cut_into_parts
from tests.reconnect import back_again

TO = "+420777123456"
# A phone begins an attempt once: each takes an id of its own.
IDS = itertools.count(1)
PROFILES = ("21", "23", "23-stdin")


@pytest.fixture(scope="module")
def rack(start_rack, attach):
    return attach(start_rack(phones=len(PROFILES), profiles=PROFILES, guard_max_parts=10_000, seed=81))


@pytest.fixture(params=PROFILES)
def phone(request, rack, link):
    made = AndroidPhone(link, rack.phones[PROFILES.index(request.param)])
    made.sim = made.enrol(EnrolOptions(send_only=True)).sims[1]
    yield made
    rack.clear(made.serial)


@pytest.fixture(params=list(ClientLibrary))
def either(request, adb_port):
    return SocketLink(ServerAddress(port=adb_port), request.param)


def again(rack, phone, link, eventually):
    rack.clear(phone.serial)
    rack.call("POST", f"/phones/{phone.serial}/plug")
    back_again(phone, link, eventually)


def test_both_clients_see_which_shell_it_is(either, rack, phones):
    assert either.shell_kind(rack.phones[0]) is ShellKind.EXEC
    assert either.shell_kind(phones.phones[0]) is ShellKind.V2


def test_output_and_exit_code(either, rack):
    result = either.run(rack.phones[1], in_order("x", [call("echo", "a"), call("false")]), 10, ShellKind.EXEC)
    assert result.stdout.startswith("a\n--")
    assert result.exit_code == 1
    assert either.run(rack.phones[1], call("echo", "--0123456789abcdef--0"), 10, ShellKind.EXEC).exit_code == 0


def test_a_command_that_does_not_end(either, rack):
    with pytest.raises(CommandTimeoutError):
        either.run(rack.phones[1], call("sleep", "5"), 0.3, ShellKind.EXEC)


@pytest.mark.parametrize(
    "text", ["'" * 1530, "ř'" * 335, '\\"$`!' * 100, "👨‍👩‍👧‍👦" * 30], ids=["quotes", "czech", "signs", "families"]
)
def test_a_message_longer_than_an_old_adbd_takes_in_a_command(rack, phone, eventually, text):
    parts, before = cut_into_parts(text), len(rack.air())
    phone.submit(next(IDS), phone.sim, TO, parts.texts)
    air = eventually(lambda: len(rack.air()) >= before + parts.count and rack.air()[before:])
    assert [entry["text"] for entry in air] == list(parts.texts)


@pytest.mark.parametrize("fault", ["drop_after", "kill_inside"])
def test_a_link_that_breaks_after_the_script_was_sent_is_doubt(rack, phone, link, eventually, fault):
    rack.fault(phone.serial, fault, 1)
    with pytest.raises(SubmitOutcomeUnknownError):
        phone.submit(next(IDS), phone.sim, TO, [fault])
    eventually(lambda: [entry for entry in rack.air() if entry["text"] == fault])
    again(rack, phone, link, eventually)


def test_an_exception_of_the_framework_in_the_phones_words(rack, phone):
    rack.fault(phone.serial, "reject", 1)
    with pytest.raises(SubmitRejectedError, match="SecurityException: Sending SMS message"):
        phone.submit(next(IDS), phone.sim, TO, ["x"])


def test_an_unplugged_phone_got_nothing(rack, phone, link, eventually):
    rack.call("POST", f"/phones/{phone.serial}/unplug")
    eventually(lambda: dict((p.serial, p.state) for p in link.list_phones()).get(phone.serial) != "device")
    with pytest.raises(NotSubmittedError):
        phone.submit(next(IDS), phone.sim, TO, ["unplugged"])
    again(rack, phone, link, eventually)
    assert not [entry for entry in rack.air() if entry["text"] == "unplugged"]


def test_a_file_comes_byte_by_byte_and_not_without_end(either, phones):
    target = io.BytesIO()
    jar = call("cat", "/system/framework/framework.jar")
    either.save(phones.phones[1], jar, target, 1_000_000, 10)
    assert target.getvalue().startswith(b"PK\x03\x04")
    with pytest.raises(PhoneAnswerError, match="longer than 100 bytes"):
        either.save(phones.phones[1], jar, io.BytesIO(), 100, 10)
    with pytest.raises(PhoneAnswerError, match="failed on the phone"):
        either.save(phones.phones[1], call("cat", "/system/nothing"), io.BytesIO(), 100, 10)
