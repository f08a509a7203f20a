"""Mode push when things break: the daemon killed, Odoo away, nothing sent; see odoo_peers.py on a real Odoo."""

from __future__ import annotations

import secrets
import threading
from collections import Counter

import pytest

from tests.e2e.odoo_peers import FakePeer, make_peer, start_beside

COUNT = 60
SUCCESS = {"sent", "delivered"}


@pytest.fixture
def real():
    made = make_peer("real", "push")
    if made is None:
        pytest.skip("no real Odoo is named in SMSRACK_TEST_ODOO_URL")
    yield made
    made.close()


@pytest.fixture
def fake():
    made = FakePeer("push")
    yield made
    made.close()


@pytest.fixture
def start(start_rack, make_daemon):
    """Give a function that makes a rack, a daemon on it, and a mailing that waits in an Odoo."""

    def make(peer, count=COUNT, login=False):
        rack, smsrack = start_beside(peer, start_rack, make_daemon, prefix="+420776", count=count, login=login)
        return rack, smsrack, peer.queue(f"Push {secrets.token_hex(3)}")

    return make


def failures_after_success(odoo):
    """Reports that would have made a success a failure."""
    with odoo.lock:
        heard, wrong = set(), 0
        for word, uuid in odoo.reports:
            wrong += uuid in heard and word not in SUCCESS
            heard |= {uuid} if word in SUCCESS else set()
        return wrong


def retry_failed(odoo):
    """What a person does with messages that failed for want of a provider."""
    with odoo.lock:
        for row in odoo.sms.values():
            if row.state == "error" and row.failure_type == "sms_server" and not row.to_delete:
                row.state, row.failure_type = "outgoing", False


def has_ended(peer, mailing):
    return peer.count(mailing, peer.moving) == 0


def test_killed_again_and_again(start, fake, eventually):
    rack, smsrack, mailing = start(fake)
    smsrack.start()
    eventually(fake.reaches_us, 30)
    killer = threading.Timer(0.05, smsrack.kill)
    killer.start()
    fake.run_queue(mailing)  # its answer may come or not
    killer.join()
    for _ in range(3):
        smsrack.start()
        eventually(fake.reaches_us, 30)
        retry_failed(fake.odoo)
        fake.run_queue(mailing)
        before = len(rack.air())
        eventually(lambda before=before: len(rack.air()) >= min(before + 8, COUNT) or has_ended(fake, mailing), 60)
        smsrack.kill()
    smsrack.start()
    eventually(lambda: has_ended(fake, mailing), 120, "every end in Odoo")
    air = Counter((part["to"], part["text"]) for part in rack.air())
    assert max(air.values()) == 1
    assert fake.count(mailing, {"pending"}) <= len(air)
    assert failures_after_success(fake.odoo) == 0


def test_odoo_away_while_we_send(start, fake, eventually):
    rack, smsrack, mailing = start(fake)
    smsrack.start()
    eventually(fake.reaches_us, 30)
    fake.run_queue(mailing)
    fake.stop()
    eventually(lambda: len(rack.air()) == COUNT, 60, "sending with Odoo away")
    eventually(lambda: smsrack.cli_json("odoo", "status")["connections"][0]["objects"][0]["failures"] > 1, 30)
    assert "does not answer" in smsrack.cli("odoo", "status").stdout
    assert smsrack.cli("odoo", "status", "nobody").returncode == 1
    fake.start()
    eventually(lambda: has_ended(fake, mailing), 90, "every end in Odoo")
    assert fake.count(mailing, {"pending"}) == COUNT
    assert fake.mailing_state(mailing) == "done"


@pytest.mark.parametrize(("login", "state"), [(True, "done"), (False, "sending")])
def test_a_mailing_of_which_nothing_is_sent(start, real, eventually, login, state):
    """Words alone do not end it in Odoo: its daily run does, or we with a login. On the fake: test_push.py."""
    peer = real
    _, smsrack, mailing = start(peer, 3, login)
    smsrack.start()
    eventually(peer.reaches_us, 30)
    assert smsrack.cli("pause", "--reason", "so that nothing is sent").returncode == 0
    peer.run_queue(mailing)
    assert peer.count(mailing, {"process"}) == 3
    for n in range(3):
        assert smsrack.cli("optouts", "add", peer.numbers[n]).returncode == 0
    eventually(lambda: peer.count(mailing, {"bounce"}) == 3, 60, "every end in Odoo")
    eventually(lambda: peer.mailing_state(mailing) == state, 20, "its state")
