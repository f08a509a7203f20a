"""The scripted app against a gateway in memory: it does what the real one does, so the big test can fail."""

from __future__ import annotations

import random
import threading
from collections import Counter

import pytest

from tests.gateway.app_phone import CALM, AppPhone, Troubles

SCALE, MESSAGES = 0.01, 60


class Memory:
    """A gateway that keeps all in memory; with `reissues` it hands out again what was picked up before a restart."""

    def __init__(self, *, reissues: bool = False) -> None:
        self.queued = list(range(1, MESSAGES + 1))
        self.leased: list[int] = []
        self.reported: dict[int, str] = {}
        self.inbound: Counter = Counter()
        self.routes: list[str] = []
        self._reissues, self._lock = reissues, threading.Lock()

    def post(self, route, body):
        with self._lock:
            self.routes.append(route)
            return {"success": True} | getattr(self, "on_" + route.replace("-", "_"))(body)

    def on_pending(self, body):
        if not self.queued and self._reissues:
            self.queued, self.leased = self.leased, []
        ids, self.queued = self.queued[: body["limit"]], self.queued[body["limit"] :]
        self.leased += ids
        return {"sms_list": [{"id": id_, "phone_number": f"+420776{id_:06d}", "message": "x"} for id_ in ids]}

    def on_confirm_batch(self, body):
        for result in body["results"]:
            self.reported[result["id"]] = result["status"]
        self.leased = [id_ for id_ in self.leased if id_ not in self.reported]
        return {"ack_ids": [result["id"] for result in body["results"]]}

    def on_reconcile(self, body):
        return {"already_confirmed_ids": [], "not_found_ids": []}

    def on_heartbeat(self, body):
        return {"rate_limit": 600, "pending_count": {"": len(self.queued)}, "phone_stats": {}}

    def on_register_fcm(self, body):
        return {}

    def on_inbound(self, body):
        self.inbound[body["from_number"], body["message"]] += 1
        return {}

    def on_inbound_batch(self, body):
        for message in body["messages"]:
            self.on_inbound(message)
        return {}


@pytest.fixture
def run(eventually):
    """Give a function that lets an app phone work until all is told."""

    def work(memory, troubles=CALM, received=(), until=lambda phone: True):
        seed = random.randrange(1 << 30)
        print(f"seed {seed}")
        phone = AppPhone(memory.post, "+420601000001", random.Random(seed), scale=SCALE)
        phone.troubles = troubles
        for sender, text in received:
            phone.receive(sender, text)
        with phone.running():
            eventually(lambda: not memory.queued and until(phone), 30, "an empty queue")
            phone.troubles = CALM
            eventually(phone.is_at_rest, 30, "all that the app has to tell")
        return phone

    return work


def test_without_troubles_all_is_sent_and_told(run):
    memory = Memory()
    phone = run(memory)
    assert Counter(flown.message_id for flown in phone.air) == Counter(range(1, MESSAGES + 1))
    assert memory.reported == dict.fromkeys(range(1, MESSAGES + 1), "sent")
    assert memory.routes.index("pending") < memory.routes.index("heartbeat")


def test_what_it_cannot_tell_is_in_doubt(run):
    memory = Memory()
    troubles = Troubles(crash=0.05, lost_answer=0.1, lost_request=0.1, radio_error=0.1, radio_silence=0.1)
    # All may be picked up before the first message leaves: the troubles last until one crash has come.
    phone = run(memory, troubles, until=lambda phone: phone.happened["crash"])
    sent = {id_ for id_, status in memory.reported.items() if status == "sent"}
    left = {flown.message_id for flown in phone.air}
    assert sent <= left
    assert left - sent <= phone.in_doubt
    assert set(range(1, MESSAGES + 1)) - memory.reported.keys() <= phone.in_doubt
    assert len(left) == len(phone.air)


def test_a_gateway_that_issues_again_doubles(run):
    """FLAWS 3 and 8: what this app has sent and not told goes out again, since it polls before it reconciles."""
    memory = Memory(reissues=True)

    def has_doubled(phone):
        return len({flown.message_id for flown in phone.air}) < len(phone.air)

    # A crash doubles what it finds between the air and its report: they go on until one has.
    assert has_doubled(run(memory, Troubles(crash=0.2), until=has_doubled))


def test_each_message_is_reported_three_times_and_looked_back_at(run):
    memory = Memory()
    memory.queued = []
    answers = [("+420603000001", text) for text in ("Ano", "Ne")]
    run(memory, received=answers, until=lambda phone: "inbound-batch" in memory.routes)
    assert memory.inbound == Counter(answers * 4)
