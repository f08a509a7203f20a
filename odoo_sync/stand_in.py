"""A phone of Odoo's module `sms_gateway` for which we stand: its record here, and where its messages leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from host_controller.errors import ConfigError
from host_controller.fleet.phone import PhoneView
from host_controller.store.models import InboundRecord, ModulePhoneRecord, OdooSmsRecord, PhoneRecord, SimRecord
from host_controller.text.msisdn import parse_sender
from odoo_sync.gateway_client import GatewayClient, ModulePhone
from odoo_sync.pairings import Pairing

SMS_ID = cast("InstrumentedAttribute[int]", OdooSmsRecord.sms_id)
"""Odoo's id of a row; only mode push does not know it."""


@dataclass(frozen=True)
class Route:
    """Which of our SIMs a module phone means; without any of them every one."""

    sim_id: int | None = None
    phone_id: int | None = None
    slot_index: int | None = None
    by_number: Mapping[str, int] = field(default_factory=dict, repr=False)
    """SIMs that the module may name, by their own numbers."""

    def target(self, sim_number: str | None, home_region: str) -> tuple[int | None, int | None]:
        """Give (SIM id, phone id) that a message must leave from; `sim_number` is what the module wishes."""
        msisdn = parse_sender(sim_number, home_region) if sim_number else None
        named = self.by_number.get(msisdn.e164) if msisdn else None
        sim_id = self.sim_id or named
        return sim_id, None if sim_id else self.phone_id


@dataclass(frozen=True)
class StandIn:
    """One of them, as a round uses it."""

    record_id: int
    connection: str
    """Our name for the Odoo."""
    client: GatewayClient
    route: Route

    @property
    def actor(self) -> str:
        """Who does what is done for it."""
        return f"odoo {self.connection}"


def find_route(session: Session, pairing: Pairing, name: str) -> Route:
    """Find the SIMs that a pairing of the connection `name` means. Raises ConfigError where there are none."""
    query = select(SimRecord).where(SimRecord.active).order_by(SimRecord.id)
    if pairing.sim_id is not None:
        sim = session.get(SimRecord, pairing.sim_id)
        if sim is None:
            raise ConfigError(f"a phone of odoo.{name} is paired with SIM {pairing.sim_id}, which is not in the rack")
        return Route(sim.id, sim.phone_id, sim.slot_index)
    phone_id = None
    if pairing.phone_serial is not None:
        phone_id = session.scalar(
            select(PhoneRecord.id).where(
                PhoneRecord.removed_at.is_(None),
                (PhoneRecord.adb_serial == pairing.phone_serial)
                | (PhoneRecord.hardware_serial == pairing.phone_serial),
            )
        )
        if phone_id is None:
            raise ConfigError(
                f"a phone of odoo.{name} is paired with {pairing.phone_serial!r}, not a phone of the rack"
            )
        query = query.where(SimRecord.phone_id == phone_id)
    numbers = {sim.msisdn: sim.id for sim in session.scalars(query) if sim.msisdn}
    return Route(phone_id=phone_id, by_number=numbers)


def keep_record(session: Session, name: str, phone: ModulePhone) -> int:
    """Give the id of our record of a module phone; one that is new is told of what comes in from now on."""
    record = session.scalar(
        select(ModulePhoneRecord).where(ModulePhoneRecord.database == name, ModulePhoneRecord.module_id == phone.id)
    )
    if record is None:
        newest = session.scalar(select(func.max(InboundRecord.id))) or 0
        record = ModulePhoneRecord(database=name, module_id=phone.id, name=phone.name, first_inbound_id=newest + 1)
        session.add(record)
    record.name = phone.name
    session.flush()
    return record.id


def read_pulse(views: Sequence[PhoneView], route: Route) -> tuple[int | None, int | None]:
    """Give the battery (percent) and signal (dBm) of what a module phone stands for: the lowest of each."""
    batteries: list[int] = []
    signals: list[int] = []
    for view in views:
        if view.enrolled is None or view.health is None or route.phone_id not in (None, view.enrolled.phone_id):
            continue
        if view.health.battery_percent is not None:
            batteries.append(view.health.battery_percent)
        signals += [
            sim.signal_dbm
            for sim in view.health.sims
            if sim.signal_dbm is not None and route.slot_index in (None, sim.slot_index)
        ]
    return min(batteries, default=None), min(signals, default=None)
