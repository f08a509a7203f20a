"""The page of one message: all that happened to it; and, where it is unknown, how a person settles it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import InputRequired, Length

from host_controller import __version__
from host_controller.messaging.judgement import Settlement
from host_controller.store import queries
from web.forms import flash_errors, flash_outcome
from web.services import Services

_ACTOR = "page"
_DONE = {
    Settlement.SENT: "The message counts as sent.",
    Settlement.FAILED: "The message counts as failed.",
    Settlement.RESEND: "The message is queued once more.",
}


class SettleForm(FlaskForm):  # type: ignore[misc]
    """How it is settled is in the button that was pressed."""

    reason = StringField("Reason", [InputRequired("write down why"), Length(max=500)])


def add_message_pages(pages: Blueprint, services: Services) -> None:
    """Add the routes."""

    def act(message_id: int, form: SettleForm) -> str:
        try:
            settlement = Settlement(request.form.get("as", ""))
        except ValueError:
            abort(400, "an unknown way to settle a message")
        services.settle([message_id], settlement, _ACTOR, form.reason.data)
        return _DONE[settlement]

    @pages.get("/messages/<int:message_id>")
    def message(message_id: int) -> str:
        with services.store.reading() as session:
            found = queries.find_message(session, message_id)
        if found is None:
            abort(404, f"there is no message {message_id}")
        view, events = found
        why = services.why.of_message(message_id)
        return render_template(
            "message.html", version=__version__, form=SettleForm(), message=view, events=events, why=why
        )

    @pages.post("/messages/<int:message_id>")
    def settle_message(message_id: int) -> Any:
        form = SettleForm()
        if form.validate_on_submit():
            flash_outcome(lambda: act(message_id, form))
        else:
            flash_errors(form)
        return redirect(url_for("pages.message", message_id=message_id))
