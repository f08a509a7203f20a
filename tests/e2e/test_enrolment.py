"""An operator and four strange phones, by the command line and the page, against the running daemon."""

from __future__ import annotations

import json
import re

import pytest

FULL, OLD, SHIFTED, OTHER = range(4)
ANNA = "+420777123456"


@pytest.fixture
def rack(start_rack):
    return start_rack(phones=4, profiles=("34", "23", "22-shifted", "30"), seed=71, guard_max_parts=None)


@pytest.fixture
def smsrack(rack, make_daemon):
    daemon = make_daemon(rack, per_minute=600, enrol_all=False, adb='client = "pure-python-adb"\n')
    daemon.start()
    daemon.wait_up()
    return daemon


@pytest.fixture
def phone(smsrack, rack, eventually):
    def status(which):
        found = smsrack.cli_json("phones")["phones"]
        return next(p for p in found if p["serial"] == rack.phones[which])

    eventually(lambda: all(status(n)["status"] not in ("enrolling", "offline") for n in range(4)), 30)
    return status


def test_the_life_of_a_phone(smsrack, rack, phone, eventually, tmp_path):
    full, old, shifted, _ = rack.phones
    assert [phone(n)["status"] for n in range(4)] == ["not enrolled", "refused", "refused", "not enrolled"]
    assert f"smsrack phones enrol {full}" in phone(FULL)["advice"]

    enrolled = smsrack.cli("phones", "enrol", full)
    assert enrolled.returncode == 0, enrolled.stdout
    assert "PASS  isms: text 5, multipart 8, as in the phone's own framework" in enrolled.stdout
    assert f"{full} (Sim 34, Android 14) is ready" in enrolled.stdout

    refused = smsrack.cli("phones", "enrol", old)
    assert refused.returncode == 1
    assert (
        f"FAIL  read_sms: the shell may not read the SMS store\n      `smsrack phones enrol {old} --send-only`"
        in refused.stdout
    )
    assert smsrack.cli("phones", "enrol", old, "--send-only").returncode == 0
    assert phone(OLD)["send_only"] is True
    assert smsrack.cli("phones", "enrol", shifted, "--send-only").returncode == 1
    assert "FAIL  isms" in smsrack.cli("phones", "show", shifted).stdout
    # The way out for a phone whose service is strange.
    assert smsrack.cli("phones", "way", shifted, "app").returncode == 0

    texts = [f"Zpráva {n}" for n in range(12)]
    rows = "".join(f"+4207771234{n:02d},{text}\n" for n, text in enumerate(texts))
    assert smsrack.cli("send", "--csv", "-", "--wait", input="number,text\n" + rows).returncode == 0
    eventually(lambda: smsrack.totals()["sent"] == 12, 60)
    assert sorted(part["text"] for part in rack.air()) == sorted(texts)

    sims = {(p["serial"], s["slot_index"]): s for p in smsrack.cli_json("phones")["phones"] for s in p["sims"]}
    source, target = sims[full, 0]["id"], sims[full, 1]["id"]
    number = rack.sims(full)[1]["number"]
    assert smsrack.cli("phones", "number", str(target), number).returncode == 0
    canary = smsrack.cli("phones", "selftest", full, "--from", str(source), "--to", str(target))
    assert canary.returncode == 0, canary.stdout + canary.stderr
    assert re.search(r"canary sent, proven as sent after [\d.]+ s\nreceived after [\d.]+ s", canary.stdout)

    report = tmp_path / "report.json"
    assert smsrack.cli("phones", "report", full, "-o", str(report)).returncode == 0
    written = report.read_text()
    assert number[1:] not in written
    assert {c["name"] for c in json.loads(written)["checks"]} >= {"isms", "identity"}

    # Another card: stopped until somebody confirms.
    rack.call("POST", f"/phones/{full}/sims/1/swap", {"number": "+420605000001"})
    rack.call("POST", f"/phones/{full}/unplug")
    eventually(lambda: phone(FULL)["status"] == "offline", 30)
    rack.call("POST", f"/phones/{full}/plug")
    eventually(lambda: "another SIM is in the slot" in (phone(FULL)["advice"] or ""), 30)
    page = smsrack.page(f"/phones/{full}")
    assert "stopped: another SIM is in the slot" in page
    assert "Confirm: everything is as it should be" in page
    assert smsrack.cli("phones", "confirm", full).stdout == f"1 SIMs of {full} may send again\n"
    eventually(lambda: phone(FULL)["status"] == "ready" and phone(FULL)["advice"] is None, 30)
    assert [e["kind"] for e in smsrack.cli_json("phones", "show", full)["events"]] == [
        "confirmed",
        "sim_swapped",
        "enrolled",
    ]

    # The guard counts from the next start on.
    assert "restart" in smsrack.cli("phones", "guard", full, "--max-parts", "500").stdout
    rack.call("POST", f"/phones/{full}/reboot")
    eventually(lambda: phone(FULL)["status"] == "offline", 30)
    eventually(lambda: phone(FULL)["status"] == "ready", 60)
    checks = {c["name"]: c for c in smsrack.cli_json("phones", "show", full)["checks"]}
    assert checks["guard"]["finding"].startswith("changed: 500 parts in 60 s")
    assert checks["journal"]["finding"] == "works, and has outlived a restart of the phone"

    assert smsrack.cli("phones", "remove", full, "--yes").returncode == 0
    eventually(lambda: phone(FULL)["status"] == "not enrolled", 30)
    assert smsrack.stop() == 0
    log = (smsrack.directory / "log").read_text()
    assert not re.search(r"\+?420\d{6}|Zpráva|canary [0-9a-f]{6}", log)
