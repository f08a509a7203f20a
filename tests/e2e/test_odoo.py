"""Mode pull when things break: the daemon killed, Odoo away. A real Odoo takes part where odoo_peers.py finds one."""

from __future__ import annotations

import secrets
from collections import Counter

import pytest

from tests.e2e.odoo_peers import FakePeer, make_peer, start_beside

COUNT = 60


@pytest.fixture(params=["fake", "real"])
def peer(request):
    made = make_peer(request.param, "pull")
    if made is None:
        pytest.skip("no real Odoo is named in SMSRACK_TEST_ODOO_URL")
    yield made
    made.close()


@pytest.fixture
def start(start_rack, make_daemon):
    """Give a function that makes a rack, a daemon on it that knows an Odoo, and a mailing that waits there."""

    def make(peer):
        rack, smsrack = start_beside(peer, start_rack, make_daemon, prefix="+420777", count=COUNT)
        return rack, smsrack, peer.queue(f"Fault {secrets.token_hex(3)}")

    return make


def has_ended(peer, mailing):
    return all(
        state not in ("outgoing", "process") and trace not in peer.moving for state, _, trace, _ in peer.ends(mailing)
    )


def traces(peer, mailing):
    return Counter(trace for _, _, trace, _ in peer.ends(mailing))


def test_killed_between_the_send_and_the_report(start, peer, eventually):
    rack, smsrack, mailing = start(peer)
    smsrack.start()
    eventually(lambda: len(rack.air()) >= 20, 60)
    for _ in range(4):
        smsrack.kill()
        before = len(rack.air())
        smsrack.start()
        eventually(lambda before=before: len(rack.air()) > before or has_ended(peer, mailing), 60)
    eventually(lambda: has_ended(peer, mailing), 120, "every end in Odoo")
    assert max(Counter((part["to"], part["text"]) for part in rack.air()).values()) == 1
    found = traces(peer, mailing)
    assert found["pending"] + found["error"] == COUNT
    assert found["pending"] <= len(rack.air())
    peer.undo(mailing)
    compared = smsrack.cli_json("odoo", "reconcile", "shop", "--everything")
    assert compared["repaired"] == found["pending"]
    # A real Odoo may hold what other tests took over.
    assert [row for row in compared["listed"] if row["message_id"]] == []
    assert traces(peer, mailing) == found


def test_odoo_goes_away_in_the_middle_and_answers_are_lost(start, eventually):
    fake = FakePeer("pull")
    rack, smsrack, mailing = start(fake)
    fake.app.config["FAULTS"].extend(["none"] * 6 + ["lost_answer", "none", "lost_answer", "serialization"])
    smsrack.start()
    eventually(lambda: len(rack.air()) >= 20, 60)
    fake.stop()
    eventually(lambda: len(rack.air()) == COUNT, 60, "sending with Odoo away")
    fake.start()
    eventually(lambda: has_ended(fake, mailing), 60, "every end in Odoo")
    assert traces(fake, mailing) == {"pending": COUNT}
    assert max(Counter((part["to"], part["text"]) for part in rack.air()).values()) == 1
    fake.close()
