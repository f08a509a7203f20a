"""The HTTP side of the fake module: plain JSON, a key in the header or the body, faults by the fake Odoo's script."""

from __future__ import annotations

import json
import time
from typing import Any

import flask
from flask import Response, request

from odoo_sync.fake.gateway_module import GatewayModule
from odoo_sync.fake.server import PAGES, SLOW_S


def mount(app: flask.Flask, module: GatewayModule) -> None:
    """Serve the module on an app of `make_app`; `app.config["CALLS"]` lists the paths that were asked for."""
    calls: list[str] = app.config.setdefault("CALLS", [])

    @app.post("/sms-gateway/<path:path>")
    def gateway(path: str) -> Response:
        calls.append(path)
        faults: list[str] = app.config["FAULTS"]
        fault = faults.pop(0) if faults else ""
        if fault in PAGES:
            return Response("<html>not now</html>", PAGES[fault])
        if fault == "slow":
            time.sleep(SLOW_S)
        if fault in ("serialization", "database_down"):
            return _json(500, {"success": False, "error": "could not serialize access due to concurrent update\n"})
        body = _body()
        key = request.headers.get("X-API-Key") or _key_of(body)
        status, answer = (401, {"success": False, "error": "Invalid API key"})
        if fault != "access_denied":
            status, answer = module.answer(path, key, body)
        if fault == "lost_answer":
            return Response("<html>bad gateway</html>", 502)
        return _json(status, answer)


def _json(status: int, answer: dict[str, Any]) -> Response:
    return Response(json.dumps(answer), status, content_type="application/json")


def _body() -> Any:
    """The JSON that was sent; None where it is none, which the module takes for an empty object."""
    try:
        return json.loads(request.get_data(as_text=True) or "{}")
    except ValueError:
        return None


def _key_of(body: Any) -> str | None:
    if not isinstance(body, dict):
        return None
    params = body.get("params")
    key = (params.get("api_key") if isinstance(params, dict) else None) or body.get("api_key")
    return key if isinstance(key, str) else None
