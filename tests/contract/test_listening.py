"""A phone's log that is followed, through the real adb server: what is told of, and what ends it."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

from device_drivers.adb.command import call
from device_drivers.android.phone import AndroidPhone
from device_drivers.base import EnrolOptions
from device_drivers.errors import ConnectionLostError, LinkError
from device_drivers.stop import Stop
from tests.reconnect import back_again

PROFILES = ("29", "34", "23")
SENDER = "+420603111222"
# A phone begins an attempt once: each takes an id of its own.
IDS = itertools.count(1)


@pytest.fixture(scope="module", params=[False, True], ids=["real shell", "quick shell"])
def rack(request, start_rack, attach):
    return attach(start_rack(phones=3, profiles=PROFILES, quick_shell=request.param, guard_max_parts=10_000, seed=23))


class Listener(threading.Thread):
    """Follows a phone's log in a thread of its own; counts what it is told of, and the lines behind that."""

    def __init__(self, serial, link):
        super().__init__(daemon=True)
        self._link = link
        self.phone = AndroidPhone(self, serial)
        self.stop = Stop()
        self.lines = self.heard = 0
        self.error = None

    def run(self):
        try:
            self.phone.listen(self._hear, self.stop)
        except LinkError as error:
            self.error = error

    def follow(self, serial, command, on_line, stop, shell):
        def take(line):
            on_line(line)
            self.lines += 1

        self._link.follow(serial, command, take, stop, self._link.shell_kind(serial))

    def _hear(self):
        self.heard += 1


@pytest.fixture(params=range(len(PROFILES)), ids=PROFILES)
def serial(request, rack):
    return rack.phones[request.param]


@pytest.fixture
def listener(rack, serial, link, eventually):
    """One that listens, with an old message as the last line of the log."""
    rack.inject(serial, SENDER, "before")
    listener = Listener(serial, link)
    listener.start()
    # A heading and the last line, the border, a heading and the last line once more.
    eventually(lambda: listener.lines == 5)
    yield listener
    listener.stop.set()
    listener.join(5)
    assert not listener.is_alive()


def test_a_message_that_comes_in_is_heard_and_one_from_before_is_not(rack, serial, listener, eventually):
    assert listener.heard == 0
    for count in (1, 2, 3):
        rack.inject(serial, SENDER, "Ahoj", slot_index=count % 2)
        eventually(lambda count=count: listener.heard == count)


def test_each_part_is_heard(rack, serial, listener, eventually):
    rack.inject(serial, SENDER, "x" * 400)
    eventually(lambda: listener.heard == 3)


def test_what_is_sent_is_not_heard(rack, serial, link, listener, eventually):
    phone = AndroidPhone(link, serial)
    sim = phone.enrol(EnrolOptions(send_only=True)).sims[0]
    phone.submit(next(IDS), sim, "+420777123456", ["Ahoj"])
    eventually(lambda: listener.lines == 7)
    assert listener.heard == 0


def test_the_end_that_is_asked_for_comes_at_once_and_is_no_error(listener):
    began = time.monotonic()
    listener.stop.set()
    listener.join(5)
    assert not listener.is_alive()
    assert time.monotonic() - began < 0.5
    assert listener.error is None


def test_an_end_that_was_asked_for_before_the_beginning(serial, link):
    listener = Listener(serial, link)
    listener.stop.set()
    listener.run()
    assert (listener.error, listener.lines) == (None, 0)


@pytest.mark.parametrize("ending", ["unplug", "reboot"])
def test_a_cable_that_is_pulled_and_a_phone_that_restarts_are_errors(rack, serial, link, listener, eventually, ending):
    phone = AndroidPhone(link, serial)
    phone.enrol(EnrolOptions(send_only=True))
    rack.call("POST", f"/phones/{serial}/{ending}")
    listener.join(5)
    assert isinstance(listener.error, ConnectionLostError)
    if ending == "unplug":
        rack.call("POST", f"/phones/{serial}/plug")
    back_again(phone, link, eventually)


def test_a_log_that_may_not_be_followed_is_an_error(serial, link, monkeypatch):
    monkeypatch.setattr("device_drivers.android.radio_log.follow_command", lambda: call("logcat", "--no-such-option"))
    listener = Listener(serial, link)
    listener.run()
    assert isinstance(listener.error, ConnectionLostError)
    assert listener.heard == 0
