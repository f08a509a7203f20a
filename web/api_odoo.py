"""The API's part about Odoo: how far each thing is in step, and what was given up."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint
from sqlalchemy.orm import Session

from host_controller.store.odoo_outbox import GivenUp, list_given_up, retry_given_up
from web.api_input import Answer, ApiError, Json
from web.odoo_views import connection_cards, object_of
from web.services import Services
from web.views import as_json


def add_odoo(api: Blueprint, services: Services) -> None:
    """Add the routes."""

    @api.get("/odoo")
    def odoo() -> Answer:
        with services.store.reading() as session:
            return {"connections": [as_json(card) for card in connection_cards(services, session)]}

    @api.get("/odoo/<name>/given-up")
    def given_up(name: str) -> Answer:
        with services.store.reading() as session:
            _require(services, session, name)
            rows = list_given_up(session, name)
        return {"given_up": [_given_up_json(row) for row in rows]}

    @api.post("/odoo/<name>/retry")
    def retry(name: str) -> Answer:
        with services.store.reading() as session:
            _require(services, session, name)
        return {"retried": services.store.write(lambda session: retry_given_up(session, name))}


def _given_up_json(row: GivenUp) -> Json:
    values = asdict(row)
    values["object"] = object_of(values.pop("kind"))
    return as_json(values)


def _require(services: Services, session: Session, name: str) -> None:
    known = [card.name for card in connection_cards(services, session)]
    if name not in known:
        raise ApiError(404, "not_found", f"there is no Odoo {name!r}; known: {', '.join(known) or 'none'}")
