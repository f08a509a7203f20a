"""The API under `/api/v1`; docs/api.md describes it. It asks for no login: only the daemon's own socket serves it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DataError
from werkzeug.exceptions import HTTPException

from host_controller import __version__
from host_controller.consent.flood import flood_notice
from host_controller.errors import (
    BatchConflictError,
    ControllerError,
    NotRunningError,
    NotSuspectedError,
    NotUnknownError,
    OptedOutError,
    PhoneBusyError,
    RefConflictError,
    RemotePhoneConflictError,
    StoreBrokenError,
    StoreBusyError,
    StoreCommitLostError,
    StoreError,
    StoreFullError,
    UnknownKeyError,
    UnknownPhoneError,
    UnknownTargetError,
    UnroutableError,
)
from host_controller.messaging.batches import LONGEST_NAME
from host_controller.messaging.held import list_held
from host_controller.messaging.submit import Accepted, Draft, Rejected
from host_controller.rules.classes import MessageClass
from host_controller.rules.states import MessageState
from host_controller.store import inbound_queries, queries
from web.api_batches import add_batches
from web.api_binding import Binding
from web.api_consent import add_consent
from web.api_conversations import add_conversations
from web.api_holds import add_holds
from web.api_input import Answer, ApiError, Body, Brand, Id, Json, Moment, checked, error_json, read_json
from web.api_odoo import add_odoo
from web.api_phones import add_phones
from web.api_remote import add_remotes
from web.api_rules import add_rules
from web.api_settling import add_settling
from web.api_stale import add_stale
from web.api_why import add_why
from web.description import add_description
from web.services import Services
from web.views import Waiting, as_json, message_json, outlook, phone_cards, waiting

_ACTOR = "cli"
_MOST_MESSAGES = 1000
_RETRY_AFTER_S = "5"
_LONGEST_LIST = 1000
_LONGEST_TTL_S = 366 * 86_400.0
# Answers that say in HTTP's own words why one message was refused; every other refusal is 422.
_STATUS = {OptedOutError.code: 451, RefConflictError.code: 409, BatchConflictError.code: 409}
_OTHER_STATUS = {
    BatchConflictError.code: 409,
    NotRunningError.code: 409,
    PhoneBusyError.code: 503,
    UnknownPhoneError.code: 404,
    UnknownTargetError.code: 404,
    UnknownKeyError.code: 404,
    RemotePhoneConflictError.code: 409,
    NotUnknownError.code: 409,
    StoreBusyError.code: 503,
    StoreCommitLostError.code: 503,
    StoreBrokenError.code: 503,
    StoreFullError.code: 507,
    NotSuspectedError.code: 409,
}


class Terms(Body):
    """What a message may also say, or a call for all its messages that do not."""

    class_: Annotated[Annotated[MessageClass, Field(strict=False)] | None, Field(alias="class")] = None
    batch: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)] | None = None
    not_before: Moment | None = None
    not_after: Moment | None = None
    ttl_s: Annotated[float, Field(gt=0, le=_LONGEST_TTL_S)] | None = None
    sim: Annotated[str, Field(min_length=1, max_length=160)] | None = None
    phone: Annotated[str, Field(min_length=1, max_length=128)] | None = None


class MessageBody(Terms):
    """One message."""

    number: str
    text: str
    ref: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    brand: Brand | None = None


class MessagesBody(Terms):
    """Several messages."""

    messages: Annotated[list[MessageBody], Field(max_length=_MOST_MESSAGES)]


class ListQuery(BaseModel):
    """Which part of a list."""

    model_config = ConfigDict(extra="forbid")

    state: MessageState | None = None
    batch: str | None = None
    before: Id | None = None
    limit: Annotated[int, Field(ge=1, le=_LONGEST_LIST)] = 50


def make_api(services: Services) -> Blueprint:
    """The blueprint of the API."""
    api = Blueprint("api", __name__, url_prefix="/api/v1")
    _add_errors(api)
    add_description(api, "api")
    _add_messages(api, services)
    add_why(api, services)
    add_settling(api, services)
    add_stale(api, services)
    add_odoo(api, services)
    add_phones(api, services)
    add_remotes(api, services)
    add_holds(api, services)
    add_batches(api, services)
    add_consent(api, services)
    add_rules(api, services)
    add_conversations(api, services)
    return api


def _add_messages(api: Blueprint, services: Services) -> None:
    @api.get("/status")
    def status() -> Answer:
        with services.store.reading() as session:
            totals = queries.count_by_state(session)
            phones = [as_json(card) for card in phone_cards(services, session)]
            holds = [as_json(held) for held in list_held(session)]
            ahead = outlook(services, session, totals[MessageState.QUEUED])
            parts, opted_out = queries.sent_part_count(session), inbound_queries.count_opt_outs(session)
            suspected = inbound_queries.count_undecided(session)
            flood = flood_notice(session, services.settings.inbox, services.clock())
        return {
            "version": __version__,
            "running": services.rack is not None,
            "time_zone": services.settings.time_zone,
            "trouble": services.trouble,
            "holds": holds,
            "notices": [flood] if flood else [],
            "totals": {
                "accepted": sum(totals.values()),
                **totals,
                "parts": parts,
                "opted_out": opted_out,
                "suspected": suspected,
            },
            "queue_parts": ahead.parts,
            "queue_held_parts": ahead.held_parts,
            "queue_empty_at": as_json({"at": ahead.empty_at})["at"],
            "phones": phones,
            "jobs": [as_json(job) for job in services.jobs()],
        }

    @api.post("/messages")
    def submit() -> Answer:
        body = read_json()
        if "messages" not in body:
            message = checked(MessageBody, body)
            (outcome,) = _submit(services, [message], message)
            if isinstance(outcome, Rejected):
                raise ApiError(_STATUS.get(outcome.code, 422), outcome.code, outcome.reason)
            return _outcome_json(outcome), 202
        call = checked(MessagesBody, body)
        return {"results": [_outcome_json(outcome) for outcome in _submit(services, call.messages, call)]}

    @api.get("/messages")
    def messages() -> Answer:
        query = checked(ListQuery, request.args.to_dict())
        why = waiting(services)
        with services.store.reading() as session:
            found = queries.list_messages(session, **query.model_dump())
        return {"messages": [message_json(view, why, services.clock()) for view in found]}

    @api.get("/messages/<int:message_id>")
    def message(message_id: int) -> Answer:
        with services.store.reading() as session:
            found = queries.find_message(session, message_id)
        if found is None:
            raise ApiError(404, "not_found", f"there is no message {message_id}")
        view, events = found
        own = services.why.of_message(message_id)
        return {
            **message_json(view, Waiting(own.reason, own.until) if own else Waiting(), services.clock()),
            "events": [as_json(event) for event in events],
        }


def _add_errors(api: Blueprint) -> None:
    """One shape for every error."""

    @api.errorhandler(ApiError)
    def api_error(error: ApiError) -> Answer:
        return error_json(error.code, error.message), error.status

    @api.errorhandler(ControllerError)
    def controller_error(error: ControllerError) -> Response:
        answer = jsonify(error_json(error.code, str(error)))
        answer.status_code = _OTHER_STATUS.get(error.code, 422)
        if isinstance(error, StoreError):
            answer.headers["Retry-After"] = _RETRY_AFTER_S
        return answer

    @api.app_errorhandler(DataError)
    def unstorable(_: DataError) -> Answer:
        return error_json("bad_request", "the database cannot hold this: a NUL character, for example"), 400

    @api.app_errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response | Answer:
        if not request.path.startswith("/api/"):
            return error.get_response()  # type: ignore[return-value]
        name = (error.name or "error").lower().replace(" ", "_")
        return error_json(name, error.description or error.name), error.code or 500


def _submit(services: Services, messages: Sequence[MessageBody], call: Terms) -> list[Accepted | Rejected]:
    """Take messages in, each by itself; what one must leave from may not be there."""
    binding = Binding(services.store)
    drafts = [_draft(body, call, binding) for body in messages]
    taken = iter(services.submit([draft for draft in drafts if isinstance(draft, Draft)], _ACTOR))
    return [next(taken) if isinstance(draft, Draft) else draft for draft in drafts]


def _draft(body: MessageBody, call: Terms, binding: Binding) -> Draft | Rejected:
    """What a message does not say, its call says for it."""
    try:
        sim_id, phone_id = binding.sim_id(body.sim or call.sim), binding.phone_id(body.phone or call.phone)
    except UnroutableError as error:
        return Rejected(error.code, str(error))
    ttl_s = call.ttl_s if body.ttl_s is None else body.ttl_s
    return Draft(
        body.number,
        body.text,
        body.ref,
        only_sim_id=sim_id,
        only_phone_id=phone_id,
        batch=body.batch or call.batch,
        message_class=body.class_ or call.class_,
        not_before=body.not_before or call.not_before,
        expires_at=body.not_after or call.not_after,
        ttl_s=ttl_s,
        brand=body.brand,
    )


def _outcome_json(outcome: Accepted | Rejected) -> Json:
    if isinstance(outcome, Rejected):
        return error_json(outcome.code, outcome.reason)
    return {
        "id": outcome.message_id,
        "state": MessageState.QUEUED,
        "parts": outcome.part_count,
        "repeated": outcome.repeated,
    }
