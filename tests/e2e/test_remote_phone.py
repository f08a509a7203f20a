"""A phone with the app beside three on cables: it crashes and its answers get lost, and nothing is doubled or lost.

The app is the script of tests/gateway/app_phone.py. SMSRACK_TEST_MIXED says how many messages; 200.
"""

from __future__ import annotations

import http.client
import os
import random
from collections import Counter

from benchmarks.rack import free_port
from host_controller.client import open_api
from host_controller.settings import load_settings
from tests.gateway.app_phone import CALM, AppPhone, Troubles
from tests.gateway.device import Caller

MESSAGES = int(os.environ.get("SMSRACK_TEST_MIXED", "200"))
SCALE = 0.03
"""Of the daemon's waits and of the app's timers."""
TROUBLES = Troubles(crash=0.006, lost_answer=0.05, lost_request=0.03, radio_error=0.03, radio_silence=0.02)
STOPPED = 3
TEXTS = ("Objednávka {} je připravena.", "Objednavka {} je pripravena. " * 6)


class Network:
    """What the app's calls go through: one that got no answer, or not a good one, gave nothing."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.faults: list[str] = []

    def post(self, route, body):
        try:
            answer = self._caller.call(route, body)
        except (OSError, http.client.HTTPException) as error:
            self.faults.append(f"{route}: {error!r}")
            return None
        if answer.status != 200:
            self.faults.append(f"{route}: {answer.status} {answer.raw[:200]!r}")
            return None
        return answer.json


def test_the_app_and_three_phones_on_cables(start_rack, make_daemon, eventually, capsys):
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    rack = start_rack(phones=3, seed=61, guard_max_parts=100_000)
    smsrack = make_daemon(rack, per_minute=600, scale=SCALE)
    port = free_port()
    smsrack.add_settings(f"[gateway]\nport = {port}\n")
    smsrack.start()
    smsrack.wait_up()
    eventually(lambda: [p["status"] for p in smsrack.cli_json("phones")["phones"]].count("ready") == 3, 30)
    with open_api(load_settings(smsrack.config)) as api:
        limits = {"parts_per_minute": 600, "parts_per_day": None}
        added = api.call("POST", "/remote-phones", {"name": "app", "numbers": ["+420601000001"], **limits})
        network = Network(Caller(port, added["key"]))
        app_phone = AppPhone(network.post, "+420601000001", chance, scale=SCALE)
        ids = []
        with app_phone.running():
            app_phone.troubles = TROUBLES
            for first in range(0, MESSAGES, 100):
                messages = [message(n) for n in range(first, min(first + 100, MESSAGES))]
                ids += [result["id"] for result in api.call("POST", "/messages", {"messages": messages})["results"]]
            answers = [(f"+420603{n:06d}", f"Dekuji {n}") for n in range(20)]
            for sender, text in answers:
                app_phone.receive(sender, text)
            stopped = [number(n) for n in chance.sample(range(MESSAGES), STOPPED)]
            for sender in stopped:
                app_phone.receive(sender, "STOP")
            eventually(lambda: smsrack.counts()["queued"] == 0, 60 + MESSAGES / 5, "an empty queue")
            app_phone.troubles = CALM
            # What the app cannot tell any more ends with its lease.
            eventually(lambda: smsrack.counts()["submitting"] == 0, 120, "the end of every message")
            eventually(app_phone.is_at_rest, 60, "all that the app has to tell")
            (card,) = network.post("stats", {})["phones"]
        stored = {id_: api.call("GET", f"/messages/{id_}") for id_ in ids}
        totals = api.call("GET", "/status")["totals"]
        inbox = Counter((row["sender"], row["text"]) for row in api.call("GET", "/inbox", limit=1000)["inbound"])

    states = Counter(message["state"] for message in stored.values())
    by_app = Counter(flown.message_id for flown in app_phone.air)
    by_cable = Counter(part["to"] for part in rack.air() if part["part"] == part["parts"])
    left = Counter(flown.number for flown in app_phone.air) + by_cable
    words = f"{dict(states)}; by the app {len(by_app)}, by cable {sum(by_cable.values())}, {dict(app_phone.happened)}"
    with capsys.disabled():
        print(f"\nseed {seed}: {words}")
    assert not network.faults
    assert by_app, "the app took part"
    assert by_cable, "so did the phones on cables"
    # Nothing twice, nothing lost.
    assert set(left.values()) == {1}
    assert states.keys() <= {"sent", "failed", "unknown", "cancelled"}
    unknown = {id_ for id_, message in stored.items() if message["state"] == "unknown"}
    assert unknown <= app_phone.in_doubt
    for id_, message in stored.items():
        if message["state"] != "unknown":
            assert left[message["number"]] == (message["state"] == "sent"), (id_, message)
        if message["state"] == "cancelled":
            assert message["number"] in stopped
    # Everybody counts the same.
    assert totals.items() >= states.items()
    assert totals["accepted"] == MESSAGES
    told = [flown for flown in app_phone.air if stored[flown.message_id]["state"] == "sent"]
    assert card["sent_total"] == card["sent_today"] == sum(flown.parts for flown in told)
    assert len(told) + sum(by_cable.values()) == states["sent"]
    assert card["pending_count"] == 0
    # Each message that came in, once: three reporters, answers that got lost, and the look back after each start.
    assert inbox == Counter(answers + [(sender, "STOP") for sender in stopped])


def number(n):
    return f"+420776{n:06d}"


def message(n):
    return {"number": number(n), "text": TEXTS[n % 7 == 0].format(n).strip()}
