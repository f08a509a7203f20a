"""An Odoo in one of the three modes, fake or real, as somebody in its office uses it.

A real one is an Odoo 18 with mass_mailing_sms on loopback, named by SMSRACK_TEST_ODOO_URL; for mode gateway another,
with the module sms_gateway, by SMSRACK_TEST_ODOO_GATEWAY_URL. Its database is SMSRACK_TEST_ODOO_DATABASE or
SMSRACK_TEST_ODOO_GATEWAY_DATABASE. SMSRACK_TEST_ODOO_USER and _PASSWORD are an administrator's; the daemon uses
SMSRACK_TEST_ODOO_DAEMON_USER and _PASSWORD where they are set: a user with the rights of docs/odoo.md and an e-mail
address. Odoo's own SMS cron must be off.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
import urllib.request
from urllib.parse import urlsplit

import odoorpc

from benchmarks.rack import free_port
from odoo_sync.fake import FakeOdoo, GatewayModule, make_app, mount
from odoo_sync.fake.sending import send_queue
from odoo_sync.lease_row import PREFIX
from tests.serving import serve

TOKEN = "0123456789abcdef0123456789canary"
NUMBER = "+420700000001"
MOVING = {"outgoing", "process"}
# With the module a trace says `pending` from the moment that a phone was chosen.
MOVING_IN_MODULE = {*MOVING, "pending"}
_LIMIT_S = 900
_PIECE = 100


class Peer:
    """What a daemon is told of an Odoo."""

    def __init__(self, mode, database, user, password):
        self.mode, self.database, self.user, self.password = mode, database, user, password
        self.moving = MOVING_IN_MODULE if mode == "gateway" else MOVING
        self.phones_port = free_port()

    def add_settings(self, smsrack, *, login=True):
        """Write the connection `shop` into a daemon's settings."""
        text = f'[odoo.shop]\nmode = "{self.mode}"\nurl = "{self.url}"\ndatabase = "{self.database}"\npoll_s = 1.0\n'
        if login:
            text += f'user = "{self.user}"\npassword_file = "{_file(smsrack, "password", self.password)}"\n'
        if self.mode == "push":
            text += f'account_token_file = "{_file(smsrack, "token", self.token())}"\n'
            text = f"[gateway]\nport = {self.phones_port}\n{text}"
        if self.mode == "gateway":
            text += f'pairing_file = "{smsrack.directory / "pairings"}"\n'
        smsrack.add_settings(text)

    def pair(self, smsrack, *options):
        """Make a phone of the module, and let a rack stand for it; give its id."""
        phone_id, code = self.code()
        command = [sys.executable, "-m", "host_controller", "odoo", "pair", "shop", "--config", str(smsrack.config)]
        result = subprocess.run(
            [*command, *options], input=code, capture_output=True, text=True, check=False, timeout=60
        )
        assert result.returncode == 0, result.stderr
        assert "paired with" in result.stdout
        return phone_id

    def code(self):
        """Make a phone of the module; give its id and its pairing code."""
        phone_id, key = self.add_phone()
        return phone_id, json.dumps({"url": self.url, "api_key": key, "type": "sms_gateway"})

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.phones_port}/api/sms/3/send"

    def reaches_us(self):
        health = f"http://127.0.0.1:{self.phones_port}/healthz"
        with contextlib.suppress(OSError), urllib.request.urlopen(health, timeout=5) as answer:
            return answer.status == 200
        return False


def _file(smsrack, name, text):
    path = smsrack.directory / name
    path.write_text(text)
    return path


