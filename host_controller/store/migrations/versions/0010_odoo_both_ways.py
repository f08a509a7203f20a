"""What goes both ways with Odoo: its blacklist, what it is to be told, its contacts and orders."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from host_controller.store.models import FORWARDED, ODOO_OPEN, UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Five tables, and an index of the inbound messages that may leave this host."""
    op.create_index(
        "ix_inbound_forwarded", "inbound", ["stored_at"], sqlite_where=FORWARDED, postgresql_where=FORWARDED
    )
    op.create_table(
        "odoo_cursor",
        sa.Column("database", sa.String(length=128), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("written_at", UtcDateTime(), nullable=True),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("database", "model", name=op.f("pk_odoo_cursor")),
    )
    op.create_table(
        "odoo_blacklist",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("database", sa.String(length=128), nullable=False),
        sa.Column("msisdn", sa.String(length=20), nullable=False),
        sa.Column("odoo_id", sa.Integer(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("is_theirs", sa.Boolean(), nullable=False),
        sa.Column("written_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_odoo_blacklist")),
        sa.UniqueConstraint("database", "msisdn", name=op.f("uq_odoo_blacklist_database_msisdn")),
    )
    op.create_table(
        "odoo_outbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("database", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("record", sa.String(length=64), nullable=False),
        sa.Column("inbound_id", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("done_at", UtcDateTime(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(["inbound_id"], ["inbound.id"], name=op.f("fk_odoo_outbox_inbound_id_inbound")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_odoo_outbox")),
        sa.UniqueConstraint("database", "kind", "inbound_id", name=op.f("uq_odoo_outbox_database_kind_inbound_id")),
    )
    op.create_index(
        "ix_odoo_outbox_open",
        "odoo_outbox",
        ["database", "kind", "record"],
        sqlite_where=ODOO_OPEN,
        postgresql_where=ODOO_OPEN,
    )
    op.create_table(
        "odoo_partner",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("database", sa.String(length=128), nullable=False),
        sa.Column("odoo_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("msisdn", sa.String(length=20), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("lang", sa.String(length=16), nullable=True),
        sa.Column("country", sa.String(length=2), nullable=True),
        sa.Column("city", sa.Text(), nullable=True),
        sa.Column("categories", sa.JSON(), nullable=False),
        sa.Column("is_company", sa.Boolean(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("written_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_odoo_partner")),
        sa.UniqueConstraint("database", "odoo_id", name=op.f("uq_odoo_partner_database_odoo_id")),
    )
    op.create_index("ix_odoo_partner_msisdn", "odoo_partner", ["database", "msisdn"])
    op.create_table(
        "odoo_order",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("database", sa.String(length=128), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("odoo_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("partner_id", sa.Integer(), nullable=False),
        sa.Column("ordered_at", UtcDateTime(), nullable=True),
        sa.Column("total_milli", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=8), nullable=True),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("written_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_odoo_order")),
        sa.UniqueConstraint("database", "model", "odoo_id", name=op.f("uq_odoo_order_database_model_odoo_id")),
    )
    op.create_index("ix_odoo_order_partner", "odoo_order", ["database", "partner_id", "ordered_at"])
