"""Incidents, their timelines, and what people and automation do about them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"

serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "changes",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("seen_s", sa.Double(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changes")),
    )
    op.create_index(op.f("ix_changes_at_s"), "changes", ["at_s"], unique=False)
    op.create_index(op.f("ix_changes_seen_s"), "changes", ["seen_s"], unique=False)
    op.create_table(
        "controls",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("episode", sa.String(length=64), nullable=False),
        sa.Column("made_s", sa.Double(), nullable=False),
        sa.Column("due_s", sa.Double(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_controls")),
    )
    op.create_index(op.f("ix_controls_due_s"), "controls", ["due_s"], unique=False)
    op.create_index(op.f("ix_controls_episode"), "controls", ["episode"], unique=False)
    op.create_index(op.f("ix_controls_made_s"), "controls", ["made_s"], unique=False)
    op.create_table(
        "incidents",
        sa.Column("number", serial, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("opened_s", sa.Double(), nullable=False),
        sa.Column("updated_s", sa.Double(), nullable=False),
        sa.Column("look_s", sa.Double(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_incidents")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_incidents_look_s"), "incidents", ["look_s"], unique=False)
    op.create_index(op.f("ix_incidents_opened_s"), "incidents", ["opened_s"], unique=False)
    op.create_index(op.f("ix_incidents_state"), "incidents", ["state"], unique=False)
    op.create_table(
        "heard",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_heard")),
    )
    op.create_index(op.f("ix_heard_at_s"), "heard", ["at_s"], unique=False)
    op.create_table(
        "overrides",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("schedule", sa.Text(), nullable=False),
        sa.Column("starts_at_s", sa.Double(), nullable=False),
        sa.Column("ends_at_s", sa.Double(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_overrides")),
    )
    op.create_index(op.f("ix_overrides_ends_at_s"), "overrides", ["ends_at_s"], unique=False)
    op.create_table(
        "acts",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("incident", serial, nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("intended_s", sa.Double(), nullable=False),
        sa.Column("next_s", sa.Double(), nullable=True),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until_s", sa.Double(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["incident"], ["incidents.number"], name=op.f("fk_acts_incident"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acts")),
    )
    op.create_index(op.f("ix_acts_incident"), "acts", ["incident"], unique=False)
    op.create_index(op.f("ix_acts_intended_s"), "acts", ["intended_s"], unique=False)
    op.create_index(op.f("ix_acts_next_s"), "acts", ["next_s"], unique=False)
    op.create_index(op.f("ix_acts_state"), "acts", ["state"], unique=False)
    op.create_table(
        "escalations",
        sa.Column("incident", serial, nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("next_s", sa.Double(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident"], ["incidents.number"], name=op.f("fk_escalations_incident"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("incident", "policy", name=op.f("pk_escalations")),
    )
    op.create_index(op.f("ix_escalations_next_s"), "escalations", ["next_s"], unique=False)
    op.create_table(
        "pages",
        sa.Column("id", serial, nullable=False),
        sa.Column("incident", serial, nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["incident"], ["incidents.number"], name=op.f("fk_pages_incident"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pages")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_pages_at_s"), "pages", ["at_s"], unique=False)
    op.create_index(op.f("ix_pages_incident"), "pages", ["incident"], unique=False)
    op.create_index(op.f("ix_pages_key"), "pages", ["key"], unique=False)
    op.create_table(
        "parts",
        sa.Column("incident", serial, nullable=False),
        sa.Column("episode", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=16), nullable=False),
        sa.Column("left_s", sa.Double(), nullable=True),
        sa.Column("updated_s", sa.Double(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["incident"], ["incidents.number"], name=op.f("fk_parts_incident"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("incident", "episode", name=op.f("pk_parts")),
    )
    op.create_index(op.f("ix_parts_episode"), "parts", ["episode"], unique=False)
    op.create_index(op.f("ix_parts_fingerprint"), "parts", ["fingerprint"], unique=False)
    op.create_table(
        "reviews",
        sa.Column("incident", serial, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident"], ["incidents.number"], name=op.f("fk_reviews_incident"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("incident", "version", name=op.f("pk_reviews")),
    )
    op.create_table(
        "tasks",
        sa.Column("id", serial, nullable=False),
        sa.Column("incident", serial, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("due_s", sa.Double(), nullable=True),
        sa.Column("done_s", sa.Double(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["incident"], ["incidents.number"], name=op.f("fk_tasks_incident"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_tasks_due_s"), "tasks", ["due_s"], unique=False)
    op.create_index(op.f("ix_tasks_incident"), "tasks", ["incident"], unique=False)
    op.create_table(
        "timeline",
        sa.Column("incident", serial, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("published", sa.Boolean(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident"], ["incidents.number"], name=op.f("fk_timeline_incident"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("incident", "seq", name=op.f("pk_timeline")),
    )
    op.create_index(op.f("ix_timeline_published"), "timeline", ["published"], unique=False)
