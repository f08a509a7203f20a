"""The gateway behind its own server, in the tests' process."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import contextmanager

from host_controller.settings import load_settings
from tests.conftest import free_port
from tests.serving import Serving
from web import make_gateway_server

LIMIT_S = 20


class Server:
    def __init__(self, bench, port):
        self.bench, self.port = bench, port

    def ask(self, method, path, body=None, headers=None, key="two"):
        named = {"X-API-Key": self.bench.keys[key]} if key else {}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT_S)
        try:
            connection.request(method, path, body, named | (headers or {}))
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, answer.headers, json.loads(content) if content else None
        finally:
            connection.close()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT_S)


@contextmanager
def serving(bench, **terms):
    port = free_port()
    settings = load_settings(None, {"gateway": {**bench.settings.gateway.model_dump(), "port": port}}).gateway
    server = Serving(make_gateway_server(bench.app, settings, **terms))
    try:
        yield Server(bench, port)
    finally:
        server.stop()
