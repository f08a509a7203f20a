"""The API of the SMS Gateway as phones and other clients reach it: its own application, with nothing else on it."""

from __future__ import annotations

import logging
import secrets
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException, NotFound, SecurityError
from werkzeug.middleware.proxy_fix import ProxyFix

from host_controller.access.device_keys import Device
from host_controller.errors import StoreError, UnknownPhoneError
from host_controller.inbox.app_inbox import AppInbox
from host_controller.messaging.remote_care import RemoteCare
from host_controller.settings import GatewaySettings
from web.app import create_app
from web.description import add_description
from web.gateway_auth import HEADER, Gatekeeper
from web.gateway_devices import add_devices
from web.gateway_inbound import add_inbound
from web.gateway_input import RefusedError
from web.services import Services

_log = logging.getLogger(__name__)
PREFIX = "/sms-gateway"
JSON_TYPE = "application/json; charset=utf-8"
_RETRY_AFTER_S = 5
_PREFLIGHT_S = "600"
_MB = 1_000_000
# Words that clients look for, or that say more than HTTP's own.
_WORDS = {
    400: "Bad request",
    404: "Not found",
    405: "Method not allowed",
    413: "Request body too large",
}
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def make_gateway_app(services: Services, remote: RemoteCare, beside: Sequence[Blueprint] = ()) -> Flask:
    """Give the application; its errors are JSON, and it never redirects, since the app would not follow.

    `beside` is served on the same port with the same limits, and asks by itself who calls.
    """
    settings = services.settings.gateway
    gateway = Blueprint("gateway", __name__, url_prefix=PREFIX)
    inbox = AppInbox(services.store, services.settings, services.clock, services.bells.ring)
    # With a key, like all that is there: it is long, and nobody without one is to have more than an error.
    add_description(gateway, "gateway")
    add_devices(gateway, remote, _device)
    add_inbound(gateway, services.store, inbox, _device)
    app = create_app(
        [gateway, _health(services), *beside],
        secret="",
        allowed_hosts=_allowed_hosts(settings),
        csrf=False,
        is_bare=True,
        max_body_bytes=max_body_bytes(settings),
    )
    app.url_map.merge_slashes = False
    app.json.mimetype = JSON_TYPE  # type: ignore[attr-defined]
    gatekeeper = Gatekeeper(services)
    app.before_request(lambda: _begin(settings, gatekeeper))
    app.after_request(lambda response: _end(response, settings))
    _add_errors(app)
    inner: Wsgi = app.wsgi_app
    if settings.proxy_hops:
        # Not of the host: a proxy passes that on as it is, and a forwarded one that it does not set is the client's.
        inner = ProxyFix(inner, x_for=settings.proxy_hops, x_proto=settings.proxy_hops, x_host=0)
    app.wsgi_app = _as_we_write_it(inner)  # type: ignore[assignment, method-assign]
    return app


def max_body_bytes(settings: GatewaySettings) -> int:
    """Give the longest body that is read."""
    return round(settings.max_body_mb * _MB)


def error_json(words: str) -> dict[str, Any]:
    """Every error of the gateway."""
    return {"success": False, "error": words}


def new_request_id() -> str:
    """Give what an answer and its line in the log have in common."""
    return secrets.token_hex(8)


def _health(services: Services) -> Blueprint:
    health = Blueprint("health", __name__)

    @health.get("/healthz")
    def healthz() -> tuple[dict[str, str], int]:
        try:
            with services.store.reading() as session:
                session.connection()
        except StoreError:
            return {"status": "trouble"}, 503
        return ({"status": "ok"}, 200) if services.store.trouble is None else ({"status": "trouble"}, 503)

    return health


def _allowed_hosts(settings: GatewaySettings) -> list[str]:
    public = urlsplit(settings.public_url or "").hostname
    return [*(host.lower() for host in settings.allowed_hosts), *([public] if public else [])]


