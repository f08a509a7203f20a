"""`smsrack stale` with a daemon and without one."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from host_controller.cli import control
from host_controller.messaging.submit import Draft, submit
from host_controller.settings import MessageSettings
from host_controller.store.data_dir import DataDirectory
from host_controller.store.models import MessageEvent, MessageRecord
from host_controller.store.store import Store

NOW = datetime(2026, 11, 26, 4, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def held(data_dir, monkeypatch):
    monkeypatch.setattr(control.os, "getlogin", lambda: "anna")
    drafts = [Draft(f"+42077712345{n}", "Ahoj", batch="autumn" if n else None) for n in range(3)]
    with DataDirectory(data_dir).locked() as data, closing(Store(data.database)) as store:
        submit(store, MessageSettings(), drafts, now=NOW, actor="test")
        store.write(lambda session: session.execute(update(MessageRecord).values(waiting_for="stale")))


def test_seen_released_and_cancelled(smsrack):
    listed = smsrack("stale")
    assert listed.exit_code == 0, listed.output
    lines = [line.split() for line in listed.stdout.splitlines()]
    assert lines[1:3] == [["autumn", "2", "2026-11-26T04:00:00.000Z"], ["–", "1", "2026-11-26T04:00:00.000Z"]]
    assert "`smsrack stale release` lets them go" in listed.stdout
    assert "it waits: stale" not in smsrack("why", "1").stdout
    assert "stale" in smsrack("why", "1").stdout
    assert smsrack("stale", "release", "--batch", "autumn", "--reason", "still true").stdout == (
        "2 stale messages may go\n"
    )
    assert json.loads(smsrack("stale", "--json").stdout)["messages"] == 1
    assert smsrack("stale", "cancel", "--reason", "too late").stdout == "1 stale messages are cancelled\n"
    assert smsrack("stale").stdout == "nothing is stale\n"
    assert json.loads(smsrack("stale", "release", "--reason", "why", "--json").stdout) == {"messages": 0}


def test_a_reason_is_wanted_and_the_batch_must_be_there(smsrack):
    assert smsrack("stale", "release").exit_code == 2
    assert smsrack("stale", "cancel", "--reason", "why", "--batch", "spring").exit_code == 1


def test_who_did_it_is_on_record(offline, data_dir):
    offline("stale", "release", "--reason", "still true")
    with DataDirectory(data_dir).locked() as data, closing(Store(data.database)) as store, store.reading() as session:
        last = session.scalars(select(MessageEvent).order_by(MessageEvent.id.desc())).first()
        assert (last.actor, last.reason) == ("cli anna", "released: still true")
