"""Mode push with a real Odoo 17 to 19, where SMSRACK_TEST_ODOO_URL names one; see test_odoo.py for the variables.

Its provider's address is ours while the test runs. Only SMS of the test's own mailing are sent: no cron is run.
"""

from __future__ import annotations

import os
import time
import uuid
from collections import Counter
from contextlib import suppress
from urllib.parse import urlsplit

import odoorpc
import pytest

from benchmarks.rack import free_port

COUNT = int(os.environ.get("SMSRACK_TEST_ODOO_RECIPIENTS", "100"))
ENDED = {"pending", "bounce", "error", "cancel"}
OURS_OPTED_OUT, THEIRS_BLACKLISTED = "+420777199999", "+420777199998"

pytestmark = pytest.mark.skipif(
    "SMSRACK_TEST_ODOO_URL" not in os.environ, reason="no real Odoo is named in SMSRACK_TEST_ODOO_URL"
)


class RealOdoo:
    """A real Odoo whose SMS provider we are for a while."""

    def __init__(self):
        self.url = os.environ["SMSRACK_TEST_ODOO_URL"]
        self.database = os.environ.get("SMSRACK_TEST_ODOO_DATABASE", "odoo18")
        parts = urlsplit(self.url)
        self._odoo = odoorpc.ODOO(parts.hostname, port=parts.port or 80, timeout=120, version="18.0")
        user, password = (os.environ.get(f"SMSRACK_TEST_ODOO_{name}", "admin") for name in ("USER", "PASSWORD"))
        self._odoo.login(self.database, user, password)
        self.user = os.environ.get("SMSRACK_TEST_ODOO_DAEMON_USER", user)
        self.password = os.environ.get("SMSRACK_TEST_ODOO_DAEMON_PASSWORD", password)
        self._endpoint = self.call("ir.config_parameter", "get_param", "sms.endpoint")

    def call(self, model, method, *arguments, **options):
        # A method that gives nothing answers without a result.
        with suppress(KeyError):
            return self._odoo.execute_kw(model, method, list(arguments), options)

    def send_to(self, endpoint):
        self.call("ir.config_parameter", "set_param", "sms.endpoint", endpoint)

    def token(self):
        self.call("iap.account", "get", "sms")
        accounts = self.call("iap.account", "search_read", [["service_name", "=", "sms"]], ["account_token"])
        return accounts[0]["account_token"]

    def restore(self):
        self.send_to(self._endpoint)

    def make_mailing(self, numbers, mark):
        values = [{"name": f"{mark} {n}", "phone": number} for n, number in enumerate(numbers)]
        partners = self.call("res.partner", "create", values)
        (model,) = self.call("ir.model", "search", [["model", "=", "res.partner"]])
        values = {
            "subject": mark,
            "mailing_type": "sms",
            "mailing_model_id": model,
            "mailing_domain": repr([("id", "in", partners)]),
            "body_plaintext": "{{ object.name }}",
            "sms_allow_unsubscribe": False,
        }
        mailing = self.call("mailing.mailing", "create", values)
        self.call("mailing.mailing", "action_send_sms", [mailing])
        return mailing

    def send(self, mailing):
        waiting = [["mailing_id", "=", mailing], ["state", "=", "outgoing"]]
        self.call("sms.sms", "send", self.call("sms.sms", "search", waiting))

    def traces(self, mailing):
        fields = ["sms_number", "trace_status", "failure_type"]
        rows = self.call("mailing.trace", "search_read", [["mass_mailing_id", "=", mailing]], fields)
        return [(row["sms_number"], row["trace_status"], row["failure_type"]) for row in rows]

    def state(self, mailing):
        return self.call("mailing.mailing", "read", [mailing], ["state"])[0]["state"]


@pytest.fixture
def odoo():
    made = RealOdoo()
    yield made
    made.restore()


