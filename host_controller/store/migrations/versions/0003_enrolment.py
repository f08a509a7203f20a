"""What an enrolment finds out about a phone, what happens to it, and messages for one SIM."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

from host_controller.store.models import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# What the first versions knew how to drive: the next enrolment finds out the rest.
_CAPABILITIES = json.dumps(
    {
        "shell": "shell_v2",
        "text_code": None,
        "multipart_code": None,
        "codes_from": None,
        "can_read_sms": True,
        "has_journal": False,
        "has_radio_log": False,
    }
)


def upgrade() -> None:
    """Add columns one by one: SQLite would have to drop and refill a table that others refer to."""
    for column in (
        sa.Column("usb_path", sa.String(length=64), nullable=True),
        sa.Column("boot_id", sa.String(length=36), nullable=True),
        sa.Column("send_only", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("send_way", sa.String(length=16), nullable=False, server_default="isms"),
        sa.Column("capabilities", sa.JSON(), nullable=False, server_default=_CAPABILITIES),
        sa.Column("guard_before", sa.JSON(), nullable=True),
        sa.Column("removed_at", UtcDateTime(), nullable=True),
    ):
        op.add_column("phone", column)
    op.drop_column("phone", "can_read_sms")
    op.add_column("sim", sa.Column("msisdn", sa.String(length=20), nullable=True))
    op.add_column("sim", sa.Column("stopped", sa.Text(), nullable=True))
    op.execute("ALTER TABLE message ADD COLUMN only_sim_id INTEGER REFERENCES sim (id)")
    op.create_table(
        "phone_check",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("phone_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("verdict", sa.String(length=8), nullable=False),
        sa.Column("finding", sa.Text(), nullable=False),
        sa.Column("next_step", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["phone_id"], ["phone.id"], name=op.f("fk_phone_check_phone_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_phone_check")),
        sa.UniqueConstraint("phone_id", "name", name=op.f("uq_phone_check_phone_id_name")),
    )
    op.create_table(
        "phone_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("phone_id", sa.Integer(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=160), nullable=False),
        sa.ForeignKeyConstraint(["phone_id"], ["phone.id"], name=op.f("fk_phone_event_phone_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_phone_event")),
    )
    op.create_index("ix_phone_event_phone_id", "phone_event", ["phone_id", "id"])
