"""The product as a story: a message goes out, an answer comes back, and STOP is obeyed."""

from __future__ import annotations

ANNA, BRNO = "+420777123456", "+420603111222"


def test_one_sms_and_its_answer(start_rack, make_daemon, eventually):
    rack = start_rack(phones=2, seed=41, guard_max_parts=1000)
    rack.call("PUT", "/answers", {ANNA: "Děkuji, přijdu."})
    smsrack = make_daemon(rack, per_minute=600)
    smsrack.start()
    smsrack.wait_up()

    sent = smsrack.cli("send", ANNA, "Dobrý den, objednávka je připravena.", "--wait")
    assert (sent.returncode, sent.stdout) == (0, "message 1 is queued, 1 part(s)\nsent: 1\n")
    assert [part["text"] for part in rack.air()] == ["Dobrý den, objednávka je připravena."]

    phones = smsrack.cli_json("phones")["phones"]
    assert [phone["status"] for phone in phones] == ["ready", "ready"]
    assert sum(sim["sent_parts_today"] for phone in phones for sim in phone["sims"]) == 1

    (answer,) = eventually(lambda: smsrack.cli_json("inbox")["inbound"], 30)
    assert (answer["sender"], answer["text"], answer["stop"]) == (ANNA, "Děkuji, přijdu.", "none")

    (story,) = [smsrack.cli_json("messages", "1")]
    assert [event["new_state"] for event in story["events"]] == ["queued", "submitting", "sent"]
    page = smsrack.page()
    assert "Děkuji, přijdu." in page
    assert "objednávka je připravena" in page
    assert smsrack.stop() == 0


def test_stop_cancels_what_is_queued_and_nonstop_does_not(start_rack, make_daemon, eventually):
    rack = start_rack(phones=2, seed=42, guard_max_parts=1000)
    smsrack = make_daemon(rack, per_minute=1, scale=1.0)
    # Nothing runs yet: everything is queued durably all the same.
    for number in (ANNA, BRNO):
        rows = "".join(f"{number},Zpráva {n}\n" for n in range(50))
        queued = smsrack.cli("send", "--csv", "-", input="number,text\n" + rows)
        assert queued.returncode == 0
        assert "no daemon runs" in queued.stderr
    smsrack.start()
    smsrack.wait_up()
    eventually(lambda: [p["status"] for p in smsrack.cli_json("phones")["phones"]] == ["ready", "ready"], 30)
    eventually(lambda: smsrack.counts()["queued"] <= 96)
    # What was sent at the start is proven: the phones only wait for their pace now.
    eventually(lambda: smsrack.counts()["submitting"] == 0 and smsrack.counts()["sent"] >= 4, 60)
    queued = smsrack.counts()["queued"]
    rack.inject(rack.phones[0], BRNO, "Mate otevreno nonstop?")
    rack.inject(rack.phones[0], ANNA, "STOP")
    eventually(lambda: "badge stop" in smsrack.page(), 20, "the STOP on the page")
    assert smsrack.counts()["cancelled"] > queued // 3
    numbers = {number: smsrack.cli_json("messages", "--state", "cancelled", "--limit", "1000") for number in (ANNA,)}
    cancelled = numbers[ANNA]["messages"]
    assert {message["number"] for message in cancelled} == {ANNA}
    assert {message["failure_code"] for message in cancelled} == {"opted_out"}
    assert not [
        m
        for m in smsrack.cli_json("messages", "--state", "queued", "--limit", "1000")["messages"]
        if m["number"] == ANNA
    ]
    assert [row["number"] for row in smsrack.cli_json("optouts")["optouts"]] == [ANNA]
    refused = smsrack.cli("send", ANNA, "Ještě jedna")
    assert refused.returncode == 3
    assert "opted out" in refused.stderr
    assert ANNA not in refused.stderr
    allowed = smsrack.cli("send", BRNO, "Ještě jedna")
    assert allowed.returncode == 0
