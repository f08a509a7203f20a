"""The rack as the pages and the API show it: live phones, the records of absent ones, and why messages wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from device_drivers.base import Check, SendWay, Verdict
from host_controller.consent.rules_care import WordEdit
from host_controller.fleet.phone import PhoneStatus, PhoneView
from host_controller.fleet.sim_limits import rack_sim
from host_controller.inbox.care import Rescanned
from host_controller.inbox.conversations import Conversation, Said
from host_controller.messaging.canary import CanaryView
from host_controller.messaging.held import Held, list_held
from host_controller.messaging.holds import Scope, weightiest
from host_controller.messaging.stale import StaleGroup
from host_controller.messaging.why import Explanation, on_record
from host_controller.messaging.why_queue import Group
from host_controller.rules.states import MessageState
from host_controller.rules.waiting import WaitReason
from host_controller.scheduler import JobView
from host_controller.store import queries
from host_controller.store.inbound_queries import InboundView, OptOutView
from host_controller.store.models import PhoneRecord
from host_controller.store.queries import EventView, MessageView, PhoneEventView
from web.odoo_views import ConnectionCard
from web.outlook import Outlook
from web.remote_views import KeyCard, RemoteCard
from web.services import Services
from web.sim_cards import Figures, SimCard, figures, sim_card


@dataclass(frozen=True)
class PhoneCard:
    """One phone."""

    serial: str
    hardware_serial: str | None
    manufacturer: str | None
    model: str | None
    android: str | None
    status: str
    advice: str | None
    waiting_for: str | None
    waiting_until: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    battery_percent: int | None
    battery_temperature_c: float | None
    battery_health: str | None
    charging: bool | None
    airplane_mode: bool | None
    usb_path: str | None
    send_only: bool
    send_way: str
    unproven: int
    """Messages in its hands whose proof is still to come."""
    sims: tuple[SimCard, ...]
    hold: Held | None = None
    """What holds the phone itself; what holds the whole rack is told once."""
    recipient_filter: str | None = None
    """Whom it may write to, in JSON; None for everybody."""


@dataclass(frozen=True)
class PhoneDetails:
    """A phone with its check list and its history."""

    phone: PhoneCard
    checks: tuple[Check, ...]
    events: tuple[PhoneEventView, ...]


@dataclass(frozen=True)
class Waiting:
    """Why queued messages wait, and until when where that is known."""

    reason: str | None = None
    until: datetime | None = None


def phone_cards(services: Services, session: Session) -> list[PhoneCard]:
    """Every phone in sight, then the enrolled ones that are not, by serial."""
    unproven = queries.unproven_by_phone(session)
    live = services.rack.phones() if services.rack else []
    known = queries.list_phones(session)
    seen = {view.identity.hardware_serial for view in live if view.identity}
    absent = [record for record in known if record.hardware_serial not in seen]
    spent = figures(services.spent, session, services.settings, live, absent, services.clock())
    cards = [_live_card(view, spent, unproven) for view in live]
    cards = [*cards, *(_absent_card(record, spent, unproven) for record in absent)]
    records: dict[str | None, PhoneRecord] = {record.hardware_serial: record for record in known}
    held = list_held(session)
    cards = [_with_record(card, records.get(card.hardware_serial), held) for card in cards]
    in_sight = {view.serial for view in live}
    cards = [_with_app(card, records.get(card.hardware_serial), is_live=card.serial in in_sight) for card in cards]
    return sorted(cards, key=lambda card: card.serial)


def outlook(services: Services, session: Session, queued: int) -> Outlook:
    """How much waits, and about when it will have gone."""
    live = services.rack.phones() if services.rack else []
    return services.forecast.outlook(session, queued, live, services.settings, services.clock(), services.ramp)


def phone_details(services: Services, session: Session, serial: str) -> PhoneDetails | None:
    """One phone by its ADB serial or hardware serial, or None."""
    cards = phone_cards(services, session)
    card = next((card for card in cards if serial in (card.serial, card.hardware_serial)), None)
    if card is None:
        return None
    live = services.rack.find(card.serial) if services.rack else None
    checks = live.view().checks if live else ()
    if not checks and card.hardware_serial:
        records = queries.phone_checks(session, card.hardware_serial)
        checks = tuple(Check(r.name, Verdict(r.verdict), r.finding, r.next_step) for r in records)
    events = queries.phone_events(session, card.hardware_serial) if card.hardware_serial else []
    return PhoneDetails(card, checks, tuple(events))


def weightiest_first(held: Sequence[Held]) -> list[Held]:
    """As a banner tells it."""
    return sorted(held, key=lambda hold: -hold.kind.weight)


def waiting(services: Services) -> Waiting:
    """Why the next message does not go out now."""
    ready = [p for p in (services.rack.phones() if services.rack else []) if p.status is PhoneStatus.READY]
    if not ready:
        return Waiting(WaitReason.NO_PHONE)
    if any(phone.waiting_for is None for phone in ready):
        return Waiting()
    first = min(ready, key=lambda phone: phone.waiting_until or datetime.max.replace(tzinfo=UTC))
    # A pause ends when a person ends it; until then the lane only looks again.
    return Waiting(first.waiting_for, None if first.waiting_for == WaitReason.PAUSED else first.waiting_until)


def _with_record(card: PhoneCard, record: PhoneRecord | None, held: Sequence[Held]) -> PhoneCard:
    """Add what a person has said of the phone, which the phone does not know."""
    if record is not None and record.recipient_filter:
        card = replace(card, recipient_filter=record.recipient_filter)

    def of(scope: Scope, target_id: int | None) -> Held | None:
        return weightiest(hold for hold in held if hold.scope is scope and hold.target_id == target_id)

    if not held:
        return card
    sims = tuple(replace(sim, hold=of(Scope.SIM, sim.id)) for sim in card.sims)
    return replace(card, sims=sims, hold=of(Scope.PHONE, record.id) if record else None)


def _live_card(view: PhoneView, known: Figures, unproven: dict[int, int]) -> PhoneCard:
    identity, enrolled, health = view.identity, view.enrolled, view.health
    radio = {sim.slot_index: sim for sim in health.sims} if health else {}
    return PhoneCard(
        serial=view.serial,
        hardware_serial=identity.hardware_serial if identity else None,
        manufacturer=identity.manufacturer if identity else None,
        model=identity.model if identity else None,
        android=identity.android_release if identity else None,
        status=view.status,
        advice=view.advice,
        waiting_for=view.waiting_for,
        waiting_until=view.waiting_until,
        last_error=view.last_error,
        last_error_at=view.last_error_at,
        battery_percent=health.battery_percent if health else None,
        battery_temperature_c=health.battery_temperature_c if health else None,
        battery_health=health.battery_health if health else None,
        charging=health.charging if health else None,
        airplane_mode=health.airplane_mode if health else None,
        usb_path=view.usb_path,
        send_only=bool(enrolled and not enrolled.can_read_sms),
        send_way=enrolled.send_way if enrolled else SendWay.ISMS,
        unproven=unproven.get(enrolled.phone_id, 0) if enrolled else 0,
        sims=tuple(sim_card(sim, radio.get(sim.sim.slot_index), known) for sim in enrolled.sims) if enrolled else (),
    )


def _absent_card(record: PhoneRecord, known: Figures, unproven: dict[int, int]) -> PhoneCard:
    return PhoneCard(
        serial=record.adb_serial,
        hardware_serial=record.hardware_serial,
        manufacturer=record.manufacturer,
        model=record.model,
        android=record.android_release,
        status=PhoneStatus.OFFLINE,
        advice="not in sight; check cable and hub, and that `smsrack run` is running",
        waiting_for=None,
        waiting_until=None,
        last_error=None,
        last_error_at=None,
        battery_percent=None,
        battery_temperature_c=None,
        battery_health=None,
        charging=None,
        airplane_mode=None,
        usb_path=record.usb_path,
        send_only=record.send_only,
        send_way=record.send_way,
        unproven=unproven.get(record.id, 0),
        sims=tuple(sim_card(rack_sim(sim), None, known) for sim in record.sims if sim.active),
    )


def _with_app(card: PhoneCard, record: PhoneRecord | None, *, is_live: bool) -> PhoneCard:
    """Say of a remote phone what its app said; of any other nothing more."""
    if record is None or record.remote is None:
        return card
    advice = card.advice if is_live else "it reaches nothing until `smsrack run` is running"
    return replace(card, send_way=record.send_way, battery_percent=record.remote.battery_percent, advice=advice)


def waits_for(view: MessageView, why: Waiting, now: datetime) -> Waiting:
    """Why a message does not go out now, where the next one of the queue waits for `why`."""
    if view.state is not MessageState.QUEUED:
        return Waiting()
    held = on_record(restored=view.restored, waiting_for=view.waiting_for, not_before=view.not_before, now=now)
    return Waiting(held.reason, held.until) if held else why


def groups(services: Services, session: Session, queued: int) -> tuple[Group, ...]:
    """What the messages of the queue wait for, the largest group first."""
    return services.queue_why.look(services.why, session, queued, services.clock())


def message_json(view: MessageView, why: Waiting, now: datetime) -> dict[str, Any]:
    """A message for the API; a queued one says what it waits for."""
    values = asdict(view)
    values["parts"] = values.pop("part_count")
    values["class"] = values.pop("message_class")
    del values["restored"], values["not_before"]
    own = waits_for(view, why, now)
    return as_json({**values, "waiting_for": own.reason, "waiting_until": own.until})


def as_json(
    value: PhoneCard
    | PhoneDetails
    | Held
    | CanaryView
    | JobView
    | EventView
    | InboundView
    | OptOutView
    | Rescanned
    | WordEdit
    | Conversation
    | Said
    | Explanation
    | StaleGroup
    | Group
    | RemoteCard
    | KeyCard
    | ConnectionCard
    | dict[str, Any],
) -> dict[str, Any]:
    """Plain JSON values; times as ISO 8601 in UTC."""
    values = value if isinstance(value, dict) else asdict(value)
    return {key: _plain(item) for key, item in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, dict):
        return as_json(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value
