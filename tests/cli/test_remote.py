"""`smsrack remote` and `smsrack keys`: phones that run the app, and what opens the gateway for them."""

from __future__ import annotations

import json
import threading

import pytest

from host_controller.access.pairing import PairingCode
from host_controller.fleet.remote import find_remote
from host_controller.settings import GatewaySettings, Settings
from host_controller.store.models import DeviceKeyRecord
from host_controller.wiring import utc_now

OWN, SECOND, ANNA = "+420602000001", "602 000 002", "+420777123456"
URL = "https://sms.example.com"


@pytest.fixture
def daemon_settings():
    return Settings(gateway=GatewaySettings(public_url=URL))


@pytest.fixture
def run(smsrack, tmp_path):
    """Give a command's output, and its error where it has one."""
    return _runner(smsrack, tmp_path)


def _runner(smsrack, tmp_path):
    config = tmp_path / "smsrack.toml"
    config.write_text(f'[gateway]\npublic_url = "{URL}"\n')

    def call(*words: str, exit_code: int = 0) -> str:
        result = smsrack(*words, "--config", str(config))
        assert result.exit_code == exit_code, result.output
        return result.output + str(result.exception or "")

    return call


def listed(run, *words):
    return json.loads(run(*words, "--json"))


def test_a_phone_is_added_changed_archived_and_brought_back(run):
    output = run("remote", "add", "Shop-1", OWN, SECOND, "--per-day", "50", "--per-month", "none", "--reissues")
    secret = output.splitlines()[-1]
    assert len(secret) == 43
    (phone,) = listed(run, "remote", "list")["remote_phones"]
    assert phone["numbers"] == [OWN, "+420602000002"]
    assert (phone["sims"][1]["parts_per_day"], phone["reissues"], phone["state"]) == (50, True, "offline")
    assert secret not in json.dumps(phone)
    table = run("remote")
    assert "Shop-1" in table
    assert "never" in table
    run("remote", "change", "Shop-1", "--heartbeat-limit", "9", "--no-reissues")
    (phone,) = listed(run, "remote", "list")["remote_phones"]
    assert (phone["heartbeat_limit_minutes"], phone["reissues"]) == (9, False)
    assert "bring-back" in run("remote", "archive", "Shop-1", "--yes")
    assert listed(run, "remote")["remote_phones"] == []
    assert "archived" in run("remote", "list", "--archived")
    assert "in the rack again" in run("remote", "bring-back", "Shop-1")
    assert "no remote phone 'nobody'" in run("remote", "archive", "nobody", "--yes", exit_code=1)
    assert "say what to change" in run("remote", "change", "Shop-1", exit_code=2)
    assert "already" in run("remote", "add", "Shop-1", OWN, exit_code=1)


def test_keys_are_made_rotated_revoked_and_never_shown_again(run):
    first = run("remote", "add", "Shop-1", OWN).splitlines()[-1]
    made = run("keys", "make", "Shop-1", "--label", "till", "--parts-per-day", "30").splitlines()[-1]
    rotated = listed(run, "keys", "rotate", "2", "--overlap", "15m", "--expires", "2999-01-01 12:00")
    found = listed(run, "keys", "list")["keys"]
    assert [key["label"] for key in found] == ["", "till", "till"]
    assert found[1]["expires_at"] is not None
    assert (found[2]["parts_per_day"], found[2]["expires_at"]) == (30, "2999-01-01T11:00:00.000Z")
    run("keys", "revoke", "1")
    table = run("keys")
    assert f"{made[:8]}…" in table
    assert first[:8] not in table
    assert "by cli" in run("keys", "list", "--all")
    assert not any(secret in run("keys", "list", "--all") for secret in (first, made, rotated["key"]))
    for words in (["rotate", "9"], ["revoke", "9"], ["rotate", "1"]):
        assert "key" in run("keys", *words, exit_code=1)


@pytest.mark.parametrize("invert", [False, True])
def test_a_code_is_printed_in_the_terminal(run, invert):
    run("remote", "add", "Shop-1", OWN)
    output = run("keys", "pair", "Shop-1", "--no-check", "--wait", "0", *(["--invert"] if invert else []))
    drawn = [line for line in output.splitlines() if len(line) == 53]
    assert len(drawn) == 27
    light = " " if invert else "█"
    assert drawn[0] == light * 53
    assert f"for Shop-1 at {URL}" in output


def test_the_code_says_what_the_answer_says(run):
    run("remote", "add", "Shop-1", OWN)
    answer = listed(run, "keys", "pair", "Shop-1", "--no-check", "--replaces", "1", "--label", "new till")
    assert answer["payload"]["url"] == URL
    assert answer["svg"] == PairingCode(URL, answer["payload"]["api_key"]).svg()
    assert listed(run, "keys")["keys"][0]["expires_at"] is not None


def test_without_an_address_nothing_is_paired(offline):
    offline("remote", "add", "Shop-1", OWN)
    refused = offline("keys", "pair", "Shop-1")
    assert refused.exit_code == 1
    assert "gateway.public_url" in str(refused.exception)


def test_it_waits_for_the_first_heartbeat_under_the_new_key(online, online_store, tmp_path, eventually):
    run = _runner(online, tmp_path)
    run("remote", "add", "Shop-1", OWN)

    def beat(session):
        session.get_one(DeviceKeyRecord, 2).used_at = utc_now()
        find_remote(session, "Shop-1").remote.heartbeat_at = utc_now()

    def made():
        with online_store.reading() as session:
            return session.get(DeviceKeyRecord, 2)

    def phone():
        eventually(made, what="the new key")
        online_store.write(beat)

    thread = threading.Thread(target=phone, daemon=True)
    thread.start()
    assert "the phone is there: heartbeat at 20" in run("keys", "pair", "Shop-1", "--no-check", "--wait", "60")
    thread.join(10)
    assert "no heartbeat yet" in run("keys", "pair", "Shop-1", "--no-check", "--wait", "0.05")


def test_a_message_leaves_from_where_it_is_said(run, tmp_path):
    run("remote", "add", "Shop-1", OWN, SECOND)
    run("send", ANNA, "Ahoj", "--sim", "Shop-1:2")
    table = tmp_path / "m.csv"
    table.write_text(f"number,text\n{ANNA},Ahoj\n", "utf-8")
    run("send", "--csv", str(table), "--phone", "Shop-1")
    assert "no SIM of the rack is 'Shop-9:1'" in run("send", ANNA, "Ahoj", "--sim", "Shop-9:1", exit_code=3)
    assert "no phone 'Shop-9'" in run("send", ANNA, "Ahoj", "--phone", "Shop-9", exit_code=3)
    assert len(listed(run, "messages")["messages"]) == 2
