"""What holds for every route: one shape of errors, hosts, sizes, ids, no redirects, no secrets in the log."""

from __future__ import annotations

import logging
import re

import pytest

from host_controller.errors import StoreBrokenError, StoreBusyError
from tests.gateway_api.conftest import SIM_1, G

JSON = "application/json; charset=utf-8"


def assert_error(answer, status, words):
    assert (answer.status_code, answer.json) == (status, {"success": False, "error": words})
    assert answer.headers["Content-Type"] == JSON
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["X-Request-Id"])
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Server" not in answer.headers
    assert "Set-Cookie" not in answer.headers


def test_health(bench, monkeypatch):
    client = bench.app.test_client()
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})
    assert client.head("/healthz").status_code == 200
    monkeypatch.setattr(type(bench.store), "trouble", "the disk is broken")
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json) == (503, {"status": "trouble"})


@pytest.mark.parametrize("path", ["/", "/api/v1/status", "/static/site.css", "/sms-gatewayx", "/favicon.ico"])
def test_nothing_else_is_there(bench, path):
    assert_error(bench.app.test_client().get(path), 404, "Not found")


def test_another_method(bench):
    for method in ("get", "put", "delete", "patch", "options"):
        answer = getattr(bench.app.test_client(), method)(f"{G}/heartbeat")
        assert_error(answer, 405, "Method not allowed")
        assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize("path", ["//sms-gateway/stats", "/sms-gateway//stats", "///sms-gateway///stats"])
def test_more_slashes_than_one(bench, path):
    # Not by `url`: the test client reads a host out of two slashes.
    environ = {"PATH_INFO": path, "REQUEST_METHOD": "POST", "HTTP_X_API_KEY": bench.keys["two"]}
    answer = bench.app.test_client().open(base_url="http://localhost", path="/", environ_overrides=environ)
    assert answer.status_code == 200
    assert answer.json["phones"][0]["name"] == "two"


def test_a_slash_at_the_end_is_another_path_and_no_redirect(bench):
    assert_error(bench.post("stats/"), 404, "Not found")


@pytest.mark.parametrize("body", ["not json", "[1]", "5", "null", '"x"', "{", '{"a":NaN}', "\xff", "[" * 100_000])
def test_no_object(bench, body):
    assert_error(bench.post("pending", body), 400, "Invalid JSON body")


@pytest.mark.parametrize("body", ["", " \n", "{}"])
def test_no_body_is_an_empty_object(bench, body):
    assert bench.post("stats", body).status_code == 200


@pytest.mark.parametrize("type_", ["text/plain", "application/x-www-form-urlencoded", "", "application/json"])
def test_the_type_of_the_body_means_nothing(bench, type_):
    assert bench.post("pending", '{"limit": 1}', content_type=type_).status_code == 200


def test_a_long_body(make_bench):
    bench = make_bench(max_body_mb=0.01)
    assert_error(bench.post("stats", b"{" + b" " * 10_000 + b"}"), 413, "Request body too large")
    assert bench.post("stats", b"{" + b" " * 9_000 + b"}").status_code == 200


def test_hosts(make_bench):
    bench = make_bench(public_url="https://sms.example.com:8443/", allowed_hosts=["rack.lan"])
    for host in ("rack.lan", "rack.lan:80", "sms.example.com", "SMS.example.com:8443"):
        assert bench.post("stats", headers={"Host": host}).status_code == 200
    for host in ("localhost", "evil.example", "sms.example.com.evil.example", "a b", ""):
        assert_error(bench.post("stats", headers={"Host": host}), 400, "Host not allowed")
    answer = bench.app.test_client().get("/healthz", headers={"Host": "evil.example"})
    assert_error(answer, 400, "Host not allowed")


def test_a_forwarded_host_is_not_believed(make_bench):
    bench = make_bench(proxy_hops=1)
    answer = bench.post("stats", headers={"Host": "evil.example", "X-Forwarded-Host": "localhost"})
    assert_error(answer, 400, "Host not allowed")


def test_request_ids_are_ours_and_differ(bench):
    ids = {bench.post("stats", headers={"X-Request-Id": "mine"}).headers["X-Request-Id"] for _ in range(5)}
    assert len(ids) == 5
    assert "mine" not in ids


def test_a_bug_tells_its_request_and_nothing_else(bench, monkeypatch, caplog):
    words = f"canary {SIM_1}"

    def broken(*_):
        raise RuntimeError(words)

    monkeypatch.setattr(bench.remote, "figures", broken)
    with caplog.at_level(logging.DEBUG):
        answer = bench.post("stats")
    request_id = answer.headers["X-Request-Id"]
    assert answer.status_code == 500
    assert answer.json == {"success": False, "error": "Internal error", "request_id": request_id}
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert request_id in record.getMessage()
    assert "RuntimeError" in record.getMessage()
    assert "test_transport.py" in record.getMessage()
    assert words not in caplog.text


@pytest.mark.parametrize("error", [StoreBusyError, StoreBrokenError])
def test_trouble_with_the_store_is_to_be_tried_again(bench, monkeypatch, error):
    def broken(*_):
        raise error("secret words")

    monkeypatch.setattr(bench.remote, "figures", broken)
    answer = bench.post("stats")
    assert_error(answer, 503, "The database is busy; try again")
    assert answer.headers["Retry-After"] == "5"


def test_no_other_site_may_call_it_by_default(bench):
    answer = bench.post("stats", headers={"Origin": "https://crm.example"})
    assert answer.status_code == 200
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


def test_a_site_that_may_call_it(make_bench):
    bench = make_bench(cors_origins=["https://crm.example"])
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key,content-type"}
    client = bench.app.test_client()
    answer = client.options(f"{G}/stats", headers={"Origin": "https://crm.example"} | asked)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "https://crm.example"
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert "X-API-Key" in answer.headers["Access-Control-Allow-Headers"]
    answer = bench.post("stats", headers={"Origin": "https://crm.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://crm.example"
    assert "Origin" in answer.headers["Vary"]
    for origin in ("https://evil.example", "null"):
        answer = client.options(f"{G}/stats", headers={"Origin": origin} | asked)
        assert answer.status_code == 405
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Access-Control-Allow-Origin" not in bench.post("stats", headers={"Origin": origin}).headers


def test_no_key_number_or_text_reaches_the_log(bench, caplog):
    ids = bench.send(1)
    number, text = "+420777444333", "kanárek v dole"
    with caplog.at_level(logging.DEBUG):
        bench.ok("pending")
        bench.ok("confirm-batch", {"results": [{"id": ids[0], "status": "error", "error_message": text}]})
        bench.ok("inbound", {"from_number": number, "message": "STOP"})
        bench.ok("inbound", {"from_number": number, "message": text})
        bench.ok("inbound-batch", {"messages": [{"from_number": number, "message": text}]})
        bench.ok("inbound-history", {"search": text})
        bench.ok("inbound-blacklist", {"ids": [1, 2]})
        bench.ok("register-fcm", {"fcm_token": "canary-token"})
        bench.post(f"{text}/{number}/{bench.keys['two']}")
        bench.post("stats", key="wrong")
        bench.post("stats", key="revoked")
    assert "request" in caplog.text
    secrets = [text, "kan", number, number[4:], "+420777555", "777555000", "text 0", "canary-token"]
    for secret in [*secrets, *bench.keys.values()]:
        assert secret not in caplog.text
