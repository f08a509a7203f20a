"""A fake Odoo over HTTP, our side of it on a store of its own, and a clock that a measurement sets."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import flask
import waitress
from sqlalchemy import select, update

from host_controller.events import Bells
from host_controller.rules.states import MessageState
from host_controller.rules.timings import Timings
from host_controller.settings import MessageSettings, OdooMode, OdooSettings
from host_controller.store.models import MessageRecord, OdooSmsRecord
from host_controller.store.odoo_objects import OdooObject, list_objects
from host_controller.store.store import Store
from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooSyncError
from odoo_sync.fake import FakeOdoo, make_app
from odoo_sync.fake.sending import send_queue
from odoo_sync.intake import Intake
from odoo_sync.pause import Pause
from odoo_sync.pull import Pull
from odoo_sync.push import PATHS, make_push
from odoo_sync.results import Results
from odoo_sync.sync import OdooSync, Step

TOKEN = "0123456789abcdef0123456789abcdef"  # noqa: S105 - of the fake
START = datetime(2026, 11, 26, 12, tzinfo=UTC)
POLL_S = 10.0
_JOIN_S = 10.0


class Served:
    """A web application on loopback that can be switched off and on again."""

    def __init__(self, app: flask.Flask) -> None:
        self.calls = 0
        self._app = app
        self.port = 0
        self.start()

    def start(self) -> None:
        """Serve."""
        self._server = waitress.create_server(self._count, host="127.0.0.1", port=self.port)
        self.port = self._server.effective_port
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Refuse connections."""
        self._server.close()
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        with suppress(OSError, RuntimeError):  # its sockets are closed under its loop, which is how it ends
            self._server.run()

    def _count(self, environ: dict[str, Any], start_response: Any) -> Any:
        self.calls += 1
        return self._app(environ, start_response)


class OdooRig:
    """One Odoo and our side of it."""

    def __init__(self, directory: Path, mode: OdooMode, *, has_login: bool = True, call_limit_s: float = 5.0) -> None:
        self.now = START
        self.odoo = FakeOdoo()
        app = make_app(self.odoo)
        self.faults: list[str] = app.config["FAULTS"]
        self.served = Served(app)
        self.store = Store(directory / "smsrack.db")
        url = f"http://127.0.0.1:{self.served.port}"
        user = self.odoo.login if has_login else ""
        settings = OdooSettings(mode=mode, url=url, database="odoo", user=user, call_limit_s=call_limit_s)
        self.client = OdooClient(settings, self.odoo.password if has_login else "", "shop")
        messages = MessageSettings()
        intake = Intake("shop", self.store, settings, messages, self.clock, Bells())
        self.pull = Pull(self.client, self.store, messages, self.clock, Bells())
        self.results = Results(self.client, self.store, self.clock, Timings())
        steps = [Step("results", self.results.run)]
        if mode is OdooMode.PULL:
            steps.append(Step("messages", self.pull.run))
        longest_s = Timings().odoo_longest_pause_s
        self.sync = OdooSync("shop", steps, self.store, self.clock, lambda: Pause(POLL_S, longest_s))
        endpoint = flask.Flask("endpoint")
        endpoint.register_blueprint(make_push([(TOKEN, intake)], 10))
        self.endpoint = Served(endpoint)

    def clock(self) -> datetime:
        """The measurement's time."""
        return self.now

    def close(self) -> None:
        """End."""
        self.served.stop()
        self.endpoint.stop()
        self.store.close()

    def send_queue(self) -> int:
        """Let Odoo send what waits there; give how many calls it made."""
        return send_queue(self.odoo, f"http://127.0.0.1:{self.endpoint.port}{PATHS[0]}", TOKEN)

    def run_round(self) -> bool:
        """Do one round; tell whether it went well."""
        try:
            self.sync.run()
        except OdooSyncError:
            return False
        return True

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with a round at every interval."""
        ends = self.now + timedelta(seconds=seconds)
        while self.now < ends:
            self.run_round()
            self.now += timedelta(seconds=POLL_S)

    def end(self, state: MessageState, *, most: int | None = None) -> int:
        """Let queued messages end, the oldest first; give how many."""

        def work(session: Any) -> int:
            queued = select(MessageRecord.id).where(MessageRecord.state == MessageState.QUEUED)
            ids = session.scalars(queued.order_by(MessageRecord.id).limit(most)).all()
            change = update(MessageRecord).where(MessageRecord.id.in_(ids)).values(state=state, changed_at=self.now)
            session.execute(change.execution_options(synchronize_session=False))
            return len(ids)

        return self.store.write(work)

    def wrong(self) -> int:
        """How many of Odoo's traces are not what became of the message here."""
        expected = {MessageState.SENT: "pending", MessageState.FAILED: "error", MessageState.UNKNOWN: "error"}
        with self.store.reading() as session:
            query = select(OdooSmsRecord.uuid, MessageRecord.state).join(MessageRecord)
            states = {uuid: expected.get(MessageState(state)) for uuid, state in session.execute(query)}
        return sum(states.get(uuid) != trace.trace_status for uuid, trace in self.odoo.traces.items())

    def failures_after_success(self) -> int:
        """Reports that made a success a failure."""
        heard: set[str] = set()
        wrong = 0
        for word, uuid in self.odoo.reports:
            wrong += uuid in heard and word != "sent"
            if word == "sent":
                heard.add(uuid)
        return wrong

    def row(self, name: str) -> OdooObject:
        """How far something is in step."""
        with self.store.reading() as session:
            return next(row for row in list_objects(session, "shop") if row.object == name)


@contextmanager
def odoo_rig(directory: Path, mode: OdooMode, **options: Any) -> Iterator[OdooRig]:
    """A rig for as long as the block lasts."""
    rig = OdooRig(directory, mode, **options)
    try:
        yield rig
    finally:
        rig.close()


def campaign(count: int, mark: str = "Sale") -> list[tuple[str, str]]:
    """Recipients and texts."""
    return [(f"+420777{n:06d}", f"{mark} {n}") for n in range(count)]


def seconds_of(work: Any) -> tuple[float, Any]:
    """Do something; give how long it took, and what it gave."""
    began_s = time.monotonic()
    result = work()
    return time.monotonic() - began_s, result
