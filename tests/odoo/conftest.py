"""A fake Odoo over HTTP with the real client library."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from host_controller.events import Bells
from host_controller.settings import MessageSettings, OdooSettings
from host_controller.store.store import Store
from odoo_sync.client import OdooClient
from odoo_sync.fake import FakeOdoo, make_app
from odoo_sync.pause import Pause
from odoo_sync.pull import Pull
from odoo_sync.results import Results
from odoo_sync.sync import OdooSync, Step
from tests.serving import serve


class Served:
    """A fake Odoo that can be switched off and on again."""

    def __init__(self) -> None:
        self._server = None
        self.port = 0
        self.renew()
        self.start()

    def renew(self) -> None:
        """Be another Odoo, with nothing in it."""
        self.odoo = FakeOdoo("odoo18", "gw_min", "s3cret-canary")
        self.app = make_app(self.odoo)
        self.faults = self.app.config["FAULTS"]
        if self._server is not None:
            self._server.change(self.app)

    def start(self) -> None:
        self._server = serve(self.app, self.port)
        self.port = self._server.port

    def stop(self) -> None:
        self._server.stop()

    def settings(self, **changes) -> OdooSettings:
        values = {"url": f"http://127.0.0.1:{self.port}", "database": "odoo18", "user": "gw_min", "call_limit_s": 20}
        return OdooSettings(**{**values, **changes})

    def client(self, password="s3cret-canary", name="odoo", **changes) -> OdooClient:
        return OdooClient(self.settings(**changes), password, name)

    def states(self) -> dict[str, tuple[str, str, str | bool]]:
        """body -> (sms.sms state, trace status, failure type of the sms)."""
        return {
            row.body: (row.state, self.odoo.traces[row.uuid].trace_status, row.failure_type)
            for row in self.odoo.sms.values()
            if row.uuid in self.odoo.traces
        }


def utc_now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def served():
    made = Served()
    yield made
    made.stop()


@pytest.fixture
def store(database):
    opened = Store(database)
    yield opened
    opened.close()


@pytest.fixture
def make_sync(served, store):
    def make(opened=None, **changes) -> OdooSync:
        client, to = served.client(**changes), opened or store
        pull = Pull(client, to, MessageSettings(), utc_now, Bells())
        steps = [Step("results", Results(client, to, utc_now).run), Step("messages", pull.run)]
        return OdooSync("odoo", steps, to, utc_now, lambda: Pause(0, 0))

    return make


@pytest.fixture
def sync(make_sync):
    return make_sync()
