"""The part of the API about what came in, and about who must not be written to."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from flask import Blueprint, request
from pydantic import BaseModel, ConfigDict, Field

from host_controller.consent.opt_outs import EVERY_BRAND
from host_controller.inbox.care import Decision
from host_controller.messaging.consent_care import ImportRow
from host_controller.store import inbound_queries
from web.api_input import Answer, ApiError, Body, Brand, Id, Json, Moment, Reason, checked, read_json
from web.services import Services
from web.views import as_json

_ACTOR = "cli"
_LONGEST_LIST = 1000
_MOST_ROWS = 5000


class InboxQuery(BaseModel):
    """Which part of the inbox."""

    model_config = ConfigDict(extra="forbid")

    before: Id | None = None
    limit: Annotated[int, Field(ge=1, le=_LONGEST_LIST)] = 50
    undecided: bool = False
    may_forward: bool = False


class OptOutsQuery(BaseModel):
    """Which opt-outs."""

    model_config = ConfigDict(extra="forbid")

    lifted: bool = False


class DecisionBody(Body):
    """What a suspected STOP is."""

    as_: Annotated[Decision, Field(alias="as", strict=False)]


class RescanBody(Body):
    """How far back, and where."""

    days: Annotated[int, Field(ge=1, le=3660)] = 30
    phone: str | None = None


class OptOutBody(Body):
    """One number."""

    number: str
    brand: Brand | None = None
    note: Reason | None = None


class LiftBody(Body):
    """Why, and for which brand only."""

    reason: Reason
    brand: Brand | None = None


class ImportedBody(Body):
    """One line of a list from elsewhere."""

    number: Annotated[str, Field(max_length=64)]
    brand: Brand | None = None
    note: Reason | None = None
    since: Moment | None = None


class ImportBody(Body):
    """A list from elsewhere; each line is checked for itself."""

    optouts: Annotated[list[Json], Field(max_length=_MOST_ROWS)]


def add_consent(api: Blueprint, services: Services) -> None:
    """Add the routes."""
    _add_inbox(api, services)
    _add_opt_outs(api, services)


def _add_inbox(api: Blueprint, services: Services) -> None:
    @api.get("/inbox")
    def inbox() -> Answer:
        query = checked(InboxQuery, request.args.to_dict())
        with services.store.reading() as session:
            found = inbound_queries.list_inbound(session, **query.model_dump())
        return {"inbound": [as_json(view) for view in found]}

    @api.post("/inbox/<int:inbound_id>/decision")
    def decide(inbound_id: int) -> Answer:
        body = checked(DecisionBody, read_json())
        return {"cancelled": services.inbox.decide(inbound_id, body.as_, _ACTOR).cancelled}

    @api.post("/inbox/rescan")
    def rescan() -> Answer:
        body = checked(RescanBody, read_json())
        return {"phones": [as_json(phone) for phone in services.inbox.rescan(body.days, body.phone)]}


def _add_opt_outs(api: Blueprint, services: Services) -> None:
    @api.get("/optouts")
    def opt_outs() -> Answer:
        query = checked(OptOutsQuery, request.args.to_dict())
        with services.store.reading() as session:
            return {"optouts": [as_json(view) for view in inbound_queries.list_opt_outs(session, lifted=query.lifted)]}

    @api.get("/optouts/<number>")
    def opt_out_history(number: str) -> Answer:
        care = services.consent
        return {"number": care.number(number), "optouts": [as_json(view) for view in care.history(number)]}

    @api.post("/optouts")
    def opt_out() -> Answer:
        body = checked(OptOutBody, read_json())
        brand = body.brand or EVERY_BRAND
        return {"cancelled": services.consent.opt_out(body.number, _ACTOR, brand=brand, note=body.note).cancelled}, 201

    @api.delete("/optouts/<number>")
    def lift(number: str) -> Answer:
        body = checked(LiftBody, read_json())
        return {"lifted": services.consent.lift(number, _ACTOR, body.reason, brand=body.brand)}

    @api.post("/optouts/import")
    def take_in() -> Answer:
        lines, errors = _read_rows(checked(ImportBody, read_json()).optouts, services.clock())
        imported = services.consent.take_in([row for _, row in lines], _ACTOR)
        errors += [(lines[at - 1][0], words) for at, words in imported.errors]
        return {
            "added": imported.added,
            "known": imported.known,
            "cancelled": imported.cancelled,
            "errors": [{"row": line, "message": words} for line, words in sorted(errors)],
        }


def _read_rows(values: list[Json], now: datetime) -> tuple[list[tuple[int, ImportRow]], list[tuple[int, str]]]:
    """Give the lines that can be read and, beside them, what is wrong with the others; both by line, from 1."""
    rows: list[tuple[int, ImportRow]] = []
    errors: list[tuple[int, str]] = []
    for line, value in enumerate(values, start=1):
        try:
            row = checked(ImportedBody, value)
        except ApiError as error:
            errors.append((line, error.message))
            continue
        since = min(row.since, now) if row.since else None
        rows.append((line, ImportRow(row.number, row.brand or EVERY_BRAND, row.note, since)))
    return rows, errors
