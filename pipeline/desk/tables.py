"""The desk's tables. What is asked for by value is a column; the rest of a record is its JSON in `body`.

Times are Unix seconds of the desk's clock, but `at_s`, `starts_at_s`, `ends_at_s` of alerts and events: event time.
A change here needs a migration beside it; a test compares the two.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)


class Words(TypeDecorator[str]):
    """Text that may be anybody's: PostgreSQL takes no NUL, and neither database takes half a surrogate pair."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return str(value).replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


Serial = BigInteger().with_variant(Integer(), "sqlite")  # SQLite counts only an INTEGER by itself

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

alerts = Table(
    "alerts",  # each alert as it stands: its newest episode
    metadata,
    Column("fingerprint", String(16), primary_key=True),
    Column("episode", String(64), nullable=False, index=True),
    Column("seq", Integer, nullable=False),
    Column("status", String(16), nullable=False, index=True),
    Column("level", String(16), nullable=False),
    Column("origin", String(16), nullable=False),
    Column("starts_at_s", Double, nullable=False),
    Column("first_seen_s", Double, nullable=False),
    Column("updated_s", Double, nullable=False),
    Column("expires_s", Double, index=True),  # of one that isn't from Kafka: it ends then unless it is seen again
    Column("body", LargeBinary, nullable=False),  # without evidence, which only few are asked for
    Column("evidence", LargeBinary),
)

