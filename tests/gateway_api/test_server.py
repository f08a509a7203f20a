"""The gateway's own server: its limits, its errors, and clients that are slow on purpose."""

from __future__ import annotations

import http.client
import json
import time

import pytest

from host_controller import wiring
from host_controller.errors import ConfigError
from tests.conftest import free_port
from tests.gateway_api.conftest import G
from tests.gateway_api.running import LIMIT_S, serving
from web.gateway_server import _THREADS


@pytest.fixture
def server(bench):
    with serving(bench) as running:
        yield running


def assert_error(answer, status, words):
    found, headers, content = answer
    assert (found, content) == (status, {"success": False, "error": words})
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert len(headers["X-Request-Id"]) == 16
    assert headers["Server"] is None
    assert headers["Via"] is None


def raw(server, request):
    with server.connect() as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.headers, json.loads(answer.read())


def test_a_call_and_its_headers(server):
    status, headers, content = server.ask("POST", f"{G}/heartbeat", b"{}")
    assert (status, content["success"]) == (200, True)
    assert headers["Server"] is None
    assert headers["Content-Length"]
    assert server.ask("GET", "/healthz", key=None)[2] == {"status": "ok"}


def test_the_app_whose_url_ends_with_a_slash(server):
    assert server.ask("POST", f"/{G}/heartbeat", b"{}")[0] == 200


def test_errors(server):
    assert_error(server.ask("GET", f"{G}/heartbeat"), 405, "Method not allowed")
    assert_error(server.ask("POST", f"{G}/nothing"), 404, "Not found")
    assert_error(server.ask("POST", f"{G}/stats", headers={"Host": "evil.example"}), 400, "Host not allowed")
    assert_error(raw(server, b"POST /sms-gateway/stats HTTP/1.1\r\n\r\n"), 400, "Host not allowed")


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        (b"POST /sms-gateway/pending HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n", 413,
         "Request body too large"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", 431, "Request header too large"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400, "Bad request"),
        (b"nonsense\r\n\r\n", 400, "Bad request"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 501,
         "Transfer encoding not supported"),
    ],
    ids=["body", "header", "length", "no HTTP", "encoding"],
)  # fmt: skip
def test_what_never_reaches_the_application(server, request_, status, words):
    began = time.monotonic()
    assert_error(raw(server, request_), status, words)
    assert time.monotonic() - began < 5


def test_a_body_in_chunks_is_limited_too(make_bench):
    with serving(make_bench(max_body_mb=0.01)) as server:
        head = b"POST /sms-gateway/stats HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert_error(raw(server, head + b"2800\r\n" + b" " * 0x2800 + b"\r\n"), 413, "Request body too large")


def test_forwarded_headers_mean_nothing_without_a_proxy(make_bench):
    with serving(make_bench(wrong_keys_per_minute=2)) as server:
        codes = [
            server.ask("POST", f"{G}/stats", key="wrong", headers={"X-Forwarded-For": f"198.51.100.{n}"})[0]
            for n in range(3)
        ]
    assert codes == [401, 401, 429]


def test_forwarded_headers_of_a_proxy(make_bench):
    with serving(make_bench(wrong_keys_per_minute=2, proxy_hops=1)) as server:
        codes = [
            server.ask("POST", f"{G}/stats", key="wrong", headers={"X-Forwarded-For": f"198.51.100.{n}"})[0]
            for n in range(3)
        ]
    assert codes == [401, 401, 401]


def test_slow_clients_hold_nobody_up_and_are_not_waited_for(bench, eventually):
    """Many more of them than there are workers; each sends a byte now and then, as a slowloris does."""
    with serving(bench, receive_limit_s=4) as server:
        slow = [server.connect() for _ in range(5 * _THREADS)]
        halves = [
            b"POST /sms-gateway/stats HTTP/1.1\r\nHost: local",
            b"POST /sms-gateway/stats HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{",
            b"",
        ]
        for n, connection in enumerate(slow):
            connection.sendall(halves[n % 3])
        began = time.monotonic()
        assert server.ask("POST", f"{G}/stats", b"{}")[0] == 200
        assert time.monotonic() - began < 4
        open_ = list(slow)

        def all_are_closed():
            for n, connection in enumerate(slow):
                if connection in open_ and _is_closed(connection, dribbles=n % 3 != 2):
                    open_.remove(connection)
            return not open_

        eventually(all_are_closed, LIMIT_S, "the end of slow connections")
        assert server.ask("POST", f"{G}/stats", b"{}")[0] == 200
        for connection in slow:
            connection.close()


def _is_closed(connection, *, dribbles):
    connection.settimeout(0.001)
    try:
        if dribbles:
            connection.sendall(b"x")
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_the_gateway_is_served_where_it_has_a_port(make_bench):
    bench = make_bench(port=free_port())
    (surface,) = wiring._gateway(bench.services)
    with pytest.raises(ConfigError, match=r"choose another gateway\.port"):
        wiring._gateway(bench.services)
    surface.close()


def test_the_gateway_is_not_served_without_a_port(bench):
    assert wiring._gateway(bench.services) == ()
