"""The API's part for phones and SIMs: what they are, and what an operator does with them."""

from __future__ import annotations

import json
from typing import Annotated, Any

from flask import Blueprint
from pydantic import Field

from device_drivers.base import SendGuard, SendWay
from host_controller.messaging.canary import read_canary, send_canary
from host_controller.settings import (
    MAX_PARTS,
    JitterPercent,
    PartsOfPeriod,
    PartsPerMinute,
    Recipients,
    ResetDay,
    ZoneName,
)
from web.api_input import Answer, ApiError, Body, checked, read_body, read_json
from web.services import Services
from web.views import as_json, phone_cards, phone_details

_ACTOR = "cli"


class SimBody(Body):
    """What may be changed of a SIM; what is left out stays, and null takes a limit away."""

    parts_per_minute: PartsPerMinute = 1
    parts_per_hour: PartsOfPeriod | None = None
    parts_per_day: PartsOfPeriod | None = None
    parts_per_month: PartsOfPeriod | None = None
    recipients_per_month: Recipients | None = None
    month_reset_day: ResetDay = 1
    jitter_percent: JitterPercent = 0
    zone: ZoneName | None = None
    msisdn: str = ""


class EnrolBody(Body):
    """How a phone is to be enrolled; what is left out stays as it was decided before."""

    send_only: bool | None = None


class WayBody(Body):
    """How a phone is made to send."""

    way: Annotated[SendWay, Field(strict=False)]


class GuardBody(Body):
    """Android's send guard."""

    max_parts: Annotated[int, Field(ge=MAX_PARTS, le=1_000_000)]
    interval_s: Annotated[int, Field(ge=1, le=86_400)] = 60


class FilterBody(Body):
    """Whom a phone may write to, in Odoo's prefix notation."""

    filter: list[Any]


class CanaryBody(Body):
    """From which SIM to which, each by its id, number, ICCID or `SERIAL:SLOT`."""

    from_sim: str
    to_sim: str


def add_phones(api: Blueprint, services: Services) -> None:
    """Add the routes."""

    @api.get("/phones")
    def phones() -> Answer:
        with services.store.reading() as session:
            return {"phones": [as_json(card) for card in phone_cards(services, session)]}

    @api.get("/phones/<serial>")
    def phone(serial: str) -> Answer:
        with services.store.reading() as session:
            found = phone_details(services, session, serial)
        if found is None:
            raise ApiError(404, "not_found", f"no phone {serial} is known; `smsrack phones` lists them")
        return as_json(found)

    @api.post("/phones/<serial>/enrol")
    def enrol(serial: str) -> Answer:
        return {"serial": services.care.enrol(serial, send_only=read_body(EnrolBody).send_only)}

    @api.post("/phones/<serial>/way")
    def way(serial: str) -> Answer:
        return {"serial": services.care.enrol(serial, way=read_body(WayBody).way)}

    @api.post("/phones/<serial>/release")
    def release(serial: str) -> Answer:
        return {"serial": services.care.release(serial)}

    @api.post("/phones/<serial>/confirm")
    def confirm(serial: str) -> Answer:
        return {"serial": serial, "sims": services.care.confirm(serial, _ACTOR)}

    @api.put("/phones/<serial>/guard")
    def guard(serial: str) -> Answer:
        body = read_body(GuardBody)
        services.care.set_guard(serial, SendGuard(body.max_parts, float(body.interval_s)), _ACTOR)
        return {"serial": serial, **body.model_dump()}

    @api.delete("/phones/<serial>/guard")
    def guard_as_before(serial: str) -> Answer:
        services.care.set_guard(serial, None, _ACTOR)
        return {"serial": serial}

    @api.put("/phones/<serial>/filter")
    def recipient_filter(serial: str) -> Answer:
        wanted = checked(FilterBody, read_json()).filter
        services.care.set_filter(serial, json.dumps(wanted, ensure_ascii=False), _ACTOR)
        return {"serial": serial, "filter": wanted}

    @api.delete("/phones/<serial>/filter")
    def no_filter(serial: str) -> Answer:
        services.care.set_filter(serial, None, _ACTOR)
        return {"serial": serial, "filter": None}

    @api.get("/phones/<serial>/report")
    def report(serial: str) -> Answer:
        return services.care.report(serial)

    @api.delete("/phones/<serial>")
    def remove(serial: str) -> Answer:
        services.care.remove(serial, _ACTOR)
        return {"serial": serial}

    @api.post("/canaries")
    def canary() -> Answer:
        body = read_body(CanaryBody)
        settings, now = services.settings.messages, services.clock()
        source, target = services.care.find_sim(body.from_sim), services.care.find_sim(body.to_sim)
        message_id = send_canary(services.store, settings, source, target, now=now, actor=_ACTOR)
        services.bells.ring()
        return {"id": message_id}, 202

    @api.get("/canaries/<int:message_id>")
    def canary_state(message_id: int) -> Answer:
        with services.store.reading() as session:
            found = read_canary(session, message_id)
        if found is None:
            raise ApiError(404, "not_found", f"message {message_id} is no canary")
        return as_json(found)

    @api.patch("/sims/<name>")
    def change_sim(name: str) -> Answer:
        sim_id = services.care.find_sim(name)
        changes = read_body(SimBody).model_dump(exclude_unset=True)
        number = changes.pop("msisdn", None)
        if number is not None:
            number = services.care.set_number(sim_id, number, services.settings.messages.home_region)
        if changes:
            services.limit_sim(sim_id, changes)
        return {"id": sim_id, **changes, **({"msisdn": number} if number else {})}
