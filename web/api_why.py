"""The API's part that says why messages wait."""

from __future__ import annotations

from flask import Blueprint

from host_controller.rules.states import MessageState
from host_controller.store import queries
from web.api_input import Answer, ApiError
from web.services import Services
from web.views import as_json, groups, outlook


def add_why(api: Blueprint, services: Services) -> None:
    """Add the routes."""

    @api.get("/messages/<int:message_id>/why")
    def why_message(message_id: int) -> Answer:
        found = services.why.of_message(message_id)
        if found is None:
            raise ApiError(404, "not_found", f"there is no message {message_id}")
        return as_json(found)

    @api.get("/why")
    def why_queue() -> Answer:
        with services.store.reading() as session:
            queued = queries.count_by_state(session)[MessageState.QUEUED]
            found = groups(services, session, queued)
            ahead = outlook(services, session, queued)
        return {
            "running": services.rack is not None,
            "trouble": services.trouble,
            "messages": queued,
            "parts": ahead.parts,
            "held_parts": ahead.held_parts,
            "empty_at": as_json({"at": ahead.empty_at})["at"],
            "groups": [as_json(group) for group in found],
        }
