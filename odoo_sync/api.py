"""The API's part that talks to an Odoo; mounted by wiring beside the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from flask import Blueprint, request

from host_controller.errors import ConfigError
from host_controller.store.store import Store
from odoo_sync.errors import OdooSyncError
from odoo_sync.reconcile import Reconcile
from odoo_sync.records import find_record

Answer = dict[str, Any] | tuple[dict[str, Any], int]


def make_odoo_api(store: Store, make_reconcile: Callable[[str], Reconcile]) -> Blueprint:
    """`make_reconcile` gives the comparison with the Odoo of a name, and raises ConfigError where there is none."""
    api = Blueprint("odoo_api", __name__, url_prefix="/api/v1/odoo")

    @api.post("/<name>/reconcile")
    def reconcile(name: str) -> Answer:
        body = request.get_json(silent=True) if request.content_length else {}
        if not isinstance(body, dict) or not set(body) <= {"everything"}:
            return _misshapen()
        everything = body.get("everything", False)
        return asdict(make_reconcile(name).run(everything=everything)) if isinstance(everything, bool) else _misshapen()

    @api.get("/<name>/messages/<uuid>")
    def message(name: str, uuid: str) -> Answer:
        with store.reading() as session:
            found = find_record(session, name, uuid)
        if found is None:
            return _error("not_found", f"no SMS {uuid} of the Odoo {name!r} is here"), 404
        return asdict(found)

    @api.errorhandler(OdooSyncError)
    def odoo_error(error: OdooSyncError) -> Answer:
        return _error(error.code, str(error)), 502

    @api.errorhandler(ConfigError)
    def no_such_odoo(error: ConfigError) -> Answer:
        return _error(error.code, str(error)), 404

    return api


def _misshapen() -> Answer:
    return _error("bad_request", "send a JSON object with `everything`, true or false, or nothing"), 400


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}
