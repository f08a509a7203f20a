"""A phone with the app beside three on cables: it crashes and its answers get lost, and nothing is doubled or lost.

The app is the script of tests/gateway/app_phone.py. SMSRACK_TEST_MIXED says how many messages there are; 200.
"""

from __future__ import annotations

import http.client
import os
import random
from collections import Counter
from dataclasses import dataclass

import pytest

from benchmarks.rack import free_port
from host_controller.client import open_api
from host_controller.settings import load_settings
from tests.gateway.app_phone import CALM, AppPhone, Troubles
from tests.gateway.app_process import BATCH, TIMEOUT
from tests.gateway.device import Caller

MESSAGES = int(os.environ.get("SMSRACK_TEST_MIXED", "200"))
SCALE = 0.03
"""Of the daemon's waits and of the app's timers."""
TROUBLES = Troubles(crash=0.01, lost_answer=0.05, lost_request=0.03, radio_error=0.03, radio_silence=0.02)
OWN_NUMBER = "+420601000001"
ANSWERS, STOPS, BULK = 20, 3, 100
CRASHES = 3
"""At the beginning, when it has most to do; more come by chance."""
KILLS = 2
"""Of the daemon."""


class Network:
    """What the app's calls go through: one that got no answer, or none that is good, gives nothing."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.faults: list[str] = []
        """What the gateway itself is to blame for."""
        self.routes: Counter[str] = Counter()
        self.unanswered: Counter[str] = Counter()

    def post(self, route, body):
        self.routes[route] += 1
        try:
            answer = self._caller.call(route, body)
        except (OSError, http.client.HTTPException):
            self.unanswered[route] += 1
            return None
        if answer.status != 200:
            self.faults.append(f"{route}: {answer.status} {answer.raw[:200]!r}")
            return None
        return answer.json


@dataclass
class Ended:
    """How all of it came out."""

    messages: dict[int, dict]
    totals: dict[str, int]
    card: dict
    """What the stats route says of the phone."""
    received: Counter
    by_app: list
    by_cable: Counter
    """Numbers that phones on cables have written to."""
    in_doubt: set[int]
    told: dict[int, str]
    """What the app has on record of messages."""
    stopped: list[str]
    crashes: int
    network: Network

    @property
    def states(self) -> Counter:
        return Counter(message["state"] for message in self.messages.values())


@pytest.fixture
def work(start_rack, make_daemon, eventually):
    """Give a function that has everything sent, by four phones, and gives how it came out."""

    def run(chance: random.Random, kills: int, capsys) -> Ended:
        rack = start_rack(phones=3, seed=61, guard_max_parts=100_000)
        smsrack = make_daemon(rack, per_minute=600, scale=SCALE)
        port = free_port()
        smsrack.add_settings(f"[gateway]\nport = {port}\n")
        smsrack.start()
        smsrack.wait_up()
        eventually(lambda: [p["status"] for p in smsrack.cli_json("phones")["phones"]].count("ready") == 3, 30)
        with open_api(load_settings(smsrack.config)) as api:
            limits = {"parts_per_minute": 600, "parts_per_day": None}
            added = api.call("POST", "/remote-phones", {"name": "app", "numbers": [OWN_NUMBER], **limits})
            network = Network(Caller(port, added["key"]))
            app = AppPhone(network.post, OWN_NUMBER, chance, scale=SCALE)
            app.troubles = TROUBLES
            for _ in range(CRASHES):
                app.after(chance.uniform(0, 20), app.crash)
            with app.running():
                ids = queue(api)
                for n in range(ANSWERS):
                    app.receive(*answer(n))
                stopped = [number(n) for n in chance.sample(range(MESSAGES), STOPS)]
                for sender in stopped:
                    app.receive(sender, "STOP")
                for left in range(kills, 0, -1):
                    some = MESSAGES * left // (kills + 1)
                    eventually(lambda some=some: smsrack.counts()["queued"] <= some, 60 + MESSAGES / 5, "some sends")
                    smsrack.kill()
                    smsrack.start()
                eventually(lambda: smsrack.counts()["queued"] == 0, 60 + MESSAGES / 5, "an empty queue")
                app.troubles = CALM
                eventually(app.is_at_rest, 60, "all that the app has to tell")
                # Of what the app cannot tell any more, the leases end.
                eventually(lambda: smsrack.counts()["submitting"] == 0, 60, "the end of every message")
                # A phone on a cable may have been without us for so long that its proof comes late.
                eventually(lambda: not unproven(api, rack), 60, "the proof of what left by cable")
                (card,) = network.post("stats", {})["phones"]
            with capsys.disabled():
                print(f"\n{dict(smsrack.counts())}; left the app {len(app.air)}; {dict(app.happened)}")
            return Ended(
                messages={id_: api.call("GET", f"/messages/{id_}") for id_ in ids},
                totals=api.call("GET", "/status")["totals"],
                card=card,
                received=Counter((row["sender"], row["text"]) for row in inbox(api)),
                by_app=app.air,
                by_cable=Counter(part["to"] for part in rack.air() if part["part"] == part["parts"]),
                in_doubt=app.in_doubt,
                told={id_: row.error or row.status for id_, row in app.rows.items()},
                stopped=stopped,
                crashes=app.happened["died"],
                network=network,
            )

    return run


def test_the_app_crashes_and_its_answers_get_lost(work, capsys):
    ended = drawn(work, 0, capsys)
    assert not ended.network.unanswered
    assert unexplained(ended) == []
    check(ended)


def test_the_daemon_is_killed_as_well(work, capsys):
    ended = drawn(work, KILLS, capsys)
    assert ended.network.unanswered
    # Nobody but the daemon knows what an answer would have held that it never gave.
    assert len(unexplained(ended)) <= BATCH * ended.network.unanswered["pending"]
    check(ended)


def drawn(work, kills, capsys) -> Ended:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    return work(random.Random(seed), kills, capsys)


def unexplained(ended) -> list[dict]:
    """What is unknown, though the app could have known it."""
    return [m for id_, m in ended.messages.items() if m["state"] == "unknown" and id_ not in ended.in_doubt]


def check(ended):
    assert not ended.network.faults
    assert ended.network.routes.keys() >= {"pending", "confirm-batch", "heartbeat", "inbound", "inbound-batch"}
    assert ended.crashes
    assert ended.by_app
    assert ended.by_cable
    check_the_air(ended)
    check_the_sums(ended)
    # Each message that came in, once: three reporters, answers that got lost, and the look back after each start.
    assert ended.received == Counter([answer(n) for n in range(ANSWERS)] + [(who, "STOP") for who in ended.stopped])


def check_the_air(ended):
    """Nothing twice, nothing lost, and what the rack says is what happened."""
    left = Counter(flown.number for flown in ended.by_app) + ended.by_cable
    assert [number for number, times in left.items() if times > 1] == []
    assert len(ended.messages) == MESSAGES
    for message in ended.messages.values():
        state, has_left = message["state"], bool(left[message["number"]])
        if state != "unknown":
            assert state in ("sent", "failed", "cancelled"), message
            assert has_left == (state == "sent"), message
        assert state != "cancelled" or message["number"] in ended.stopped
    for id_, words in ended.told.items():
        expected = {"sent": "sent", TIMEOUT: "unknown"}.get(words, "failed")
        assert ended.messages[id_]["state"] == expected, (words, ended.messages[id_])


def check_the_sums(ended):
    """The air, the operator's status and the app's stats count the same."""
    told = [flown for flown in ended.by_app if ended.messages[flown.message_id]["state"] == "sent"]
    assert len(told) + ended.by_cable.total() == ended.states["sent"]
    assert ended.totals.items() >= ended.states.items()
    assert ended.totals["accepted"] == MESSAGES
    assert ended.card["sent_total"] == ended.card["sent_today"] == sum(flown.parts for flown in told)
    assert ended.card["pending_count"] == 0


def unproven(api, rack) -> set[str]:
    """Numbers that a phone on a cable has written to, and whose message is unknown."""
    unknown = api.call("GET", "/messages", state="unknown", limit=MESSAGES)["messages"]
    return {message["number"] for message in unknown} & {part["to"] for part in rack.air()}


def queue(api) -> list[int]:
    ids = []
    for first in range(0, MESSAGES, BULK):
        # Some are longer than one SMS.
        texts = {n: f"Objednavka {n} je pripravena. " * (8 if n % 7 == 0 else 1) for n in range(first, first + BULK)}
        messages = [{"number": number(n), "text": texts[n]} for n in texts if n < MESSAGES]
        ids += [result["id"] for result in api.call("POST", "/messages", {"messages": messages})["results"]]
    return ids


def inbox(api) -> list[dict]:
    return api.call("GET", "/inbox", limit=1000)["inbound"]


def number(n) -> str:
    return f"+420776{n:06d}"


def answer(n) -> tuple[str, str]:
    return f"+420603{n:06d}", f"Dekuji {n}"
