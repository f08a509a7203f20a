"""The server of the gateway: limits of size, time and number, and errors of its own in the gateway's shape."""

from __future__ import annotations

import json
from typing import Any

import waitress
from flask import Flask
from waitress.channel import HTTPChannel
from waitress.server import MultiSocketServer
from waitress.task import ErrorTask

from host_controller.settings import GatewaySettings
from web.gateway import JSON_TYPE, error_json, max_body_bytes, new_request_id

_THREADS = 8
RECEIVE_LIMIT_S = 120
"""A request is to come whole within this time, and who says nothing is not kept longer."""
_MOST_CONNECTIONS = 500
_LONGEST_HEADER = 32 * 1024
_LOOK_EVERY_S = 5
_WORDS = {
    400: "Bad request",
    413: "Request body too large",
    431: "Request header too large",
    500: "Internal error",
    501: "Transfer encoding not supported",
}


def make_gateway_server(app: Flask, settings: GatewaySettings, *, receive_limit_s: float = RECEIVE_LIMIT_S) -> Any:
    """Give the server, bound to its port. Raises OSError where that is taken."""
    server = waitress.create_server(
        app,
        host=settings.host,
        port=settings.port,
        threads=_THREADS,
        ident="",
        channel_timeout=receive_limit_s,
        cleanup_interval=min(_LOOK_EVERY_S, receive_limit_s),
        connection_limit=_MOST_CONNECTIONS,
        asyncore_use_poll=True,
        max_request_header_size=_LONGEST_HEADER,
        # It refuses from this size on.
        max_request_body_size=max_body_bytes(settings) + 1,
        # Only what a proxy of ours has said may be read; waitress drops it where there is none.
        clear_untrusted_proxy_headers=not settings.proxy_hops,
        log_untrusted_proxy_headers=False,
        expose_tracebacks=False,
    )
    for listener in server.map.values() if isinstance(server, MultiSocketServer) else [server]:
        listener.channel_class = _Channel
    return server


class _JsonErrorTask(ErrorTask):  # type: ignore[misc]
    """Answers what never reached the application: too large, or not HTTP."""

    def execute(self) -> None:
        """See ErrorTask."""
        error = self.request.error
        request_id = new_request_id()
        answer = error_json(_WORDS.get(error.code, error.reason))
        if error.code == 500:
            answer["request_id"] = request_id
        body = json.dumps(answer).encode()
        self.status = f"{error.code} {error.reason}"
        headers = {"Content-Type": JSON_TYPE, "Cache-Control": "no-store", "X-Request-Id": request_id}
        self.response_headers.extend(headers.items())
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):  # type: ignore[misc]
    """A connection on which a request that dribbles in counts as idle since its beginning."""

    error_task_class = _JsonErrorTask
    last_activity: float

    def handle_read(self) -> None:
        """See HTTPChannel."""
        began = None if self.request is None else self.last_activity
        super().handle_read()
        if began is not None and self.request is not None:
            self.last_activity = began
