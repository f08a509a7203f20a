"""When a recipient's SIM takes nothing: another one writes to it after some minutes, of its phone or of another."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from device_drivers.base import PhoneIdentity, SendGuard, Sim
from host_controller.events import Bells
from host_controller.fleet.phone import Enrolled, RackSim
from host_controller.messaging.attempts import Sender
from host_controller.messaging.board import Board
from host_controller.messaging.dispatcher import build_dispatcher
from host_controller.messaging.holds import HoldKind, Holds, Scope, hold
from host_controller.messaging.ledgers import PhoneLedgers
from host_controller.messaging.sim_choice import SimChoice
from host_controller.messaging.submit import Draft, submit
from host_controller.messaging.taking import Taking
from host_controller.rule_settings import RepeatSettings, StickySettings
from host_controller.rules.choice import SimView
from host_controller.rules.classes import MessageClass
from host_controller.rules.ledger import Use
from host_controller.rules.waiting import Wait, WaitReason
from host_controller.settings import Settings
from host_controller.store.store import Store
from tests.phone_rows import phone_row

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OTP = MessageClass.OTP
ANNA = "+420777000001"
SENDER = Sender(1, "host", 1, None, 0, 0)
RULES = Settings(repeats=RepeatSettings(recipient_per_hour={}, same_text={}), sticky=StickySettings(enabled=True))
NO_SERVICE = Wait(None, WaitReason.NO_SERVICE)
PAUSED = Wait(None, WaitReason.PAUSED)


@pytest.fixture
def store(fresh_database):
    with closing(Store(fresh_database("sqlite"))) as opened:
        opened.write(_add_phones)
        yield opened


def _add_phones(session):
    for number, sims in ((1, 2), (2, 1)):
        session.add(phone_row(NOON, number, range(sims), guard_max_parts=10_000))


class Scene:
    """Phone 1 has the SIMs 1 and 2, phone 2 the SIM 3."""

    def __init__(self, store):
        self.store, self.bells, self.holds = store, Bells(), Holds(store)
        self.dispatcher = build_dispatcher(store, self.bells, self.holds, RULES, lambda: NOON)
        self.phones = {1: self._phone(1, (1, 2)), 2: self._phone(2, (3,))}

    def _phone(self, phone_id, sim_ids):
        sims = tuple(RackSim(sim_id, Sim(slot, slot, None, ""), 60, None) for slot, sim_id in enumerate(sim_ids))
        identity = PhoneIdentity(f"A{phone_id}", f"HW{phone_id}", "Maker", "Model", "14", 34, "fp")
        enrolled = Enrolled(phone_id, identity, SendGuard(10_000, 60), sims)
        ledgers = PhoneLedgers(self.store, enrolled, RULES, NOON)
        choice = SimChoice(enrolled, ledgers)
        views = [SimView(sim_id, phone_id, ledgers.limits(sim_id)) for sim_id in sim_ids]
        return Taking(self.dispatcher, enrolled, choice, f"lane {phone_id}"), choice, views

    def look(self, phone_id, now, slots=(0, 1)):
        """As the phone's lane does; give the SIM that the message left from, else what holds it."""
        taking, choice, views = self.phones[phone_id]
        slots = frozenset(slots) & {view.sim_id - views[0].sim_id for view in views}
        found = taking.blocked(now, slots)
        if found is None:
            found = self.store.write(lambda session: taking.take(session, SENDER, now, slots, ()))
        self.dispatcher.board.post(views, found if isinstance(found, Wait) else None)
        if not isinstance(found, tuple):
            return found
        claim, sim = found
        choice.note(sim, Use(now, 1, OTP, claim.message.msisdn))
        return sim.sim_id

    def submit(self, text):
        submit(self.store, RULES.messages, [Draft(ANNA, text, message_class=OTP)], now=NOON, actor="test")
        self.bells.ring()


@pytest.fixture
def scene(store):
    return Scene(store)


def test_from_a_sim_of_another_phone_that_has_no_network(scene):
    scene.submit("one")
    assert scene.look(2, NOON) == 3
    scene.submit("two")
    for minutes in (1, 5, 10):
        now = NOON + minutes * MINUTE
        assert scene.look(2, now, slots=()) == NO_SERVICE
        assert scene.look(1, now) not in (1, 2)
    now = NOON + 11 * MINUTE
    assert scene.look(2, now, slots=()) == NO_SERVICE
    assert scene.look(1, now) == 1


def test_from_a_paused_sim_to_the_other_one_of_the_same_phone(scene):
    scene.submit("one")
    assert scene.look(1, NOON) == 1
    scene.holds.change(lambda session: hold(session, Scope.SIM, 1, HoldKind.PAUSED, "x", NOON, "anna"))
    scene.submit("two")
    for minutes in (1, 5, 10):
        assert scene.look(1, NOON + minutes * MINUTE) == PAUSED
    assert scene.dispatcher.board.standing(1).wait == PAUSED
    assert scene.dispatcher.board.standing(2).wait is None  # it is free
    assert scene.look(1, NOON + 11 * MINUTE) == 2


def test_not_from_one_whose_network_comes_back(scene):
    scene.submit("one")
    assert scene.look(1, NOON) == 1
    scene.submit("two")
    assert scene.look(1, NOON + MINUTE, slots=(1,)) == NO_SERVICE
    assert scene.look(1, NOON + 9 * MINUTE) == 1
    scene.submit("three")
    assert scene.look(1, NOON + 12 * MINUTE, slots=(1,)) == NO_SERVICE


def test_by_what_the_limits_of_the_sim_say_to_this_message(scene):
    """Not by what holds some message on some SIM of its phone."""
    scene.submit("one")
    assert scene.look(1, NOON) == 1
    views = scene.phones[1][2]
    scene.dispatcher.board.post(views, Wait(NOON + 60 * MINUTE, WaitReason.HOUR))  # of the other SIM
    scene.submit("two")
    assert scene.look(2, NOON + MINUTE) not in (3,)


def test_the_board_keeps_the_moment_at_which_a_sim_was_held():
    board, view = Board(NOON), SimView(1, 1, limits=None)
    limits = lambda *_: None  # noqa: E731
    board.post([view], None)
    board.tell({1: NO_SERVICE}, limits, NOON + MINUTE)
    board.tell({1: PAUSED}, limits, NOON + 2 * MINUTE)
    board.post([view], Wait(NOON + 9 * MINUTE, WaitReason.PACE))
    standing = board.standing(1)
    assert (standing.wait, standing.held, standing.away_since) == (PAUSED, PAUSED, NOON + MINUTE)
    assert list(board.at_work()) == [1]
    board.leave([1], NOON + 3 * MINUTE)
    assert board.standing(1).away_since == NOON + MINUTE
    assert board.at_work() == {}
    board.tell({1: None}, limits, NOON + 4 * MINUTE)
    assert (board.standing(1).held, board.standing(1).away_since) == (None, None)