class FakePeer(Peer):
    """A fake Odoo over HTTP."""

    scale = 0.05

    def __init__(self, mode):
        super().__init__(mode, "odoo18", "gw_min", "s3cret-canary")
        self.odoo = FakeOdoo(self.database, self.user, self.password)
        self.app = make_app(self.odoo)
        if mode == "gateway":
            self.module = GatewayModule(self.odoo)
            mount(self.app, self.module)
        self.port = 0
        self.people = []
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def token(self):
        return TOKEN

    def start(self):
        self._server = serve(self.app, self.port)
        self.port = self._server.port

    def stop(self):
        self._server.stop()

    def close(self):
        self.stop()

    def add_phone(self):
        phone = self.module.add_phone("A", NUMBER)
        phone.daily_limit = 0
        return phone.id, phone.api_key

    def add_contacts(self, numbers):
        """Make a contact for each number, in this order."""
        self.numbers = numbers
        self.people = [
            self.odoo.partners.add(name=f"Contact {n:04d}", phone=number) for n, number in enumerate(numbers)
        ]

    def block(self, numbers):
        for number in numbers:
            self.odoo.blacklist.add(number=number)

    def queue(self, text, people=None):
        """Let a mailing wait for some contacts (their places; None: all); give it."""
        chosen = self.people if people is None else [self.people[n] for n in people]
        mailing = 14 + len(self.odoo.mailings)
        self.odoo.mail_contacts(chosen, text, mailing)
        return mailing

    def hand_to_phone(self, mailing, phone_id):
        with self.odoo.lock:
            waiting = [row for row in self._of(mailing) if row.state == "outgoing"]
        self.module.hand_over(self.module.phones[phone_id], waiting)

    def run_queue(self, mailing):
        """What Odoo's SMS cron does; give how many calls that is."""
        return send_queue(self.odoo, self.endpoint, TOKEN)

    def ends(self, mailing):
        """(state, failure) of each SMS of a mailing and of its trace."""
        with self.odoo.lock:
            rows = self._of(mailing)
            traces = [self.odoo.traces[row.uuid] for row in rows]
            return [
                (row.state, row.failure_type, trace.trace_status, trace.failure_type)
                for row, trace in zip(rows, traces, strict=True)
            ]

    def count(self, mailing, statuses):
        return sum(trace in statuses for _, _, trace, _ in self.ends(mailing))

    def _of(self, mailing):
        return [row for row in self.odoo.sms.values() if row.mailing_id and row.mailing_id[0] == mailing]

    def mailing_state(self, mailing):
        return self.odoo.mailings[mailing]

    def undo(self, mailing):
        """As after a backup of Odoo was restored: nothing that was sent is known to be."""
        with self.odoo.lock:
            for row in self._of(mailing):
                if row.state == "pending":
                    row.state, self.odoo.traces[row.uuid].trace_status = "process", "process"

    def hand_out_again(self):
        """Do at once what the module does after half an hour: what was never announced waits again."""
        with self.odoo.lock:
            for queued in self.module.queue.values():
                if queued.gateway_state == "processing":
                    queued.gateway_state = "pending"

    def notes(self):
        """What stands in the chatter of each contact, oldest first."""
        with self.odoo.lock:
            return [self.odoo.partners.chatter(person) for person in self.people]

    def blacklisted(self, numbers):
        with self.odoo.lock:
            return self.odoo.blacklist.active() & set(numbers)


