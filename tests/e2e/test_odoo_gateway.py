"""Mode gateway when things break: the daemon killed, Odoo away; see odoo_peers.py on a real Odoo."""

from __future__ import annotations

import secrets
from collections import Counter

import pytest

from tests.e2e.odoo_peers import FakePeer, make_peer, start_beside

COUNT = 60
OTHERS = 5


@pytest.fixture(params=["fake", "real"])
def peer(request):
    made = make_peer(request.param, "gateway")
    if made is None:
        pytest.skip("no real Odoo with the module is named in SMSRACK_TEST_ODOO_GATEWAY_URL")
    yield made
    made.close()


@pytest.fixture
def start(start_rack, make_daemon):
    """Give a function that makes a rack, a daemon on it, and contacts in an Odoo."""

    def make(peer):
        return start_beside(peer, start_rack, make_daemon, prefix="+420775", count=COUNT, login=False)

    return make


def send(peer, smsrack, text, people, *options):
    mailing = peer.queue(text, people)
    peer.hand_to_phone(mailing, peer.pair(smsrack, *options))
    return mailing


def has_ended(peer, *mailings):
    return not any(peer.count(mailing, peer.moving) for mailing in mailings)


def test_killed_between_the_steps(start, peer, eventually):
    """Whatever the daemon was at when it was killed: nothing is sent twice, and every message ends."""
    rack, smsrack = start(peer)
    serial, mark = rack.phones[2], secrets.token_hex(3)
    smsrack.start()
    smsrack.wait_up()
    eventually(lambda: {phone["status"] for phone in smsrack.cli_json("phones")["phones"]} == {"ready"}, 60)
    smsrack.kill()
    first = send(peer, smsrack, f"Kill {mark}", range(OTHERS, COUNT))
    second = send(peer, smsrack, f"Bound {mark}", range(OTHERS), "--phone", serial)
    for _ in range(5):
        before = len(rack.air())
        smsrack.start()
        eventually(lambda before=before: len(rack.air()) > before or has_ended(peer, first, second), 60)
        smsrack.kill()
    smsrack.start()
    # What was handed to a daemon that was killed before it had written it down.
    peer.hand_out_again()
    eventually(lambda: has_ended(peer, first, second), 120, "every end in Odoo")
    states = Counter(state for state, *_ in [*peer.ends(first), *peer.ends(second)])
    air = rack.air()
    assert max(Counter((part["to"], part["text"]) for part in air).values()) == 1
    assert states["sent"] + states["error"] == COUNT
    assert states["sent"] <= len(air)
    assert {part["phone"] for part in air if part["text"].startswith("Bound")} <= {serial}


def test_odoo_goes_away_in_the_middle_and_answers_are_lost(start, eventually):
    fake = FakePeer("gateway")
    rack, smsrack = start(fake)
    mailing = send(fake, smsrack, "Away", None)
    smsrack.start()
    eventually(lambda: smsrack.counts().total() == COUNT, 60, "messages that are taken over")
    fake.app.config["FAULTS"].extend(["lost_answer", "serialization", "none", "lost_answer"])
    fake.stop()
    eventually(lambda: len(rack.air()) == COUNT, 60, "sending with Odoo away")
    fake.start()
    eventually(lambda: has_ended(fake, mailing), 60, "every end in Odoo")
    assert fake.count(mailing, {"sent"}) == COUNT
    assert max(Counter((part["to"], part["text"]) for part in rack.air()).values()) == 1
    assert {queued.handed_out for queued in fake.module.queue.values()} == {1}
    fake.close()
