"""What a remote phone's app tells of messages that came in, and what it shows of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint

from host_controller.access.device_keys import Device
from host_controller.inbox.app_inbox import JUST_NOW, LAST_DAYS, AppInbox, Told
from host_controller.store.app_inbound_queries import AppInbound, find_of_phone, page_of_phone
from host_controller.store.store import Store
from web.gateway_input import (
    MOST,
    Json,
    RefusedError,
    as_id,
    as_text,
    flag,
    integer,
    listed,
    moment,
    read_object,
    storable,
    time_text,
)

_USUAL_PAGE, _LONGEST_PAGE = 50, 200
# The inbox of a month; more do not fit into a body of the default size.
_MOST_TOLD = 50_000
_MOST_IDS = 1000
_LONGEST_SEARCH = 200
_LONGEST_ID = 200


def add_inbound(gateway: Blueprint, store: Store, inbox: AppInbox, device: Callable[[], Device]) -> None:
    """Add the routes; `device` gives who calls."""
    _add_telling(gateway, store, inbox, device)
    _add_showing(gateway, store, inbox, device)


def _add_telling(gateway: Blueprint, store: Store, inbox: AppInbox, device: Callable[[], Device]) -> None:
    @gateway.post("/inbound")
    def inbound() -> Json:
        told = _told(read_object())
        if told is None:
            raise RefusedError(400, "from_number and message are required")
        (stored,) = inbox.take(device().phone_id, [told], JUST_NOW)
        if stored.inbound_id is None:
            # The app would repeat it for ever, and it would never be better.
            return {"success": True, "blacklisted": False, "partner_found": False, "is_stop": False}
        with store.reading() as session:
            (row,) = find_of_phone(session, device().phone_id, [stored.inbound_id])
        answer = {
            "success": True,
            "blacklisted": row.is_blacklisted,
            "partner_found": False,
            "id": row.id,
            "is_stop": row.is_stop,
        }
        return answer if stored.is_new else answer | {"duplicate": True}

    @gateway.post("/inbound-batch")
    def inbound_batch() -> Json:
        items = listed(read_object(), "messages", _MOST_TOLD, "messages list is required")
        if not items:
            raise RefusedError(400, "messages list is required")
        told = [one for one in map(_told, items) if one is not None]
        stored = inbox.take(device().phone_id, told, LAST_DAYS)
        recorded = [one for one in stored if one.is_new]
        handled = sum(one.inbound_id is not None for one in stored)
        return {
            "success": True,
            "processed": handled,
            "duplicates_skipped": handled - len(recorded),
            "recorded": len(recorded),
            "blacklisted": sum(one.obeyed.opted_out and not one.obeyed.was_opted_out for one in recorded),
            "already_blacklisted": sum(one.obeyed.was_opted_out for one in recorded),
            "skipped": len(items) - len(recorded),
        }


def _add_showing(gateway: Blueprint, store: Store, inbox: AppInbox, device: Callable[[], Device]) -> None:
    @gateway.post("/inbound-history")
    def history() -> Json:
        body = read_object()
        limit = integer(body, "limit", 1, _LONGEST_PAGE)
        limit = _USUAL_PAGE if limit is None else limit
        offset = integer(body, "offset", 0) or 0
        search = body.get("search")
        if search is not None and not isinstance(search, str | int | float):
            raise RefusedError(400, "search must be a string")
        with store.reading() as session:
            page = page_of_phone(
                session,
                device().phone_id,
                limit=limit,
                offset=offset,
                before_id=integer(body, "before_id", 0, MOST),
                stop_only=flag(body, "stop_only"),
                stop_not_blacklisted=flag(body, "stop_not_blacklisted"),
                search=storable(as_text(search))[:_LONGEST_SEARCH].strip(),
            )
        messages = [_row(row) for row in page.rows]
        return {"success": True, "messages": messages, "total": page.total, "limit": limit, "offset": offset}

    @gateway.post("/inbound-blacklist")
    def blacklist() -> Json:
        ids = listed(read_object(), "ids", _MOST_IDS, "ids list is required")
        if not ids:
            raise RefusedError(400, "ids list is required")
        own = {inbound_id for inbound_id in map(as_id, ids) if inbound_id is not None}
        caller = device()
        return {"success": True, "blacklisted": inbox.blacklist(caller.phone_id, own, f"phone {caller.serial}")}


def _told(item: object) -> Told | None:
    """Give a message that the app tells of; None where it lacks sender or text."""
    if not isinstance(item, dict):
        return None
    sender, text = as_text(item.get("from_number")).strip(), as_text(item.get("message"))
    if not sender or not text:
        return None
    message_id = as_text(item.get("message_id")) or as_text(item.get("uuid"))
    return Told(
        sender,
        text,
        as_text(item.get("to_number")).strip(),
        moment(item.get("received_at")),
        message_id[:_LONGEST_ID] or None,
    )


def _row(row: AppInbound) -> dict[str, Any]:
    return {
        "id": row.id,
        "from_number": row.sender,
        "to_number": row.to_number or "",
        "message": row.text,
        "received_at": time_text(row.received_at),
        "is_stop": row.is_stop,
        "blacklisted": row.is_blacklisted,
        "partner_name": "",
    }
