"""What differs between the Odoo versions that we know, in one table. Pure.

17 as read in the source of early 17.0, 18 as run (18.0 of April 2025), 19 as read in its source.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from odoo_sync.errors import OdooRejectedError

OLDEST, NEWEST = 17, 19
_SERIES = re.compile(r"(?:saas[~-])?(\d+)")


@dataclass(frozen=True)
class Capabilities:
    """What one version of Odoo has, and how it answers."""

    version: int
    partner_number_fields: tuple[str, ...]
    """Where `res.partner` keeps numbers, the better one first."""
    group_field: str
    """Where `res.users` and `ir.filters` keep groups."""
    gives_id_lists: bool
    """Whether a method that gives records answers with a list of ids, and not with a number or a string."""
    sends_at_create: bool
    """Whether a new `sms.sms` wakes Odoo's own sender at once, and not at its next hour."""
    bad_report_status: int
    """The HTTP status with which `/sms/status` refuses what it cannot read."""
    list_view: str
    """What a view of many rows is called."""
    leaves_rpc: bool
    """Whether `/jsonrpc`, all that odoorpc speaks, is announced to go with a later version."""
    has_iap_services: bool
    """Whether the services of `iap.account` are rows of `iap.service`, and not names."""


_KNOWN = {
    17: Capabilities(17, ("mobile", "phone"), "groups_id", False, False, 200, "tree", False, False),
    18: Capabilities(18, ("mobile", "phone"), "groups_id", False, False, 200, "list", False, True),
    19: Capabilities(19, ("phone",), "group_ids", True, True, 400, "list", True, True),
}


def capabilities_of(server_version: str) -> Capabilities:
    """Give what a server of this version, like `18.0-20250421` or `saas~18.2+e`, can do.

    Raises OdooRejectedError for versions whose SMS are another thing, and for those that nobody has looked at.
    """
    match = _SERIES.match(server_version)
    version = int(match.group(1)) if match else 0
    if version not in _KNOWN:
        why = (
            "it sends SMS in another way, without reports"
            if 0 < version < OLDEST
            else "nobody has looked at it yet, and its /jsonrpc was to go"
        )
        raise OdooRejectedError(
            f"this is Odoo {server_version}: {why}; smsrack works with Odoo {OLDEST} to {NEWEST}, so use one of these"
        )
    return _KNOWN[version]
