"""Forms that stop the sending and let it go on: of the whole rack, of one phone or one of its SIMs, of one batch."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, redirect, request, url_for
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import Length

from host_controller.messaging.holds import HoldKind, Scope
from web.forms import flash_errors, flash_outcome
from web.services import Services

_ACTOR = "page"
_KINDS = {"pause": HoldKind.PAUSED, "drain": HoldKind.DRAINED, "stop": HoldKind.STOPPED}


class HoldForm(FlaskForm):  # type: ignore[misc]
    """What is to be done is in the button that was pressed; a resume needs no reason."""

    reason = StringField("Reason", [Length(max=500)])
    by = StringField("Your name", [Length(max=100)])


def actor_of(form: HoldForm) -> str:
    """Who it was, as far as they say so themselves."""
    return f"{_ACTOR} {form.by.data.strip()}".strip() if form.by.data else _ACTOR


def add_hold_pages(pages: Blueprint, services: Services) -> None:
    """Add the routes."""

    def act(scope: Scope, name: str | None, form: HoldForm) -> str:
        action = request.form.get("action", "")
        actor = actor_of(form)
        if action == "resume":
            return "It goes on." if services.control.release(scope, name, actor) else "It was not held."
        if action not in _KINDS:
            abort(400, "an unknown action")
        kind = _KINDS[action]
        services.control.hold(scope, name, kind, form.reason.data or "", actor)
        return f"It is {kind}: nothing new begins; what is in the phones' hands is confirmed as ever."

    def answer(scope: Scope, name: str | None) -> None:
        form = HoldForm()
        if form.validate_on_submit():
            flash_outcome(lambda: act(scope, name, form))
        else:
            flash_errors(form)

    @pages.post("/holds")
    def hold_rack() -> Any:
        answer(Scope.RACK, None)
        return redirect(url_for("pages.overview"))

    @pages.post("/batches/holds")
    def hold_batch() -> Any:
        answer(Scope.BATCH, request.form.get("batch", ""))
        return redirect(url_for("pages.batches"))

    @pages.post("/phones/<serial>/holds")
    def hold_phone(serial: str) -> Any:
        slot = request.form.get("slot", "")
        if slot:
            answer(Scope.SIM, f"{serial}:{slot}")
        else:
            answer(Scope.PHONE, serial)
        return redirect(url_for("pages.phone", serial=serial))
