"""The desk's first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None

serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "acks",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("episode", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=16), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("until_s", sa.Double(), nullable=True),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "episode", name=op.f("pk_acks")),
    )
    op.create_table(
        "alerts",
        sa.Column("fingerprint", sa.String(length=16), nullable=False),
        sa.Column("episode", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("starts_at_s", sa.Double(), nullable=False),
        sa.Column("first_seen_s", sa.Double(), nullable=False),
        sa.Column("updated_s", sa.Double(), nullable=False),
        sa.Column("expires_s", sa.Double(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_alerts")),
    )
    op.create_index(op.f("ix_alerts_episode"), "alerts", ["episode"], unique=False)
    op.create_index(op.f("ix_alerts_expires_s"), "alerts", ["expires_s"], unique=False)
    op.create_index(op.f("ix_alerts_status"), "alerts", ["status"], unique=False)
    op.create_table(
        "decisions",
        sa.Column("id", serial, nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("episode", sa.String(length=64), nullable=True),
        sa.Column("fingerprint", sa.String(length=16), nullable=True),
        sa.Column("group_id", sa.String(length=32), nullable=True),
        sa.Column("receiver", sa.Text(), nullable=True),
        sa.Column("integration", sa.Text(), nullable=True),
        sa.Column("by", sa.String(length=32), nullable=True),
        sa.Column("ref", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_decisions_at_s"), "decisions", ["at_s"], unique=False)
    op.create_index(op.f("ix_decisions_episode"), "decisions", ["episode"], unique=False)
    op.create_index(op.f("ix_decisions_fingerprint"), "decisions", ["fingerprint"], unique=False)
    op.create_index(op.f("ix_decisions_group_id"), "decisions", ["group_id"], unique=False)
    op.create_index(
        "ix_decisions_muted",
        "decisions",
        ["by", "ref", "fingerprint"],
        unique=False,
        sqlite_where=sa.text("what = 'muted'"),
        postgresql_where=sa.text("what = 'muted'"),
    )
    op.create_table(
        "events",
        sa.Column("episode", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(length=16), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("seen_s", sa.Double(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("episode", "seq", name=op.f("pk_events")),
    )
    op.create_index(op.f("ix_events_fingerprint"), "events", ["fingerprint"], unique=False)
    op.create_index(op.f("ix_events_seen_s"), "events", ["seen_s"], unique=False)
    op.create_table(
        "flaps",
        sa.Column("fingerprint", sa.String(length=16), nullable=False),
        sa.Column("is_flapping", sa.Boolean(), nullable=False),
        sa.Column("settles_s", sa.Double(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_flaps")),
    )
    op.create_index(op.f("ix_flaps_is_flapping"), "flaps", ["is_flapping"], unique=False)
    op.create_table(
        "groups",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("next_flush_s", sa.Double(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_groups")),
    )
    op.create_index(op.f("ix_groups_next_flush_s"), "groups", ["next_flush_s"], unique=False)
    op.create_index(op.f("ix_groups_receiver"), "groups", ["receiver"], unique=False)
    op.create_table(
        "handles",
        sa.Column("group_id", sa.String(length=32), nullable=False),
        sa.Column("integration", sa.Text(), nullable=False),
        sa.Column("life_s", sa.Double(), nullable=False),
        sa.Column("updated_s", sa.Double(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "integration", name=op.f("pk_handles")),
    )
    op.create_table(
        "notifications",
        sa.Column("id", serial, nullable=False),
        sa.Column("notification", sa.String(length=64), nullable=False),
        sa.Column("group_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_notifications_group_id"), "notifications", ["group_id"], unique=False)
    op.create_index("ix_notifications_receiver_at_s", "notifications", ["receiver", "at_s"], unique=False)
    op.create_table(
        "offsets",
        sa.Column("topic", sa.String(length=249), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", name=op.f("pk_offsets")),
    )
    op.create_table(
        "silences",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("starts_at_s", sa.Double(), nullable=False),
        sa.Column("ends_at_s", sa.Double(), nullable=False),
        sa.Column("updated_at_s", sa.Double(), nullable=False),
        sa.Column("reminded_s", sa.Double(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silences")),
    )
    op.create_index(op.f("ix_silences_ends_at_s"), "silences", ["ends_at_s"], unique=False)
    op.create_table(
        "state",
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_state")),
    )
    op.create_table(
        "members",
        sa.Column("group_id", sa.String(length=32), nullable=False),
        sa.Column("fingerprint", sa.String(length=16), nullable=False),
        sa.Column("episode", sa.String(length=64), nullable=False),
        sa.Column("joined_s", sa.Double(), nullable=False),
        sa.Column("told_status", sa.String(length=16), nullable=True),
        sa.Column("told_level", sa.String(length=16), nullable=True),
        sa.Column("told_s", sa.Double(), nullable=True),
        sa.Column("departed", sa.Boolean(), nullable=False),
        sa.Column("muted", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_members_group_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("group_id", "fingerprint", name=op.f("pk_members")),
    )
    op.create_index(op.f("ix_members_fingerprint"), "members", ["fingerprint"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", serial, nullable=False),
        sa.Column("integration", sa.Text(), nullable=False),
        sa.Column("group_id", sa.String(length=32), nullable=False),
        sa.Column("notification_id", serial, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("life_s", sa.Double(), nullable=False),
        sa.Column("with_resolved", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_s", sa.Double(), nullable=False),
        sa.Column("due_s", sa.Double(), nullable=False),
        sa.Column("deadline_s", sa.Double(), nullable=True),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until_s", sa.Double(), nullable=True),
        sa.Column("settled_s", sa.Double(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["notification_id"], ["notifications.id"], name=op.f("fk_outbox_notification_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_outbox_notification_id"), "outbox", ["notification_id"], unique=False)
    op.create_index("ix_outbox_settled_s", "outbox", ["settled_s"], unique=False)
    op.create_index(
        "ix_outbox_status_integration_group_id", "outbox", ["status", "integration", "group_id"], unique=False
    )
