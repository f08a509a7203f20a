"""The API's part for remote phones and their keys: what an operator does with them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, cast

from flask import Blueprint, request
from pydantic import BaseModel, ConfigDict, Field

from host_controller.access.device_keys import CALLS_PER_MINUTE
from host_controller.fleet.remote import RemoteDraft
from host_controller.fleet.remote_admin import OVERLAP, KeyTerms
from host_controller.settings import PartsOfPeriod, PartsPerMinute
from web.api_input import Answer, Body, Id, Moment, checked, read_body, read_json
from web.remote_views import key_cards, remote_cards, remote_details
from web.services import Services
from web.views import as_json

_ACTOR = "cli"
_LIMITS = frozenset({"parts_per_minute", "parts_per_hour", "parts_per_day", "parts_per_month"})
_MINUTE = timedelta(minutes=1)
HeartbeatMinutes = Annotated[int, Field(ge=1, le=1440)]
OverlapMinutes = Annotated[float, Field(ge=0, le=60 * 24 * 30)]
Label = Annotated[str, Field(max_length=64)]


class RemoteBody(Body):
    """A remote phone; a limit that is left out is that of any new SIM, and null takes it away."""

    name: str
    numbers: list[str]
    heartbeat_limit_minutes: HeartbeatMinutes = 5
    reissues: bool = False
    parts_per_minute: PartsPerMinute = 1
    parts_per_hour: PartsOfPeriod | None = None
    parts_per_day: PartsOfPeriod | None = None
    parts_per_month: PartsOfPeriod | None = None


class RemoteChange(Body):
    """What may be changed of a remote phone; what is left out stays."""

    heartbeat_limit_minutes: HeartbeatMinutes | None = None
    reissues: bool | None = None


class KeyBody(Body):
    """What a new key opens, and which one it replaces."""

    label: Label = ""
    expires_at: Moment | None = None
    calls_per_minute: Annotated[int, Field(ge=1, le=100_000)] = CALLS_PER_MINUTE
    parts_per_day: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    replaces: Id | None = None
    overlap_minutes: OverlapMinutes = OVERLAP / _MINUTE

    @property
    def terms(self) -> KeyTerms:
        """What is said of the key itself."""
        said = self.model_dump(include={"label", "expires_at", "calls_per_minute", "parts_per_day"}, exclude_unset=True)
        return cast(KeyTerms, said)

    @property
    def overlap(self) -> timedelta:
        """How long the one that it replaces still opens."""
        return self.overlap_minutes * _MINUTE


class PairingBody(KeyBody):
    """The same, in a pairing code."""

    check: bool = True
    """False does not look whether phones would reach the gateway."""


class RemotesQuery(BaseModel):
    """Which remote phones."""

    model_config = ConfigDict(extra="forbid")

    archived: bool = False


def add_remotes(api: Blueprint, services: Services) -> None:
    """Add the routes."""

    def shown(name: str) -> Answer:
        with services.store.reading() as session:
            return as_json(remote_details(services, session, name))

    @api.post("/remote-phones")
    def add_remote() -> Answer:
        body = checked(RemoteBody, read_json())
        draft = RemoteDraft(body.name, tuple(body.numbers), body.heartbeat_limit_minutes, body.reissues)
        limits = body.model_dump(include=set(_LIMITS), exclude_unset=True)
        added = services.remote_admin.add_with_key(draft, limits, _ACTOR)
        key = added.key
        return {
            "name": body.name,
            "id": added.phone_id,
            "sims": added.sim_ids,
            "key": key.secret,
            "key_id": key.key_id,
            "prefix": key.prefix,
        }, 201

    @api.get("/remote-phones")
    def remotes() -> Answer:
        query = checked(RemotesQuery, request.args.to_dict())
        with services.store.reading() as session:
            cards = remote_cards(services, session, archived=query.archived)
            return {"remote_phones": [as_json(card) for card in cards]}

    @api.get("/remote-phones/<name>")
    def remote(name: str) -> Answer:
        return shown(name)

    @api.patch("/remote-phones/<name>")
    def change_remote(name: str) -> Answer:
        body = read_body(RemoteChange)
        services.remote_admin.change(
            name, heartbeat_limit_minutes=body.heartbeat_limit_minutes, reissues=body.reissues, actor=_ACTOR
        )
        return shown(name)

    @api.delete("/remote-phones/<name>")
    def archive_remote(name: str) -> Answer:
        services.remote_admin.archive(name, _ACTOR)
        return {"name": name}

    @api.post("/remote-phones/<name>/bring-back")
    def bring_back_remote(name: str) -> Answer:
        services.remote_admin.bring_back(name, _ACTOR)
        return shown(name)

    @api.post("/remote-phones/<name>/keys")
    def make_key(name: str) -> Answer:
        body = read_body(KeyBody)
        key = services.remote_admin.make_key(name, body.terms, _ACTOR, replaces=body.replaces, overlap=body.overlap)
        return {"id": key.key_id, "key": key.secret, "prefix": key.prefix}, 201

    @api.post("/remote-phones/<name>/pairing")
    def pair(name: str) -> Answer:
        body = read_body(PairingBody)
        pairing = services.remote_admin.pair(
            name, body.terms, _ACTOR, replaces=body.replaces, overlap=body.overlap, check=body.check
        )
        return {
            "payload": pairing.code.payload,
            "key_id": pairing.key.key_id,
            "prefix": pairing.key.prefix,
            "svg": pairing.code.svg(),
            "png_base64": pairing.code.png_base64(),
        }, 201

    @api.get("/keys")
    def keys() -> Answer:
        with services.store.reading() as session:
            return {"keys": [as_json(card) for card in key_cards(session, services.clock())]}

    @api.delete("/keys/<int:key_id>")
    def revoke_key(key_id: int) -> Answer:
        services.remote_admin.revoke(key_id, _ACTOR)
        return {"id": key_id}
