"""Users, sessions, conversations, members, messages, batches, and the first epoch."""

import secrets
import time

import sqlalchemy as sa

from gochat.storage.steps import (
    ascii_text,
    create_index_if_missing,
    create_table_if_missing,
    drop_table_if_there,
    exact_bytes,
    insert_if_empty,
    key,
    long_text,
    number,
)

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None
oldest_code = "0001"


def upgrade() -> None:
    """Create everything."""
    _users()
    _conversations()
    _log()


def _users() -> None:
    create_table_if_missing(
        "users",
        key("id"),
        sa.Column("username", ascii_text(32), nullable=False),
        sa.Column("phone", ascii_text(20), nullable=True),
        sa.Column("password_hash", ascii_text(200), nullable=False),
        sa.Column("display_name", sa.String(100), nullable=False),
        sa.Column("avatar_url", sa.String(2000), nullable=True),
        sa.Column("about", sa.String(500), nullable=True),
        number("me_revision"),
        number("created_at"),
        sa.UniqueConstraint("username", name="uq_users_username"),
        sa.UniqueConstraint("phone", name="uq_users_phone"),
    )
    create_table_if_missing(
        "sessions",
        key("id"),
        number("user_id"),
        sa.Column("device_name", sa.String(100), nullable=True),
        sa.Column("device_platform", sa.String(50), nullable=True),
        sa.Column("device_app_version", sa.String(50), nullable=True),
        sa.Column("refresh_hash", exact_bytes(32), nullable=False),
        sa.Column("previous_hash", exact_bytes(32), nullable=True),
        number("rotated_at"),
        number("created_at"),
        number("last_seen_at"),
        number("expires_at"),
        number("revoked_at", nullable=True),
    )
    create_index_if_missing("ix_sessions_user", "sessions", ["user_id"])
    create_index_if_missing("ix_sessions_revoked", "sessions", ["revoked_at"])


def _conversations() -> None:
    create_table_if_missing(
        "conversations",
        key("id"),
        sa.Column("kind", ascii_text(8), nullable=False),
        sa.Column("title", sa.String(200), nullable=True),
        sa.Column("history", ascii_text(16), nullable=False),
        number("revision"),
        number("last_seq"),
        number("last_message_at"),
        sa.Column("member_count", sa.Integer(), nullable=False),
        number("created_at"),
        number("created_by"),
        sa.Column("unique_key", ascii_text(64), nullable=True),
        sa.Column("request_hash", exact_bytes(16), nullable=False),
        sa.UniqueConstraint("unique_key", name="uq_conversations_unique_key"),
    )
    create_table_if_missing(
        "members",
        key("user_id"),
        key("conversation_id"),
        sa.Column("role", ascii_text(8), nullable=False),
        sa.Column("active", sa.Integer(), nullable=False),
        number("revision"),
        number("joined_revision"),
        number("visible_from_seq"),
        number("delivered_seq"),
        number("read_seq"),
        number("skipped"),
        number("shown_delivered_seq"),
        number("shown_read_seq"),
        number("me_revision"),
    )
    create_index_if_missing("ix_members_conversation", "members", ["conversation_id", "user_id"])
    create_index_if_missing("ix_members_revision", "members", ["conversation_id", "revision"])
    create_table_if_missing(
        "messages",
        key("conversation_id"),
        key("seq"),
        number("revision"),
        number("sender_id"),
        sa.Column("client_message_id", exact_bytes(16), nullable=False),
        sa.Column("request_hash", exact_bytes(16), nullable=False),
        sa.Column("body", long_text(), nullable=True),
        sa.Column("attachments", long_text(), nullable=True),
        number("created_at"),
        number("edited_at", nullable=True),
        number("deleted_at", nullable=True),
        number("reply_to_seq", nullable=True),
        sa.UniqueConstraint("sender_id", "client_message_id", name="uq_messages_retry"),
    )
    create_index_if_missing("ix_messages_revision", "messages", ["conversation_id", "revision"])


def _log() -> None:
    create_table_if_missing(
        "batches",
        key("process_id"),
        key("n"),
        sa.Column("changes", long_text(), nullable=False),
        number("created_at"),
    )
    create_index_if_missing("ix_batches_created", "batches", ["created_at"])
    create_table_if_missing(
        "epochs",
        key("id"),
        sa.Column("epoch", ascii_text(32), nullable=False),
        number("created_at"),
    )
    first = {"id": 1, "epoch": secrets.token_hex(8), "created_at": time.time_ns() // 1_000_000}
    insert_if_empty("epochs", first)


def downgrade() -> None:
    """Drop everything."""
    for table in ("epochs", "batches", "messages", "members", "conversations", "sessions", "users"):
        drop_table_if_there(table)
