"""The user whose rights all our calls have: its group, what that may do, and what it is given beside that."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from host_controller.settings import OdooMode, OdooSettings
from odoo_sync.setup.changes import Joined
from odoo_sync.setup.records import Record, Ref, XmlId

GROUP = Ref("group")
_GROUP_NAME = "SMS host (smsrack)"
_QUIET = {"no_reset_password": True, "mail_create_nolog": True, "mail_create_nosubscribe": True}
"""Neither mails an invitation nor writes into a chatter."""
_READ, _WRITE, _CREATE = "read", "write", "create"


def group_records(settings: OdooSettings, modules: frozenset[str]) -> Iterator[Record]:
    """Give the group and its rights, for what a connection does and no more."""
    yield Record("group", "res.groups", {"name": _GROUP_NAME}, f'the group "{_GROUP_NAME}"')
    if settings.mode is not OdooMode.GATEWAY:
        yield _access("sms_sms", "sms.model_sms_sms", _READ, _WRITE)
        yield _access("sms_tracker", "sms.model_sms_tracker", _READ)
    if settings.mode is OdooMode.PULL:  # one row, by which two smsracks keep out of each other's way
        yield _access("sms_sms_lease", "sms.model_sms_sms", _CREATE)
    yield _access("phone_blacklist", "phone_validation.model_phone_blacklist", _READ, _WRITE, _CREATE)
    if "mass_mailing" in modules and settings.mode is not OdooMode.GATEWAY:
        yield _access("mailing_trace", "mass_mailing.model_mailing_trace", _READ, _WRITE)
        # Odoo marks a mailing as done as whoever reports the end of its last SMS.
        yield _access("mailing_mailing", "mass_mailing.model_mailing_mailing", _READ, _WRITE)
    if settings.contacts and "sale" in modules:
        yield _access("sale_order", "sale.model_sale_order", _READ)
    if settings.contacts and "point_of_sale" in modules:
        yield _access("pos_order", "point_of_sale.model_pos_order", _READ)


def groups_of_user() -> Joined:
    """Give the groups that the user is in: notes in a contact's chatter take the right to write contacts."""
    return Joined((XmlId("base.group_user"), XmlId("base.group_partner_manager"), GROUP))


def user_records(settings: OdooSettings, group_field: str, password: str) -> Iterator[Record]:
    """Give the user and its contact, which Odoo would leave behind when the user goes."""
    name = _slug(settings.user)
    login, host = settings.user, urlsplit(settings.url).hostname
    # Odoo takes no note from a user without an address.
    email = login if "@" in login else f"{name}@{host}"
    partner = {"name": "smsrack", "email": email}
    yield Record(
        f"contact_{name}", "res.partner", partner, f"the contact of the user {login}", ("email", "name"), _QUIET
    )
    values: dict[str, Any] = {
        "login": login,
        "password": password,
        "partner_id": Ref(f"contact_{name}"),
        group_field: [(6, 0, groups_of_user().rows)],
    }
    words = f"the user {login}: internal, may edit contacts, and what the group may"
    yield Record(f"user_{name}", "res.users", values, words, ("login",), _QUIET)


def _access(name: str, model: str, *operations: str) -> Record:
    values = {
        "name": f"smsrack {name}",
        "model_id": XmlId(model),
        "group_id": GROUP,
        **{f"perm_{operation}": operation in operations for operation in (_READ, _WRITE, _CREATE, "unlink")},
    }
    shown = model.rpartition("model_")[2].replace("_", ".")
    return Record(f"access_{name}", "ir.model.access", values, f"the group's right to {', '.join(operations)} {shown}")


def _slug(login: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", login.lower()).strip("_") or "user"
