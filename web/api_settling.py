"""The part of the API by which a person closes what is unknown."""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint
from pydantic import Field

from host_controller.messaging.judgement import Settlement
from web.api_input import Answer, Body, Id, Reason, checked, read_json
from web.services import Services

_ACTOR = "cli"
_MOST_MESSAGES = 1000


class SettleBody(Body):
    """Which messages, how, and why."""

    messages: Annotated[list[Id], Field(min_length=1, max_length=_MOST_MESSAGES)]
    as_: Annotated[Settlement, Field(alias="as", strict=False)]
    reason: Reason


class ReasonBody(Body):
    """Why."""

    reason: Reason


def add_settling(api: Blueprint, services: Services) -> None:
    """Add the routes."""

    @api.post("/messages/settle")
    def settle() -> Answer:
        body = checked(SettleBody, read_json())
        services.settle(body.messages, body.as_, _ACTOR, body.reason)
        return {"messages": len(set(body.messages))}

    @api.post("/restored/release")
    def release_restored() -> Answer:
        return {"messages": services.release_restored(_ACTOR, checked(ReasonBody, read_json()).reason)}
