"""The API's part about Odoo: how far each thing is in step."""

from __future__ import annotations

from flask import Blueprint

from web.api_input import Answer
from web.odoo_views import connection_cards
from web.services import Services
from web.views import as_json


def add_odoo(api: Blueprint, services: Services) -> None:
    """Add the route."""

    @api.get("/odoo")
    def odoo() -> Answer:
        with services.store.reading() as session:
            return {"connections": [as_json(card) for card in connection_cards(services, session)]}
