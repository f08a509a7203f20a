"""How an ear goes on where listening ends by itself: later and later, without a word, until it is stopped."""

from __future__ import annotations

import logging

import pytest

from device_drivers.errors import ConnectionLostError
from host_controller.messaging.ear import Ear
from host_controller.rules.timings import Timings


class Phone:
    """Listens for as long as its turns say, then fails."""

    serial = "fake-1"

    def __init__(self, *turns, error=None):
        self.now_s = 0.0
        self.error = error or ConnectionLostError(self.serial, "the log has ended")
        self._turns = list(turns)

    def listen(self, on_message, stop):
        on_message()
        self.now_s += self._turns.pop(0)
        stop.turns_left = len(self._turns)
        raise self.error


class FakeStop:
    def __init__(self):
        self.waits = []
        self.turns_left = 1

    @property
    def is_set(self):
        return self.turns_left == 0

    def wait(self, limit_s):
        self.waits.append(limit_s)


@pytest.fixture
def pauses(monkeypatch):
    """Give the function that lets an ear listen and gives its pauses, and how often it heard something."""

    def run(phone):
        heard = []
        monkeypatch.setattr("host_controller.messaging.ear.Stop", FakeStop)
        ear = Ear(phone, lambda: heard.append(1), Timings(), lambda: phone.now_s)
        ear.start()
        ear.join(5)
        return ear._stop.waits, len(heard)

    return run


def test_the_pauses_grow_up_to_the_longest(pauses, caplog):
    caplog.set_level(logging.DEBUG)
    assert pauses(Phone(*[0.1] * 10)) == ([5, 10, 20, 40, 80, 160, 320, 600, 600, 600], 10)
    assert caplog.records == []


def test_they_begin_anew_after_a_log_that_has_lasted(pauses):
    assert pauses(Phone(0, 0, 0, 21, 0, 8000, 0)) == ([5, 10, 20, 40, 80, 5, 10], 7)
    assert pauses(Phone(0, 0, 0, 41, 0)) == ([5, 10, 20, 5, 10], 5)


def test_a_mistake_of_ours_is_logged_and_ends_nothing(pauses, caplog):
    assert pauses(Phone(0, 0, error=RuntimeError("a mistake"))) == ([5, 10], 2)
    assert "stumbled" in caplog.text
