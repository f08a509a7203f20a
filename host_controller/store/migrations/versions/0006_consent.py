"""How a reply was judged, opt-outs that are lifted instead of deleted, and where the reading of an inbox stands."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from host_controller.store.models import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing refers to the old opt-outs: they are moved into a table that keeps lifted ones too."""
    op.add_column("phone", sa.Column("inbox_first_id", sa.Integer(), nullable=True))
    op.add_column("phone", sa.Column("inbox_seen_id", sa.Integer(), nullable=True))
    # Until the next reading, whatever is stored counts as read to its end.
    op.execute("UPDATE phone SET inbox_seen_id = (SELECT max(id) FROM inbound)")
    op.add_column("message", sa.Column("brand", sa.String(length=64), nullable=True))
    op.add_column("message", sa.Column("answers_stop", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "stop_word",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("listed_in", sa.String(length=16), nullable=False),
        sa.Column("word", sa.String(length=64), nullable=False),
        sa.Column("is_added", sa.Boolean(), nullable=False),
        sa.Column("actor", sa.String(length=160), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stop_word")),
        sa.UniqueConstraint("listed_in", "word", name=op.f("uq_stop_word_listed_in_word")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "consent_rule",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=160), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_consent_rule")),
    )
    for column in (
        sa.Column("msisdn", sa.String(length=20), nullable=True),
        sa.Column("peer", sa.Text(), nullable=False, server_default=""),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("stop_rule", sa.String(length=16), nullable=True),
        sa.Column("stop_word", sa.String(length=64), nullable=True),
        sa.Column("decision", sa.String(length=8), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=True),
        sa.Column("decided_by", sa.String(length=160), nullable=True),
        # What came before there was a rule stays where it is.
        sa.Column("may_forward", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("read_at", UtcDateTime(), nullable=True),
    ):
        op.add_column("inbound", column)
    op.create_index("ix_inbound_msisdn", "inbound", ["msisdn"])
    # There was nothing to mark a message as read with: what is old is not new to anybody.
    op.execute("UPDATE inbound SET peer = sender, read_at = stored_at")
    op.drop_index("ix_inbound_sender", "inbound")
    op.create_index("ix_inbound_peer", "inbound", ["peer", "id"])
    op.create_index("ix_inbound_stop_received_at", "inbound", ["stop", "received_at"])
    # Not renamed: its constraints would keep their names, which the new table wants.
    op.execute("CREATE TABLE opt_out_before AS SELECT id, msisdn, source, inbound_id, actor, created_at FROM opt_out")
    op.drop_table("opt_out")
    op.create_table(
        "opt_out",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("msisdn", sa.String(length=20), nullable=False),
        sa.Column("brand", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("inbound_id", sa.Integer(), nullable=True),
        sa.Column("rule", sa.String(length=16), nullable=True),
        sa.Column("word", sa.String(length=64), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("actor", sa.String(length=160), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("lifted_at", UtcDateTime(), nullable=True),
        sa.Column("lifted_by", sa.String(length=160), nullable=True),
        sa.Column("lift_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["inbound_id"], ["inbound.id"], name=op.f("fk_opt_out_inbound_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opt_out")),
    )
    op.execute(
        "INSERT INTO opt_out (id, msisdn, brand, source, inbound_id, actor, created_at)"
        " SELECT id, msisdn, '', source, inbound_id, actor, created_at FROM opt_out_before"
    )
    op.drop_table("opt_out_before")
    if op.get_bind().dialect.name == "postgresql":
        last = "coalesce((SELECT max(id) FROM opt_out), 1)"
        op.execute(f"SELECT setval(pg_get_serial_sequence('opt_out', 'id'), {last})")
    in_force = sa.text("lifted_at IS NULL")
    op.create_index(
        "ix_opt_out_msisdn",
        "opt_out",
        ["msisdn", "brand", "source"],
        unique=True,
        sqlite_where=in_force,
        postgresql_where=in_force,
    )
    op.create_index("ix_opt_out_created_at", "opt_out", ["created_at"])
