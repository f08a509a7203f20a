"""What a connection's own user finds in an Odoo: what is there, what it may, what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from host_controller.settings import OdooMode, OdooSettings
from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooRecordError


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    check: str
    ok: bool
    words: str


@dataclass(frozen=True)
class _Need:
    model: str
    operations: Sequence[str]
    what_for: str


def report(client: OdooClient) -> Iterator[Finding]:
    """Give what there is, one by one. Raises OdooSyncError where it ends: OdooRejectedError for a version of no use."""
    version = client.server_version()
    can = client.capabilities()
    yield Finding("server", True, f"Odoo {version}")
    if can.leaves_rpc:
        words = "/jsonrpc, which smsrack speaks, is to go with Odoo 22 and Odoo Online 21.1"
        yield Finding("later versions", True, words)
    if not client.has_login:
        is_needed = client.settings.mode is OdooMode.PULL or bool(client.settings.user)
        words = "there is none yet; with --admin LOGIN setup makes the user" if is_needed else "none is in the settings"
        yield Finding("login", not is_needed, words)
        return
    rights = {need: _missing(client, need) for need in _needs(client.settings)}
    yield Finding("login", True, f"into {client.database} as {client.settings.user}")
    for need, missing in rights.items():
        wanted = ", ".join(need.operations)
        if missing is None:
            yield Finding(need.model, True, f"not in this Odoo: no {need.what_for}")
        elif missing:
            words = f"may not {', '.join(missing)}: no {need.what_for}; with --admin LOGIN setup gives the right"
            yield Finding(need.model, False, words)
        else:
            yield Finding(need.model, True, f"may {wanted}: {need.what_for}")
    if client.settings.mode is OdooMode.PULL:
        yield _own_sender(client)


def _needs(settings: OdooSettings) -> Iterator[_Need]:
    if settings.mode is OdooMode.PULL:
        yield _Need("sms.sms", ("read", "write", "create"), "taking over of SMS")
    if settings.mode is OdooMode.PUSH:
        yield _Need("sms.sms", ("read", "write"), "looking what Odoo has heard")
    if settings.mode is not OdooMode.GATEWAY:
        yield _Need("sms.tracker", ("read",), "mailings that are done at once when their last SMS fails")
        yield _Need("mailing.mailing", ("read", "write"), "mailings that are done at once when their last SMS fails")
    yield _Need("phone.blacklist", ("read", "write", "create"), "opt-outs in both directions")
    if settings.mode is not OdooMode.GATEWAY:
        yield _Need("mailing.trace", ("read", "write"), "answered messages, and comparison with mailings")
        yield _Need("res.partner", ("read", "write"), "replies in the chatter")
    if settings.contacts:
        yield _Need("sale.order", ("read",), "shop orders")
        yield _Need("pos.order", ("read",), "till orders")


def _missing(client: OdooClient, need: _Need) -> list[str] | None:
    """Give the operations that the user may not; None where Odoo has no such model."""
    try:
        return [
            operation
            for operation in need.operations
            if not client.call_any(need.model, "check_access_rights", [operation, False])
        ]
    except OdooRecordError:
        return None


def _own_sender(client: OdooClient) -> Finding:
    is_on = client.own_sender_is_on()
    if is_on is None:
        return Finding("Odoo's own sender", True, "this user cannot see it; setup with --admin LOGIN switches it off")
    words = "its SMS cron is on, so both send; setup with --admin LOGIN switches it off" if is_on else "off"
    return Finding("Odoo's own sender", not is_on, words)
