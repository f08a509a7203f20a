"""The page of one phone: its check list, its history, and what an operator does with it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask_wtf import FlaskForm

from device_drivers.base import Verdict
from host_controller import __version__
from host_controller.messaging.held import list_held
from web.forms import flash_outcome
from web.hold_pages import HoldForm
from web.services import Services
from web.views import PhoneDetails, phone_details, weightiest_first

_ACTOR = "page"
_URGENCY = {Verdict.FAIL: 0, Verdict.WARN: 1, Verdict.PASS: 2}
# Checks that fail for want of reading, and that a person may overrule.
_OVERRULED_BY_SEND_ONLY = frozenset({"read_sms", "hex"})


class ActionForm(FlaskForm):  # type: ignore[misc]
    """A button; its name says what is to be done."""


def add_phone_pages(pages: Blueprint, services: Services) -> None:
    """Add the routes."""

    def find(serial: str) -> PhoneDetails:
        with services.store.reading() as session:
            found = phone_details(services, session, serial)
        if found is None:
            abort(404, f"no phone {serial} is known")
        return found

    def act(serial: str, action: str) -> str:
        if action == "enrol":
            services.care.enrol(serial)
            return "The phone goes through its check list."
        if action == "send_only":
            services.care.enrol(serial, send_only=True)
            return "The phone is taken as send-only: replies and STOP on it are not seen."
        if action == "release":
            services.care.release(serial)
            return "The phone may send again."
        if action == "confirm":
            return f"{services.care.confirm(serial, _ACTOR)} SIMs may send again."
        abort(400, "an unknown action")

    @pages.get("/phones/<serial>")
    def phone(serial: str) -> str:
        found = find(serial)
        with services.store.reading() as session:
            held = weightiest_first(list_held(session))
        failed = {check.name for check in found.checks if check.verdict is Verdict.FAIL}
        return render_template(
            "phone.html",
            version=__version__,
            form=ActionForm(),
            hold_form=HoldForm(),
            held=held,
            phone=found.phone,
            checks=sorted(found.checks, key=lambda check: _URGENCY[check.verdict]),
            events=found.events,
            needs_send_only=bool(failed) and failed <= _OVERRULED_BY_SEND_ONLY,
        )

    @pages.post("/phones/<serial>")
    def phone_action(serial: str) -> Any:
        find(serial)
        if not ActionForm().validate_on_submit():
            abort(400, "the form is too old; reload the page")
        flash_outcome(lambda: act(serial, request.form.get("action", "")))
        return redirect(url_for("pages.phone", serial=serial))
