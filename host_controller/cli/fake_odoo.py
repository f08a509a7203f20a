"""A fake Odoo beside the demo: a campaign of 20, one of them to a number that cannot be."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import waitress

from host_controller.cli.odoo import fake_campaign
from host_controller.settings import OdooSettings
from odoo_sync.fake import FakeOdoo, make_app

_GOOD_MESSAGES = 19
_STILL_MOVING = ("outgoing", "process")


@dataclass(frozen=True)
class RunningFake:
    """A fake Odoo that is up."""

    odoo: FakeOdoo
    settings: OdooSettings
    message_count: int
    """Messages of it that will be accepted."""

    def wait_for_traces(self, limit_s: float) -> dict[str, int]:
        """Give how many traces ended in which status, once all have, or at the limit."""
        deadline = time.monotonic() + limit_s
        while True:
            with self.odoo.lock:
                statuses = Counter(trace.trace_status for trace in self.odoo.traces.values())
            if not any(statuses[status] for status in _STILL_MOVING) or time.monotonic() > deadline:
                return dict(statuses)
            time.sleep(0.1)


@contextmanager
def fake_odoo(directory: Path) -> Iterator[RunningFake]:
    """Serve a fake Odoo on a free port for as long as the block lasts."""
    odoo = FakeOdoo()
    odoo.add_mailing([*fake_campaign(_GOOD_MESSAGES), ("12345", "Tomuto číslu nelze psát. [Odoo]")])
    server = waitress.create_server(make_app(odoo), host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run, name="fake Odoo", daemon=True)
    thread.start()
    secret = directory / "odoo_password"
    secret.write_text(odoo.password)
    settings = OdooSettings(
        url=f"http://127.0.0.1:{server.effective_port}",
        database=odoo.database,
        user=odoo.login,
        password_file=secret,
        poll_s=1.0,
    )
    try:
        yield RunningFake(odoo, settings, _GOOD_MESSAGES)
    finally:
        server.close()
