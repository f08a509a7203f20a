"""The API's part for batches: what they are, and what an operator does with them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from flask import Blueprint, request
from pydantic import BaseModel, ConfigDict, Field

from host_controller.messaging.batches import BatchDraft, BatchView, get_batch, list_batches
from host_controller.rules.classes import MessageClass
from host_controller.rules.lifetime import Window
from host_controller.rules.sticky import SimMode
from web.api_input import Answer, Body, Id, Json, Moment, checked, read_body, read_json
from web.api_settling import ReasonBody
from web.services import Services
from web.views import as_json

_ACTOR = "cli"
_MOST_SIMS = 1000
_LONGEST_LIST = 1000


class BatchBody(Body):
    """A batch that is made before its first message."""

    name: str
    class_: Annotated[MessageClass, Field(alias="class", strict=False)] = MessageClass.TRANSACTIONAL
    not_before: Moment | None = None
    not_after: Moment | None = None
    sim_mode: Annotated[SimMode, Field(strict=False)] = SimMode.AUTO
    sims: Annotated[list[str], Field(max_length=_MOST_SIMS, default_factory=list)]


class WindowBody(Body):
    """What may be changed of a window; what is left out stays, null is open."""

    not_before: Moment | None = None
    not_after: Moment | None = None


class BatchQuery(BaseModel):
    """Which part of the list."""

    model_config = ConfigDict(extra="forbid")

    before: Id | None = None
    limit: Annotated[int, Field(ge=1, le=_LONGEST_LIST)] = 50


def add_batches(api: Blueprint, services: Services) -> None:
    """Add the routes."""

    def show(name: str) -> Json:
        with services.store.reading() as session:
            return batch_json(get_batch(session, name))

    @api.get("/batches")
    def batches() -> Answer:
        query = checked(BatchQuery, request.args.to_dict())
        with services.store.reading() as session:
            found = list_batches(session, before=query.before, limit=query.limit)
        return {"batches": [batch_json(view) for view in found]}

    @api.post("/batches")
    def make() -> Answer:
        body = checked(BatchBody, read_json())
        sim_ids = tuple(services.care.find_sim(name) for name in body.sims)
        window = Window(body.not_before, body.not_after)
        services.make_batch(BatchDraft(body.name, body.class_, window, body.sim_mode, sim_ids), _ACTOR)
        return show(body.name), 201

    @api.get("/batches/<name>")
    def batch(name: str) -> Answer:
        return show(name)

    @api.patch("/batches/<name>")
    def change(name: str) -> Answer:
        services.change_window(name, read_body(WindowBody).model_dump(exclude_unset=True))
        return show(name)

    @api.post("/batches/<name>/cancel")
    def cancel(name: str) -> Answer:
        return {"messages": services.cancel_batch(name, _ACTOR, checked(ReasonBody, read_json()).reason)}


def batch_json(view: BatchView) -> Json:
    """A batch for the API."""
    values = asdict(view)
    values["class"] = values.pop("message_class")
    values["sims"] = values.pop("sim_ids")
    counts = values.pop("counts")
    return as_json({**values, "total": view.total, "counts": counts})
