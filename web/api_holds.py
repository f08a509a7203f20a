"""The API's part that stops the sending and lets it go on: of the rack, a phone, a SIM or a batch."""

from __future__ import annotations

from typing import Annotated, Literal

from flask import Blueprint, request
from pydantic import BaseModel, ConfigDict, Field

from host_controller.messaging.held import list_held, list_released
from host_controller.messaging.holds import HoldKind, Scope
from web.api_input import Answer, Body, Json, checked, read_json
from web.services import Services
from web.views import as_json

_LONGEST_LIST = 1000
Name = Annotated[str, Field(min_length=1, max_length=128)]
By = Annotated[str, Field(min_length=1, max_length=100)]


class ReleaseBody(Body):
    """What is to go on; the target is None for the rack."""

    scope: Annotated[Scope, Field(strict=False)]
    target: Name | None = None
    by: By | None = None


class HoldBody(ReleaseBody):
    """What is to send nothing, how, and why. A fuse blows by itself only."""

    kind: Literal["paused", "drained", "stopped"]
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class HoldsQuery(BaseModel):
    """How much of what was released."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=0, le=_LONGEST_LIST)] = 50


def add_holds(api: Blueprint, services: Services) -> None:
    """Add the routes."""

    def held() -> list[Json]:
        with services.store.reading() as session:
            return [as_json(hold) for hold in list_held(session)]

    @api.get("/holds")
    def holds() -> Answer:
        query = checked(HoldsQuery, request.args.to_dict())
        with services.store.reading() as session:
            return {
                "holds": [as_json(hold) for hold in list_held(session)],
                "released": [as_json(hold) for hold in list_released(session, limit=query.limit)],
            }

    @api.post("/holds")
    def hold() -> Answer:
        body = checked(HoldBody, read_json())
        view = services.control.hold(body.scope, body.target, HoldKind(body.kind), body.reason, actor_of(body.by))
        mine = (view.scope, view.target_id, view.kind, view.reason)
        found = (one for one in held() if (one["scope"], one["target_id"], one["kind"], one["reason"]) == mine)
        return next(found, {}), 201

    @api.post("/holds/release")
    def release_hold() -> Answer:
        body = checked(ReleaseBody, read_json())
        return {"released": services.control.release(body.scope, body.target, actor_of(body.by)), "holds": held()}


def actor_of(by: str | None) -> str:
    """Who it was, as far as they say so themselves: who may write to the socket may do everything."""
    return f"cli {by.strip()}" if by and by.strip() else "cli"
