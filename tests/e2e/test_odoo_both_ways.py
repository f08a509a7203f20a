"""A campaign from Odoo is answered: STOP reaches Odoo's blacklist, every reply the contact's chatter, once.

On a fake Odoo always, on a real one where it is named: tests/e2e/test_odoo.py says how. The daemon's user needs the
rights of docs/odoo.md there, and an e-mail address.
"""

from __future__ import annotations

import os
import uuid
from collections import Counter

import pytest

from tests.e2e.test_odoo import FakePeer, RealPeer

COUNT, STOPS, REPLIES = 60, 20, 30
SCALE = 0.1


class FakeScene(FakePeer):
    """A fake Odoo with contacts."""

    def add_contacts(self, numbers):
        self.people = [self.odoo.partners.add(name=f"Contact {n}", phone=number) for n, number in enumerate(numbers)]

    def block(self, number):
        self.odoo.blacklist.add(number=number)

    def notes(self):
        with self.odoo.lock:
            return [self.odoo.partners.chatter(person) for person in self.people]

    def blacklisted(self, numbers):
        with self.odoo.lock:
            return self.odoo.blacklist.active() & set(numbers)

    def statuses(self):
        with self.odoo.lock:
            return Counter(trace.trace_status for trace in self.odoo.traces.values() if trace.sms_number != "12345")

    def close(self):
        self.stop()


class RealScene(RealPeer):
    """A real Odoo, where the number of each contact is new."""

    def start(self):
        pass

    def add_contacts(self, numbers):
        self.numbers = numbers
        self.people = self._call(
            "res.partner", "create", [{"name": f"Contact {n}", "phone": number} for n, number in enumerate(numbers)]
        )

    def block(self, number):
        self._call("phone.blacklist", "create", [{"number": number}])

    def send_mailing(self, numbers, mark):
        (model,) = self._call("ir.model", "search", [["model", "=", "res.partner"]])
        values = {
            "subject": mark,
            "mailing_type": "sms",
            "mailing_model_id": model,
            "mailing_domain": repr([("id", "in", self.people)]),
            "body_plaintext": f"{mark} {{{{ object.name }}}}",
            "sms_allow_unsubscribe": False,
        }
        self._call("mailing.mailing", "action_send_sms", [self._call("mailing.mailing", "create", values)])

    def notes(self):
        domain = [["model", "=", "res.partner"], ["res_id", "in", self.people], ["message_id", "like", "sms.smsrack"]]
        rows = self._call("mail.message", "search_read", domain, ["res_id", "body"], order="id asc")
        return [[str(row["body"]) for row in rows if row["res_id"] == person] for person in self.people]

    def blacklisted(self, numbers):
        return {row["number"] for row in self._call("phone.blacklist", "search_read", [], ["number"])} & set(numbers)

    def statuses(self):
        rows = self._call("mailing.trace", "search_read", [["res_id", "in", self.people]], ["trace_status", "model"])
        return Counter(row["trace_status"] for row in rows if row["model"] == "res.partner")

    def close(self):
        for person in self.people:
            self._call("res.partner", "write", [person], {"active": False})


@pytest.fixture(params=["fake", "real"])
def peer(request):
    if request.param == "real" and "SMSRACK_TEST_ODOO_URL" not in os.environ:
        pytest.skip("no real Odoo is named in SMSRACK_TEST_ODOO_URL")
    made = FakeScene() if request.param == "fake" else RealScene()
    yield made
    made.close()


def test_twenty_stops_and_thirty_other_replies(start_rack, make_daemon, eventually, peer):
    stem = uuid.uuid4().int % 10_000
    numbers = [f"+42077{stem:04d}{n:03d}" for n in range(COUNT)]
    peer.add_contacts(numbers)
    peer.block(numbers[-1])
    rack = start_rack(phones=4, guard_max_parts=10_000, seed=71)
    said = {
        number: "STOP" if n < STOPS else f"Přijdu ve {n} & děkuji"
        for n, number in enumerate(numbers[: STOPS + REPLIES])
    }
    rack.call("PUT", "/answers", said)
    smsrack = make_daemon(rack, per_minute=600, scale=SCALE)
    secret = smsrack.directory / "odoo_password"
    secret.write_text(peer.password)
    smsrack.add_settings(
        f'[odoo.shop]\nurl = "{peer.url}"\ndatabase = "{peer.database}"\nuser = "{peer.user}"\n'
        f'password_file = "{secret}"\npoll_s = 1.0\n'
    )
    smsrack.start()
    smsrack.wait_up()
    eventually(lambda: numbers[-1] in {row["number"] for row in opt_outs(smsrack)}, 60, "Odoo's own refusal")
    peer.send_mailing(numbers, f"Sleva {stem}")
    eventually(lambda: len(rack.air()) >= STOPS, 60, "a part of the campaign")
    peer.stop()  # while replies come in
    eventually(lambda: len(smsrack.cli_json("inbox", "--limit", "1000")["inbound"]) == len(said), 90, "all replies")
    smsrack.kill()
    peer.start()
    smsrack.start()
    eventually(lambda: sum(map(len, peer.notes())) >= len(said), 120, "all notes")
    eventually(lambda: len(peer.blacklisted(numbers)) == STOPS + 1, 60, "all refusals")
    eventually(lambda: peer.statuses()["reply"] == len(said), 120, "all marks")
    notes = peer.notes()
    assert [len(found) for found in notes] == [1] * len(said) + [0] * (COUNT - len(said))
    assert notes[STOPS][0].endswith("<p>Přijdu ve 20 &amp; děkuji</p>")
    assert peer.blacklisted(numbers) == {*numbers[:STOPS], numbers[-1]}
    # A real Odoo does not even queue for whom it has on its list; ours does, and we refuse.
    assert +(peer.statuses() - Counter(bounce=1, cancel=1)) == {"reply": len(said), "pending": COUNT - len(said) - 1}
    sources = Counter(row["source"] for row in opt_outs(smsrack) if row["number"] in numbers)
    assert sources == {"inbound": STOPS, "odoo": 1}
    log = (smsrack.directory / "log").read_text()
    assert not any(found in log for found in (*said, "Přijdu", "canary"))


def opt_outs(smsrack):
    return smsrack.cli_json("optouts")["optouts"]
