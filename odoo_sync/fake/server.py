"""The HTTP side of the fake Odoo: JSON-RPC as odoorpc speaks it, `/sms/status`, and faults by script."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import flask
from flask import Response, request

from odoo_sync.fake.errors import OdooError
from odoo_sync.fake.model import FakeOdoo

FAULTS: dict[str, str] = {
    "down": "answers HTTP 503, as a proxy does before an Odoo that is away",
    "no_database": "answers HTTP 404 with a page, as a server that cannot choose a database",
    "lost_answer": "does what was asked and answers HTTP 502: the answer is lost after the commit",
    "serialization": "gives up on a row that others hold",
    "database_down": "cannot reach its own database",
    "access_denied": "does not accept the login any more",
    "garbage": "answers a page where JSON is expected",
    "slow": "answers after five seconds",
}
_ERRORS = {
    "serialization": OdooError(
        "psycopg2.errors.SerializationFailure", "could not serialize access due to concurrent update"
    ),
    "database_down": OdooError("psycopg2.OperationalError", "connection to server failed: Connection refused"),
    "access_denied": OdooError("odoo.exceptions.AccessDenied", "Access Denied"),
}
SLOW_S = 5.0
PAGES = {"down": 503, "no_database": 404, "garbage": 200}

Answer = Response | dict[str, Any]


def make_app(odoo: FakeOdoo) -> flask.Flask:
    """Serve a fake Odoo. `app.config["FAULTS"]` is the list of faults to come, one for each request."""
    app = flask.Flask(__name__)
    faults: list[str] = []
    app.config["FAULTS"] = faults

    def answer(work: Callable[[dict[str, Any]], Any]) -> Answer:
        body = request.get_json()
        fault = faults.pop(0) if faults else ""
        if fault in PAGES:
            return Response("<html>not now</html>", PAGES[fault])
        if fault == "slow":
            time.sleep(SLOW_S)
        try:
            if fault in _ERRORS:
                raise _ERRORS[fault]
            result = work(body["params"])
        except OdooError as error:
            return _error(body["id"], error)
        if fault == "lost_answer":
            return Response("<html>bad gateway</html>", 502)
        return {"jsonrpc": "2.0", "id": body["id"], "result": result}

    @app.post("/web/webclient/version_info")
    def version_info() -> Answer:
        return answer(lambda _: _VERSION)

    @app.post("/jsonrpc")
    def jsonrpc() -> Answer:
        def call(params: dict[str, Any]) -> Any:
            if params["service"] == "common":
                return odoo.check_login(*params["args"][:3]) if params["method"] == "login" else _VERSION
            return odoo.execute(params["args"])

        return answer(call)

    @app.post("/sms/status")
    def sms_status() -> Answer:
        return answer(lambda params: odoo.report(params["message_statuses"]))

    @app.get("/web")
    def choose_database() -> str:
        return "<html>chosen</html>"

    @app.get("/fake/state")
    def state() -> dict[str, Any]:
        with odoo.lock:
            traces = {trace.sms_id_int: asdict(trace) for trace in odoo.traces.values()}
            return {"sms": [{**asdict(row), "trace": traces[row.id]} for row in odoo.sms.values() if row.id in traces]}

    @app.post("/fake/faults")
    def inject() -> tuple[dict[str, Any], int]:
        wanted = request.get_json()
        unknown = [name for name in wanted if name not in FAULTS] if isinstance(wanted, list) else ["not a list"]
        if unknown:
            return {"error": f"send a JSON list of faults; unknown: {unknown}; known: {', '.join(FAULTS)}"}, 400
        faults.extend(wanted)
        return {"faults": faults}, 201

    return app


_VERSION = {
    "server_version": "18.0-20250421",
    "server_version_info": [18, 0, 0, "final", 0, ""],
    "server_serie": "18.0",
    "protocol_version": 1,
}


def _error(request_id: int, error: OdooError) -> dict[str, Any]:
    data = {
        "name": error.name,
        "debug": "Traceback (most recent call last):\n  ...",
        "message": str(error),
        "arguments": [str(error)],
        "context": {},
    }
    return {
        "jsonrpc": "2.0",
        "id": request_id,
        "error": {"code": 200, "message": "Odoo Server Error", "data": data},
    }
