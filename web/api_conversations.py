"""The part of the API about conversations: what was said with a number, both ways."""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint, request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from host_controller.errors import OptedOutError, RefConflictError
from host_controller.inbox.conversations import list_conversations, read_conversation
from host_controller.messaging.submit import Rejected
from web.api_input import Answer, ApiError, Body, Id, checked, read_json
from web.services import Services
from web.views import as_json

_ACTOR = "cli"
_LONGEST_LIST = 1000
_STATUS = {OptedOutError.code: 451, RefConflictError.code: 409}
_Peer = Annotated[str, Field(max_length=255)]


class ConversationsQuery(BaseModel):
    """Which conversations."""

    model_config = ConfigDict(extra="forbid")

    search: Annotated[str, Field(max_length=100)] | None = None
    unread: bool = False
    before: Id | None = None
    limit: Annotated[int, Field(ge=1, le=_LONGEST_LIST)] = 50


class ConversationQuery(BaseModel):
    """Which part of one conversation."""

    model_config = ConfigDict(extra="forbid")

    peer: _Peer
    before: AwareDatetime | None = None
    limit: Annotated[int, Field(ge=1, le=_LONGEST_LIST)] = 100


class ReadBody(Body):
    """Up to which inbound message somebody has read."""

    peer: _Peer
    up_to: Id


class ReplyBody(Body):
    """An answer."""

    peer: _Peer
    text: str
    ref: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    up_to: Id | None = None


def add_conversations(api: Blueprint, services: Services) -> None:
    """Add the routes."""

    @api.get("/conversations")
    def conversations() -> Answer:
        query = checked(ConversationsQuery, request.args.to_dict())
        with services.store.reading() as session:
            found = list_conversations(session, **query.model_dump())
        return {"conversations": [as_json(conversation) for conversation in found]}

    @api.get("/conversations/messages")
    def conversation() -> Answer:
        query = checked(ConversationQuery, request.args.to_dict())
        with services.store.reading() as session:
            found = read_conversation(session, services.peer(query.peer), before=query.before, limit=query.limit)
        return {"messages": [as_json(said) for said in found]}

    @api.post("/conversations/read")
    def mark_as_read() -> Answer:
        body = checked(ReadBody, read_json())
        return {"messages": services.mark_read(services.peer(body.peer), body.up_to)}

    @api.post("/conversations/reply")
    def answer() -> Answer:
        body = checked(ReplyBody, read_json())
        outcome = services.reply(services.peer(body.peer), body.text, _ACTOR, body.ref, body.up_to)
        if isinstance(outcome, Rejected):
            raise ApiError(_STATUS.get(outcome.code, 422), outcome.code, outcome.reason)
        return {"id": outcome.message_id, "state": "queued", "parts": outcome.part_count}, 202
