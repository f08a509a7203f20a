"""What a remote phone's app asks for: heartbeats, messages to send, reports on them, and its own figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from flask import Blueprint

from host_controller.access.device_keys import Device
from host_controller.messaging.remote_care import RemoteCare
from host_controller.messaging.remote_terms import (
    Handed,
    Heartbeat,
    RemoteFigures,
    Report,
    Reported,
    ReportOutcome,
    SimFigures,
)
from web.gateway_input import MOST, Json, RefusedError, as_id, as_text, integer, listed, read_object, storable

_USUAL_BATCH, _LARGEST_BATCH = 20, 100
_MOST_REPORTS = 1000
_MOST_KNOWN = 100_000
_LONGEST_ERROR = 500
_UNKNOWN = "Not found or unauthorized"


def add_devices(gateway: Blueprint, remote: RemoteCare, device: Callable[[], Device]) -> None:
    """Add the routes; `device` gives who calls."""
    _add_state(gateway, remote, device)
    _add_sending(gateway, remote, device)


def _add_state(gateway: Blueprint, remote: RemoteCare, device: Callable[[], Device]) -> None:
    @gateway.post("/heartbeat")
    def heartbeat() -> Json:
        body = read_object()
        beat = Heartbeat(
            integer(body, "battery_level", 0, 100),
            integer(body, "signal_strength", -MOST),
            integer(body, "unsynced_count", 0) or 0,
        )
        remote.heartbeat(device().phone_id, beat)
        sims = remote.figures(device().phone_id).sims
        return {
            "success": True,
            "pending_count": {sim.msisdn: sim.pending for sim in sims},
            "rate_limit": sims[0].parts_per_minute,
            # The app looks at the first one only, and it sends from the first SIM.
            "phone_stats": {sim.msisdn: _counters(sim) for sim in sims},
        }

    @gateway.post("/stats")
    def stats() -> Json:
        read_object()
        return {"success": True, "phones": [_phone(remote.figures(device().phone_id))]}

    @gateway.post("/register-fcm")
    def register_fcm() -> Json:
        if not as_text(read_object().get("fcm_token")):
            raise RefusedError(400, "fcm_token is required")
        return {"success": True, "message": "FCM not enabled, token ignored"}


def _add_sending(gateway: Blueprint, remote: RemoteCare, device: Callable[[], Device]) -> None:
    def report(reports: Sequence[Report]) -> list[ReportOutcome]:
        return remote.report(device().phone_id, reports) if reports else []

    def counters() -> Json:
        """Of the first SIM, from which the app sends: the same as it is told with a heartbeat."""
        return _counters(remote.figures(device().phone_id).sims[0])

    @gateway.post("/pending")
    def pending() -> Json:
        limit = integer(read_object(), "limit", -1, _LARGEST_BATCH)
        if limit == 0:
            return {"success": True, "sms_list": []}
        limit = _USUAL_BATCH if limit is None else max(1, limit)
        picked = remote.pick_up(device().phone_id, limit, parts_per_day=device().parts_per_day)
        answer: Json = {"success": True, "sms_list": [_handed(one) for one in picked.messages]}
        if picked.limit_reached:
            answer["limit_reached"] = True
        if picked.retry_after_s is not None:
            answer["retry_after"] = min(math.ceil(picked.retry_after_s), MOST)
        return answer

    @gateway.post("/confirm/<int:sms_id>")
    def confirm(sms_id: int) -> Json:
        body = read_object()
        status = _status(body.get("status"), list(Reported))
        if status is None:
            raise RefusedError(400, "Invalid status. Must be: sending, sent, or error")
        outcome = ReportOutcome.NOT_FOUND
        if as_id(sms_id) is not None:
            (outcome,) = report([Report(sms_id, status, _error(status, body))])
        if outcome is ReportOutcome.NOT_FOUND:
            raise RefusedError(404, "SMS not found or unauthorized")
        answer: Json = {"success": True}
        if outcome is ReportOutcome.IGNORED:
            answer["ignored"] = True
        if status is Reported.SENT:
            answer |= {name: value for name, value in counters().items() if name.startswith("sent_")}
        return answer

    @gateway.post("/confirm-batch")
    def confirm_batch() -> Json:
        items = listed(read_object(), "results", _MOST_REPORTS, "results list is required")
        if not items:
            raise RefusedError(400, "results list is required")
        reports = [report_ for report_ in map(_report, items) if report_ is not None]
        outcomes = iter(report(reports))
        acknowledged: list[int] = []
        errors: list[Json] = []
        processed = 0
        for item in items:
            # What can never be taken is acknowledged too: a device repeats it for ever otherwise.
            raw = _id_in(item)
            message_id = as_id(raw)
            if message_id is not None:
                acknowledged.append(message_id)
            if _report(item) is None:
                errors.append({"id": message_id, "error": "Invalid id or status"})
            elif next(outcomes) is ReportOutcome.NOT_FOUND:
                errors.append({"id": message_id, "error": _UNKNOWN})
            else:
                processed += 1
        answer: Json = {"success": True, "processed": processed, "ack_ids": acknowledged}
        if errors:
            answer["errors"] = errors
        return answer | counters()

    @gateway.post("/reconcile")
    def reconcile() -> Json:
        body = read_object()
        known = [] if "known_ids" not in body else listed(body, "known_ids", _MOST_KNOWN, "known_ids must be a list")
        ids = [message_id for message_id in map(as_id, known) if message_id is not None]
        found = remote.reconcile(device().phone_id, list(dict.fromkeys(ids)))
        return {
            "success": True,
            "already_confirmed_ids": list(found.already_confirmed),
            "stuck_ids": list(found.stuck),
            "not_found_ids": list(found.not_found),
        }


def _report(item: object) -> Report | None:
    """Give one entry of a list of reports; None where it is none."""
    message_id = as_id(_id_in(item))
    status = _status(item.get("status"), [Reported.SENT, Reported.ERROR]) if isinstance(item, dict) else None
    if message_id is None or status is None or not isinstance(item, dict):
        return None
    return Report(message_id, status, _error(status, item))


def _id_in(item: object) -> object:
    """The app writes `id`, its description `sms_id`."""
    if not isinstance(item, dict):
        return None
    return item["id"] if item.get("id") is not None else item.get("sms_id")


def _status(value: object, known: Sequence[Reported]) -> Reported | None:
    return next((status for status in known if status == value), None) if isinstance(value, str) else None


def _error(status: Reported, body: Json) -> str | None:
    if status is not Reported.ERROR:
        return None
    return storable(as_text(body.get("error_message")))[:_LONGEST_ERROR] or None


def _handed(message: Handed) -> Json:
    return {
        "id": message.message_id,
        "phone_number": message.number,
        "message": message.text,
        "uuid": message.uuid,
        "gateway_phone_number": message.sim_msisdn,
    }


def _counters(sim: SimFigures) -> Json:
    return {
        "sent_today": sim.sent_today,
        "daily_limit": sim.daily_limit,
        "sent_month": sim.sent_month,
        "monthly_limit": sim.monthly_limit,
        "sent_total": sim.sent_total,
    }


def _phone(figures: RemoteFigures) -> dict[str, Any]:
    first = figures.sims[0]
    return {
        "id": figures.phone_id,
        "name": figures.name,
        "phone_number": first.msisdn,
        "phone_number_2": figures.sims[1].msisdn if len(figures.sims) > 1 else None,
        "state": "online" if figures.is_online else "offline",
        **_counters(first),
        "pending_count": sum(sim.pending + sim.in_hands for sim in figures.sims),
        "rate_limit": first.parts_per_minute,
    }
