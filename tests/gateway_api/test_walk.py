"""Every route, found in the map of the application, with every kind of key; and any body at all."""

from __future__ import annotations

import json
import os
import random
import re

import pytest

from tests.description import FOLDER
from tests.gateway_api.conftest import G

FUZZ = int(os.environ.get("SMSRACK_TEST_FUZZ", "2000"))
OPEN = {"/healthz"}
DOCUMENT = f"{G}/openapi.yaml"


def routes(app):
    """Give what is posted to; the rest is `OPEN`, and a document that is read with a key."""
    return [rule for rule in app.url_map.iter_rules() if rule.rule not in {*OPEN, DOCUMENT}]


def path_of(rule, id_="1"):
    return re.sub(r"<[^>]+>", id_, rule.rule).removeprefix(f"{G}/")


def test_the_routes_are_these(bench):
    paths = {path_of(rule, "ID") for rule in routes(bench.app)}
    assert paths == {
        "heartbeat", "pending", "confirm/ID", "confirm-batch", "reconcile", "inbound", "inbound-batch",
        "inbound-history", "inbound-blacklist", "register-fcm", "stats",
    }  # fmt: skip
    assert all(rule.methods == {"POST"} for rule in routes(bench.app))
    others = [rule for rule in bench.app.url_map.iter_rules() if rule not in routes(bench.app)]
    assert {rule.rule for rule in others} == {*OPEN, DOCUMENT}
    assert all(rule.methods == {"GET", "HEAD"} for rule in others)


@pytest.mark.parametrize("key", [None, "wrong", "revoked", "expired", "gone"])
def test_every_route_without_a_right_key(make_bench, key):
    bench = make_bench(wrong_keys_per_minute=1000)
    own = own_message(bench)
    for rule in routes(bench.app):
        for body in (GOOD[rule.rule], "not json", None):
            answer = bench.post(path_of(rule, str(own)), body, key=key)
            assert (answer.status_code, answer.json["error"]) == (401, "Invalid API key"), rule
    named = {"X-API-Key": bench.keys[key]} if key else {}
    answer = bench.app.test_client().get(DOCUMENT, headers=named)
    assert (answer.status_code, answer.json["error"]) == (401, "Invalid API key")
    assert bench.remote.reconcile(bench.phones["two"], [own]).stuck == (own,)


GOOD = {
    f"{G}/heartbeat": {"unsynced_count": 0},
    f"{G}/pending": {"limit": 20},
    f"{G}/confirm/<int:sms_id>": {"status": "sending"},
    f"{G}/confirm-batch": {"results": [{"id": 1, "status": "sent"}]},
    f"{G}/reconcile": {"known_ids": [1]},
    f"{G}/inbound": {"from_number": "+420777123999", "message": "x"},
    f"{G}/inbound-batch": {"messages": [{"from_number": "+420777123999", "message": "x"}]},
    f"{G}/inbound-history": {},
    f"{G}/inbound-blacklist": {"ids": [1]},
    f"{G}/register-fcm": {"fcm_token": "x"},
    f"{G}/stats": {},
}


def own_message(bench):
    """Give the id of a message that phone `two` has been handed."""
    (own,) = bench.send()
    assert [one["id"] for one in bench.ok("pending")["sms_list"]] == [own]
    return own


def test_every_route_with_a_right_key(bench):
    own = own_message(bench)
    for rule in routes(bench.app):
        answer = bench.post(path_of(rule, str(own)), GOOD[rule.rule])
        assert answer.status_code == 200, rule
        assert answer.json["success"] is True


def test_the_document_with_a_right_key(bench):
    answer = bench.app.test_client().get(DOCUMENT, headers={"X-API-Key": bench.keys["one"]})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/yaml")
    assert answer.data == (FOLDER / "gateway.yaml").read_bytes()


def test_every_route_that_takes_ids_with_those_of_another_phone(bench):
    own = own_message(bench)
    bench.ok("inbound", {"from_number": "+420777123999", "message": "x"})
    for rule in routes(bench.app):
        if rule.arguments:
            answer = bench.post(path_of(rule, str(own)), GOOD[rule.rule], key="one")
            assert answer.status_code == 404, rule
    assert bench.ok("confirm-batch", {"results": [{"id": own, "status": "sent"}]}, key="one")["processed"] == 0
    assert bench.ok("reconcile", {"known_ids": [own]}, key="one")["not_found_ids"] == [own]
    assert bench.ok("inbound-blacklist", {"ids": [1]}, key="one")["blacklisted"] == 0
    assert bench.ok("inbound-history", {"before_id": 99}, key="one")["total"] == 0
    assert bench.remote.reconcile(bench.phones["two"], [own]).stuck == (own,)


