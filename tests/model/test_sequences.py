"""Sequences of steps that the model has found, or that were found by thought with it, written down."""

from __future__ import annotations

import pytest

from host_controller.messaging.evidence import Judgement, Sightings
from tests.model.machine import NUMBERS, TEXTS, Promise, RestoredPromise
from tests.model.model_phone import Fate

ANNA, AHOJ = NUMBERS[0], TEXTS[0]


@pytest.fixture
def world():
    """Give a function that makes a world; it is checked after each step that this module names."""
    worlds = []

    def make(*kinds, machine=Promise):
        made = machine()
        worlds.append(made)
        made.plug_in_phones(list(kinds))
        return made

    yield make
    for made in worlds:
        made.bench.close()


def submit(world, copies=1):
    world.submit(ANNA, AHOJ, None, copies, None)
    world.check()


def send(world, end="row", link="ok", phone=0):
    world.send(phone, Fate(link, end), "ok", "nothing", None)
    world.check()


def read(world, phone=0, call="ok", *, late=False):
    world.read(phone, late, call, "nothing", None)
    world.check()


def wait(world, seconds):
    world.wait(seconds)
    world.sweep(None)
    world.check()


def test_the_promises_find_a_row_that_is_believed_at_first_sight(world, monkeypatch):
    believe = lambda _self, _looked_for, found, *_: Judgement(found, (), frozenset())  # noqa: E731
    monkeypatch.setattr(Sightings, "judge", believe)
    made = world("rows")
    submit(made)
    read(made)
    send(made, "false_row")
    with pytest.raises(AssertionError, match="I3"):
        read(made)


def test_a_late_row_of_a_dialog_that_was_tapped_counts_once(world):
    made = world("rows")
    submit(made)
    send(made, "held")
    wait(made, 130)
    made.phone_goes_on(0, "tap")
    made.check()
    made.come_to_rest()


def test_after_a_restore_a_message_that_was_given_back_first_is_not_sent_again(world):
    made = world("rows", machine=RestoredPromise)
    submit(made)
    made.back_up()
    send(made, link="refused")
    send(made)
    made.restore()
    send(made)


def test_after_a_restore_another_phone_does_not_send_it_again(world):
    made = world("rows", "rows", machine=RestoredPromise)
    submit(made)
    made.back_up()
    send(made, phone=0)
    made.restore()
    send(made, phone=1)


def test_after_a_restore_the_phone_that_has_begun_it_does_not_send_it_again(world):
    made = world("rows", machine=RestoredPromise)
    submit(made)
    made.back_up()
    send(made)
    made.restore()
    send(made)
    made.come_to_rest()


def test_a_late_row_of_what_the_radio_has_proven_proves_nothing_else(world):
    made = world("both")
    submit(made)
    send(made, "silent")
    wait(made, 130)
    made.submit(NUMBERS[1], AHOJ, None, 1, None)
    send(made)  # from the other SIM: they take turns
    submit(made)
    send(made, "late_row")
    wait(made, 31)
    read(made)
    made.phone_goes_on(0, "late_row")
    for _ in range(2):
        read(made, late=True)
        wait(made, 3)


def test_two_looks_at_a_row_are_two_seconds_apart_also_where_the_first_one_is_slow(world):
    made = world("rows")
    submit(made)
    read(made)
    send(made, "silent")
    # Its row is there for a moment, late: a slow look just sees it, and the next look follows at once.
    phone = made.bench.phones[0]
    phone.meanwhile = phone.write_false_row
    phone.next_call = "slow"
    made.bench.lanes[0].read(late=False)
    read(made)


def test_a_clock_that_is_set_back_over_midnight_and_forth_does_not_open_the_day_again(world):
    made = world("rows")
    made.set_clock(None, 0)
    made.wait(None)  # a minute before midnight
    made.wait(400.0)
    for _ in range(20):
        submit(made)
        send(made)
        made.read_again(0, [(3.0, "ok"), (3.0, "ok")])
    made.set_clock(None, 2)  # back by an hour: the day before
    submit(made)
    send(made)
    made.set_clock(None, 0)
    for _ in range(20):
        submit(made)
        send(made)
        made.read_again(0, [(3.0, "ok"), (3.0, "ok")])


def test_a_stop_is_not_passed_over_where_the_phones_clock_goes_back_and_its_row_id_is_used_again(world):
    made = world("rows")
    made.set_clock(0, 5)  # an hour ahead
    made.receive(0, NUMBERS[2], "Díky")
    read(made)
    made.phone_goes_on(0, "delete")
    made.set_clock(0, 0)
    made.receive(0, NUMBERS[2], "STOP")
    read(made)
    made.come_to_rest()


def test_a_stop_that_is_stored_while_a_message_is_on_its_way_keeps_it_back(world):
    made = world("rows")
    submit(made)
    read(made)
    made.send(0, Fate("ok", "row"), "ok", "opt_out", None)
    made.check()
    assert made.bench.phones[0].air == []
    made.come_to_rest()
