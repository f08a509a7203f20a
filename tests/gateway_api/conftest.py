"""The gateway's application over a real store, with remote phones and their keys."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from host_controller.access.device_keys import make_key
from host_controller.events import Bells
from host_controller.fleet.remote import RemoteDraft, add_remote, archive, find_remote
from host_controller.messaging.dispatcher import build_dispatcher
from host_controller.messaging.holds import Holds
from host_controller.messaging.remote_care import RemoteCare
from host_controller.messaging.remote_phones import RemotePhones
from host_controller.messaging.submit import Accepted, Draft
from host_controller.rules.timings import Timings
from host_controller.settings import NewSimSettings, load_settings
from host_controller.store.models import DeviceKeyRecord
from host_controller.store.store import Store
from web import Services, make_gateway_app

NOW = datetime(2026, 3, 25, 10, 30, tzinfo=UTC)
SIM_1, SIM_2, SIM_OF_ONE = "+420777123456", "+420608987654", "+420777000002"
RECIPIENT = "+420777555"
G = "/sms-gateway"


class Clock:
    now = NOW

    def __call__(self):
        return self.now


class Bench:
    """Phone `two` with two SIMs, `one` with one, `gone` that is archived; a key of each, and what keys can be."""

    def __init__(self, database, **gateway) -> None:
        self.clock = Clock()
        self.settings = load_settings(None, {"gateway": gateway})
        self.store = Store(database)
        defaults = NewSimSettings(parts_per_minute=100)
        drafts = {"two": (SIM_1, SIM_2), "one": (SIM_OF_ONE,), "gone": ("+420777000003",)}
        self.phones = {name: self._add(name, numbers, defaults) for name, numbers in drafts.items()}
        self.keys = {name: self.make_key(name) for name in drafts}
        self.keys["expired"] = self.make_key("two", expires_at=NOW)
        self.keys["revoked"] = self.make_key("two")
        self.keys["wrong"] = "x" * 43
        self.store.write(self._revoke)
        self.store.write(lambda session: archive(session, find_remote(session, "gone"), now=NOW, actor="t"))
        bells, holds = Bells(), Holds(self.store)
        dispatcher = build_dispatcher(self.store, bells, holds, self.settings, self.clock)
        remotes = RemotePhones(self.store, dispatcher, self.settings, self.clock)
        self.remote = RemoteCare(self.store, remotes, dispatcher, Timings(), self.clock)
        self.services = Services(
            self.store, None, bells, self.settings, self.clock, dispatcher=dispatcher, remote=self.remote
        )
        self.app = make_gateway_app(self.services, self.remote)

    def _add(self, name, numbers, defaults):
        draft = RemoteDraft(name, numbers)
        return self.store.write(lambda s: add_remote(s, draft, defaults, "CZ", now=NOW, actor="t").id)

    def make_key(self, name, **terms):
        phone_id = self.phones[name]
        return self.store.write(lambda s: make_key(s, phone_id, now=NOW, actor="t", **terms).secret)

    def _revoke(self, session):
        prefix = self.keys["revoked"][:8]
        session.query(DeviceKeyRecord).filter_by(prefix=prefix).one().revoked_at = NOW - timedelta(days=1)

    def post(self, path, body=None, key="two", headers=None, **terms):
        named = {"X-API-Key": self.keys.get(key, key)} if key else {}
        content = {"data": body} if isinstance(body, str | bytes) else {"json": {} if body is None else body}
        return self.app.test_client().post(f"{G}/{path}", headers=named | (headers or {}), **content, **terms)

    def ok(self, path, body=None, **terms):
        answer = self.post(path, body, **terms)
        assert answer.status_code == 200, answer.text
        assert answer.json["success"] is True
        return answer.json

    def send(self, count=1, **draft):
        drafts = [Draft(f"{RECIPIENT}{n:03}", f"text {n}", **draft) for n in range(count)]
        outcomes = self.services.submit(drafts, "test")
        assert all(isinstance(outcome, Accepted) for outcome in outcomes), outcomes
        return [outcome.message_id for outcome in outcomes]


@pytest.fixture
def make_bench(fresh_database):
    """Give the function that makes one; each test makes one at most."""
    benches = []

    def make(kind="sqlite", **gateway):
        benches.append(Bench(fresh_database(kind), **gateway))
        return benches[-1]

    yield make
    for bench in benches:
        with closing(bench.store):
            pass


@pytest.fixture
def bench(make_bench):
    return make_bench()


@pytest.fixture(params=["sqlite", "postgresql"])
def both(request, make_bench):
    return make_bench(request.param)
