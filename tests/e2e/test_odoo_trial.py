"""`smsrack odoo check --send`: an SMS from three Odoos, one in each mode, to a SIM of the rack; and where it stays.

The Odoos are fakes; what a real Odoo 18 did is in docs/tried.md.
"""

from __future__ import annotations

import json
import re
import threading

import pytest
from click.testing import CliRunner

from benchmarks.rack import free_port
from host_controller.cli import cli
from host_controller.settings import ODOO_ADMIN_PASSWORD_VARIABLE as VARIABLE
from odoo_sync.fake.sending import send_queue
from tests.e2e.odoo_peers import FakePeer

LEGS = ["made in Odoo", "with smsrack", "handed to a phone", "sent", "received", "shown in Odoo", "cleared away"]
TOKEN = "0123456789abcdef0123456789canary"
MADE = ("mailing.mailing", "mailing.contact", "utm.source")


@pytest.fixture
def peers():
    made = {mode: FakePeer(mode) for mode in ("pull", "push", "gateway")}
    yield made
    for peer in made.values():
        peer.stop()


@pytest.fixture
def smsrack(start_rack, make_daemon, peers, eventually):
    """A daemon that knows all three, with a SIM whose number is known."""
    rack = start_rack(phones=2, guard_max_parts=10_000, seed=61)
    daemon = make_daemon(rack, per_minute=600)
    port = free_port()
    files = {name: daemon.directory / name for name in ("token", "password")}
    files["token"].write_text(TOKEN)
    pull = peers["pull"]
    files["password"].write_text(pull.password)
    user = f'user = "{pull.user}"\npassword_file = "{files["password"]}"\n'
    of_mode = {
        "pull": user,
        "push": f'account_token_file = "{files["token"]}"\n',
        "gateway": f'pairing_file = "{daemon.directory / "pairings"}"\n',
    }
    daemon.add_settings(f"[gateway]\nport = {port}\n")
    for mode, peer in peers.items():
        database = peer.odoo.database
        daemon.add_settings(
            f'[odoo.{mode}]\nmode = "{mode}"\nurl = "{peer.url}"\ndatabase = "{database}"\npoll_s = 1.0\n'
            f"call_limit_s = 5.0\n{of_mode[mode]}"
        )
    daemon.endpoint = f"http://127.0.0.1:{port}/api/sms/3/send"
    push = peers["push"].odoo
    push.made_mailings.provide = lambda mailing: send_queue(push, daemon.endpoint, TOKEN, mailing_id=mailing)
    _, key = peers["gateway"].add_phone()
    code = json.dumps({"url": peers["gateway"].url, "api_key": key, "type": "sms_gateway"})
    run(daemon, "odoo", "pair", "gateway", code)
    daemon.start()
    daemon.wait_up()
    eventually(lambda: are_ready(daemon), 60)
    yield daemon
    log = (daemon.directory / "log").read_text()
    assert not re.search(r"canary [0-9a-f]{8}", log)


def phones(smsrack):
    return json.loads(run(smsrack, "phones", "--json").stdout)["phones"]


def are_ready(smsrack):
    return {phone["status"] for phone in phones(smsrack)} == {"ready"}


def run(smsrack, *arguments, password="", good=True):
    """Run a command in this process, which saves the seconds in which another starts."""
    result = CliRunner().invoke(cli, [*arguments, "--config", str(smsrack.config)], env={VARIABLE: password or None})
    assert not good or result.exit_code == 0, result.output
    return result


def check(smsrack, mode, *options, password=""):
    """Run the check to its end; `password` is that of the user who is named for it."""
    return run(smsrack, "odoo", "check", mode, "--send", "--json", *options, password=password, good=False)


def legs(result):
    """The findings of a trial, by what they are of."""
    found = {finding["check"]: finding for finding in json.loads(result.stdout)["findings"]}
    return {leg: found[leg] for leg in LEGS if leg in found}


def left_in(peer):
    return {model: len(peer.odoo.tables[model].rows) for model in MADE}


