"""The connections to Odoo as the page and the API show them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from host_controller.settings import OdooMode
from host_controller.store.odoo_objects import OdooObject, list_objects
from host_controller.store.odoo_outbox import backlogs, outbox_names
from web.services import Services

_OBJECTS = {"blacklist": "refused numbers", "chatter": "notes", "reply": "answered messages"}


@dataclass(frozen=True)
class ObjectCard:
    """One thing that is kept in step."""

    object: str
    succeeded_at: datetime | None
    lag_s: float
    failures: int
    error: str | None
    next_at: datetime | None
    cursor: str | None


@dataclass(frozen=True)
class OutboxCard:
    """What waits to be told there, or was given up, of one thing that is kept in step."""

    object: str
    waiting: int
    oldest_at: datetime | None
    """Since when the oldest waits."""
    gave_up: int


@dataclass(frozen=True)
class ConnectionCard:
    """One Odoo database."""

    name: str
    mode: OdooMode | None
    """None: it is not in the settings any more."""
    objects: list[ObjectCard]
    outbox: list[OutboxCard]
    """Only of what waits, or was given up."""


def connection_cards(services: Services, session: Session) -> list[ConnectionCard]:
    """Give every connection of the settings, and those that were once, by name."""
    cards: dict[str, list[ObjectCard]] = {name: [] for name in services.settings.odoo}
    now = services.clock()
    for found in list_objects(session):
        cards.setdefault(found.connection, []).append(_card(found, now))
    for name in outbox_names(session):
        cards.setdefault(name, [])
    modes = {name: odoo.mode for name, odoo in services.settings.odoo.items()}
    return [
        ConnectionCard(name, modes.get(name), objects, outbox_cards(session, name))
        for name, objects in sorted(cards.items())
    ]


def outbox_cards(session: Session, name: str) -> list[OutboxCard]:
    """Give what a connection is still to be told."""
    return [
        OutboxCard(object_of(found.kind), found.waiting, found.oldest_at, found.gave_up)
        for found in backlogs(session, name)
    ]


def object_of(kind: str) -> str:
    """Give the name of what is kept in step by rows of this kind."""
    return _OBJECTS.get(kind, kind)


def _card(found: OdooObject, now: datetime) -> ObjectCard:
    return ObjectCard(
        object=found.object,
        succeeded_at=found.succeeded_at,
        lag_s=round(found.lag(now).total_seconds(), 1),
        failures=found.failures,
        error=found.error,
        next_at=found.next_at,
        cursor=found.cursor,
    )
