"""What differs between the Odoo versions that we know, as far as our calls depend on it, in one table. Pure.

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
    """What one version of Odoo has."""

    partner_number_fields: tuple[str, ...]
    """Where `res.partner` keeps numbers, the better one first."""
    group_field: str
    """Where `res.users` and `ir.filters` keep groups."""
    list_view: str
    """What a view of many rows is called."""
    leaves_rpc: bool
    """Whether `/jsonrpc`, all that odoorpc speaks, is announced to go with a later version."""
    has_iap_services: bool
    """Whether the services of `iap.account` are rows of `iap.service`, and not names."""


_KNOWN = {
    17: Capabilities(("mobile", "phone"), "groups_id", "tree", leaves_rpc=False, has_iap_services=False),
    18: Capabilities(("mobile", "phone"), "groups_id", "list", leaves_rpc=False, has_iap_services=True),
    19: Capabilities(("phone",), "group_ids", "list", leaves_rpc=True, has_iap_services=True),
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
