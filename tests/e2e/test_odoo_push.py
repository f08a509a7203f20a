"""Mode push: a campaign goes from a fake Odoo to our endpoint and the phones, and its ends go back, through kills too.

SMSRACK_TEST_ODOO_RECIPIENTS is how many recipients the first campaign has.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import urllib.request
from collections import Counter

import pytest
import waitress

from benchmarks.rack import free_port
from odoo_sync.fake import FakeOdoo, make_app
from odoo_sync.fake.sending import send_queue
from tests.serving import run_until_closed

COUNT = int(os.environ.get("SMSRACK_TEST_ODOO_RECIPIENTS", "120"))
TOKEN = "0123456789abcdef0123456789canary"
OPTED_OUT = "+420777199999"
REFUSED = {OPTED_OUT: "bounce", "+42077712345": "error", "12345": "error", "+421905123456": "error"}
ENDED = {"pending", "bounce", "error"}
SUCCESS = {"sent", "delivered"}


class Peer:
    """A fake Odoo over HTTP, and its SMS cron."""

    def __init__(self, phones_port):
        self.odoo = FakeOdoo("odoo18", "gw_min", "s3cret-canary")
        self.endpoint = f"http://127.0.0.1:{phones_port}/api/sms/3/send"
        self.health = f"http://127.0.0.1:{phones_port}/healthz"
        self.app = make_app(self.odoo)
        self.port = 0
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        self._server = waitress.create_server(self.app, host="127.0.0.1", port=self.port)
        self.port = self._server.effective_port
        self._thread = threading.Thread(target=run_until_closed, args=(self._server,), daemon=True)
        self._thread.start()

    def stop(self):
        self._server.close()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def run_cron(self):
        started_s = time.monotonic()
        calls = send_queue(self.odoo, self.endpoint, TOKEN)
        return calls, time.monotonic() - started_s

    def reaches_us(self):
        with contextlib.suppress(OSError), urllib.request.urlopen(self.health, timeout=5) as answer:
            return answer.status == 200
        return False

    def retry_failed(self):
        """What a person does with messages that failed for want of a provider."""
        with self.odoo.lock:
            for row in self.odoo.sms.values():
                if row.state == "error" and row.failure_type == "sms_server" and not row.to_delete:
                    row.state, row.failure_type = "outgoing", False

    def traces(self):
        with self.odoo.lock:
            return {trace.sms_number: trace.trace_status for trace in self.odoo.traces.values()}

    def has_ended(self):
        return set(self.traces().values()) <= ENDED

    def failures_after_success(self):
        """Reports that would have made a success a failure."""
        with self.odoo.lock:
            heard, wrong = set(), 0
            for word, uuid in self.odoo.reports:
                wrong += uuid in heard and word not in SUCCESS
                heard |= {uuid} if word in SUCCESS else set()
            return wrong


@pytest.fixture
def start(start_rack, make_daemon):
    made = []

    def make(login=False):
        rack = start_rack(phones=4, guard_max_parts=10_000, seed=61)
        smsrack = make_daemon(rack, per_minute=600)
        port = free_port()
        peer = Peer(port)
        made.append(peer)
        files = {name: smsrack.directory / name for name in ("token", "password")}
        files["token"].write_text(TOKEN)
        files["password"].write_text(peer.odoo.password)
        user = f'user = "gw_min"\npassword_file = "{files["password"]}"\n' if login else ""
        smsrack.add_settings(
            f'[gateway]\nport = {port}\n[odoo.shop]\nmode = "push"\nurl = "{peer.url}"\ndatabase = "odoo18"\n'
            f'account_token_file = "{files["token"]}"\npoll_s = 1.0\n{user}'
        )
        return rack, smsrack, peer

    yield make
    for peer in made:
        peer.stop()


def numbers(count):
    return [f"+4207771{n:05d}" for n in range(count)]


def air_of(rack):
    return Counter((part["to"], part["text"]) for part in rack.air())


def test_a_campaign_there_and_back(start, eventually):
    rack, smsrack, peer = start(login=True)
    assert smsrack.cli("optouts", "add", OPTED_OUT).returncode == 0
    smsrack.start()
    eventually(peer.reaches_us, 30)
    recipients = [*numbers(COUNT), *REFUSED, numbers(1)[0]]  # the last one twice, with a text of its own
    peer.odoo.add_mailing([(number, f"Sale {n}") for n, number in enumerate(recipients)])
    started_s = time.monotonic()
    calls, took_s = peer.run_cron()
    assert took_s / calls < 5
    eventually(peer.has_ended, 60 + COUNT / 4, "every end in Odoo")
    print(f"{calls} calls of {took_s / calls:.2f} s; all ended after {time.monotonic() - started_s:.1f} s")
    traces = peer.traces()
    assert {number: traces.pop(number) for number in REFUSED} == REFUSED
    assert set(traces.values()) == {"pending"}
    assert peer.odoo.mailings == {14: "done"}
    expected = Counter((number, f"Sale {n}") for n, number in enumerate(recipients) if number not in REFUSED)
    assert air_of(rack) == expected
    assert peer.failures_after_success() == 0
    (card,) = smsrack.cli_json("odoo", "status", "shop")["connections"]
    errors = {row["object"]: row["error"] for row in card["objects"]}
    assert errors.keys() >= {"results", "sends"}
    assert set(errors.values()) == {None}
    assert smsrack.cli("odoo", "status", "nobody").returncode == 1
    log = (smsrack.directory / "log").read_text()
    assert "canary" not in log
    assert "Sale" not in log
    assert not any(number in log for number in recipients)


def test_killed_again_and_again(start, eventually):
    rack, smsrack, peer = start()
    peer.odoo.add_mailing([(number, f"Kill {n}") for n, number in enumerate(numbers(60))])
    smsrack.start()
    eventually(peer.reaches_us, 30)
    killer = threading.Timer(0.05, smsrack.kill)
    killer.start()
    peer.run_cron()  # its answer may come or not
    killer.join()
    for _ in range(3):
        smsrack.start()
        eventually(peer.reaches_us, 30)
        peer.retry_failed()
        peer.run_cron()
        before = len(rack.air())
        eventually(lambda before=before: len(rack.air()) >= min(before + 8, 60) or peer.has_ended(), 60)
        smsrack.kill()
    smsrack.start()
    eventually(peer.has_ended, 120, "every end in Odoo")
    air = air_of(rack)
    assert max(air.values()) == 1
    traces = Counter(peer.traces().values())
    assert traces["pending"] <= len(air)
    assert sum(traces.values()) == 60
    assert peer.failures_after_success() == 0


def test_odoo_away_while_we_send(start, eventually):
    rack, smsrack, peer = start()
    peer.odoo.add_mailing([(number, f"Away {n}") for n, number in enumerate(numbers(60))])
    smsrack.start()
    eventually(peer.reaches_us, 30)
    peer.run_cron()
    peer.stop()
    eventually(lambda: len(rack.air()) == 60, 60, "sending with Odoo away")
    eventually(lambda: smsrack.cli_json("odoo", "status")["connections"][0]["objects"][0]["failures"] > 1, 30)
    assert "does not answer" in smsrack.cli("odoo", "status").stdout
    peer.start()
    eventually(peer.has_ended, 90, "every end in Odoo")
    assert set(peer.traces().values()) == {"pending"}
    assert peer.odoo.mailings == {14: "done"}
