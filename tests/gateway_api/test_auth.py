"""Keys: where they are read, what they open, and how often a wrong one may be shown."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from sqlalchemy import event, select

from host_controller.errors import StoreBusyError, UnknownPhoneError
from host_controller.store.models import DeviceKeyRecord
from tests.gateway_api.conftest import NOW

INVALID, MISSING = ({"success": False, "error": words} for words in ("Invalid API key", "Missing API key"))


def used_at(bench, name):
    with bench.store.reading() as session:
        return session.scalar(select(DeviceKeyRecord.used_at).where(DeviceKeyRecord.prefix == bench.keys[name][:8]))


@pytest.mark.parametrize("key", ["wrong", "revoked", "expired", "gone", "é", "x" * 100_000, " "])
def test_what_opens_nothing(bench, key):
    answer = bench.post("heartbeat", key=key)
    assert (answer.status_code, answer.json) == (401, INVALID)


@pytest.mark.parametrize(
    ("path", "words"),
    [("heartbeat", INVALID), ("nothing", INVALID), ("campaign/list", MISSING), ("campaign/create", MISSING)],
)
def test_without_a_key_nobody_learns_what_there_is(bench, path, words):
    answer = bench.post(path, key=None)
    assert (answer.status_code, answer.json) == (401, words)
    assert bench.post(path, key="wrong").json == INVALID


def test_with_a_key_what_is_not_there_is_not_found(bench):
    assert [bench.post(path).status_code for path in ("nothing", "campaign/list", "confirm/abc", "")] == [404] * 4


def test_a_key_opens_until_its_end(bench):
    bench.keys["new"] = bench.make_key("two", expires_at=NOW + timedelta(minutes=1))
    bench.ok("stats", key="new")
    bench.clock.now += timedelta(minutes=1)
    assert bench.post("stats", key="new").status_code == 401


@pytest.mark.parametrize("wrap", [lambda key: {"api_key": key}, lambda key: {"params": {"api_key": key}}])
def test_a_key_in_the_body_only_where_that_is_switched_on(make_bench, wrap, request):
    bench = make_bench(body_keys=True)
    bench.ok("heartbeat", wrap(bench.keys["two"]), key=None)
    assert bench.post("heartbeat", wrap(bench.keys["two"]), key="wrong").status_code == 401
    for value in (None, 5, [], {}, "", "x", "\ud800"):
        assert bench.post("heartbeat", wrap(value), key=None).status_code == 401
    assert bench.post("heartbeat", "not json", key=None).json == INVALID
    object.__setattr__(bench.settings.gateway, "body_keys", False)
    assert bench.post("heartbeat", wrap(bench.keys["two"]), key=None).json == INVALID


def test_wrong_keys_of_one_address_are_limited(bench, caplog):
    home, away = ({"REMOTE_ADDR": address} for address in ("192.0.2.7", "192.0.2.8"))
    with caplog.at_level(logging.WARNING):
        answers = [bench.post("heartbeat", key="wrong", environ_base=home) for _ in range(20)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 10
    assert answers[-1].json == {"success": False, "error": "Too many wrong API keys"}
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert [record.getMessage() for record in caplog.records] == [
        "192.0.2.7 shows wrong keys; for a minute they are answered 429"
    ]
    assert bench.post("heartbeat", key="wrong", environ_base=away).status_code == 401
    bench.ok("heartbeat", environ_base=away)
    # Where the proxy is not set up, all phones come from one address.
    bench.ok("heartbeat", environ_base=home)
    # Who shows no key at all has guessed nothing.
    assert bench.post("heartbeat", key=None, environ_base=home).status_code == 401


def test_all_addresses_of_one_ipv6_network_are_one(make_bench):
    bench = make_bench(wrong_keys_per_minute=2)
    codes = [
        bench.post("stats", key="wrong", environ_base={"REMOTE_ADDR": address}).status_code
        for address in ("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1", "::ffff:192.0.2.7", "nonsense")
    ]
    assert codes == [401, 401, 429, 401, 401, 401]


@pytest.mark.parametrize(
    ("hops", "forwarded", "codes"),
    [
        # Nobody of ours stands before it: the header is the client's, and lets nobody out of the limit.
        (0, ["198.51.100.1", "198.51.100.2", "198.51.100.3"], [401, 401, 429]),
        # Only the last entry is the proxy's.
        (1, ["198.51.100.1", "198.51.100.2", "198.51.100.3"], [401, 401, 401]),
        (1, ["1.1.1.1, 198.51.100.9", "2.2.2.2, 198.51.100.9", "3.3.3.3, 198.51.100.9"], [401, 401, 429]),
        (2, ["1.1.1.1, 198.51.100.9, 10.0.0.1", "198.51.100.9, 10.0.0.2", "198.51.100.9, 10.0.0.1"], [401, 401, 429]),
    ],
)  # fmt: skip
def test_the_address_is_what_our_proxies_say(make_bench, hops, forwarded, codes):
    bench = make_bench(proxy_hops=hops, wrong_keys_per_minute=2)
    answers = [bench.post("stats", key="wrong", headers={"X-Forwarded-For": value}) for value in forwarded]
    assert [answer.status_code for answer in answers] == codes


def test_calls_of_a_key_are_limited(bench):
    bench.keys["slow"] = bench.make_key("two", calls_per_minute=3)
    answers = [bench.post("stats", key="slow") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[-1].json == {"success": False, "error": "Too many requests"}
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    bench.ok("stats")


def test_use_is_noted_once_a_minute(bench):
    writes = []
    event.listen(bench.store._engine, "before_cursor_execute", lambda *args: writes.append(args[2]))
    for _ in range(5):
        bench.ok("register-fcm", {"fcm_token": "x"})
    assert used_at(bench, "two") == NOW
    assert sum(statement.startswith("UPDATE device_key") for statement in writes) == 1
    assert used_at(bench, "one") is None


def test_a_use_that_cannot_be_noted_hinders_nobody(bench, monkeypatch):
    def broken(_):
        raise StoreBusyError("busy")

    monkeypatch.setattr(bench.store, "write", broken)
    bench.ok("inbound-history")


def test_a_phone_that_is_archived_between_key_and_call(bench, monkeypatch):
    def gone(*_):
        raise UnknownPhoneError("gone")

    monkeypatch.setattr(bench.remote, "figures", gone)
    assert bench.post("stats").json == INVALID