class RealPeer(Peer):
    """A real Odoo, seen by an administrator."""

    scale = 0.2

    def __init__(self, mode):
        which = "GATEWAY_" if mode == "gateway" else ""
        admin, secret = (os.environ.get(f"SMSRACK_TEST_ODOO_{name}", "admin") for name in ("USER", "PASSWORD"))
        database = os.environ.get(f"SMSRACK_TEST_ODOO_{which}DATABASE", "odoo18gw" if which else "odoo18")
        user = os.environ.get("SMSRACK_TEST_ODOO_DAEMON_USER", admin)
        super().__init__(mode, database, user, os.environ.get("SMSRACK_TEST_ODOO_DAEMON_PASSWORD", secret))
        self.url = os.environ[f"SMSRACK_TEST_ODOO_{which}URL"]
        parts = urlsplit(self.url)
        self._odoo = odoorpc.ODOO(parts.hostname, port=parts.port or 80, timeout=_LIMIT_S, version="18.0")
        self._odoo.login(database, admin, secret)
        (self._partners,) = self._call("ir.model", "search", [["model", "=", "res.partner"]])
        # Each test is another smsrack: it must not wait until the one before it is taken for dead.
        rows = self._call("sms.sms", "search", [["uuid", "=like", f"{PREFIX}%"]])
        self._call("sms.sms", "write", rows, {"to_delete": True})
        self._endpoint = self._call("ir.config_parameter", "get_param", "sms.endpoint")
        self.people = []

    def _call(self, model, method, *arguments, **options):
        # A method that gives nothing answers without a result.
        with contextlib.suppress(KeyError):
            return self._odoo.execute_kw(model, method, list(arguments), options)

    def token(self):
        self._call("iap.account", "get", "sms")
        accounts = self._call("iap.account", "search_read", [["service_name", "=", "sms"]], ["account_token"])
        return accounts[0]["account_token"]

    def close(self):
        self._call("ir.config_parameter", "set_param", "sms.endpoint", self._endpoint)
        self._call("res.partner", "write", self.people, {"active": False})

    def add_phone(self):
        values = {"name": "A", "phone_number": NUMBER, "daily_limit": 0, "sent_today": 0}
        phone_id = self._call("sms.gateway.phone", "create", values)
        self._call("sms.gateway.phone", "action_generate_api_key", [phone_id])
        return phone_id, self._call("sms.gateway.phone", "read", [phone_id], ["api_key"])[0]["api_key"]

    def add_contacts(self, numbers):
        self.numbers = numbers
        values = [{"name": f"Contact {n:04d}", "phone": number} for n, number in enumerate(numbers)]
        self.people = self._call("res.partner", "create", values)

    def block(self, numbers):
        self._call("phone.blacklist", "create", [{"number": number} for number in numbers])

    def queue(self, text, people=None):
        chosen = self.people if people is None else [self.people[n] for n in people]
        values = {
            "subject": text,
            "mailing_type": "sms",
            "mailing_model_id": self._partners,
            "mailing_domain": repr([("id", "in", chosen)]),
            "body_plaintext": f"{text} {{{{ object.name }}}}",
            "sms_allow_unsubscribe": False,
        }
        mailing = self._call("mailing.mailing", "create", values)
        self._call("mailing.mailing", "action_send_sms", [mailing])
        return mailing

    def _waiting(self, mailing):
        return self._call("sms.sms", "search", [["mailing_id", "=", mailing], ["state", "=", "outgoing"]], order="id")

    def hand_to_phone(self, mailing, phone_id):
        self._call("mailing.mailing", "write", [mailing], {"gateway_phone_forced_id": phone_id})
        waiting = self._waiting(mailing)
        self._call("sms.sms", "write", waiting, {"sms_provider": "gateway"})
        for start in range(0, len(waiting), _PIECE):
            # Its time grows with the square of what waits; with a thousand at once Odoo's own limit ends it.
            self._call("sms.sms", "send", waiting[start : start + _PIECE])

    def run_queue(self, mailing):
        self._call("ir.config_parameter", "set_param", "sms.endpoint", self.endpoint.removesuffix("/api/sms/3/send"))
        self._call("sms.sms", "send", self._waiting(mailing))

    def ends(self, mailing):
        fields = ["sms_id_int", "res_id", "trace_status", "failure_type"]
        traces = self._call("mailing.trace", "search_read", [["mass_mailing_id", "=", mailing]], fields)
        traces.sort(key=lambda trace: trace["res_id"])
        ids = [trace["sms_id_int"] for trace in traces]
        rows = {row["id"]: row for row in self._call("sms.sms", "read", ids, ["state", "failure_type"])}
        return [
            (row["state"], row["failure_type"], trace["trace_status"], trace["failure_type"])
            for trace in traces
            for row in (rows[trace["sms_id_int"]],)
        ]

    def count(self, mailing, statuses):
        time.sleep(0.5)  # between two looks: it has other things to do
        domain = [["mass_mailing_id", "=", mailing], ["trace_status", "in", sorted(statuses)]]
        return self._call("mailing.trace", "search_count", domain)

    def mailing_state(self, mailing):
        return self._call("mailing.mailing", "read", [mailing], ["state"])[0]["state"]

    def undo(self, mailing):
        rows = self._call("sms.sms", "search", [["mailing_id", "=", mailing], ["state", "=", "pending"]])
        self._call("sms.sms", "write", rows, {"state": "process"})
        traces = self._call("mailing.trace", "search", [["sms_id_int", "in", rows]])
        self._call("mailing.trace", "write", traces, {"trace_status": "process"})

    def hand_out_again(self):
        lost = self._call("sms.sms", "search", [["gateway_state", "=", "processing"]])
        self._call("sms.sms", "write", lost, {"gateway_state": "pending"})

    def notes(self):
        time.sleep(0.5)
        domain = [["model", "=", "res.partner"], ["res_id", "in", self.people], ["message_type", "=", "comment"]]
        rows = self._call("mail.message", "search_read", domain, ["res_id", "body"], order="id asc")
        found = {person: [] for person in self.people}
        for row in rows:
            found[row["res_id"]].append(str(row["body"]))
        return list(found.values())

    def blacklisted(self, numbers):
        domain = [["number", "in", sorted(number for number in numbers if number)]]
        return {row["number"] for row in self._call("phone.blacklist", "search_read", domain, ["number"])}


def make_peer(which, mode):
    """Give a `fake` or `real` one; None where no real one is named."""
    if which == "fake":
        return FakePeer(mode)
    variable = "SMSRACK_TEST_ODOO_GATEWAY_URL" if mode == "gateway" else "SMSRACK_TEST_ODOO_URL"
    return RealPeer(mode) if variable in os.environ else None


def start_beside(peer, start_rack, make_daemon, *, prefix, count, login=True):
    """Give a rack and a daemon on it that knows this Odoo, where contacts are with numbers that begin with `prefix`."""
    rack = start_rack(phones=4, guard_max_parts=10_000, seed=61)
    smsrack = make_daemon(rack, per_minute=600)
    peer.add_settings(smsrack, login=login)
    stem = secrets.randbelow(1000)
    peer.add_contacts([f"{prefix}{stem:03d}{n:03d}" for n in range(count)])
    return rack, smsrack