events = Table(
    "events",  # every transition, as it came
    metadata,
    Column("episode", String(64), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("fingerprint", String(16), nullable=False, index=True),
    Column("at_s", Double, nullable=False),
    Column("seen_s", Double, nullable=False, index=True),
    Column("body", LargeBinary, nullable=False),
)

flaps = Table(
    "flaps",  # the last states of an alert
    metadata,
    Column("fingerprint", String(16), primary_key=True),
    Column("is_flapping", Boolean, nullable=False, index=True),
    Column("settles_s", Double),  # when it stops flapping if nothing changes
    Column("body", LargeBinary, nullable=False),
)

groups = Table(
    "groups",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("receiver", Words, nullable=False, index=True),
    Column("next_flush_s", Double, nullable=False, index=True),
    Column("body", LargeBinary, nullable=False),
)

members = Table(
    "members",
    metadata,
    Column("group_id", String(32), ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True),
    Column("fingerprint", String(16), primary_key=True, index=True),
    Column("episode", String(64), nullable=False),
    Column("joined_s", Double, nullable=False),
    Column("told_status", String(16)),
    Column("told_level", String(16)),
    Column("told_s", Double),
    Column("departed", Boolean, nullable=False),
    Column("muted", Words),
)

notifications = Table(
    "notifications",  # what was told; several integrations are told the same
    metadata,
    Column("id", Serial, primary_key=True),
    Column("notification", String(64), nullable=False),
    Column("group_id", String(32), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("receiver", Words, nullable=False),
    Column("number", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("at_s", Double, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("ix_notifications_receiver_at_s", "receiver", "at_s"),
    sqlite_autoincrement=True,
)

outbox = Table(
    "outbox",  # one line for each integration that a notification is for
    metadata,
    Column("id", Serial, primary_key=True),
    Column("integration", Words, nullable=False),
    Column("group_id", String(32), nullable=False),
    Column("notification_id", Serial, ForeignKey("notifications.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("status", String(16), nullable=False),  # due, sent, failed, replaced, skipped
    Column("life_s", Double, nullable=False),  # Group.first_seen_s: a group may end and come again
    Column("with_resolved", Boolean, nullable=False),  # whether the integration is told of ends
    Column("attempts", Integer, nullable=False),
    Column("created_s", Double, nullable=False),
    Column("due_s", Double, nullable=False),
    Column("deadline_s", Double),  # of sending, counted from the first attempt
    Column("owner", String(64)),  # whoever sends it now, until its lease ends
    Column("lease_until_s", Double),
    Column("settled_s", Double),
    Column("note", Words),
    Index("ix_outbox_status_integration_group_id", "status", "integration", "group_id"),
    Index("ix_outbox_settled_s", "settled_s"),
    sqlite_autoincrement=True,
)

handles = Table(
    "handles",  # what a notifier remembers of a group
    metadata,
    Column("group_id", String(32), primary_key=True),
    Column("integration", Words, primary_key=True),
    Column("life_s", Double, nullable=False),  # as in the outbox
    Column("updated_s", Double, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

decisions = Table(
    "decisions",  # why something was told, or wasn't
    metadata,
    Column("id", Serial, primary_key=True),
    Column("at_s", Double, nullable=False, index=True),
    Column("what", String(32), nullable=False),
    Column("text", Words, nullable=False),
    Column("episode", String(64), index=True),
    Column("fingerprint", String(16), index=True),
    Column("group_id", String(32), index=True),
    Column("receiver", Words),
    Column("integration", Words),
    Column("by", String(32)),
    Column("ref", Words),
    Index(
        "ix_decisions_muted",
        "by",
        "ref",
        "fingerprint",
        sqlite_where=text("what = 'muted'"),
        postgresql_where=text("what = 'muted'"),
    ),
    sqlite_autoincrement=True,
)

silences = Table(
    "silences",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("starts_at_s", Double, nullable=False),
    Column("ends_at_s", Double, nullable=False, index=True),
    Column("updated_at_s", Double, nullable=False),
    Column("reminded_s", Double),
    Column("body", LargeBinary, nullable=False),
)

acks = Table(
    "acks",  # acknowledgements and snoozes of one episode
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("episode", String(64), primary_key=True),
    Column("fingerprint", String(16), nullable=False),
    Column("at_s", Double, nullable=False),
    Column("until_s", Double),
    Column("by", Words, nullable=False),
    Column("comment", Words, nullable=False),
)

offsets = Table(
    "offsets",  # the next record of each partition that is to be read
    metadata,
    Column("topic", String(249), primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next_offset", BigInteger, nullable=False),
)

state = Table(
    "state",  # small things
    metadata,
    Column("key", String(128), primary_key=True),
    Column("value", Words, nullable=False),
)

incidents = Table(
    "incidents",
    metadata,
    Column("number", Serial, primary_key=True),
    Column("state", String(16), nullable=False, index=True),
    Column("severity", Integer, nullable=False),
    Column("rule", Words, nullable=False),
    Column("service", Words, nullable=False),
    Column("opened_s", Double, nullable=False, index=True),
    Column("updated_s", Double, nullable=False),
    Column("look_s", Double, index=True),  # when somebody has to look at it next; None: when it changes
    Column("body", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

parts = Table(
    "parts",  # episodes of alerts in incidents
    metadata,
    Column("incident", Serial, ForeignKey("incidents.number", ondelete="CASCADE"), primary_key=True),
    Column("episode", String(64), primary_key=True, index=True),
    Column("fingerprint", String(16), nullable=False, index=True),
    Column("left_s", Double),
    Column("updated_s", Double, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

timeline = Table(
    "timeline",  # append-only; each entry's hash has the one before in it
    metadata,
    Column("incident", Serial, ForeignKey("incidents.number", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("at_s", Double, nullable=False),
    Column("what", String(32), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("published", Boolean, nullable=False, index=True),  # whether the topic has it
    Column("body", LargeBinary, nullable=False),
)

escalations = Table(
    "escalations",  # how far a policy has come with an incident
    metadata,
    Column("incident", Serial, ForeignKey("incidents.number", ondelete="CASCADE"), primary_key=True),
    Column("policy", Words, primary_key=True),
    Column("next_s", Double, index=True),
    Column("body", LargeBinary, nullable=False),
)

pages = Table(
    "pages",  # who was told of an incident, so that they are told its end
    metadata,
    Column("id", Serial, primary_key=True),
    Column("incident", Serial, ForeignKey("incidents.number", ondelete="CASCADE"), nullable=False, index=True),
    Column("receiver", Words, nullable=False),
    Column("person", Words, nullable=False),
    Column("key", String(64), nullable=False, index=True),  # by which a pager service knows the incident
    Column("at_s", Double, nullable=False, index=True),
    Column("body", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

heard = Table(
    "heard",  # webhooks that were acted upon, so that one sent again does nothing
    metadata,
    Column("id", String(64), primary_key=True),
    Column("at_s", Double, nullable=False, index=True),
)

overrides = Table(
    "overrides",  # somebody is on call instead of somebody else
    metadata,
    Column("id", String(36), primary_key=True),
    Column("schedule", Words, nullable=False),
    Column("starts_at_s", Double, nullable=False),
    Column("ends_at_s", Double, nullable=False, index=True),
    Column("body", LargeBinary, nullable=False),
)

changes = Table(
    "changes",  # deployments and others, as they were announced
    metadata,
    Column("id", String(64), primary_key=True),
    Column("service", Words, nullable=False),
    Column("at_s", Double, nullable=False, index=True),
    Column("seen_s", Double, nullable=False, index=True),
    Column("body", LargeBinary, nullable=False),
)

acts = Table(
    "acts",  # what automation does: the intent is written before the act
    metadata,
    Column("id", String(32), primary_key=True),  # of incident, remedy, target and attempt
    Column("incident", Serial, ForeignKey("incidents.number", ondelete="CASCADE"), nullable=False, index=True),
    Column("remedy", Words, nullable=False),
    Column("target", Words, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("intended_s", Double, nullable=False, index=True),
    Column("next_s", Double, index=True),
    Column("owner", String(64)),  # whoever runs it now, until its lease ends
    Column("lease_until_s", Double),
    Column("body", LargeBinary, nullable=False),
)

tasks = Table(
    "tasks",  # checklists of roles, action items of reviews, updates that are due
    metadata,
    Column("id", Serial, primary_key=True),
    Column("incident", Serial, ForeignKey("incidents.number", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("owner", Words, nullable=False),
    Column("due_s", Double, index=True),
    Column("done_s", Double),
    Column("body", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

reviews = Table(
    "reviews",  # every version
    metadata,
    Column("incident", Serial, ForeignKey("incidents.number", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

controls = Table(
    "controls",  # what people said of alerts, on its way to the control topic
    metadata,
    Column("id", String(16), primary_key=True),
    Column("episode", String(64), nullable=False, index=True),
    Column("made_s", Double, nullable=False, index=True),
    Column("due_s", Double, index=True),  # when it is sent next; None: Kafka has it
    Column("attempts", Integer, nullable=False),
    Column("note", Words),  # why it was not sent
    Column("body", LargeBinary, nullable=False),
)
