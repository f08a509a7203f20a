"""The pages of conversations: who has written, what was said both ways, and an answer from the SIM written to."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import InputRequired, Length

from host_controller import __version__
from host_controller.errors import ControllerError
from host_controller.inbox.conversations import list_conversations, read_conversation
from host_controller.messaging.submit import Rejected
from host_controller.store import inbound_queries
from web.services import Services

_ACTOR = "page"
_MOST_SHOWN = 100
_LONGEST_SEARCH = 100


class ReplyForm(FlaskForm):  # type: ignore[misc]
    """An answer."""

    text = StringField("Text", [InputRequired("write a text"), Length(max=2000)])


class ReadForm(FlaskForm):  # type: ignore[misc]
    """A button."""


def add_conversation_pages(pages: Blueprint, services: Services) -> None:
    """Add the routes."""

    @pages.get("/conversations")
    def conversations() -> str:
        search = request.args.get("search", "").strip()[:_LONGEST_SEARCH]
        unread = request.args.get("unread") == "1"
        before = request.args.get("before", type=int)
        with services.store.reading() as session:
            found = list_conversations(session, search=search or None, unread=unread, before=before, limit=_MOST_SHOWN)
        return render_template(
            "conversations.html",
            version=__version__,
            conversations=found,
            search=search,
            unread=unread,
            has_more=len(found) == _MOST_SHOWN,
        )

    @pages.get("/conversation")
    def conversation() -> str:
        peer = request.args.get("peer", "")
        with services.store.reading() as session:
            try:
                said = read_conversation(session, peer, limit=_MOST_SHOWN)
            except ControllerError as error:
                abort(404, str(error))
            opted_out = inbound_queries.list_opt_outs(session, number=peer)
        return render_template(
            "conversation.html",
            version=__version__,
            form=ReplyForm(),
            peer=peer,
            said=said,
            opted_out=opted_out,
            last_id=max((one.id for one in said if one.is_inbound), default=0),
            unread=sum(one.is_unread for one in said),
        )

    @pages.post("/conversation/reply")
    def answer() -> Any:
        peer, form = request.form.get("peer", ""), ReplyForm()
        if form.validate_on_submit():
            try:
                up_to = request.form.get("up_to", type=int)
                outcome = services.reply(peer, form.text.data, _ACTOR, up_to_id=up_to)
                if isinstance(outcome, Rejected):
                    flash(outcome.reason, "error")
                else:
                    flash("The answer is queued.", "ok")
            except ControllerError as error:
                flash(str(error), "error")
        else:
            flash("; ".join(word for words in form.errors.values() for word in words), "error")
        return redirect(url_for("pages.conversation", peer=peer))

    @pages.post("/conversation/read")
    def mark_as_read() -> Any:
        peer, up_to = request.form.get("peer", ""), request.form.get("up_to", type=int)
        if not ReadForm().validate_on_submit() or up_to is None:
            abort(400, "the form is too old; reload the page")
        services.mark_read(peer, up_to)
        return redirect(url_for("pages.conversations"))