def _device() -> Device:
    device: Device = g.device
    return device


def _begin(settings: GatewaySettings, gatekeeper: Gatekeeper) -> Response | None:
    g.request_id, g.began_s = new_request_id(), time.monotonic()
    broken = request.routing_exception
    if broken is not None and not isinstance(broken, NotFound):
        if request.method == "OPTIONS" and not isinstance(broken, SecurityError) and _is_allowed_origin(settings):
            return _preflight()
        return None
    # What does not exist needs a key too: without one nobody learns what does.
    if request.path.startswith(f"{PREFIX}/"):
        is_campaign = request.path.startswith(f"{PREFIX}/campaign/")
        g.device = gatekeeper.admit("Missing API key" if is_campaign else "Invalid API key")
    return None


def _end(response: Response, settings: GatewaySettings) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    response.headers["Cache-Control"] = "no-store"
    if settings.cors_origins:
        response.vary.add("Origin")
        if _is_allowed_origin(settings):
            response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
            response.headers["Access-Control-Expose-Headers"] = "X-Request-Id, Retry-After"
    device = g.get("device")
    _log.debug(
        "request %s: %s of %s answered %s after %.0f ms",
        g.request_id,
        # Never the path as it came: somebody may have written a number or a key into it.
        request.url_rule.rule if request.url_rule else "no route",
        device.serial if device else "nobody",
        response.status_code,
        1000 * (time.monotonic() - g.began_s),
    )
    return response


def _is_allowed_origin(settings: GatewaySettings) -> bool:
    return request.headers.get("Origin") in settings.cors_origins


def _preflight() -> Response:
    answer = Response(status=204)
    answer.headers["Access-Control-Allow-Methods"] = "POST"
    answer.headers["Access-Control-Allow-Headers"] = f"Content-Type, {HEADER}"
    answer.headers["Access-Control-Max-Age"] = _PREFLIGHT_S
    return answer


def _add_errors(app: Flask) -> None:
    @app.errorhandler(RefusedError)
    def refused(error: RefusedError) -> Response:
        return _error(error.status, error.words, error.retry_after_s)

    @app.errorhandler(UnknownPhoneError)
    def archived_meanwhile(_: UnknownPhoneError) -> Response:
        return _error(401, "Invalid API key")

    @app.errorhandler(StoreError)
    def store_trouble(_: StoreError) -> Response:
        return _error(503, "The database is busy; try again", _RETRY_AFTER_S)

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        status = error.code or 500
        answer = _error(status, _WORDS.get(status, HTTPStatus(status).phrase))
        if isinstance(error, SecurityError):
            return _error(400, "Host not allowed")
        valid_methods = getattr(error, "valid_methods", None)
        if valid_methods:
            answer.headers["Allow"] = ", ".join(sorted(valid_methods))
        return answer

    @app.errorhandler(Exception)
    def bug(error: Exception) -> Response:
        # Where it happened and what kind it is, but not its words: they could hold a number or a text.
        where = "".join(traceback.format_list(traceback.extract_tb(error.__traceback__)))
        _log.error("request %s failed with %s:\n%s", g.request_id, type(error).__name__, where)
        answer = jsonify(error_json("Internal error") | {"request_id": g.request_id})
        answer.status_code = 500
        return answer


def _error(status: int, words: str, retry_after_s: float | None = None) -> Response:
    answer = jsonify(error_json(words))
    answer.status_code = status
    if retry_after_s is not None:
        answer.headers["Retry-After"] = f"{retry_after_s:.0f}"
    return answer


def _as_we_write_it(inner: Wsgi) -> Wsgi:
    """The app writes two slashes where its URL ends with one, and a host as a person has typed it."""

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        while "//" in path:
            path = path.replace("//", "/")
        environ["PATH_INFO"] = path
        environ["HTTP_HOST"] = environ.get("HTTP_HOST", "").lower()
        return inner(environ, start_response)

    return call
