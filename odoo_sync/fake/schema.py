"""Models, fields, views and menus of a fake Odoo, as an administrator makes them by hand: `x_` models become tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from odoo_sync.fake.administration import AdminTable
from odoo_sync.fake.errors import OdooError
from odoo_sync.fake.mailings import FakeMailings
from odoo_sync.fake.table import Row, Table

Types = dict[str, str]
"""The type of each field."""


class ManualRows(Table):
    """A model that was made by hand. Nothing keeps a key of it unique."""

    def __init__(self, model: str, types: Types) -> None:
        super().__init__(model, list(types))
        self.types = types

    def add(self, **values: Any) -> Row:
        """See Table; a number that is not given is 0."""
        numbers = [name for name, kind in self.types.items() if kind == "integer"]
        return super().add(**dict.fromkeys(numbers, 0) | values)

    def fields_get(self, names: list[str], attributes: list[str]) -> dict[str, Any]:
        """Give the types of those fields that there are."""
        return {name: {"type": self.types[name]} for name in names if name in self.types and "type" in attributes}


class FakeModels(AdminTable):
    """`ir.model`: the table of a model comes and goes with its row."""

    def __init__(self, install: Callable[[Table], None], remove: Callable[[str], None]) -> None:
        super().__init__("ir.model", ["model", "name", "order"])
        self._install, self._remove = install, remove

    def require(self, operation: str) -> None:
        """See Table; who makes mailings reads models."""
        if operation != "read":
            super().require(operation)

    def create(self, values: Any, context: Row | None = None) -> Any:
        """See Odoo's: with the commands that make its fields."""
        named = {key: value for key, value in values.items() if key != "field_id"}
        made = super().create(named, context)
        types = {field["name"]: field["ttype"] for command, _, field in values["field_id"] if command == 0}
        if not all(name.startswith("x_") for name in (values["model"], *types)):
            raise OdooError("odoo.exceptions.ValidationError", "The model name must start with 'x_'.")
        self._install(ManualRows(values["model"], types))
        return made

    def unlink(self, ids: Any) -> bool:
        """See Odoo's."""
        models = [self.rows[row_id]["model"] for row_id in ids if row_id in self.rows]
        super().unlink(ids)
        for model in models:
            self._remove(model)
        return True


class FakeFields(AdminTable):
    """`ir.model.fields`: ticks on mailings, and nothing else."""

    def __init__(self, mailings: FakeMailings) -> None:
        fields = ["name", "model_id", "ttype", "field_description", "help", "copied", "tracking"]
        super().__init__("ir.model.fields", fields)
        self._mailings = mailings

    def create(self, values: Any, context: Row | None = None) -> Any:
        """See Odoo's."""
        made = super().create(values, context)
        self._mailings.let_tick(values["name"])
        return made

    def unlink(self, ids: Any) -> bool:
        """See Odoo's."""
        names = [self.rows[row_id]["name"] for row_id in ids if row_id in self.rows]
        super().unlink(ids)
        for name in names:
            self._mailings.lose_tick(name)
        return True


def schema(
    mailings: FakeMailings, install: Callable[[Table], None], remove: Callable[[str], None]
) -> tuple[FakeModels, list[Table]]:
    """Give the models, and the other tables that make up what a person sees."""
    views = AdminTable("ir.ui.view", ["name", "model", "inherit_id", "arch"])
    menus = AdminTable("ir.ui.menu", ["name", "parent_id", "sequence", "action"])
    actions = AdminTable("ir.actions.act_window", ["name", "res_model", "view_mode", "help"])
    return FakeModels(install, remove), [mailings, FakeFields(mailings), views, menus, actions]
