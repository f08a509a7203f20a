"""The pages of remote phones: what they last said, their keys, and the code that pairs one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, abort, flash, make_response, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as WerkzeugResponse
from wtforms import BooleanField, IntegerField, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from host_controller import __version__
from host_controller.errors import ControllerError, UnknownPhoneError
from host_controller.fleet.remote import RemoteDraft
from host_controller.fleet.remote_admin import KeyTerms
from web.forms import flash_errors, flash_outcome
from web.remote_views import KeyCard, RemoteCard, key_cards, remote_cards, remote_details
from web.services import Services

_ACTOR = "page"
_NO_KEY = "0"


class AddForm(FlaskForm):  # type: ignore[misc]
    """A remote phone."""

    name = StringField("Name", [InputRequired("write a name"), Length(max=64)])
    number = StringField("Number of the SIM that the app sends from", [InputRequired("write a number"), Length(max=40)])
    second = StringField("Number of a second SIM, if there is one", [Length(max=40)])
    heartbeat_limit_minutes = IntegerField(
        "Offline after minutes without a heartbeat", [NumberRange(1, 1440, "write 1 to 1440 minutes")], default=5
    )
    reissues = BooleanField("Send again what ended in silence, at the risk of a double")


class PairForm(FlaskForm):  # type: ignore[misc]
    """The key that a pairing code brings to the phone."""

    label = StringField("Label", [Length(max=64)])
    parts_per_day = IntegerField("Parts a day at most", [Optional(), NumberRange(1, 100_000_000, "write 1 or more")])
    replaces = SelectField("Replaces, after one more hour", default=_NO_KEY)
    check = BooleanField("First see that phones would reach the address", default=True)


class ActionForm(FlaskForm):  # type: ignore[misc]
    """A button."""


def add_remote_pages(pages: Blueprint, services: Services) -> None:
    """Add the routes."""

    def cards() -> list[RemoteCard]:
        with services.store.reading() as session:
            return remote_cards(services, session)

    def find(name: str) -> RemoteCard:
        try:
            with services.store.reading() as session:
                return remote_details(services, session, name)
        except UnknownPhoneError as error:
            abort(404, str(error))

    def find_key(key_id: int) -> KeyCard:
        with services.store.reading() as session:
            found = next((key for key in key_cards(session, services.clock()) if key.id == key_id), None)
        if found is None:
            abort(404, "there is no such key")
        return found

    def act(done: Callable[[], str]) -> Any:
        if not ActionForm().validate_on_submit():
            abort(400, "the form is too old; reload the page")
        flash_outcome(done)
        return redirect(url_for("pages.remotes"))

    def overview(form: AddForm) -> str:
        with services.store.reading() as session:
            everything = remote_cards(services, session, archived=True)
        return render_template(
            "remote.html",
            version=__version__,
            form=form,
            action_form=ActionForm(),
            phones=[card for card in everything if not card.archived],
            archived=[card for card in everything if card.archived],
            gateway=services.settings.gateway,
        )

    @pages.get("/remote-phones")
    def remotes() -> str:
        return overview(AddForm())

    @pages.get("/live/remote-phones")
    def live_remotes() -> WerkzeugResponse:
        """The changing part of the page; 304 where it is as the browser has it."""
        return _if_changed(render_template("remote_live.html", phones=cards()))

    @pages.post("/remote-phones")
    def add_remote() -> Any:
        form = AddForm()
        if not form.validate_on_submit():
            flash_errors(form)
            return overview(form), 400
        name, second = form.name.data.strip(), (form.second.data or "").strip()
        numbers = (form.number.data, second) if second else (form.number.data,)
        draft = RemoteDraft(name, numbers, form.heartbeat_limit_minutes.data, form.reissues.data)
        try:
            services.remote_admin.add(draft, _ACTOR)
        except ControllerError as error:
            flash(str(error), "error")
            return overview(form), 422
        flash(f"{name} is added; now pair it.", "ok")
        return redirect(url_for("pages.pairing", name=name))

    @pages.get("/remote-phones/<name>/pairing")
    def pairing(name: str) -> str:
        card = find(name)
        return render_template("pairing.html", version=__version__, phone=card, form=_pair_form(card))

    @pages.post("/remote-phones/<name>/pairing")
    def pair(name: str) -> Any:
        card = find(name)
        form = _pair_form(card)
        if not form.validate_on_submit():
            flash_errors(form)
            return redirect(url_for("pages.pairing", name=name))
        said: KeyTerms = {}
        if form.label.data:
            said["label"] = form.label.data
        if form.parts_per_day.data is not None:
            said["parts_per_day"] = form.parts_per_day.data
        replaces = int(form.replaces.data) or None
        try:
            paired = services.remote_admin.pair(name, said, _ACTOR, replaces=replaces, check=form.check.data)
        except ControllerError as error:
            flash(str(error), "error")
            return redirect(url_for("pages.pairing", name=name))
        made = find_key(paired.key.key_id)
        page = make_response(
            render_template("pairing.html", version=__version__, phone=card, code=paired.code, made=made)
        )
        # Whoever has the page has the key.
        page.headers["Cache-Control"] = "no-store"
        return page

    @pages.get("/live/keys/<int:key_id>")
    def live_key(key_id: int) -> WerkzeugResponse:
        """Whether the phone was heard under this key."""
        return _if_changed(render_template("pairing_live.html", made=find_key(key_id)))

    @pages.get("/remote-phones/<name>/archive")
    def ask_to_archive(name: str) -> str:
        question = f"Take {find(name).name} out of the rack? Its keys open nothing from then on."
        return render_template(
            "confirm.html", version=__version__, form=ActionForm(), question=question, verb="Archive it"
        )

    @pages.post("/remote-phones/<name>/archive")
    def archive_remote(name: str) -> Any:
        def done() -> str:
            services.remote_admin.archive(name, _ACTOR)
            return f"{name} is out of the rack."

        return act(done)

    @pages.post("/remote-phones/<name>/bring-back")
    def bring_back_remote(name: str) -> Any:
        def done() -> str:
            services.remote_admin.bring_back(name, _ACTOR)
            return f"{name} is in the rack again."

        return act(done)

    @pages.get("/keys/<int:key_id>/revoke")
    def ask_to_revoke(key_id: int) -> str:
        key = find_key(key_id)
        question = f"Revoke key {key.id} ({key.prefix}…) of {key.remote_phone}? It never opens anything again."
        return render_template(
            "confirm.html", version=__version__, form=ActionForm(), question=question, verb="Revoke it"
        )

    @pages.post("/keys/<int:key_id>/revoke")
    def revoke_key(key_id: int) -> Any:
        def done() -> str:
            services.remote_admin.revoke(key_id, _ACTOR)
            return f"Key {key_id} is revoked."

        return act(done)


def _pair_form(card: RemoteCard) -> PairForm:
    form = PairForm()
    in_force = [(str(key.id), f"key {key.id} ({key.prefix}…)") for key in card.keys if key.in_force]
    form.replaces.choices = [(_NO_KEY, "none"), *in_force]
    return form


def _if_changed(part: str) -> WerkzeugResponse:
    response = make_response(part)
    response.add_etag()
    return response.make_conditional(request)
