"""Refusals go both ways, and none is lost on the way."""

from __future__ import annotations

import pytest

from host_controller.consent.opt_outs import OptOutSource, in_force, lift
from host_controller.store.store import Store
from odoo_sync.errors import OdooRejectedError, OdooUnavailableError
from odoo_sync.fake.errors import OdooError
from tests.odoo.both_ways import ANNA, EVA, PETR, Scene

ROBOT, PUBLIC = [1, "OdooBot"], [4, "Public user"]


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, fresh_database):
    opened = Store(fresh_database(request.param))
    yield opened
    opened.close()


@pytest.fixture
def scene(served, store):
    return Scene(served, store)


def test_a_refusal_here_is_set_there_and_taken_off_again(scene):
    scene.refuse(ANNA)
    scene.run()
    assert scene.odoo.blacklist.active() == {ANNA}
    assert scene.sources(ANNA) == ["inbound"]  # its echo is nobody's refusal
    scene.wait(hours=1)
    with_start(scene, ANNA)
    scene.run()
    assert scene.odoo.blacklist.active() == set()
    scene.run()
    assert scene.sources(ANNA) == []


def test_a_refusal_there_holds_here_until_they_take_it_off(scene):
    row = scene.odoo.blacklist.add(number=ANNA)
    scene.run()
    assert scene.sources(ANNA) == ["odoo"]
    scene.wait(minutes=5)
    scene.odoo.blacklist.change(row, ROBOT, active=False)
    scene.run()
    assert scene.sources(ANNA) == []
    assert scene.odoo.blacklist.active() == set()


@pytest.mark.parametrize(
    ("author", "minutes", "holds"),
    [([2, "Administrator"], 5, False), ([2, "Administrator"], 0, True), (ROBOT, 5, True), (PUBLIC, 5, True)],
    ids=["an operator, later", "an operator, at the same time", "a program", "the recipient"],
)
def test_who_may_take_off_what_was_refused_here(scene, author, minutes, holds):
    scene.refuse(ANNA)
    scene.run()
    scene.wait(minutes=minutes)
    scene.odoo.blacklist.change(scene.odoo.blacklist.of(ANNA), author, active=False)
    if not minutes:
        scene.odoo.blacklist.of(ANNA)["write_date"] = scene.odoo_now()
    scene.run()
    assert (scene.sources(ANNA) == ["inbound"]) is holds
    assert (scene.odoo.blacklist.active() == {ANNA}) is holds


def test_a_stop_that_came_after_an_operator_took_the_number_off_holds(scene):
    """Odoo was away meanwhile: when we read what the operator did, the person has refused once more."""
    scene.refuse(ANNA)
    scene.run()
    scene.wait(minutes=5)
    scene.odoo.blacklist.change(scene.odoo.blacklist.of(ANNA), [2, "Administrator"], active=False)
    scene.wait(hours=1)
    scene.receive(ANNA, "STOP", stop="certain")
    scene.refuse(ANNA)
    scene.run()
    assert scene.sources(ANNA) == ["inbound"]
    assert scene.odoo.blacklist.active() == {ANNA}


def test_what_was_taken_off_before_we_knew_the_number_is_no_answer_to_a_refusal(scene):
    row = scene.odoo.blacklist.add(number=ANNA)
    scene.odoo.blacklist.change(row, active=False)
    scene.wait(hours=-1)
    scene.refuse(ANNA)
    scene.wait(hours=1)
    scene.run()
    assert scene.sources(ANNA) == ["inbound"]
    assert scene.odoo.blacklist.active() == {ANNA}


def test_a_start_does_not_lift_what_odoo_has_set(scene):
    scene.odoo.blacklist.add(number=ANNA)
    scene.run()
    scene.refuse(ANNA)
    scene.run()
    with_start(scene, ANNA)
    scene.run()
    assert scene.sources(ANNA) == ["odoo"]
    assert scene.odoo.blacklist.active() == {ANNA}


def test_what_an_operator_lifts_here_is_taken_off_there(scene):
    scene.odoo.blacklist.add(number=ANNA)
    scene.run()
    scene.wait(minutes=5)
    lift_all(scene, ANNA)
    scene.run()
    scene.run()
    assert scene.odoo.blacklist.active() == set()
    assert scene.sources(ANNA) == []


def test_one_number_that_odoo_does_not_take_keeps_no_other_out(scene, monkeypatch):
    numbers = [f"+4207770000{n:02d}" for n in range(20)]
    for number in numbers:
        scene.refuse(number)
    real = scene.odoo.blacklist.create

    def create(values, **options):
        if any(row["number"] == numbers[7] for row in values):
            raise OdooError("odoo.exceptions.UserError", "Impossible number")
        return real(values, **options)

    monkeypatch.setattr(scene.odoo.blacklist, "create", create)
    scene.run()
    assert scene.odoo.blacklist.active() == set(numbers) - {numbers[7]}
    scene.wait(days=30)
    monkeypatch.undo()
    scene.run()
    assert scene.odoo.blacklist.active() == set(numbers)


