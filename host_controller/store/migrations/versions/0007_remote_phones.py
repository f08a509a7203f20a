"""Phones that run the SMS Gateway app, the keys by which they say who they are, and what is leased to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from host_controller.store.models import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two new tables, until when an attempt is leased, and what apps tell of by phone, content and time."""
    op.create_table(
        "remote_phone",
        sa.Column("phone_id", sa.Integer(), nullable=False),
        sa.Column("heartbeat_limit_minutes", sa.Integer(), nullable=False),
        sa.Column("reissues", sa.Boolean(), nullable=False),
        sa.Column("heartbeat_at", UtcDateTime(), nullable=True),
        sa.Column("reconciled_at", UtcDateTime(), nullable=True),
        sa.Column("battery_percent", sa.Integer(), nullable=True),
        sa.Column("signal_dbm", sa.Integer(), nullable=True),
        sa.Column("unsynced_count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["phone_id"], ["phone.id"], name=op.f("fk_remote_phone_phone_id_phone")),
        sa.PrimaryKeyConstraint("phone_id", name=op.f("pk_remote_phone")),
    )
    op.create_table(
        "device_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("phone_id", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.Column("prefix", sa.String(length=8), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("calls_per_minute", sa.Integer(), nullable=False),
        sa.Column("parts_per_day", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=160), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_by", sa.String(length=160), nullable=True),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["phone_id"], ["phone.id"], name=op.f("fk_device_key_phone_id_phone")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_key")),
        sa.UniqueConstraint("digest", name=op.f("uq_device_key_digest")),
    )
    op.create_index("ix_device_key_phone_id", "device_key", ["phone_id"])
    op.add_column("attempt", sa.Column("lease_until", UtcDateTime(), nullable=True))
    op.create_index("ix_inbound_phone_id_body_sha256", "inbound", ["phone_id", "body_sha256"])
    op.create_index("ix_inbound_phone_id_received_at", "inbound", ["phone_id", "received_at", "id"])
