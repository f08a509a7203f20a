"""The connections to Odoo as the page and the API show them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from host_controller.settings import OdooMode
from host_controller.store.odoo_objects import OdooObject, list_objects
from web.services import Services


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
class ConnectionCard:
    """One Odoo database."""

    name: str
    mode: OdooMode | None
    """None: it is not in the settings any more."""
    objects: list[ObjectCard]


def connection_cards(services: Services, session: Session) -> list[ConnectionCard]:
    """Give every connection of the settings, and those that were once, by name."""
    cards: dict[str, list[ObjectCard]] = {name: [] for name in services.settings.odoo}
    now = services.clock()
    for found in list_objects(session):
        cards.setdefault(found.connection, []).append(_card(found, now))
    modes = {name: odoo.mode for name, odoo in services.settings.odoo.items()}
    return [ConnectionCard(name, modes.get(name), objects) for name, objects in sorted(cards.items())]


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