def test_names_and_short_codes_of_theirs_are_passed_over(scene):
    scene.odoo.blacklist.add(number="CSOB")
    scene.odoo.blacklist.add(number="12")
    scene.odoo.blacklist.add(number=PETR)
    scene.run()
    assert scene.sources(PETR) == ["odoo"]


def test_what_was_deleted_there_comes_back_whoever_had_set_it(scene):
    """As after a backup was restored in Odoo, which may be older than many a refusal."""
    scene.refuse(ANNA)
    scene.odoo.blacklist.add(number=EVA)
    scene.run()
    scene.odoo.blacklist.rows.clear()
    scene.wait(hours=2)
    scene.run()
    assert scene.odoo.blacklist.active() == {ANNA, EVA}
    assert scene.sources(EVA) == ["odoo"]
    row = next(row for row in scene.odoo.blacklist.rows.values() if row["number"] == EVA)
    scene.wait(minutes=5)
    scene.odoo.blacklist.change(row, active=False)
    scene.run()
    assert scene.sources(EVA) == []
    assert scene.odoo.blacklist.active() == {ANNA}


@pytest.mark.parametrize("fault", ["lost_answer", "serialization", "down"])
@pytest.mark.parametrize("call", range(10))
def test_a_call_that_fails_is_made_again(scene, fault, call):
    scene.refuse(ANNA)
    scene.odoo.blacklist.add(number=EVA)
    scene.served.faults.extend(["none"] * call + [fault])
    for _ in range(3):
        try:
            scene.run()
        except OdooUnavailableError:
            scene.restart()
    assert scene.odoo.blacklist.active() == {ANNA, EVA}
    assert scene.sources(EVA) == ["odoo"]
    assert scene.sources(ANNA) == ["inbound"]


def test_a_start_after_a_lost_answer_is_a_start(scene):
    """What we have set ourselves is nobody else's refusal, also where we never heard that it was set."""
    real = scene.odoo.blacklist.create

    def create(values, **options):
        real(values, **options)
        raise OdooError("psycopg2.errors.SerializationFailure", "could not serialize access")

    scene.refuse(ANNA)
    scene.odoo.blacklist.create = create
    with pytest.raises(OdooUnavailableError):
        scene.run()
    del scene.odoo.blacklist.create
    assert scene.odoo.blacklist.active() == {ANNA}
    with_start(scene, ANNA)
    scene.restart()
    scene.run()
    assert scene.sources(ANNA) == []
    assert scene.odoo.blacklist.active() == set()


def test_many_go_in_few_calls(scene):
    for n in range(1100):
        scene.refuse(f"+42077{n:07d}")
    scene.run()
    assert len(scene.odoo.blacklist.active()) == 1100


def test_a_missing_right_is_said_and_stops_nothing_else(scene):
    scene.odoo.blacklist.refused.add("read")
    partner = scene.odoo.partners.add(name="Anna", phone=ANNA)
    scene.forwarding.run()
    scene.receive(ANNA, "Dobrý den")
    with pytest.raises(OdooRejectedError, match="lacks a right"):
        scene.run()
    assert len(scene.odoo.partners.chatter(partner)) == 1


def test_two_databases_say_the_same_and_one_takes_it_back(scene, served, store):
    other = Scene(served, store, name="other", peers=("shop", "other"))
    scene.peers = ("shop", "other")
    scene.restart()
    row = scene.odoo.blacklist.add(number=ANNA)
    scene.run()
    other.run()
    assert scene.sources(ANNA) == ["odoo"]
    scene.wait(minutes=5)
    scene.odoo.blacklist.change(row, active=False)
    scene.run()
    assert scene.sources(ANNA) == ["odoo"]  # the other has not said so yet


def test_of_a_brand_only_what_concerns_it(served, store):
    scene = Scene(served, store, brand="Bistro")
    scene.refuse(ANNA, brand="Bistro")
    scene.refuse(PETR, brand="Salon")
    scene.odoo.blacklist.add(number=EVA)
    scene.run()
    assert scene.odoo.blacklist.active() == {ANNA, EVA}
    with store.reading() as session:
        assert [record.brand for record in in_force(session, EVA)] == ["Bistro"]


def test_what_a_lost_database_of_ours_has_set_stays_refused(scene):
    row = scene.odoo.blacklist.add(number=ANNA)
    scene.odoo.blacklist.change(row, [scene.odoo.uid, "smsrack"], active=True)
    scene.run()
    scene.run()
    assert scene.odoo.blacklist.active() == {ANNA}
    assert scene.sources(ANNA) == ["odoo"]


def with_start(scene, number):
    """As the person's own START does."""

    def work(session):
        lift(in_force(session, number, sources=[OptOutSource.INBOUND]), now=scene.now, actor="test", reason="START")

    scene.store.write(work)


def lift_all(scene, number):
    scene.store.write(lambda s: lift(in_force(s, number), now=scene.now, actor="test", reason="asked for"))
