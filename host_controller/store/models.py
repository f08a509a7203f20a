"""The tables. Their meaning, column by column, is in docs/tables.md; changes come with a migration."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC datetimes on every database; SQLite would hand back naive ones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times, store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without time zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Root of the tables."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map = {datetime: UtcDateTime(), str: Text()}  # noqa: RUF012 - SQLAlchemy's own attribute


class PhoneRecord(Base):
    """A handset that was enrolled."""

    __tablename__ = "phone"

    id: Mapped[int] = mapped_column(primary_key=True)
    hardware_serial: Mapped[str] = mapped_column(String(64), unique=True)
    adb_serial: Mapped[str] = mapped_column(String(128))
    manufacturer: Mapped[str]
    model: Mapped[str]
    android_release: Mapped[str]
    api_level: Mapped[int]
    build_fingerprint: Mapped[str]
    usb_path: Mapped[str | None] = mapped_column(String(64))
    boot_id: Mapped[str | None] = mapped_column(String(36))
    epoch: Mapped[int] = mapped_column(default=0)
    journal_checked: Mapped[bool] = mapped_column(default=True)
    send_only: Mapped[bool]
    send_way: Mapped[str] = mapped_column(String(16))
    capabilities: Mapped[dict[str, Any]] = mapped_column(JSON)
    guard_max_parts: Mapped[int]
    guard_interval_s: Mapped[float]
    guard_before: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    enrolled_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
    inbox_date_ms: Mapped[int] = mapped_column(BigInteger)
    inbox_row_id: Mapped[int | None]
    inbox_first_id: Mapped[int | None]
    inbox_seen_id: Mapped[int | None]
    recipient_filter: Mapped[str | None]
    sims: Mapped[list[SimRecord]] = relationship(back_populates="phone", order_by="SimRecord.slot_index")
    remote: Mapped[RemotePhoneRecord | None] = relationship(back_populates="phone")
    checks: Mapped[list[PhoneCheckRecord]] = relationship(
        order_by="PhoneCheckRecord.id", cascade="all, delete-orphan", passive_deletes=True
    )


class RemotePhoneRecord(Base):
    """What makes a phone a remote one: it runs the SMS Gateway app, which fetches messages and reports on them."""

    __tablename__ = "remote_phone"

    phone_id: Mapped[int] = mapped_column(ForeignKey("phone.id"), primary_key=True)
    heartbeat_limit_minutes: Mapped[int] = mapped_column(default=5)
    reissues: Mapped[bool] = mapped_column(default=False)
    heartbeat_at: Mapped[datetime | None]
    reconciled_at: Mapped[datetime | None]
    battery_percent: Mapped[int | None]
    signal_dbm: Mapped[int | None]
    unsynced_count: Mapped[int] = mapped_column(default=0)
    phone: Mapped[PhoneRecord] = relationship(back_populates="remote")


class DeviceKeyRecord(Base):
    """A key by which a remote phone says who it is. The key itself is nowhere: only its hash."""

    __tablename__ = "device_key"
    __table_args__ = (Index("ix_device_key_phone_id", "phone_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    phone_id: Mapped[int] = mapped_column(ForeignKey("phone.id"))
    label: Mapped[str] = mapped_column(String(64), default="")
    prefix: Mapped[str] = mapped_column(String(8))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    calls_per_minute: Mapped[int]
    parts_per_day: Mapped[int | None]
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(160))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str | None] = mapped_column(String(160))
    used_at: Mapped[datetime | None]
    phone: Mapped[PhoneRecord] = relationship()


class SimRecord(Base):
    """One subscription of a phone, with its limits."""

    __tablename__ = "sim"
    __table_args__ = (UniqueConstraint("phone_id", "slot_index", "subscription_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    phone_id: Mapped[int] = mapped_column(ForeignKey("phone.id"))
    slot_index: Mapped[int]
    subscription_id: Mapped[int]
    iccid: Mapped[str | None]
    operator: Mapped[str | None]
    msisdn: Mapped[str | None] = mapped_column(String(20))
    active: Mapped[bool]
    stopped: Mapped[str | None]
    parts_per_minute: Mapped[int]
    parts_per_day: Mapped[int | None]
    parts_per_hour: Mapped[int | None]
    parts_per_month: Mapped[int | None]
    recipients_per_month: Mapped[int | None]
    month_reset_day: Mapped[int] = mapped_column(default=1)
    jitter_percent: Mapped[int] = mapped_column(default=0)
    zone: Mapped[str | None] = mapped_column(String(64))
    phone: Mapped[PhoneRecord] = relationship(back_populates="sims")


class PhoneCheckRecord(Base):
    """One line of a phone's check list, as of its last enrolment."""

    __tablename__ = "phone_check"
    __table_args__ = (UniqueConstraint("phone_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    phone_id: Mapped[int] = mapped_column(ForeignKey("phone.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(32))
    verdict: Mapped[str] = mapped_column(String(8))
    finding: Mapped[str]
    next_step: Mapped[str | None]


class PhoneEvent(Base):
    """Something that happened to a phone: it came, moved, changed, was confirmed."""

    __tablename__ = "phone_event"
    __table_args__ = (Index("ix_phone_event_phone_id", "phone_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    phone_id: Mapped[int] = mapped_column(ForeignKey("phone.id"))
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(32))
    words: Mapped[str]
    actor: Mapped[str] = mapped_column(String(160))


class BatchRecord(Base):
    """Messages that belong together: one class, one window, held and released as one."""

    __tablename__ = "batch"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(128), unique=True)
    message_class: Mapped[str] = mapped_column(String(16))
    not_before: Mapped[datetime | None]
    not_after: Mapped[datetime | None]
    sim_mode: Mapped[str] = mapped_column(String(16), default="auto")
    sim_ids: Mapped[list[int]] = mapped_column(JSON, default=list)
    created_at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(160))


