"""What the dispatcher needs to know: batches, classes, holds, outages, more limits of a SIM, and filters of phones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_READY = "state = 'queued' AND waiting_for IS NULL"
_INDEXES = {
    "ready_free": (["message_class", "id"], f"{_READY} AND only_sim_id IS NULL AND only_phone_id IS NULL"),
    "ready_of_sim": (["only_sim_id", "id"], f"{_READY} AND only_sim_id IS NOT NULL"),
    "ready_of_phone": (["only_phone_id", "id"], f"{_READY} AND only_phone_id IS NOT NULL"),
    "waiting": (["not_before"], "state = 'queued' AND waiting_for IS NOT NULL"),
    "expiring": (["expires_at", "id"], "state = 'queued' AND expires_at IS NOT NULL"),
}


def upgrade() -> None:
    """What was queued before belongs to no batch, and counts as transactional."""
    op.create_table(
        "batch",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("message_class", sa.String(16), nullable=False),
        sa.Column("not_before", _TIME),
        sa.Column("not_after", _TIME),
        sa.Column("sim_mode", sa.String(16), nullable=False),
        sa.Column("sim_ids", sa.JSON(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("actor", sa.String(160), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_batch"),
        sa.UniqueConstraint("name", name="uq_batch_name"),
    )
    op.create_table(
        "hold",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("scope", sa.String(8), nullable=False),
        sa.Column("target_id", sa.Integer()),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(160), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("released_at", _TIME),
        sa.Column("released_by", sa.String(160)),
        sa.PrimaryKeyConstraint("id", name="pk_hold"),
    )
    op.create_index("ix_hold_released_at", "hold", ["released_at"])
    op.create_table(
        "rack",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("able_at", _TIME, nullable=False),
        sa.Column("outage_since", _TIME),
        sa.Column("outage_until", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_rack"),
    )
    op.create_table(
        "recipient",
        sa.Column("msisdn", sa.String(20), nullable=False),
        sa.Column("sim_id", sa.Integer(), nullable=False),
        sa.Column("last_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("msisdn", name="pk_recipient"),
        sa.ForeignKeyConstraint(["sim_id"], ["sim.id"], name="fk_recipient_sim_id"),
    )
    op.add_column("phone", sa.Column("recipient_filter", sa.Text()))
    op.add_column("sim", sa.Column("parts_per_hour", sa.Integer()))
    op.add_column("sim", sa.Column("parts_per_month", sa.Integer()))
    op.add_column("sim", sa.Column("recipients_per_month", sa.Integer()))
    op.add_column("sim", sa.Column("month_reset_day", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("sim", sa.Column("jitter_percent", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("sim", sa.Column("zone", sa.String(64)))
    _add_columns_of_message()


def _add_columns_of_message() -> None:
    # Alembic adds no column with a foreign key to a table of SQLite, which itself can.
    for column, table in (("batch_id", "batch"), ("only_phone_id", "phone")):
        constraint = f"CONSTRAINT fk_message_{column} REFERENCES {table} (id)"
        op.execute(f"ALTER TABLE message ADD COLUMN {column} INTEGER {constraint}")
    op.add_column("message", sa.Column("message_class", sa.String(16), nullable=False, server_default="transactional"))
    op.add_column("message", sa.Column("waiting_for", sa.String(16)))
    op.add_column("message", sa.Column("expires_at", _TIME))
    op.add_column("message", sa.Column("withdrawn", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE message SET waiting_for = 'retry' WHERE state = 'queued' AND not_before IS NOT NULL")
    for name, (columns, condition) in _INDEXES.items():
        where = sa.text(condition)
        op.create_index(f"ix_message_{name}", "message", columns, sqlite_where=where, postgresql_where=where)
    op.create_index("ix_message_batch_id_state", "message", ["batch_id", "state"])
