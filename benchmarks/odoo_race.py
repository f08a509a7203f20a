"""FAULT 67: several smsracks, and Odoo's own sender, at the same SMS at once. Counted: how often each left.

`python -m benchmarks.odoo_race` runs on the fake; with SMSRACK_TEST_ODOO_URL (and _DATABASE, _USER, _PASSWORD of an
administrator) on a real Odoo, whose SMS cron is run again and again meanwhile. What Odoo's own sender hands over is
answered by a provider here, as `sms.endpoint`; it is set back at the end. The figures of a real one go to docs/figures.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import waitress
from sqlalchemy import select

from benchmarks.figures import machine, save
from host_controller.events import Bells
from host_controller.settings import MessageSettings, OdooSettings
from host_controller.store.models import MessageRecord
from host_controller.store.store import Store
from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooSyncError
from odoo_sync.fake import FakeOdoo, make_app
from odoo_sync.lease import Lease
from odoo_sync.lease_row import PREFIX
from odoo_sync.pull import Pull

_NUMBER = "+4207772{:05d}"
_COLUMNS = [
    ["who", "at the same queue at once"],
    ["messages", "SMS"],
    ["by_smsrack", "taken by smsrack"],
    ["by_provider", "sent by Odoo's own provider"],
    ["doubled", "doubled"],
    ["waits", "rounds that found the lease taken"],
]


class Provider:
    """What stands at `sms.endpoint`: takes everything, or (`is_stub`) answers that it knows of nothing."""

    def __init__(self, *, is_stub: bool, answers_after_s: float = 0.0) -> None:
        self.taken: list[str] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                uuids = [n["uuid"] for message in body["params"]["messages"] for n in message["numbers"]]
                result = [] if is_stub else [{"uuid": each, "state": "success", "credit": 1.0} for each in uuids]
                if not is_stub:
                    provider.taken += uuids
                time.sleep(answers_after_s)
                answer = json.dumps({"jsonrpc": "2.0", "id": body["id"], "result": result}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class FakePeer:
    """The fake, without a sender of its own."""

    def __init__(self, stack: ExitStack) -> None:
        self.odoo = FakeOdoo()
        server = waitress.create_server(make_app(self.odoo), host="127.0.0.1", port=0, threads=8)
        threading.Thread(target=server.run, daemon=True).start()
        stack.callback(server.close)
        self.settings = OdooSettings(
            url=f"http://127.0.0.1:{server.effective_port}", database="odoo", user="smsrack", call_limit_s=30
        )
        self.password = "secret"  # noqa: S105 - the fake's

    def queue(self, count: int) -> None:
        """Let SMS wait."""
        self.odoo.add_mailing([(_NUMBER.format(n), f"race {n}") for n in range(count)])

    def run_cron(self) -> None:
        """It has none."""


class RealPeer:
    """A real Odoo."""

    def __init__(self, stack: ExitStack, provider: Provider) -> None:
        self.settings = OdooSettings(
            url=os.environ["SMSRACK_TEST_ODOO_URL"],
            database=os.environ.get("SMSRACK_TEST_ODOO_DATABASE", "odoo18"),
            user=os.environ.get("SMSRACK_TEST_ODOO_USER", "admin"),
            call_limit_s=60,
        )
        self.password = os.environ.get("SMSRACK_TEST_ODOO_PASSWORD", "admin")
        self._client = OdooClient(self.settings, self.password)
        endpoint = f"http://127.0.0.1:{provider.server.server_port}"
        before = self._call("ir.config_parameter", "get_param", "sms.endpoint")
        self._call("ir.config_parameter", "set_param", "sms.endpoint", endpoint)
        stack.callback(self._call, "ir.config_parameter", "set_param", "sms.endpoint", before)
        domain = [["model_id.model", "=", "sms.sms"], ["active", "in", [True, False]]]
        self._crons = self._call("ir.cron", "search", domain)
        rows = self._call("sms.sms", "search", [["uuid", "=like", f"{PREFIX}%"]])
        self._call("sms.sms", "write", rows, {"to_delete": True})

    def _call(self, model: str, method: str, *arguments: Any) -> Any:
        return self._client.call(model, method, list(arguments), {})

    def queue(self, count: int) -> None:
        """Let SMS wait."""
        mark = uuid.uuid4().hex[:6]
        rows = [{"number": _NUMBER.format(n), "body": f"race {mark} {n}"} for n in range(count)]
        self._call("sms.sms", "create", rows)

    def run_cron(self) -> None:
        """Run Odoo's own sender now."""
        self._call("ir.cron", "method_direct_trigger", self._crons)