FIELDS = [
    "phone_numbers", "battery_level", "signal_strength", "unsynced_count", "limit", "status", "error_message",
    "results", "id", "sms_id", "known_ids", "from_number", "message", "to_number", "received_at", "message_id", "uuid",
    "messages", "offset", "stop_only", "stop_not_blacklisted", "search", "before_id", "ids", "fcm_token", "api_key",
    "params",
]  # fmt: skip
TEXTS = [
    "", " ", "STOP", "START", "sent", "error", "sending", "+420777123456", "T-Mobile", "\0", "\ud800", "\udfff\ud83d",
    "é" * 9, "-1", "20", "1e9", "9" * 5000, "0x1F", "\u202e", "2026-03-22T10:30:00Z", "2026-13-45", "true", "null",
    "NaN", "' OR 1=1 --", "%", "\\", "x" * 3000, "٣", "²", "1_000",
]  # fmt: skip
NUMBERS = [
    0, 1, -1, 2, 20, 100, 2**31 - 1, 2**31, 2**63, 2**64, 10**30, -(10**30), 0.5, 1.0, 1e308, -0.0, 1774175400000, 1e18,
]  # fmt: skip
RAW = [
    b"", b" ", b"{", b"}", b"[]", b"null", b"\xff\xfe{}", b"\xef\xbb\xbf{}", b'{"limit":NaN}', b'{"limit":Infinity}',
    b'{"limit":1e999}', b'{"limit":-1e999}', b'{"known_ids":[1e999]}', b'{"a":' * 50_000, b"[" * 100_000,
    b'{"received_at":1e999,"from_number":"1","message":"x"}', b'{"limit":' + b"9" * 100_000 + b"}",
    b'{"limit":1,"limit":[]}', b'{"":{}}', b"\0", b'{"from_number":"\xc3\x28","message":"x"}',
    '{"search":"x"}'.encode("utf-16"), b'{"message":' + b"9" * 4000 + b',"from_number":1}',
    b'{"known_ids":' + b"[" * 900 + b"]" * 900 + b"}",
]  # fmt: skip


def made_up(rng, depth=0):
    kind = rng.random()
    if depth > 4 or kind < 0.35:
        return rng.choice(TEXTS)
    if kind < 0.65:
        return rng.choice(NUMBERS)
    if kind < 0.75:
        return rng.choice([None, True, False])
    if kind < 0.87:
        return [made_up(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(FIELDS): made_up(rng, depth + 1) for _ in range(rng.randrange(5))}


def body_for(rng, rule):
    if rng.random() < 0.1:
        return rng.choice(RAW)
    body = json.loads(json.dumps(GOOD[rule.rule]))
    for _ in range(rng.randrange(1, 4)):
        body[rng.choice(list(body) * 4 + FIELDS)] = made_up(rng)
    for name in ("results", "messages"):
        if isinstance(body.get(name), list) and rng.random() < 0.7:
            entry = {rng.choice(FIELDS): made_up(rng, 2) for _ in range(3)}
            good = (
                GOOD[f"{G}/confirm-batch"]["results"] if name == "results" else GOOD[f"{G}/inbound-batch"]["messages"]
            )
            body[name] = [*body[name], entry, {**good[0], **entry}]
    return json.dumps(body)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.timeout(3600)
@pytest.mark.tolerated
def test_no_body_breaks_anything(make_bench, kind):
    bench = make_bench(kind, body_keys=True)
    bench.keys["fast"] = bench.make_key("two", calls_per_minute=10**7)
    bench.send(200)
    rng = random.Random(8)
    rules = sorted(routes(bench.app), key=lambda rule: rule.rule)
    codes = set()
    for _ in range(FUZZ // 2):
        rule = rng.choice(rules)
        body = body_for(rng, rule)
        path = path_of(rule, str(rng.choice([0, 1, 2, 3, 2**31, 10**25])))
        answer = bench.post(path, body, key="fast")
        assert answer.status_code in (200, 400, 404, 413), (rule, body, answer.text)
        assert answer.json["success"] is (answer.status_code == 200), (rule, body)
        for one in answer.json.get("sms_list", []):
            assert isinstance(one["phone_number"], str)
            assert isinstance(one["message"], str)
            assert 0 < one["id"] < 2**31
        for one in answer.json.get("messages", []):
            assert None not in one.values()
        assert all(0 < id_ < 2**31 for id_ in answer.json.get("ack_ids", []))
        codes.add(answer.status_code)
    assert codes >= {200, 400, 404}