@pytest.fixture
def connect(odoo):
    """Give the function that tells a daemon of the Odoo; gives where that can reach the daemon."""

    def add(smsrack, has_login):
        port, token, key = free_port(), smsrack.directory / "token", smsrack.directory / "key"
        token.write_text(odoo.token())
        key.write_text(odoo.password)
        user = f'user = "{odoo.user}"\npassword_file = "{key}"\n' if has_login else ""
        smsrack.add_settings(
            f'[gateway]\nport = {port}\n[odoo.shop]\nmode = "push"\nurl = "{odoo.url}"\ndatabase = "{odoo.database}"\n'
            f'account_token_file = "{token}"\npoll_s = 1.0\n{user}'
        )
        return f"http://127.0.0.1:{port}"

    return add


@pytest.mark.parametrize("has_login", [False, True])
def test_a_campaign_there_and_back(start_rack, make_daemon, odoo, connect, eventually, has_login):
    rack = start_rack(phones=4, guard_max_parts=10_000, seed=61)
    smsrack = make_daemon(rack, per_minute=600)
    endpoint = connect(smsrack, has_login)
    assert smsrack.cli("optouts", "add", OURS_OPTED_OUT).returncode == 0
    smsrack.start()
    smsrack.wait_up()
    mark = f"Push {uuid.uuid4().hex[:8]}"
    # Other tests may have left some of these on Odoo's blacklist.
    numbers = [f"+4207773{n:05d}" for n in range(2 * COUNT)]
    listed = odoo.call("phone.blacklist", "search_read", [["number", "in", numbers]], ["number"])
    good = [number for number in numbers if number not in {row["number"] for row in listed}][:COUNT]
    odoo.call("phone.blacklist", "create", {"number": THEIRS_BLACKLISTED})
    mailing = odoo.make_mailing([*good, good[0], OURS_OPTED_OUT, THEIRS_BLACKLISTED, "12", "+421905123456"], mark)
    odoo.send_to(endpoint)
    started_s = time.monotonic()
    odoo.send(mailing)
    answered_s = time.monotonic() - started_s
    eventually(lambda: {status for _, status, _ in odoo.traces(mailing)} <= ENDED, 120 + COUNT / 4, "every end in Odoo")
    print(
        f"login {has_login}: {COUNT} answered in {answered_s:.1f} s, ended after {time.monotonic() - started_s:.1f} s"
    )
    traces = odoo.traces(mailing)
    counts = Counter((status, failure) for _, status, failure in traces)
    print(dict(counts))
    assert {(status, failure) for number, status, failure in traces if number == OURS_OPTED_OUT} == {
        ("bounce", "sms_not_allowed")
    }
    assert ("error", "sms_country_not_supported") in counts
    assert ("cancel", "sms_blacklist") in counts
    assert counts["pending", False] == COUNT
    assert odoo.state(mailing) == "done"
    air = Counter(part["to"] for part in rack.air() if part["text"].startswith(mark))
    assert air == Counter(good)
    assert smsrack.cli_json("odoo", "status")["connections"][0]["objects"][0]["error"] is None


@pytest.mark.parametrize(("has_login", "state"), [(True, "done"), (False, "sending")])
def test_a_mailing_of_which_nothing_is_sent(start_rack, make_daemon, odoo, connect, eventually, has_login, state):
    smsrack = make_daemon(start_rack(phones=1, guard_max_parts=10_000, seed=61), per_minute=600)
    endpoint = connect(smsrack, has_login)
    smsrack.start()
    smsrack.wait_up()
    assert smsrack.cli("pause", "--reason", "so that nothing is sent").returncode == 0
    numbers = [f"+4207772{uuid.uuid4().int % 100_000:05d}" for _ in range(3)]
    mailing = odoo.make_mailing(numbers, f"None {uuid.uuid4().hex[:8]}")
    odoo.send_to(endpoint)
    odoo.send(mailing)
    assert {status for _, status, _ in odoo.traces(mailing)} == {"process"}
    for number in numbers:
        assert smsrack.cli("optouts", "add", number).returncode == 0
    eventually(lambda: {status for _, status, _ in odoo.traces(mailing)} == {"bounce"}, 60, "every end in Odoo")
    assert odoo.state(mailing) == state
