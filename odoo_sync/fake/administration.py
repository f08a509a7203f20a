"""What only an administrator of a fake Odoo may see and change: as far as `smsrack odoo setup` goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from odoo_sync.fake.errors import OdooError
from odoo_sync.fake.table import Row, Table

ADMIN_ID = 2
_MODULES = ["sms", "mass_mailing", "mass_mailing_sms"]
_MODELS = {
    "sms": ["sms.sms", "sms.tracker"],
    "phone_validation": ["phone.blacklist"],
    "mass_mailing": ["mailing.trace", "mailing.mailing", "mailing.contact"],
    "base": ["res.partner"],
}
_GROUPS = {
    "base.group_user": "User types / Internal User",
    "base.group_partner_manager": "Contact Creation",
    "base.group_system": "Administration / Settings",
    "mass_mailing.group_mass_mailing_user": "Email Marketing / User",
}
_ELSEWHERE = {
    "sms.iap_service_sms": "iap.service",
    "base.menu_custom": "ir.ui.menu",
    "mass_mailing_sms.mass_mailing_sms_menu_root": "ir.ui.menu",
    "mass_mailing_sms.mailing_mailing_view_form_sms": "ir.ui.view",
}
"""Rows of which only the id is known."""


class AdminTable(Table):
    """Rows that nobody but the administrator may read or change."""

    def require(self, operation: str) -> None:
        """See Table."""
        if self.user[0] == ADMIN_ID:
            return
        self.refused.add(operation)
        super().require(operation)

    def check_access_rights(self, operation: str, raise_exception: bool = True) -> bool:
        """See Odoo's."""
        if self.user[0] != ADMIN_ID and raise_exception:
            self.require(operation)
        return bool(self.user[0] == ADMIN_ID)


class FakeExternalIds(AdminTable):
    """`ir.model.data`: a name is there once."""

    def __init__(self) -> None:
        super().__init__("ir.model.data", ["module", "name", "model", "res_id", "noupdate"])

    def add(self, **values: Any) -> Row:
        """See Table."""
        if self.of(values["module"], values["name"]) is not None:
            words = "The operation cannot be completed: External ID must be unique"
            raise OdooError("odoo.exceptions.ValidationError", words)
        return super().add(**values)

    def of(self, module: str, name: str) -> Row | None:
        """Give an external id."""
        return next((row for row in self.rows.values() if (row["module"], row["name"]) == (module, name)), None)

    def forget(self, model: str, row_id: int) -> None:
        """Drop the external ids of a row that is gone."""
        gone = [row["id"] for row in self.rows.values() if (row["model"], row["res_id"]) == (model, row_id)]
        for data_id in gone:
            del self.rows[data_id]


class FakeAccess(AdminTable):
    """`ir.model.access`."""

    def __init__(self) -> None:
        operations = ("read", "write", "create", "unlink")
        super().__init__(
            "ir.model.access", ["name", "model_id", "group_id", *(f"perm_{operation}" for operation in operations)]
        )


class FakeParameters(AdminTable):
    """`ir.config_parameter`."""

    def __init__(self) -> None:
        super().__init__("ir.config_parameter", ["key", "value"])
        self.values: dict[str, str] = {"web.base.url": "http://127.0.0.1"}

    def get_param(self, key: str, default: Any = False) -> Any:
        """See Odoo's."""
        self.require("read")
        return self.values.get(key) or default

    def set_param(self, key: str, value: Any) -> Any:
        """See Odoo's: False takes a parameter away; what there was is the answer."""
        self.require("write")
        was = self.values.pop(key, False)
        if value is not False:
            self.values[key] = str(value)
        return was


class FakeAccounts(AdminTable):
    """`iap.account`: a token is made where none is given."""

    def __init__(self, service_id: int) -> None:
        super().__init__("iap.account", ["name", "service_id", "service_name", "account_token"])
        self._service_id = service_id

    def add(self, **values: Any) -> Row:
        """See Table."""
        made = {"name": "SMS", "service_id": self._service_id, "service_name": "sms", "account_token": "f" * 32}
        return super().add(**made | values)


class FakeCrons(AdminTable):
    """`ir.cron`, with the one that sends SMS."""

    def __init__(self) -> None:
        fields = ["name", "model_id", "active", "interval_number", "interval_type", "nextcall"]
        super().__init__("ir.cron", fields)
        self.are_seen = False
        """Whether the user may see them too."""
        self.sender = self.add(
            name="SMS: SMS Queue Manager", model_id="sms.sms", active=False, interval_number=1, interval_type="hours"
        )

    def leaf(self, row: Row, name: str, operator: str, value: Any) -> bool:
        """See Table; a model is kept by its name."""
        return super().leaf(row, name.removesuffix(".model"), operator, value)

    def require(self, operation: str) -> None:
        """See Table."""
        if not self.are_seen:
            super().require(operation)

    def check_access_rights(self, operation: str, raise_exception: bool = True) -> bool:
        """See Odoo's."""
        return self.are_seen or super().check_access_rights(operation, raise_exception)


def administration(models: Table) -> list[Table]:
    """Give the tables that a new Odoo has; `models` are its models."""
    data, groups = FakeExternalIds(), AdminTable("res.groups", ["name"])
    installed, crons = AdminTable("ir.module.module", ["name", "state"]), FakeCrons()
    for xml_id, name in _GROUPS.items():
        _name(data, xml_id, groups, groups.add(name=name)["id"])
    for module, names in _MODELS.items():
        for model in names:
            _name(data, f"{module}.model_{model.replace('.', '_')}", models, models.add(model=model)["id"])
    _name(data, "sms.ir_cron_sms_scheduler_action", crons, crons.sender["id"])
    for row_id, (xml_id, model) in enumerate(_ELSEWHERE.items(), 3):
        module, _, name = xml_id.partition(".")
        data.add(module=module, name=name, model=model, res_id=row_id)
    for module in _MODULES:
        installed.add(name=module, state="installed")
    return [data, groups, models, installed, crons, FakeAccess(), FakeParameters(), FakeAccounts(3)]


def add_module(tables: Mapping[str, Table], module: str, names: Sequence[str]) -> None:
    """Note in an Odoo's tables that a module is installed, with the names of its models."""
    tables["ir.module.module"].add(name=module, state="installed")
    data, models = cast("FakeExternalIds", tables["ir.model.data"]), tables["ir.model"]
    for model in names:
        _name(data, f"{module}.model_{model.replace('.', '_')}", models, models.add(model=model)["id"])


def _name(data: FakeExternalIds, xml_id: str, table: Table, row_id: int) -> None:
    module, _, name = xml_id.partition(".")
    data.add(module=module, name=name, model=table.model, res_id=row_id)
