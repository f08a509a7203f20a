"""How far each thing is in step with an Odoo, and what a report to one needs: a wait, a repetition, a second look."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from host_controller.store.models import REPEATING, UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One new table; an SMS that Odoo sends to us comes without the id of its row."""
    op.create_table(
        "odoo_object",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("connection", sa.String(length=32), nullable=False),
        sa.Column("object", sa.String(length=32), nullable=False),
        sa.Column("succeeded_at", UtcDateTime(), nullable=True),
        sa.Column("behind_since", UtcDateTime(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("next_at", UtcDateTime(), nullable=True),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_odoo_object")),
        sa.UniqueConstraint("connection", "object", name=op.f("uq_odoo_object_connection_object")),
    )
    with op.batch_alter_table("odoo_sms") as batch_op:
        batch_op.alter_column("sms_id", existing_type=sa.Integer(), nullable=True)
        batch_op.add_column(sa.Column("answered_at", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("posted_at", UtcDateTime(), nullable=True))
        batch_op.add_column(sa.Column("repeat_at", UtcDateTime(), nullable=True))
    op.create_index(
        "ix_odoo_sms_repeat_at",
        "odoo_sms",
        ["database", "repeat_at"],
        sqlite_where=REPEATING,
        postgresql_where=REPEATING,
    )
