"""The page of replies that may be a STOP, and of the numbers that must not be written to: the list, or one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import InputRequired, Length

from host_controller import __version__
from host_controller.consent.flood import flood_notice
from host_controller.consent.policy import Bars, ConsentPolicy, ForwardPolicy
from host_controller.errors import ControllerError
from host_controller.inbox.care import Decision
from host_controller.store import inbound_queries
from host_controller.store.inbound_queries import OptOutView
from web.services import Services

_ACTOR = "page"
_MOST_SHOWN = 200
_RESCAN_DAYS = 30
_LONGEST_NUMBER = 40


class NumberForm(FlaskForm):  # type: ignore[misc]
    """A number, and why; what is to be done is in the button that was pressed."""

    number = StringField("Number", [InputRequired("write a number"), Length(max=_LONGEST_NUMBER)])
    reason = StringField("Reason", [InputRequired("write down why"), Length(max=500)])


class ButtonForm(FlaskForm):  # type: ignore[misc]
    """A button; its value says what is to be done."""


@dataclass(frozen=True)
class LookedUp:
    """What a search for one number has found."""

    written: str
    """As it was typed."""
    number: str | None = None
    """In E.164; None where it is no number..."""
    error: str | None = None
    """...which this says."""
    history: tuple[OptOutView, ...] = ()

    @property
    def refused_for(self) -> list[str]:
        """The brands for which it is opted out; the empty one stands for all."""
        return [row.brand for row in self.history if row.lifted_at is None]


def _look_up(services: Services, written: str) -> LookedUp:
    try:
        number = services.consent.number(written)
    except ControllerError as error:
        return LookedUp(written, error=str(error))
    return LookedUp(written, number, history=tuple(services.consent.history(number)))


def add_consent_pages(pages: Blueprint, services: Services) -> None:
    """Add the routes."""

    def act(number: str, reason: str, action: str) -> str:
        if action == "add":
            cancelled = services.consent.opt_out(number, _ACTOR, note=reason).cancelled
            return f"The number has opted out; {cancelled} queued messages were cancelled."
        if action == "lift":
            services.consent.lift(number, _ACTOR, reason)
            return "The number may be written to again."
        abort(400, "an unknown action")

    @pages.get("/consent")
    def consent() -> str:
        written = request.args.get("number", "").strip()[:_LONGEST_NUMBER]
        found = _look_up(services, written) if written else None
        with services.store.reading() as session:
            return render_template(
                "consent.html",
                version=__version__,
                form=NumberForm(number=found.number if found else None),
                found=found,
                suspected=inbound_queries.list_inbound(session, limit=_MOST_SHOWN, undecided=True),
                suspected_count=inbound_queries.count_undecided(session),
                opt_outs=found.history
                if found
                else inbound_queries.list_opt_outs(session, lifted=True, limit=_MOST_SHOWN),
                count=inbound_queries.count_opt_outs(session),
                flood=flood_notice(session, services.settings.inbox, services.clock()),
                most_shown=_MOST_SHOWN,
                rescan_days=_RESCAN_DAYS,
                policy=services.rules.policy(),
                policies=list(ForwardPolicy),
                all_bars=list(Bars),
                lists=services.rules.words(),
                edits=services.rules.edits(),
            )

    @pages.post("/consent")
    def change_consent() -> Any:
        form = NumberForm()
        if form.validate_on_submit():
            try:
                flash(act(form.number.data, form.reason.data, request.form.get("action", "")), "ok")
                return redirect(url_for("pages.consent", number=form.number.data))
            except ControllerError as error:
                flash(str(error), "error")
        else:
            flash("; ".join(word for words in form.errors.values() for word in words), "error")
        return redirect(url_for("pages.consent"))

    @pages.post("/inbox/<int:inbound_id>/decision")
    def decide(inbound_id: int) -> Any:
        if not ButtonForm().validate_on_submit():
            abort(400, "the form is too old; reload the page")
        try:
            decision = Decision(request.form.get("as", ""))
            outcome = services.inbox.decide(inbound_id, decision, _ACTOR)
            words = f"The sender has opted out; {outcome.cancelled} queued messages were cancelled."
            flash(words if decision is Decision.STOP else "It asks for nothing; the sender stays.", "ok")
        except ControllerError as error:
            flash(str(error), "error")
        except ValueError:
            abort(400, "an unknown decision")
        return redirect(url_for("pages.consent"))

    @pages.post("/inbox/rescan")
    def rescan() -> Any:
        if not ButtonForm().validate_on_submit():
            abort(400, "the form is too old; reload the page")
        try:
            for phone in services.inbox.rescan(_RESCAN_DAYS):
                words = f"{phone.serial}: {phone.error or f'{phone.read} messages read, {phone.new} of them new'}"
                flash(words, "error" if phone.error else "ok")
        except ControllerError as error:
            flash(str(error), "error")
        return redirect(url_for("pages.consent"))

    _add_rules(pages, services)


def _add_rules(pages: Blueprint, services: Services) -> None:
    def done(change: Callable[[], str]) -> Any:
        if not ButtonForm().validate_on_submit():
            abort(400, "the form is too old; reload the page")
        try:
            flash(change(), "ok")
        except ControllerError as error:
            flash(str(error), "error")
        except ValueError:
            abort(400, "an unknown choice")
        return redirect(url_for("pages.consent"))

    @pages.post("/consent/words")
    def edit_word() -> Any:
        listed_in, word = request.form.get("list", ""), request.form.get("word", "")[:200]
        is_added = request.form.get("action") == "add"

        def change() -> str:
            services.rules.edit(listed_in, word, _ACTOR, is_added=is_added)
            return "The next message is judged by the changed list."

        return done(change)

    @pages.post("/consent/words/<int:edit_id>")
    def take_back_word(edit_id: int) -> Any:
        def change() -> str:
            services.rules.take_back(edit_id)
            return "The change of the list was taken back."

        return done(change)

    @pages.post("/consent/policy")
    def change_policy() -> Any:
        def change() -> str:
            forward = ForwardPolicy(request.form.get("forward", ""))
            answer = request.form.get("stop_answer", "").strip() or None
            bars = Bars(request.form.get("bars", ""))
            services.rules.change_policy(ConsentPolicy(forward, answer, bars), _ACTOR)
            return "It holds for what comes from now on."

        return done(change)