class HoldRecord(Base):
    """A person, or a fuse, lets something send nothing: since when, why, and who let it go on."""

    __tablename__ = "hold"
    __table_args__ = (Index("ix_hold_released_at", "released_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(String(8))
    target_id: Mapped[int | None]
    kind: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str]
    actor: Mapped[str] = mapped_column(String(160))
    at: Mapped[datetime]
    released_at: Mapped[datetime | None]
    released_by: Mapped[str | None] = mapped_column(String(160))


class RackRecord(Base):
    """The rack as a whole, in one row: when it could send last, and the last time in which it could not."""

    __tablename__ = "rack"

    id: Mapped[int] = mapped_column(primary_key=True)
    able_at: Mapped[datetime]
    outage_since: Mapped[datetime | None]
    outage_until: Mapped[datetime | None]


class RecipientRecord(Base):
    """A number that was written to, and the SIM that it knows."""

    __tablename__ = "recipient"

    msisdn: Mapped[str] = mapped_column(String(20), primary_key=True)
    sim_id: Mapped[int] = mapped_column(ForeignKey("sim.id"))
    last_at: Mapped[datetime]


# Conditions of partial indexes. A query says them word for word, since a database compares them, and no parameters.
_READY = "state = 'queued' AND waiting_for IS NULL"
READY = text(_READY)
READY_FREE = text(f"{_READY} AND only_sim_id IS NULL AND only_phone_id IS NULL")
READY_OF_SIM = text(f"{_READY} AND only_sim_id IS NOT NULL")
READY_OF_PHONE = text(f"{_READY} AND only_phone_id IS NOT NULL")
# An opt-out holds until it is lifted.
IN_FORCE = text("lifted_at IS NULL")
FORWARDED = text("may_forward")
ODOO_OPEN = text("done_at IS NULL")
WAITING = text("state = 'queued' AND waiting_for IS NOT NULL")
EXPIRING = text("state = 'queued' AND expires_at IS NOT NULL")
REPEATING = text("repeat_at IS NOT NULL")


class MessageRecord(Base):
    """One message to one number."""

    __tablename__ = "message"
    __table_args__ = (
        # The states are counted, the lists are read newest first.
        Index("ix_message_state_id", "state", "id"),
        # The heads of the queue: for any SIM, class by class; for one SIM or phone; and what is not looked at yet.
        Index("ix_message_ready_free", "message_class", "id", sqlite_where=READY_FREE, postgresql_where=READY_FREE),
        Index("ix_message_ready_of_sim", "only_sim_id", "id", sqlite_where=READY_OF_SIM, postgresql_where=READY_OF_SIM),
        Index(
            "ix_message_ready_of_phone",
            "only_phone_id",
            "id",
            sqlite_where=READY_OF_PHONE,
            postgresql_where=READY_OF_PHONE,
        ),
        Index("ix_message_waiting", "not_before", sqlite_where=WAITING, postgresql_where=WAITING),
        Index("ix_message_expiring", "expires_at", "id", sqlite_where=EXPIRING, postgresql_where=EXPIRING),
        Index("ix_message_batch_id_state", "batch_id", "state"),
        Index("ix_message_msisdn_state", "msisdn", "state"),
        Index("ix_message_changed_at", "changed_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uid: Mapped[int] = mapped_column(BigInteger, unique=True)
    ref: Mapped[str | None] = mapped_column(String(255), unique=True)
    brand: Mapped[str | None] = mapped_column(String(64))
    msisdn: Mapped[str] = mapped_column(String(20))
    text: Mapped[str]
    part_count: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    failure_code: Mapped[str | None] = mapped_column(String(32))
    error_message: Mapped[str | None]
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("batch.id"))
    message_class: Mapped[str] = mapped_column(String(16), default="transactional")
    only_phone_id: Mapped[int | None] = mapped_column(ForeignKey("phone.id"))
    only_sim_id: Mapped[int | None] = mapped_column(ForeignKey("sim.id"))
    sim_id: Mapped[int | None] = mapped_column(ForeignKey("sim.id"))
    not_before: Mapped[datetime | None]
    waiting_for: Mapped[str | None] = mapped_column(String(16))
    expires_at: Mapped[datetime | None]
    restored: Mapped[bool] = mapped_column(default=False)
    withdrawn: Mapped[bool] = mapped_column(default=False)
    answers_stop: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    sim: Mapped[SimRecord | None] = relationship(foreign_keys=[sim_id])
    batch: Mapped[BatchRecord | None] = relationship()


class MessageEvent(Base):
    """One change of a message's state: when, to what, by whom, why."""

    __tablename__ = "message_event"
    __table_args__ = (Index("ix_message_event_message_id", "message_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id"))
    at: Mapped[datetime]
    old_state: Mapped[str | None] = mapped_column(String(16))
    new_state: Mapped[str] = mapped_column(String(16))
    actor: Mapped[str] = mapped_column(String(160))
    reason: Mapped[str]


class AttemptRecord(Base):
    """One attempt to send a message; written before the phone is touched. Also the ledger of spent parts."""

    __tablename__ = "attempt"
    __table_args__ = (
        UniqueConstraint("message_id", "n"),
        # A row of a phone's sent box proves one attempt and no other.
        UniqueConstraint("phone_id", "sent_row_id", "sent_row_date_ms"),
        Index("ix_attempt_sim_id_intent_at", "sim_id", "intent_at"),
        Index("ix_attempt_phone_id_state", "phone_id", "state"),
        Index("ix_attempt_state_intent_at", "state", "intent_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id"))
    n: Mapped[int]
    wire_id: Mapped[int] = mapped_column(BigInteger, unique=True)
    phone_id: Mapped[int] = mapped_column(ForeignKey("phone.id"))
    sim_id: Mapped[int] = mapped_column(ForeignKey("sim.id"))
    part_count: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    intent_at: Mapped[datetime]
    phone_clock_ms: Mapped[int] = mapped_column(BigInteger)
    clock_offset_ms: Mapped[int | None] = mapped_column(BigInteger)
    boot_id: Mapped[str | None] = mapped_column(String(36))
    host: Mapped[str | None] = mapped_column(String(255))
    epoch: Mapped[int | None]
    lease_until: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    evidence: Mapped[str | None] = mapped_column(String(16))
    sent_row_id: Mapped[int | None]
    sent_row_date_ms: Mapped[int | None] = mapped_column(BigInteger)
    message: Mapped[MessageRecord] = relationship()
    sim: Mapped[SimRecord] = relationship()


class InboundRecord(Base):
    """One message that a phone received."""

    __tablename__ = "inbound"
    __table_args__ = (
        # Row ids are reused on Android: only all four together name a message. Of what an app tells of, see app_inbox.
        UniqueConstraint("phone_id", "row_id", "row_date_ms", "body_sha256"),
        Index("ix_inbound_phone_id_body_sha256", "phone_id", "body_sha256"),
        Index("ix_inbound_phone_id_received_at", "phone_id", "received_at", "id"),
        Index("ix_inbound_msisdn", "msisdn"),
        # Conversations: the newest message of each.
        Index("ix_inbound_peer", "peer", "id"),
        Index("ix_inbound_stop_received_at", "stop", "received_at"),
        # What connections to elsewhere may take.
        Index("ix_inbound_forwarded", "stored_at", sqlite_where=FORWARDED, postgresql_where=FORWARDED),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    phone_id: Mapped[int] = mapped_column(ForeignKey("phone.id"))
    sim_id: Mapped[int | None] = mapped_column(ForeignKey("sim.id"))
    row_id: Mapped[int]
    row_date_ms: Mapped[int] = mapped_column(BigInteger)
    body_sha256: Mapped[str] = mapped_column(String(64))
    sender: Mapped[str]
    msisdn: Mapped[str | None] = mapped_column(String(20))
    peer: Mapped[str]
    text: Mapped[str]
    received_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    stored_at: Mapped[datetime]
    stop: Mapped[str] = mapped_column(String(16))
    stop_rule: Mapped[str | None] = mapped_column(String(16))
    stop_word: Mapped[str | None] = mapped_column(String(64))
    decision: Mapped[str | None] = mapped_column(String(8))
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None] = mapped_column(String(160))
    may_forward: Mapped[bool] = mapped_column(default=False)
    read_at: Mapped[datetime | None]
    phone: Mapped[PhoneRecord] = relationship()
    sim: Mapped[SimRecord | None] = relationship()


class StopWordRecord(Base):
    """A word that an operator has added to a list of STOP words, or taken out of it."""

    __tablename__ = "stop_word"
    # No id is given out twice: what undoes an edit names it by its id.
    __table_args__ = (UniqueConstraint("listed_in", "word"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    listed_in: Mapped[str] = mapped_column(String(16))
    word: Mapped[str] = mapped_column(String(64))
    is_added: Mapped[bool]
    actor: Mapped[str] = mapped_column(String(160))
    created_at: Mapped[datetime]


class ConsentRuleRecord(Base):
    """What an operator has chosen about what comes in."""

    __tablename__ = "consent_rule"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[str]
    actor: Mapped[str] = mapped_column(String(160))
    changed_at: Mapped[datetime]


class OptOutRecord(Base):
    """A number that must not be written to, or must not have been until it was lifted; and what says so."""

    __tablename__ = "opt_out"
    __table_args__ = (
        # What the person, an operator and Odoo have set stand beside each other; each is lifted by itself.
        Index(
            "ix_opt_out_msisdn",
            "msisdn",
            "brand",
            "source",
            unique=True,
            sqlite_where=IN_FORCE,
            postgresql_where=IN_FORCE,
        ),
        Index("ix_opt_out_created_at", "created_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    msisdn: Mapped[str] = mapped_column(String(20))
    brand: Mapped[str] = mapped_column(String(64), default="")
    source: Mapped[str] = mapped_column(String(32))
    inbound_id: Mapped[int | None] = mapped_column(ForeignKey("inbound.id"))
    rule: Mapped[str | None] = mapped_column(String(16))
    word: Mapped[str | None] = mapped_column(String(64))
    note: Mapped[str | None]
    actor: Mapped[str] = mapped_column(String(160))
    created_at: Mapped[datetime]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None] = mapped_column(String(160))
    lift_reason: Mapped[str | None]
    inbound: Mapped[InboundRecord | None] = relationship()


class OdooSmsRecord(Base):
    """A row of an Odoo's `sms.sms` that we hold, and what Odoo has heard of it."""

    __tablename__ = "odoo_sms"
    __table_args__ = (
        UniqueConstraint("database", "uuid"),
        Index("ix_odoo_sms_reported", "database", "reported"),
        Index("ix_odoo_sms_repeat_at", "database", "repeat_at", sqlite_where=REPEATING, postgresql_where=REPEATING),
        Index("ix_odoo_sms_message_id", "message_id"),
        Index("ix_odoo_sms_module_phone_id", "module_phone_id", "reported"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    database: Mapped[str] = mapped_column(String(128))
    sms_id: Mapped[int | None]
    uuid: Mapped[str] = mapped_column(String(32))
    mailing_id: Mapped[int | None]
    number: Mapped[str | None]
    body: Mapped[str | None]
    claim: Mapped[str | None] = mapped_column(String(16))
    claimed_at: Mapped[datetime | None]
    message_id: Mapped[int | None] = mapped_column(ForeignKey("message.id"))
    refusal: Mapped[str | None] = mapped_column(String(32))
    reported: Mapped[str | None] = mapped_column(String(32))
    reported_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    posted_at: Mapped[datetime | None]
    repeat_at: Mapped[datetime | None]
    agreed_at: Mapped[datetime | None]
    discrepancy: Mapped[str | None] = mapped_column(String(32))
    module_phone_id: Mapped[int | None] = mapped_column(ForeignKey("module_phone.id"))
    sim_number: Mapped[str | None] = mapped_column(String(32))
    retries: Mapped[int] = mapped_column(default=0)


class OdooObjectRecord(Base):
    """One thing that is kept in step with an Odoo database, and how far that is."""

    __tablename__ = "odoo_object"
    __table_args__ = (UniqueConstraint("connection", "object"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    connection: Mapped[str] = mapped_column(String(32))
    object: Mapped[str] = mapped_column(String(32))
    succeeded_at: Mapped[datetime | None]
    behind_since: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None]
    next_at: Mapped[datetime | None]
    cursor: Mapped[str | None]


class OdooLeaseRecord(Base):
    """Our right to take over what waits in an Odoo, as we last wrote it there."""

    __tablename__ = "odoo_lease"

    database: Mapped[str] = mapped_column(String(128), primary_key=True)
    chain: Mapped[str] = mapped_column(String(16))
    beat: Mapped[str] = mapped_column(String(16))
    next_beat: Mapped[str] = mapped_column(String(16))


class OdooCursorRecord(Base):
    """How far one kind of an Odoo's records was read, by the time at which Odoo wrote them."""

    __tablename__ = "odoo_cursor"

    database: Mapped[str] = mapped_column(String(128), primary_key=True)
    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    written_at: Mapped[datetime | None]
    seen_at: Mapped[datetime]


class OdooBlacklistRecord(Base):
    """A row of an Odoo's `phone.blacklist`, as we saw it last."""

    __tablename__ = "odoo_blacklist"
    __table_args__ = (UniqueConstraint("database", "msisdn"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    database: Mapped[str] = mapped_column(String(128))
    msisdn: Mapped[str] = mapped_column(String(20))
    odoo_id: Mapped[int]
    is_active: Mapped[bool]
    is_theirs: Mapped[bool]
    written_at: Mapped[datetime]


class OdooOutboxRecord(Base):
    """Something that an Odoo is to be told, in the order of each record's rows."""

    __tablename__ = "odoo_outbox"
    __table_args__ = (
        UniqueConstraint("database", "kind", "inbound_id"),
        Index(
            "ix_odoo_outbox_open",
            "database",
            "kind",
            "record",
            sqlite_where=ODOO_OPEN,
            postgresql_where=ODOO_OPEN,
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    database: Mapped[str] = mapped_column(String(128))
    kind: Mapped[str] = mapped_column(String(16))
    record: Mapped[str] = mapped_column(String(64))
    inbound_id: Mapped[int | None] = mapped_column(ForeignKey("inbound.id"))
    created_at: Mapped[datetime]
    tries: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime | None]
    error: Mapped[str | None]
    done_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(16))
    inbound: Mapped[InboundRecord | None] = relationship()


class OdooPartnerRecord(Base):
    """A contact of an Odoo, for choosing recipients."""

    __tablename__ = "odoo_partner"
    __table_args__ = (
        UniqueConstraint("database", "odoo_id"),
        Index("ix_odoo_partner_msisdn", "database", "msisdn"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    database: Mapped[str] = mapped_column(String(128))
    odoo_id: Mapped[int]
    name: Mapped[str]
    msisdn: Mapped[str] = mapped_column(String(20))
    email: Mapped[str | None]
    lang: Mapped[str | None] = mapped_column(String(16))
    country: Mapped[str | None] = mapped_column(String(2))
    city: Mapped[str | None]
    categories: Mapped[list[int]] = mapped_column(JSON)
    is_company: Mapped[bool]
    is_active: Mapped[bool]
    written_at: Mapped[datetime]


class OdooOrderRecord(Base):
    """An order of an Odoo's shop or till, for choosing recipients."""

    __tablename__ = "odoo_order"
    __table_args__ = (
        UniqueConstraint("database", "model", "odoo_id"),
        Index("ix_odoo_order_partner", "database", "partner_id", "ordered_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    database: Mapped[str] = mapped_column(String(128))
    model: Mapped[str] = mapped_column(String(64))
    odoo_id: Mapped[int]
    name: Mapped[str]
    partner_id: Mapped[int]
    ordered_at: Mapped[datetime | None]
    total_milli: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(String(8))
    state: Mapped[str] = mapped_column(String(32))
    written_at: Mapped[datetime]


class ModulePhoneRecord(Base):
    """A phone of the module `sms_gateway` in an Odoo, for which we stand."""

    __tablename__ = "module_phone"
    __table_args__ = (UniqueConstraint("database", "module_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    database: Mapped[str] = mapped_column(String(128))
    module_id: Mapped[int]
    name: Mapped[str]
    first_inbound_id: Mapped[int]
    heartbeat_at: Mapped[datetime | None]


class ModuleInboundRecord(Base):
    """A received message that the module is told of; written before it is told."""

    __tablename__ = "module_inbound"
    __table_args__ = (
        UniqueConstraint("module_phone_id", "inbound_id"),
        Index("ix_module_inbound_inbound_id", "inbound_id"),
        Index("ix_module_inbound_told", "module_phone_id", "told"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    module_phone_id: Mapped[int] = mapped_column(ForeignKey("module_phone.id"))
    inbound_id: Mapped[int] = mapped_column(ForeignKey("inbound.id"))
    copies: Mapped[int]
    tries: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime]
    told: Mapped[str | None] = mapped_column(String(16))
    blacklisted: Mapped[bool] = mapped_column(default=False)


def table_columns() -> dict[str, list[str]]:
    """Give every table's columns, for the check that docs/tables.md names them all."""
    tables: dict[str, Any] = Base.metadata.tables
    return {name: [column.name for column in table.columns] for name, table in tables.items()}
