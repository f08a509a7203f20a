"""The status page: the rack, the messages, the replies, and a form to send one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as WerkzeugResponse
from wtforms import StringField, SubmitField, TextAreaField
from wtforms.validators import InputRequired, Length

from host_controller import __version__
from host_controller.consent.flood import flood_notice
from host_controller.messaging.held import list_held
from host_controller.messaging.submit import Draft, Rejected
from host_controller.rules.states import MessageState
from host_controller.store import inbound_queries, queries
from web.batch_pages import add_batch_pages
from web.consent_pages import add_consent_pages
from web.conversation_pages import add_conversation_pages
from web.forms import flash_errors
from web.hold_pages import HoldForm, add_hold_pages
from web.message_pages import add_message_pages
from web.odoo_pages import add_odoo_pages
from web.phone_pages import add_phone_pages
from web.remote_pages import add_remote_pages
from web.services import Services
from web.stale_pages import add_stale_pages
from web.views import groups, outlook, phone_cards, waiting, waits_for, weightiest_first

_RECENT = 40
_ACTOR = "page"
_LONGEST_TEXT = 1600


class SendForm(FlaskForm):  # type: ignore[misc]
    """One SMS."""

    number = StringField("Number", [InputRequired("write a number"), Length(max=40)])
    text = TextAreaField("Text", [InputRequired("write a text"), Length(max=_LONGEST_TEXT)])
    submit = SubmitField("Send")


def make_pages(services: Services) -> Blueprint:
    """The blueprint of the pages."""
    pages = Blueprint("pages", __name__, template_folder="templates", static_folder="static")

    @pages.app_template_filter("clock")
    def clock(at: datetime | None) -> str:
        """A time of day in the rack's zone, with the date where it is not today, and the year where it is not this."""
        if at is None:
            return ""
        local, today = at.astimezone(services.settings.zone), services.clock().astimezone(services.settings.zone)
        if local.date() == today.date():
            return local.strftime("%H:%M:%S")
        return local.strftime("%d %b %H:%M" if local.year == today.year else "%d %b %Y %H:%M")

    @pages.app_template_filter("minute")
    def minute(at: datetime) -> str:
        """About a time of day in the rack's zone, with the date where it is not today."""
        local, today = at.astimezone(services.settings.zone), services.clock().astimezone(services.settings.zone)
        return local.strftime("%H:%M" if local.date() == today.date() else "%d %b %Y %H:%M")

    @pages.get("/")
    def overview() -> str:
        return render_template("overview.html", form=SendForm(), hold_form=HoldForm(), **_state(services))

    @pages.get("/live")
    def live() -> WerkzeugResponse:
        """The changing part of the page; 304 where it is as the browser has it."""
        response = make_response(render_template("live.html", **_state(services)))
        response.add_etag()
        return response.make_conditional(request)

    @pages.get("/jobs")
    def jobs() -> str:
        """What the clock runs; it changes at every look."""
        return render_template("jobs.html", jobs=services.jobs())

    @pages.post("/messages")
    def send() -> Any:
        form = SendForm()
        if not form.validate_on_submit():
            flash_errors(form)
            return render_template("overview.html", form=form, hold_form=HoldForm(), **_state(services)), 400
        # A browser sends line breaks as CR LF; an SMS has LF.
        text = form.text.data.replace("\r\n", "\n")
        outcome = services.submit([Draft(form.number.data, text)], _ACTOR)[0]
        if isinstance(outcome, Rejected):
            flash(f"Not accepted: {outcome.reason}", "error")
            return render_template("overview.html", form=form, hold_form=HoldForm(), **_state(services)), 422
        flash(f"Message {outcome.message_id} is queued ({outcome.part_count} SMS).", "ok")
        return redirect(url_for("pages.overview"))

    add_batch_pages(pages, services)
    add_consent_pages(pages, services)
    add_conversation_pages(pages, services)
    add_message_pages(pages, services)
    add_phone_pages(pages, services)
    add_remote_pages(pages, services)
    add_hold_pages(pages, services)
    add_stale_pages(pages, services)
    add_odoo_pages(pages, services)
    return pages


def _state(services: Services) -> dict[str, Any]:
    why, now = waiting(services), services.clock()
    with services.store.reading() as session:
        totals = queries.count_by_state(session)
        return {
            "version": __version__,
            "trouble": services.trouble,
            "held": weightiest_first(list_held(session)),
            "totals": totals,
            "outlook": outlook(services, session, totals[MessageState.QUEUED]),
            "phones": phone_cards(services, session),
            "messages": queries.recent_messages(session, limit=_RECENT),
            "inbound": inbound_queries.list_inbound(session, limit=_RECENT),
            "opted_out": inbound_queries.count_opt_outs(session),
            "suspected": inbound_queries.count_undecided(session),
            "flood": flood_notice(session, services.settings.inbox, now),
            "waiting": why,
            "ramp_ends_at": services.ramp.ends_at if services.ramp.is_on(now) else None,
            "groups": groups(services, session, totals[MessageState.QUEUED]),
            "waits_for": lambda message: waits_for(message, why, now),
            "jobs": services.jobs(),
        }
