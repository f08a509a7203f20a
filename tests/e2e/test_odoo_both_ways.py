"""A campaign from Odoo is answered: STOP reaches Odoo's blacklist, every reply the contact's chatter, once."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.e2e.test_odoo import FakePeer

COUNT, STOPS, REPLIES = 60, 20, 30
SCALE = 0.1


def number(n):
    return f"+4207773{n:05d}"


@pytest.fixture
def peer():
    made = FakePeer()
    yield made
    made.stop()


def test_twenty_stops_and_thirty_other_replies(start_rack, make_daemon, eventually, peer):
    odoo = peer.odoo
    people = [odoo.partners.add(name=f"Contact {n}", phone=number(n)) for n in range(COUNT)]
    blocked = odoo.blacklist.add(number=number(COUNT - 1))
    rack = start_rack(phones=4, guard_max_parts=10_000, seed=71)
    said = {number(n): "STOP" if n < STOPS else f"Přijdu ve {n} & děkuji" for n in range(STOPS + REPLIES)}
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
    eventually(lambda: smsrack.cli_json("optouts")["optouts"], 60, "Odoo's own refusal")
    peer.send_mailing([number(n) for n in range(COUNT)], "Sleva")
    eventually(lambda: len(rack.air()) >= STOPS, 60, "a part of the campaign")
    peer.stop()  # while replies come in
    eventually(lambda: len(smsrack.cli_json("inbox", "--limit", "1000")["inbound"]) == len(said), 90, "all replies")
    smsrack.kill()
    peer.start()
    smsrack.start()

    def notes():
        with odoo.lock:
            return [len(odoo.partners.chatter(person)) for person in people]

    eventually(lambda: sum(notes()) >= len(said), 120, "all notes")
    eventually(lambda: len(odoo.blacklist.active()) == STOPS + 1, 60, "all refusals")
    eventually(lambda: statuses(odoo)["reply"] == len(said), 120, "all marks")
    assert notes() == [1] * len(said) + [0] * (COUNT - len(said))
    assert odoo.blacklist.active() == {number(n) for n in range(STOPS)} | {blocked["number"]}
    assert statuses(odoo) == {"reply": len(said), "pending": COUNT - len(said) - 1, "bounce": 2}
    assert odoo.partners.chatter(people[STOPS])[0].endswith("<p>Přijdu ve 20 &amp; děkuji</p>")
    assert Counter(row["source"] for row in smsrack.cli_json("optouts")["optouts"]) == {"inbound": STOPS, "odoo": 1}
    log = (smsrack.directory / "log").read_text()
    assert not any(found in log for found in (*said, "Přijdu", "canary"))


def statuses(odoo):
    with odoo.lock:
        return Counter(trace.trace_status for trace in odoo.traces.values())
