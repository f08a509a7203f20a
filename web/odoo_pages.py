"""The page of the connections to Odoo."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_wtf import FlaskForm

from host_controller import __version__
from host_controller.store.odoo_outbox import retry_given_up
from web.forms import flash_errors
from web.odoo_views import connection_cards
from web.services import Services


class RetryForm(FlaskForm):  # type: ignore[misc]
    """Nothing but that it comes from our page."""


def add_odoo_pages(pages: Blueprint, services: Services) -> None:
    """Add the routes."""

    @pages.get("/odoo")
    def odoo() -> str:
        with services.store.reading() as session:
            cards = connection_cards(services, session)
        return render_template("odoo.html", version=__version__, cards=cards, form=RetryForm())

    @pages.post("/odoo/<name>/retry")
    def retry_odoo(name: str) -> Any:
        form = RetryForm()
        if form.validate_on_submit():
            count = services.store.write(lambda session: retry_given_up(session, name))
            flash(f"{count} wait again.", "ok")
        else:
            flash_errors(form)
        return redirect(url_for("pages.odoo"))
