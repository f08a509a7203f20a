"""The contract's part C: keys, bodies, methods. Wrong keys are counted by address, so each test has its own."""

from __future__ import annotations

import pytest

from tests.gateway.device import ROUTES, error, refusal

INVALID_KEY = error(401, "Invalid API key")
INVALID_BODY = error(400, "Invalid JSON body")


def test_case_01_no_key(gateway):
    assert refusal(gateway.stranger().call("heartbeat")) == INVALID_KEY


@pytest.mark.parametrize("route", ROUTES)
def test_case_02_no_key_on_any_route(gateway, route):
    assert refusal(gateway.stranger().call(route)) == INVALID_KEY


def test_case_03_wrong_key(gateway):
    assert refusal(gateway.stranger("BAD").call("heartbeat")) == INVALID_KEY


@pytest.mark.parametrize("wrapped", [False, True], ids=["api_key", "params.api_key"])
def test_case_04_key_in_the_body(gateway, p1, wrapped):
    body = {"api_key": p1.key}
    assert "phone_stats" in gateway.stranger().ok("heartbeat", {"params": body} if wrapped else body)


@pytest.mark.parametrize("route", ROUTES)
def test_case_05_key_of_an_archived_phone(gateway, p3, route):
    assert refusal(gateway.stranger(p3.key).call(route)) == INVALID_KEY


def test_case_05_phone_that_was_brought_back(gateway, phone):
    caller = gateway.stranger(phone.key)
    gateway.api.call("DELETE", f"/remote-phones/{phone.name}")
    assert refusal(caller.call("stats")) == INVALID_KEY
    gateway.api.call("POST", f"/remote-phones/{phone.name}/bring-back")
    caller.ok("stats")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_case_06_other_methods(p1, method):
    answer = p1.call("heartbeat", method=method)
    assert refusal(answer) == error(405, "Method not allowed")
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("route", ROUTES)
def test_case_07_body_that_is_no_json(p1, route):
    assert refusal(p1.call(route, raw=b"not json")) == INVALID_BODY


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("raw", [b"[1]", b"5", b"null", b'"x"'], ids=["list", "number", "null", "string"])
def test_case_08_body_that_is_no_object(p1, route, raw):
    assert refusal(p1.call(route, raw=raw)) == INVALID_BODY


def test_case_09_empty_body(p1):
    answer = p1.call("stats", raw=b"")
    assert (answer.status, answer.json["success"]) == (200, True)


@pytest.mark.parametrize("path", ["//sms-gateway/heartbeat", "/sms-gateway//heartbeat"])
def test_case_10_double_slash(p1, path):
    answer = p1.ask(path)
    assert (answer.status, answer.json["success"]) == (200, True)
    assert answer.json["phone_stats"].keys() == p1.ok("heartbeat")["phone_stats"].keys()


def test_case_11_many_wrong_keys(gateway, p1):
    guesser = gateway.stranger("BAD")
    answers = [guesser.call("heartbeat") for _ in range(20)]
    assert {answer.status for answer in answers} == {401, 429}
    assert (answers[0].status, answers[-1].status) == (401, 429)
    assert answers[-1].json["success"] is False
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    gateway.stranger(p1.key).ok("heartbeat")