class Host:
    """One smsrack."""

    def __init__(self, stack: ExitStack, peer: FakePeer | RealPeer) -> None:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        self.store = Store(Path(directory) / "smsrack.db")
        stack.callback(self.store.close)
        client = OdooClient(peer.settings, peer.password)
        lease = Lease(client, self.store)
        self._pull = Pull(client, self.store, MessageSettings(), lambda: datetime.now(UTC), Bells(), lease=lease)
        self.waits = 0

    def run(self) -> None:
        """Take over what waits, if nobody else does."""
        try:
            self._pull.run()
        except OdooSyncError:
            self.waits += 1

    def taken(self) -> list[str]:
        """The uuids of what is queued here."""
        with self.store.reading() as session:
            return [str(ref).rsplit("/", 1)[1] for ref in session.scalars(select(MessageRecord.ref))]


def race(hosts: int, messages: int, runs: int, *, cron: bool, is_stub: bool, answers_after_s: float) -> dict[str, int]:
    """Give how many messages there were, by whom they were taken, and how many twice."""
    provider = Provider(is_stub=is_stub, answers_after_s=answers_after_s)
    with ExitStack() as stack:
        is_real = "SMSRACK_TEST_ODOO_URL" in os.environ
        peer = RealPeer(stack, provider) if is_real else FakePeer(stack)
        racks = [Host(stack, peer) for _ in range(hosts)]
        for _ in range(runs):
            peer.queue(messages)
            works: list[Callable[[], None]] = [rack.run for rack in racks]
            if cron:
                works.append(lambda: _quietly(peer.run_cron))
            threads = [threading.Thread(target=work) for work in works]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        for rack in racks:
            rack.run()
        counts = Counter(each for rack in racks for each in rack.taken())
        counts.update(provider.taken)
        return {
            "messages": messages * runs,
            "by_smsrack": sum(len(rack.taken()) for rack in racks),
            "by_provider": len(provider.taken),
            "doubled": sum(1 for count in counts.values() if count > 1),
            "waits": sum(rack.waits for rack in racks),
        }


def _quietly(work: Callable[[], None]) -> None:
    try:
        work()
    except OdooSyncError as error:
        print(f"cron: {error}")


def main() -> None:
    """Print a line for each kind of race; write down those of a real Odoo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100)
    parser.add_argument("--runs", type=int, default=10)
    options = parser.parse_args()
    kinds = (
        ("two smsracks, Odoo's cron off", 2, False, True, 0.0),
        ("five smsracks, Odoo's cron off", 5, False, True, 0.0),
        ("one smsrack, Odoo's cron on, sms.endpoint a stub", 1, True, True, 0.0),
        ("one smsrack, Odoo's cron on, a provider that answers at once", 1, True, False, 0.0),
        ("one smsrack, Odoo's cron on, a provider that answers after a second", 1, True, False, 1.0),
    )
    is_real, about, rows = "SMSRACK_TEST_ODOO_URL" in os.environ, machine(), []
    for words, hosts, cron, is_stub, answers_after_s in kinds:
        if cron and not is_real:
            continue
        found = race(hosts, options.messages, options.runs, cron=cron, is_stub=is_stub, answers_after_s=answers_after_s)
        print(words, found)
        rows.append({"who": words, **found})
    if is_real:
        note = f"Against a real Odoo 18, {options.runs} runs of {options.messages} SMS each."
        save("odoo_race", {"machine": about, "note": note, "columns": _COLUMNS, "rows": rows})


if __name__ == "__main__":
    main()
