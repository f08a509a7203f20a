"""Phones of Odoo's module `sms_gateway` for which we stand: their SMS, and what they are told to have received."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from host_controller.store.models import UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two new tables, through which phone a row of `sms.sms` came, and how often it was queued again there."""
    op.create_table(
        "module_phone",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("database", sa.String(length=128), nullable=False),
        sa.Column("module_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("first_inbound_id", sa.Integer(), nullable=False),
        sa.Column("heartbeat_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_module_phone")),
        sa.UniqueConstraint("database", "module_id", name=op.f("uq_module_phone_database_module_id")),
    )
    op.create_table(
        "module_inbound",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("module_phone_id", sa.Integer(), nullable=False),
        sa.Column("inbound_id", sa.Integer(), nullable=False),
        sa.Column("copies", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=False),
        sa.Column("told", sa.String(length=16), nullable=True),
        sa.Column("blacklisted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["module_phone_id"], ["module_phone.id"], name=op.f("fk_module_inbound_module_phone_id_module_phone")
        ),
        sa.ForeignKeyConstraint(["inbound_id"], ["inbound.id"], name=op.f("fk_module_inbound_inbound_id_inbound")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_module_inbound")),
        sa.UniqueConstraint("module_phone_id", "inbound_id", name=op.f("uq_module_inbound_module_phone_id_inbound_id")),
    )
    op.create_index("ix_module_inbound_inbound_id", "module_inbound", ["inbound_id"])
    op.create_index("ix_module_inbound_told", "module_inbound", ["module_phone_id", "told"])
    with op.batch_alter_table("odoo_sms", schema=None) as batch_op:
        batch_op.add_column(sa.Column("module_phone_id", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("sim_number", sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column("retries", sa.Integer(), nullable=False, server_default="0"))
        batch_op.create_foreign_key(
            op.f("fk_odoo_sms_module_phone_id_module_phone"), "module_phone", ["module_phone_id"], ["id"]
        )
        batch_op.create_index("ix_odoo_sms_module_phone_id", ["module_phone_id", "reported"])
