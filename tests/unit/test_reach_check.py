"""What keeps phones from the gateway's address is found out, within its time, and said in words."""

from __future__ import annotations

import http.server
import shutil
import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest

from host_controller.access.reach_check import check_reach
from host_controller.errors import CannotPairError

OPENSSL = shutil.which("openssl")
HEALTHY = b'{"status": "ok", "version": "1"}'


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate for localhost that nobody has signed but itself."""
    if OPENSSL is None:
        pytest.skip("openssl is not installed (Debian: openssl)")
    place = tmp_path_factory.mktemp("tls")
    files = place / "cert.pem", place / "key.pem"
    command = [
        OPENSSL, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-out", files[0], "-keyout", files[1],
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return files


@pytest.fixture
def trusting(certificate):
    return ssl.create_default_context(cafile=str(certificate[0]))


@contextmanager
def serving(certificate, status=200, body=HEALTHY, headers=()):
    """Serve one answer over TLS; give its URL and the paths that are asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    class Server(http.server.HTTPServer):
        def handle_error(self, *_):
            """A handshake that the other side breaks off is what is tested."""

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def refusal(url, **options):
    with pytest.raises(CannotPairError) as caught:
        check_reach(url, **options)
    assert url in str(caught.value)
    assert "docs/gateway.md" in str(caught.value)
    return str(caught.value)


def test_a_gateway_that_answers_is_reached(certificate, trusting):
    with serving(certificate) as (url, asked):
        check_reach(url, context=trusting)
        check_reach(f"{url}/rack", context=trusting)
    assert asked == ["/healthz", "/rack/healthz"]


@pytest.mark.parametrize(
    ("status", "body", "headers", "words"),
    [
        (301, b"", [("Location", "https://elsewhere.example/healthz")], "redirects to https://elsewhere.example"),
        (308, HEALTHY, [], "redirects"),
        (404, b"", [], "/healthz answers 404"),
        (502, HEALTHY, [], "/healthz answers 502"),
        (503, b'{"status": "trouble"}', [], "database is in trouble"),
        (200, b"<html>", [], "something else answers"),
        (200, b'{"status": "bad"}', [], "something else answers"),
        (200, b"[1]", [], "something else answers"),
        (200, b'{"status": "ok"' + b" " * 20_000 + b"}", [], "something else answers"),
    ],
)
def test_what_answers_otherwise_is_said(certificate, trusting, status, body, headers, words):
    with serving(certificate, status, body, headers) as (url, _):
        assert words in refusal(url, context=trusting)


def test_a_certificate_that_no_phone_knows_is_said(certificate):
    with serving(certificate) as (url, asked):
        assert "the certificate is not one that Android trusts" in refusal(url)
        assert asked == []


def test_a_certificate_of_another_name_too(certificate, trusting):
    with serving(certificate) as (url, _):
        other = url.replace("localhost", "127.0.0.1")
        assert "the certificate is not one that Android trusts" in refusal(other, context=trusting)


def test_plain_http_nobody_and_a_name_that_is_none_are_said():
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    assert "no connection" in refusal(f"https://127.0.0.1:{port}")
    # Where no name server answers, that is all that is known of a name.
    unknown = refusal("https://no-such-host.invalid")
    assert "name is not known" in unknown or "nothing answered" in unknown
    with socket.create_server(("127.0.0.1", 0)) as plain:
        thread = threading.Thread(target=_answer_plainly, args=(plain,), daemon=True)
        thread.start()
        assert "TLS" in refusal(f"https://127.0.0.1:{plain.getsockname()[1]}")
        thread.join(10)


def _answer_plainly(listening):
    connection, _ = listening.accept()
    with connection:
        connection.settimeout(10)
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_silence_ends_within_its_limit():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        assert "nothing answered within 0.3 s" in refusal(f"https://127.0.0.1:{silent.getsockname()[1]}", limit_s=0.3)
        assert time.monotonic() - began < 5