def test_there_and_back_in_every_mode_and_where_it_stays(smsrack, peers, eventually):
    """One daemon for all of it: its start takes the longest."""
    lines = run(smsrack, "odoo", "check", "pull", "--send", good=False)
    assert (lines.exit_code, lines.stdout.splitlines()[-1]) == (
        1,
        "FAIL  send: no SIM's number is known; type one with `smsrack phones number SIM NUMBER`",
    )
    phone = phones(smsrack)[1]
    serial, sim = phone["serial"], phone["sims"][0]
    slot = sim["slot_index"]
    number = next(each["number"] for each in smsrack.control.sims(serial) if each["slot_index"] == slot)
    run(smsrack, "phones", "number", str(sim["id"]), number)
    eventually(lambda: are_ready(smsrack), 30)  # its number makes a phone be looked at anew

    as_admin = {mode: ("--admin", peers[mode].user) for mode in ("push", "gateway")}
    passwords = {mode: peers[mode].password for mode in as_admin}
    for mode, peer in peers.items():
        result = check(
            smsrack, mode, "--to", f"{serial}:{slot + 1}", *as_admin.get(mode, ()), password=passwords.get(mode, "")
        )
        assert result.exit_code == 0, result.output
        found = legs(result)
        assert list(found) == LEGS
        print(mode, {leg: finding["took_s"] for leg, finding in found.items() if "took_s" in finding})
        assert f"by SIM {sim['id']} of {serial}" in found["received"]["words"]
        assert left_in(peer) == dict.fromkeys(MADE, 0)
        (row,) = [row for row in peer.odoo.sms.values() if row.body.startswith("smsrack canary")]
        assert (row.number, row.mailing_id) == (number, False)
        assert row.state in ("pending", "sent", "process")  # in mode push only its trace is told

    # No user there, and none who may: each says what is missing.
    assert "odoo.push has no user" in check(smsrack, "push").stdout
    peers["pull"].odoo.tables["mailing.mailing"].refused.add("create")
    assert "the user gw_min lacks: create mailing.mailing; name one who has them" in check(smsrack, "pull").stdout
    peers["pull"].odoo.tables["mailing.mailing"].refused.clear()

    # The phones are drained: with smsrack, and no further.
    for each in phones(smsrack):
        run(smsrack, "drain", "--phone", each["serial"], "--reason", "a test")
    found = legs(check(smsrack, "pull", "--limit-s", "2"))
    assert found["with smsrack"]["ok"]
    assert "drain" in found["handed to a phone"]["words"]
    assert "`smsrack why" in found["handed to a phone"]["words"]
    assert left_in(peers["pull"]) == dict.fromkeys(MADE, 0)
    for each in phones(smsrack):
        run(smsrack, "resume", "--phone", each["serial"])

    # The provider of Odoo is not there: nothing is with smsrack.
    push = peers["push"].odoo
    push.made_mailings.provide = lambda mailing: send_queue(push, "http://127.0.0.1:1", TOKEN, mailing_id=mailing)
    found = legs(check(smsrack, "push", *as_admin["push"], password=passwords["push"]))
    assert "sms.endpoint is gateway.public_url" in found["with smsrack"]["words"]
    assert [row.state for row in push.sms.values()][-1] == "canceled"  # nobody sends it later

    # A number that Odoo must not write to.
    row = peers["pull"].odoo.blacklist.add(number=number)
    found = legs(check(smsrack, "pull"))
    assert "take the number off its blacklist" in found["with smsrack"]["words"]
    peers["pull"].odoo.blacklist.change(row, active=False)

    goes_away_in_the_middle(smsrack, peers["pull"], eventually)


def goes_away_in_the_middle(smsrack, peer, eventually):
    before = set(peer.odoo.traces)

    def stop():
        # The last that Odoo hears of a claim: from then on it is with smsrack.
        eventually(
            lambda: any(
                t.trace_status == "process" for uuid, t in list(peer.odoo.traces.items()) if uuid not in before
            ),
            30,
        )
        peer.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    found = legs(check(smsrack, "pull", "--limit-s", "8"))
    stopper.join(30)
    peer.start()
    assert found["received"]["ok"]
    assert "does not answer as it should" in found["shown in Odoo"]["words"]
    assert "may be left in Odoo" in found["cleared away"]["words"]
