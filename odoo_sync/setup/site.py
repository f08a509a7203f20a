"""What an administrator sees of an Odoo, as far as setup needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from odoo_sync.client import OdooClient
from odoo_sync.errors import OdooRejectedError
from odoo_sync.setup.changes import Changes
from odoo_sync.setup.provision import Provisioner
from odoo_sync.versions import Capabilities

_MODULES = ["sms", "mass_mailing", "mass_mailing_sms", "sale", "point_of_sale", "sms_gateway"]
_ALL = {"context": {"active_test": False}}
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Site:
    """One database, as its administrator."""

    client: OdooClient
    capabilities: Capabilities
    modules: frozenset[str]
    """Of those that concern us, the installed ones."""
    provisioner: Provisioner
    changes: Changes

    def accounts(self) -> Sequence[Row]:
        """Give Odoo's accounts at its SMS provider, the one that it uses first."""
        domain, options = [["service_name", "=", "sms"]], {"order": "id desc"}
        rows: Sequence[Row] = self.client.call(
            "iap.account", "search_read", [domain, ["display_name", "account_token"]], options
        )
        return rows

    def user(self, login: str) -> Row | None:
        """Give a user, also an archived one."""
        rows = self.client.call("res.users", "search_read", [[["login", "=", login]], ["login", "active"]], _ALL)
        return rows[0] if rows else None

    def cron(self, cron_id: int) -> Row | None:
        """Give a scheduled action, also one that is off."""
        fields = ["active", "interval_number", "interval_type"]
        rows = self.client.call("ir.cron", "search_read", [[["id", "=", cron_id]], fields], _ALL)
        return rows[0] if rows else None

    def module_phones(self) -> Sequence[Row]:
        """Give the phones of the module `sms_gateway`."""
        rows: Sequence[Row] = self.client.call("sms.gateway.phone", "search_read", [[], ["name", "daily_limit"]])
        return rows


def look_around(client: OdooClient) -> Site:
    """Look at a database as an administrator. Raises OdooSyncError; OdooRejectedError where the user is none."""
    capabilities = client.capabilities()
    rights = (
        client.call("ir.config_parameter", "check_access_rights", ["write", False]),
        client.call("ir.model.access", "check_access_rights", ["create", False]),
        client.call("res.users", "check_access_rights", ["create", False]),
    )
    if not all(rights):
        raise OdooRejectedError(
            f"{client.settings.user} may not set this Odoo up: that takes a user with the group Administration / "
            "Settings; name one with --admin"
        )
    domain = [["name", "in", _MODULES], ["state", "=", "installed"]]
    rows = client.call("ir.module.module", "search_read", [domain, ["name"]])
    provisioner = Provisioner(client)
    modules = frozenset(row["name"] for row in rows)
    return Site(client, capabilities, modules, provisioner, Changes(client, provisioner.id_of))
