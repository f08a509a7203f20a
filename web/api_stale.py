"""The API's part about what an outage has made too late to go by itself: seen, released, cancelled."""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint
from pydantic import Field

from host_controller.messaging.batches import LONGEST_NAME
from host_controller.messaging.stale import list_stale
from web.api_holds import By, actor_of
from web.api_input import Answer, Body, Reason, checked, read_json
from web.services import Services
from web.views import as_json


class StaleBody(Body):
    """Of which batch, None for all there is; why, and who says so."""

    batch: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)] | None = None
    reason: Reason
    by: By | None = None


def add_stale(api: Blueprint, services: Services) -> None:
    """Add the routes."""

    @api.get("/stale")
    def stale() -> Answer:
        with services.store.reading() as session:
            groups = list_stale(session)
        return {"messages": sum(group.messages for group in groups), "groups": [as_json(group) for group in groups]}

    @api.post("/stale/release")
    def release_stale() -> Answer:
        body = checked(StaleBody, read_json())
        return {"messages": services.release_stale(body.batch, actor_of(body.by), body.reason)}

    @api.post("/stale/cancel")
    def cancel_stale() -> Answer:
        body = checked(StaleBody, read_json())
        return {"messages": services.cancel_stale(body.batch, actor_of(body.by), body.reason)}
