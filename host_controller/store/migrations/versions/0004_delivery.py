"""What the delivery promise needs to know of an attempt, of a message and of a phone's journal."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Attempts of before name no start of their phone: the journal proves nothing about them."""
    op.add_column("attempt", sa.Column("host", sa.String(length=255), nullable=True))
    op.add_column("attempt", sa.Column("epoch", sa.Integer(), nullable=True))
    op.add_column("attempt", sa.Column("boot_id", sa.String(length=36), nullable=True))
    op.add_column("attempt", sa.Column("clock_offset_ms", sa.BigInteger(), nullable=True))
    op.add_column("attempt", sa.Column("evidence", sa.String(length=16), nullable=True))
    op.add_column("message", sa.Column("not_before", sa.DateTime(timezone=True), nullable=True))
    op.add_column("message", sa.Column("restored", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("phone", sa.Column("epoch", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("phone", sa.Column("journal_checked", sa.Boolean(), nullable=False, server_default=sa.true()))
