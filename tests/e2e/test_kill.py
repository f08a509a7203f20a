"""`kill -9` of the daemon in mid-send, again and again: nothing twice, nothing lost."""

from __future__ import annotations

import random

MOVING = ("queued", "submitting")
NUMBERS = 20


def test_killed_in_mid_send(start_rack, make_daemon, eventually, kills, capsys):
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    rack = start_rack(phones=4, seed=51, guard_max_parts=10_000, latency_s=(0.05, 0.3))
    smsrack = make_daemon(rack, per_minute=90)
    accepted = 40 * kills
    rows = "".join(f"+4207771234{n % NUMBERS:02d},Zpráva číslo {n}\n" for n in range(accepted))
    assert smsrack.cli("send", "--csv", "-", input="number,text\n" + rows).returncode == 0

    in_flight = []
    for _ in range(kills):
        before = smsrack.counts()["queued"]
        smsrack.start()
        eventually(lambda before=before: smsrack.counts()["queued"] < before, 30, "a send after the start")
        eventually(lambda: smsrack.counts()["submitting"] > 0, 30, "a message in submitting")
        # Where in the path it hits is left to chance.
        _pause(chance.uniform(0, 0.5))
        smsrack.kill()
        in_flight.append(smsrack.counts()["submitting"])
    with capsys.disabled():
        print(f"\nkills that found messages in submitting: {sum(n > 0 for n in in_flight)} of {kills} {in_flight}")
    assert sum(n > 0 for n in in_flight) >= kills * 3 // 4

    smsrack.start()
    eventually(lambda: not any(smsrack.counts()[state] for state in MOVING), 180, "the end of every message")
    counts = smsrack.counts()
    air = [(part["to"], part["text"]) for part in rack.air()]
    with capsys.disabled():
        print(f"accepted {accepted}: {dict(counts)}; on air {len(air)}, doubled {len(air) - len(set(air))}")
    assert sum(counts.values()) == accepted
    assert counts["sent"] + counts["failed"] + counts["unknown"] + counts["cancelled"] + counts["expired"] == accepted
    assert len(air) == len(set(air)), "a message left twice"
    assert counts["sent"] <= len(air) <= counts["sent"] + counts["unknown"]


def _pause(seconds: float) -> None:
    import time

    time.sleep(seconds)
