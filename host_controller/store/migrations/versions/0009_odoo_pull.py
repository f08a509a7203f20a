"""Which mailing an Odoo's SMS belongs to, how its claim stands, where Odoo disagrees with us, and our lease there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from host_controller.store.models import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Five columns and a table."""
    op.add_column("odoo_sms", sa.Column("mailing_id", sa.Integer(), nullable=True))
    op.add_column("odoo_sms", sa.Column("claim", sa.String(length=16), nullable=True))
    op.add_column("odoo_sms", sa.Column("claimed_at", UtcDateTime(), nullable=True))
    op.add_column("odoo_sms", sa.Column("agreed_at", UtcDateTime(), nullable=True))
    op.add_column("odoo_sms", sa.Column("discrepancy", sa.String(length=32), nullable=True))
    op.create_table(
        "odoo_lease",
        sa.Column("database", sa.String(length=128), nullable=False),
        sa.Column("chain", sa.String(length=16), nullable=False),
        sa.Column("beat", sa.String(length=16), nullable=False),
        sa.Column("next_beat", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("database", name=op.f("pk_odoo_lease")),
    )
