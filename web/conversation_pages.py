"""The pages of conversations: who has written, what was said both ways, and an answer from the SIM written to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from wtforms import TextAreaField
from wtforms.validators import InputRequired, Length

from host_controller import __version__
from host_controller.errors import ControllerError
from host_controller.inbox.conversations import count_unread, list_conversations, read_conversation
from host_controller.messaging.submit import Rejected
from host_controller.store import inbound_queries
from web.services import Services

_ACTOR = "page"
_MOST_SHOWN = 100
_LONGEST_SEARCH = 100


class ReplyForm(FlaskForm):  # type: ignore[misc]
    """An answer."""

    text = TextAreaField("Text", [InputRequired("write a text"), Length(max=2000)])


class ReadForm(FlaskForm):  # type: ignore[misc]
    """A button."""


def _moment(text: str | None) -> datetime | None:
    try:
        at = datetime.fromisoformat(text) if text else None
    except ValueError:
        abort(400, "an unknown time")
    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at


def add_conversation_pages(pages: Blueprint, services: Services) -> None:
    """Add the routes."""

    @pages.get("/conversations")
    def conversations() -> str:
        search = request.args.get("search", "").strip()[:_LONGEST_SEARCH]
        unread = request.args.get("unread") == "1"
        before = request.args.get("before", type=int)
        with services.store.reading() as session:
            found = list_conversations(session, search=search or None, unread=unread, before=before, limit=_MOST_SHOWN)
            unread_count = count_unread(session)
        return render_template(
            "conversations.html",
            version=__version__,
            conversations=found,
            search=search,
            unread=unread,
            unread_count=unread_count,
            has_more=len(found) == _MOST_SHOWN,
        )

    def show(peer: str, form: ReplyForm) -> str:
        before = _moment(request.args.get("before"))
        with services.store.reading() as session:
            try:
                said = read_conversation(session, peer, before=before, limit=_MOST_SHOWN)
            except ControllerError as error:
                abort(404, str(error))
            opted_out = inbound_queries.list_opt_outs(session, number=peer)
        return render_template(
            "conversation.html",
            version=__version__,
            form=form,
            peer=peer,
            said=said,
            opted_out=opted_out,
            has_more=len(said) == _MOST_SHOWN,
            last_id=max((one.id for one in said if one.is_inbound), default=0),
            unread=sum(one.is_unread for one in said),
        )

    @pages.get("/conversation")
    def conversation() -> str:
        return show(services.peer(request.args.get("peer", "")), ReplyForm(formdata=None))

    @pages.post("/conversation/reply")
    def answer() -> Any:
        peer, form = request.form.get("peer", ""), ReplyForm()
        if form.validate_on_submit():
            try:
                up_to = request.form.get("up_to", type=int)
                outcome = services.reply(peer, form.text.data, _ACTOR, up_to_id=up_to)
                if not isinstance(outcome, Rejected):
                    flash("The answer is queued.", "ok")
                    return redirect(url_for("pages.conversation", peer=peer))
                flash(outcome.reason, "error")
            except ControllerError as error:
                flash(str(error), "error")
        else:
            flash("; ".join(word for words in form.errors.values() for word in words), "error")
        # What was written stays in the form.
        return show(peer, form)

    @pages.post("/conversation/read")
    def mark_as_read() -> Any:
        peer, up_to = request.form.get("peer", ""), request.form.get("up_to", type=int)
        if not ReadForm().validate_on_submit() or up_to is None:
            abort(400, "the form is too old; reload the page")
        services.mark_read(peer, up_to)
        return redirect(url_for("pages.conversations"))
