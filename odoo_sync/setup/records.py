"""A row that we make in an Odoo, as data. Pure: `provision.py` makes and removes rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Ref:
    """The id of another record of ours, by its name; that one is made first."""

    name: str


@dataclass(frozen=True)
class XmlId:
    """The id of a row of Odoo's own, like `base.group_user`; a missing one is an error that names it."""

    xml_id: str


@dataclass(frozen=True)
class Record:
    """A row of `model` with the external id `smsrack.NAME`, by which it is found again and removed."""

    name: str
    """Letters, digits and underscores; unique among all that setup makes."""
    model: str
    values: Mapping[str, Any] = field(repr=False)
    """As `create` takes them; anywhere inside, also in the commands of an x2many, stand Ref and XmlId for ids."""
    words: str
    """What it is, to a person: `the group "SMS host"`."""
    key: Sequence[str] = ("name",)
    """The fields whose values nobody else's row has too: how a row is found whose external id is not there."""
    context: Mapping[str, Any] = field(default_factory=dict)
    """Odoo's context of the call that makes it."""


@dataclass(frozen=True)
class Reference:
    """A row of any model, as fields of the type `reference` name it: `ir.actions.act_window,12`."""

    model: str
    of: Ref | XmlId


def filled_in(value: Any, id_of: Callable[[Ref | XmlId], int]) -> Any:
    """Give a value with ids in the places of Ref, XmlId and Reference, at any depth; tuples become lists."""
    if isinstance(value, Reference):
        return f"{value.model},{id_of(value.of)}"
    if isinstance(value, Ref | XmlId):
        return id_of(value)
    if isinstance(value, Mapping):
        return {key: filled_in(inner, id_of) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [filled_in(inner, id_of) for inner in value]
    return value
