"""An Odoo with the module `sms_gateway` takes the rack for its phones: a campaign, its ends, and the replies.

On a fake one always; on a real Odoo 18 with the module where SMSRACK_TEST_ODOO_GATEWAY_URL names it (and, where they
differ, SMSRACK_TEST_ODOO_GATEWAY_DATABASE, SMSRACK_TEST_ODOO_USER and _PASSWORD; the user an administrator).
SMSRACK_TEST_ODOO_COUNT is the number of recipients.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
import uuid
from collections import Counter

import pytest

from odoo_sync.disguise import JOINER
from tests.e2e.gateway_peers import FakeGatewayPeer, RealGatewayPeer

COUNT = int(os.environ.get("SMSRACK_TEST_ODOO_COUNT", "100"))
NOT_SENT = 3
STOPS, OTHERS, TWICE = 20, 20, 5


@pytest.fixture(params=["fake", "real"])
def peer(request):
    if request.param == "real" and "SMSRACK_TEST_ODOO_GATEWAY_URL" not in os.environ:
        pytest.skip("no real Odoo with the module is named in SMSRACK_TEST_ODOO_GATEWAY_URL")
    made = FakeGatewayPeer() if request.param == "fake" else RealGatewayPeer()
    yield made
    made.stop()


@pytest.fixture
def start(start_rack, make_daemon):
    """Give a function that makes a rack and a daemon that is in mode gateway."""

    def make(peer, **options):
        rack = start_rack(phones=4, guard_max_parts=10_000, seed=61)
        smsrack = make_daemon(rack, per_minute=600, **options)
        smsrack.add_settings(
            f'[odoo.shop]\nmode = "gateway"\nurl = "{peer.url}"\n'
            f'pairing_file = "{smsrack.directory / "pairings"}"\npoll_s = 1.0\n'
        )
        return rack, smsrack

    return make


def pair(smsrack, code, *options):
    command = [sys.executable, "-m", "host_controller", "odoo", "pair", "shop", "--config", str(smsrack.config)]
    result = subprocess.run([*command, *options], input=code, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "paired with" in result.stdout


def some_numbers(count):
    first = secrets.randbelow(10**6 - count)
    return [f"+42077{n:07d}" for n in range(7_000_000 + first, 7_000_000 + first + count)]


def sent_counts(rack, mark):
    return Counter((part["to"], part["text"]) for part in rack.air() if part["text"].startswith(mark))


def all_ended(peer, mark, count):
    ends = peer.ends(mark)
    return len(ends) == count and all(state not in ("outgoing", "pending") for state, _ in ends.values())


def test_a_campaign_its_ends_and_the_replies(start, peer, eventually):
    rack, smsrack = start(peer)
    mark, second = f"E2E {uuid.uuid4().hex[:8]}", f"B {uuid.uuid4().hex[:8]}"
    numbers = some_numbers(COUNT - NOT_SENT)
    few = some_numbers(5)
    phone_a, code_a = peer.add_phone(f"A {mark}", "+420700000001")
    phone_b, code_b = peer.add_phone(f"B {mark}", "+420700000009")
    blacklisted = some_numbers(1)[0]
    peer.refuse(blacklisted)
    smsrack.start()
    smsrack.wait_up()
    eventually(lambda: {p["status"] for p in smsrack.cli_json("phones")["phones"]} == {"ready"}, 60)
    pair(smsrack, code_a)
    serial = rack.phones[2]
    pair(smsrack, code_b, "--phone", serial)
    eventually(lambda: peer.is_online(phone_a) and peer.is_online(phone_b), 60)
    started_s = time.monotonic()
    peer.send_mailing(phone_a, [*numbers, numbers[0], "+42077712", blacklisted], mark)
    peer.send_mailing(phone_b, few, second)
    handed_over_s = time.monotonic() - started_s
    eventually(lambda: all_ended(peer, mark, COUNT) and all_ended(peer, second, 5), 600, "every end in Odoo")
    took_s = time.monotonic() - started_s
    print(f"{COUNT} recipients: handed over in {handed_over_s:.1f} s, every end in Odoo after {took_s:.1f} s")
    ends = peer.ends(mark)
    duplicate, bad, refused = (ends.pop(f"{mark} {COUNT - NOT_SENT + n}") for n in range(NOT_SENT))
    assert (duplicate, refused) == (("canceled", "cancel"), ("canceled", "cancel"))
    assert bad in (("error", "error"), ("canceled", "cancel"))  # refused by us, or by Odoo
    assert Counter(ends.values()) == {("sent", "sent"): COUNT - NOT_SENT}
    assert sent_counts(rack, mark) == Counter((number, f"{mark} {n}") for n, number in enumerate(numbers))
    assert {part["phone"] for part in rack.air() if part["text"].startswith(second)} == {serial}
    assert set(peer.ends(second).values()) == {("sent", "sent")}
    replies = reply(rack, numbers)
    eventually(lambda: len(peer.inbound(numbers)) == len(replies), 120, "every reply in Odoo")
    refusing = {number for number, text in replies if text in ("STOP", "Odhlásit")}
    eventually(lambda: peer.refused(numbers) == refusing, 60, "the blacklist")
    told = Counter((number, text.replace(JOINER, "")) for number, text in peer.inbound(numbers))
    assert told == Counter(replies)
    assert peer.chatter(mark) == len(replies)
    log = (smsrack.directory / "log").read_text()
    assert mark not in log
    assert not any(number in log for number in numbers)


def reply(rack, numbers):
    """20 refusals, of which the module understands half, and 30 other replies; give them."""
    texts = {
        **{number: ["STOP"] for number in numbers[: STOPS // 2]},
        **{number: ["Odhlásit"] for number in numbers[STOPS // 2 : STOPS]},
        **{number: ["Děkuji!"] for number in numbers[STOPS : STOPS + OTHERS // 2]},
        **{number: ["Super, nonstop servis"] for number in numbers[STOPS + OTHERS // 2 : STOPS + OTHERS]},
        **{number: ["OK", "OK"] for number in numbers[STOPS + OTHERS : STOPS + OTHERS + TWICE]},
    }
    replies = [(number, text) for number, said in texts.items() for text in said]
    for n, (number, text) in enumerate(replies):
        rack.inject(rack.phones[n % len(rack.phones)], number, text)
    return replies


def test_killed_between_the_steps(start, peer, eventually):
    """Whatever the daemon was at when it was killed: nothing is sent twice, and every message ends."""
    rack, smsrack = start(peer)
    mark = f"Kill {uuid.uuid4().hex[:8]}"
    phone_id, code = peer.add_phone(mark, "+420700000001")
    pair(smsrack, code)
    peer.send_mailing(phone_id, some_numbers(COUNT), mark)
    for _ in range(5):
        before = len(rack.air())
        smsrack.start()
        eventually(lambda before=before: len(rack.air()) > before or all_ended(peer, mark, COUNT), 60)
        smsrack.kill()
    smsrack.start()
    # What was handed to a daemon that was killed before it had written it down.
    peer.hand_out_again()
    eventually(lambda: all_ended(peer, mark, COUNT), 120, "every end in Odoo")
    counts = Counter(state for state, _ in peer.ends(mark).values())
    print(f"{COUNT} messages, daemon killed 5 times: {dict(counts)}, {len(rack.air())} in the air")
    assert max(sent_counts(rack, mark).values()) == 1
    assert counts["sent"] + counts["error"] == COUNT
    assert counts["sent"] <= len(rack.air())


def test_odoo_goes_away_in_the_middle_and_answers_are_lost(start, eventually):
    peer = FakeGatewayPeer()
    rack, smsrack = start(peer)
    phone_id, code = peer.add_phone("A", "+420700000001")
    pair(smsrack, code)
    peer.send_mailing(phone_id, some_numbers(COUNT), "Away")
    smsrack.start()
    eventually(lambda: smsrack.counts().total() == COUNT, 60, "messages that are taken over")
    peer.app.config["FAULTS"].extend(["lost_answer", "serialization", "none", "lost_answer"])
    peer.stop()
    eventually(lambda: len(rack.air()) == COUNT, 60, "sending with Odoo away")
    peer.start()
    eventually(lambda: all_ended(peer, "Away", COUNT), 60, "every end in Odoo")
    assert set(peer.ends("Away").values()) == {("sent", "sent")}
    assert max(sent_counts(rack, "Away").values()) == 1
    assert {queued.handed_out for queued in peer.module.queue.values()} == {1}
    peer.stop()
