"""Odoo's SMS."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from host_controller.store.models import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "odoo_sms",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("database", sa.String(length=128), nullable=False),
        sa.Column("sms_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("message_id", sa.Integer(), nullable=True),
        sa.Column("refusal", sa.String(length=32), nullable=True),
        sa.Column("reported", sa.String(length=32), nullable=True),
        sa.Column("reported_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_odoo_sms_message_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_odoo_sms")),
        sa.UniqueConstraint("database", "uuid", name=op.f("uq_odoo_sms_database_uuid")),
    )
    with op.batch_alter_table("odoo_sms", schema=None) as batch_op:
        batch_op.create_index("ix_odoo_sms_message_id", ["message_id"], unique=False)
        batch_op.create_index("ix_odoo_sms_reported", ["database", "reported"], unique=False)
