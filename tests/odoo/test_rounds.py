"""Rounds with an Odoo that is away, slow to come back, or refuses: calls are few, rows tell, results are right."""

from __future__ import annotations

import contextlib
import json
import logging
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from host_controller.events import Bells
from host_controller.messaging.holds import Holds
from host_controller.odoo_jobs import odoo_jobs
from host_controller.rules.timings import Timings
from host_controller.settings import Settings
from host_controller.store.odoo_objects import list_objects
from odoo_sync.alarms import Alarms
from odoo_sync.errors import OdooElsewhereError, OdooLoginError, OdooRejectedError, OdooUnavailableError
from odoo_sync.fake import GatewayModule, mount
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
    alarms = Alarms()
    lost = {"results": True, "notes": True}

    def make(name):
        def step():
            if lost[name]:
                raise OdooLoginError("Odoo does not accept the login any more")
            return 0

        return OdooSync("shop", [Step(name, step)], store, lambda: START, lambda: Pause(0, 0), alarms)

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


class Jobs:
    """Two jobs of one connection, each with one step."""

    def __init__(self, store):
        self.now, self.away = START, set()
        self.meanwhile = lambda name: None
        alarms = Alarms()
        self.jobs = {name: self.make(name, store, alarms) for name in ("results", "notes")}

    def make(self, name, store, alarms):
        def step():
            self.meanwhile(name)
            if name in self.away:
                raise OdooUnavailableError(f"Odoo does not answer {name}")
            return 0

        return OdooSync("shop", [Step(name, step)], store, lambda: self.now, lambda: Pause(10, 300), alarms)

    def run(self, *names):
        for name in names or self.jobs:
            with contextlib.suppress(OdooUnavailableError):
                self.jobs[name].run()
        self.now += timedelta(seconds=10)

    def run_for(self, **time):
        end = self.now + timedelta(**time)
        while self.now < end:
            self.run()


@pytest.fixture
def jobs(store):
    return Jobs(store)


def lines(caplog):
    return [record.levelname for record in caplog.records if "answer" in record.message]


def test_an_outage_is_one_line_for_all_jobs_and_its_end_another(jobs, caplog):
    caplog.set_level(logging.INFO)
    for _ in range(2):
        caplog.clear()
        jobs.away = {"results", "notes"}
        jobs.run_for(hours=1)
        assert lines(caplog) == ["WARNING"]
        assert "sending goes on" in caplog.text
        jobs.away.clear()
        jobs.run_for(minutes=6)
        assert lines(caplog) == ["WARNING", "INFO"]


def test_a_job_that_has_no_answer_after_the_others_have_one_is_told_once(jobs, caplog):
    caplog.set_level(logging.INFO)
    jobs.away = {"results", "notes"}
    jobs.run_for(minutes=1)
    jobs.away = {"notes"}  # its calls take too long
    jobs.run_for(hours=1)
    assert lines(caplog) == ["WARNING", "INFO", "WARNING"]
    assert "does not answer notes" in caplog.records[-1].message
    jobs.away.clear()
    jobs.run_for(minutes=6)
    assert lines(caplog) == ["WARNING", "INFO", "WARNING", "INFO"]


def test_what_was_asked_in_an_outage_that_is_over_is_no_new_one(jobs, caplog):
    caplog.set_level(logging.INFO)
    jobs.away = {"results", "notes"}

    def the_others_find_it_back(_):
        jobs.meanwhile = lambda _: None
        jobs.run("results")
        jobs.away.discard("results")
        jobs.run("results")

    jobs.meanwhile = the_others_find_it_back
    jobs.run("notes")
    assert lines(caplog) == ["WARNING", "INFO"]
    jobs.away.clear()
    jobs.run_for(minutes=1)
    assert lines(caplog) == ["WARNING", "INFO"]


@pytest.mark.parametrize("mode", ["pull", "push", "gateway"])
def test_every_job_of_a_connection_shares_its_lines(served, store, tmp_path, caplog, mode):
    caplog.set_level(logging.INFO, "odoo_sync")
    module = GatewayModule(served.odoo)
    mount(served.app, module)
    url, secret, pairings = f"http://127.0.0.1:{served.port}", tmp_path / "secret", tmp_path / "pairings"
    secret.write_text("s3cret-canary")
    phones = [module.add_phone(name, f"+42070000000{n}") for n, name in enumerate("AB")]
    codes = [{"url": url, "api_key": phone.api_key, "type": "sms_gateway"} for phone in phones]
    pairings.write_text("".join(f"{json.dumps(code)}\n" for code in codes))
    shop = {"mode": mode, "url": url, "database": "odoo18", "user": "gw_min", "contacts": True}
    shop |= {"password_file": secret, "account_token_file": secret, "pairing_file": pairings}
    settings = Settings.model_validate({"gateway": {"port": 8766}, "odoo": {"shop": shop}})
    now, rack = START, SimpleNamespace(phones=list)
    made = odoo_jobs("shop", settings, store, lambda: now, Bells(), Timings(), rack, Holds(store))
    jobs = [sync for _, _, sync in made]
    assert len(jobs) == (3 if mode == "gateway" else 4)

    def run():
        for sync in jobs:
            with contextlib.suppress(OdooUnavailableError):
                sync.run()

    run()
    assert lines(caplog) == []
    served.stop()
    for _ in range(3):
        now += timedelta(hours=2)
        run()
    assert lines(caplog) == ["WARNING"]
    served.start()
    now += timedelta(hours=2)
    run()
    assert lines(caplog) == ["WARNING", "INFO"]
