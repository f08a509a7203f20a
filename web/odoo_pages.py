"""The page of the connections to Odoo."""

from __future__ import annotations

from flask import Blueprint, render_template

from host_controller import __version__
from web.odoo_views import connection_cards
from web.services import Services


def add_odoo_pages(pages: Blueprint, services: Services) -> None:
    """Add the route."""

    @pages.get("/odoo")
    def odoo() -> str:
        with services.store.reading() as session:
            cards = connection_cards(services, session)
        return render_template("odoo.html", version=__version__, cards=cards)
