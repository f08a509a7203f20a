"""Rounds with an Odoo that is away, slow to come back, or refuses: calls are few, rows tell, results are right."""

from __future__ import annotations

import contextlib
import logging
from datetime import UTC, datetime, timedelta

import pytest

from host_controller.store.odoo_objects import list_objects
from odoo_sync.errors import OdooElsewhereError, OdooLoginError, OdooRejectedError, OdooUnavailableError
from odoo_sync.pause import Pause
from odoo_sync.sync import OdooSync, Step

START = datetime(2026, 11, 26, 12, tzinfo=UTC)


class Rounds:
    """Two steps whose fate a test chooses."""

    def __init__(self, store):
        self.now, self.store = START, store
        self.calls = {"results": 0, "messages": 0}
        self.errors = {}
        self.version = 1
        steps = [Step(name, lambda name=name: self.step(name), lambda: self.version) for name in self.calls]
        self.sync = OdooSync("shop", steps, store, lambda: self.now, lambda: Pause(10, 300, lambda: 1.0))

    def step(self, name):
        self.calls[name] += 1
        if name in self.errors:
            raise self.errors[name]
        return 0

    def run_for(self, **time):
        end = self.now + timedelta(**time)
        while self.now < end:
            with contextlib.suppress(OdooElsewhereError, OdooRejectedError, OdooUnavailableError):
                self.sync.run()
            self.now += timedelta(seconds=10)

    def rows(self):
        with self.store.reading() as session:
            return {row.object: row for row in list_objects(session, "shop")}


@pytest.fixture
def rounds(store):
    return Rounds(store)


def test_six_hours_away(rounds, caplog):
    caplog.set_level(logging.INFO)
    rounds.run_for(minutes=5)
    last = rounds.rows()["results"].succeeded_at
    rounds.errors["results"] = OdooUnavailableError("Odoo does not answer")
    before = rounds.calls["results"]
    rounds.run_for(hours=6)
    row = rounds.rows()["results"]
    assert row.failures == rounds.calls["results"] - before < 80
    assert row.behind_since == last
    assert timedelta(hours=6) <= row.lag(rounds.now) <= timedelta(hours=6, minutes=1, seconds=10)
    assert rounds.rows()["messages"].error == "Odoo does not answer"
    rounds.errors.clear()
    rounds.run_for(minutes=6)
    assert all((row.failures, row.error, row.behind_since) == (0, None, None) for row in rounds.rows().values())
    assert [record.levelname for record in caplog.records].count("WARNING") == 1
    assert "answers again" in caplog.text


@pytest.mark.parametrize("error", [OdooUnavailableError, OdooRejectedError, OdooElsewhereError])
def test_what_it_raises_it_has_logged(rounds, error):
    rounds.errors["messages"] = error("no luck")
    with pytest.raises(error) as raised:
        rounds.sync.run()
    assert raised.value.is_logged


def test_a_step_that_needs_no_call_does_not_end_the_pause(rounds):
    rounds.errors["messages"] = OdooUnavailableError("Odoo does not answer")
    rounds.run_for(hours=6)
    assert rounds.calls["messages"] == rounds.rows()["messages"].failures < 80
    assert rounds.rows()["results"].failures == 0


def test_a_refusal_holds_up_nothing_else_and_is_told_once(rounds, caplog):
    rounds.errors["messages"] = OdooRejectedError("Odoo does not accept the login any more")
    rounds.run_for(hours=1)
    assert rounds.calls["results"] == 360
    assert rounds.calls["messages"] < 20
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert rounds.rows()["results"].error is None
    assert rounds.rows()["messages"].failures == rounds.calls["messages"]


def test_what_a_person_has_mended_is_tried_in_the_next_round(rounds):
    rounds.errors["messages"] = OdooRejectedError("there is no phone")
    rounds.run_for(hours=1)
    before = rounds.calls["messages"]
    rounds.version = 2  # not mended yet: the pauses go on
    rounds.run_for(seconds=10)
    assert rounds.calls["messages"] == before + 1
    rounds.run_for(minutes=4)
    assert rounds.calls["messages"] == before + 1
    rounds.version, rounds.errors = 3, {}
    rounds.run_for(seconds=10)
    assert rounds.rows()["messages"].failures == 0


def test_a_login_that_holds_no_more_is_one_alert(rounds, caplog):
    lost = OdooLoginError("Odoo does not accept the login any more")
    for _ in range(2):
        rounds.errors.update(results=lost, messages=lost)
        rounds.run_for(hours=1)
        rounds.errors.clear()
        rounds.run_for(minutes=6)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


def test_rows_are_written_once_a_minute_while_nothing_happens(rounds, monkeypatch):
    writes = []
    original = rounds.store.write
    monkeypatch.setattr(rounds.store, "write", lambda work: (writes.append(work), original(work))[1])
    rounds.run_for(minutes=10)
    assert len(writes) == 2 * 10


def test_another_smsrack_that_is_at_work_is_looked_at_in_every_round(rounds, caplog):
    rounds.errors["messages"] = OdooElsewhereError("another smsrack sends for the database")
    rounds.run_for(minutes=5)
    assert rounds.calls == {"results": 30, "messages": 30}
    row = rounds.rows()["messages"]
    assert (row.failures, row.next_at, row.error) == (30, None, "another smsrack sends for the database")
    rounds.errors.clear()
    rounds.run_for(seconds=10)
    assert rounds.rows()["messages"].failures == 0
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_lost_login_is_one_alert_for_all_rounds_of_a_connection(store, caplog):
    without_login = set()
    lost = {"results": True, "notes": True}

    def make(name):
        def step():
            if lost[name]:
                raise OdooLoginError("Odoo does not accept the login any more")
            return 0

        return OdooSync("shop", [Step(name, step)], store, lambda: START, lambda: Pause(0, 0), without_login)

    def run():
        for sync in syncs:
            with contextlib.suppress(OdooLoginError):
                sync.run()

    syncs = [make(name) for name in lost]
    for _ in range(3):
        run()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    lost.update(results=False, notes=False)
    run()
    lost["notes"] = True
    run()
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


def test_a_fault_of_ours_in_one_thing_stops_no_other_and_is_seen(rounds):
    rounds.errors["results"] = KeyError("sms")
    rounds.run_for(minutes=5)
    assert "KeyError" in rounds.rows()["results"].error
    assert rounds.rows()["messages"].error is None
    assert rounds.calls["messages"] > rounds.calls["results"] > 1
