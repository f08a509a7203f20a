"""The page of what an outage has made too late to go by itself: a person releases or cancels it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for

from host_controller import __version__
from host_controller.messaging.stale import list_stale
from web.forms import flash_errors, flash_outcome
from web.hold_pages import HoldForm, actor_of
from web.services import Services


def add_stale_pages(pages: Blueprint, services: Services) -> None:
    """Add the routes."""

    def act(form: HoldForm, batch: str | None) -> str:
        actor, reason = actor_of(form), form.reason.data.strip()
        action = request.form.get("action", "")
        if action == "release":
            return f"{services.release_stale(batch, actor, reason)} messages may go in their turn."
        if action == "cancel":
            return f"{services.cancel_stale(batch, actor, reason)} messages are cancelled."
        return abort(400, "an unknown action")

    @pages.get("/stale")
    def stale() -> str:
        with services.store.reading() as session:
            groups = list_stale(session)
        hours = services.settings.messages.stale_after_h
        return render_template("stale.html", version=__version__, form=HoldForm(), groups=groups, hours=hours)

    @pages.post("/stale")
    def settle_stale() -> Any:
        form = HoldForm()
        if not form.validate_on_submit():
            flash_errors(form)
        elif not (form.reason.data or "").strip():
            flash("write down why", "error")
        else:
            flash_outcome(lambda: act(form, request.form.get("batch") or None))
        return redirect(url_for("pages.stale"))
