"""Users, sessions, conversations, members, messages, batches, and the first epoch."""

import secrets
import time
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

UTF8 = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def _bytes(length: int) -> Any:
    return sa.LargeBinary(length).with_variant(mysql.BINARY(length), "mysql")


def _ascii(length: int) -> Any:
    return sa.String(length).with_variant(
        mysql.VARCHAR(length, charset="ascii", collation="ascii_bin"), "mysql"
    )


def _text() -> Any:
    return sa.Text().with_variant(mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql")


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), primary_key=True, autoincrement=False)


def _big(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def upgrade() -> None:
    """Create everything."""
    _users()
    _conversations()
    _log()


def _users() -> None:
    op.create_table(
        "users",
        _key("id"),
        sa.Column("username", _ascii(32), nullable=False),
        sa.Column("phone", _ascii(20), nullable=True),
        sa.Column("password_hash", _ascii(200), nullable=False),
        sa.Column("display_name", sa.String(100), nullable=False),
        sa.Column("avatar_url", sa.String(2000), nullable=True),
        sa.Column("about", sa.String(500), nullable=True),
        _big("me_revision"),
        _big("created_at"),
        sa.UniqueConstraint("username", name="uq_users_username"),
        sa.UniqueConstraint("phone", name="uq_users_phone"),
        **UTF8,
    )
    op.create_table(
        "sessions",
        _key("id"),
        _big("user_id"),
        sa.Column("device_name", sa.String(100), nullable=True),
        sa.Column("device_platform", sa.String(50), nullable=True),
        sa.Column("device_app_version", sa.String(50), nullable=True),
        sa.Column("refresh_hash", _bytes(32), nullable=False),
        sa.Column("previous_hash", _bytes(32), nullable=True),
        _big("rotated_at"),
        _big("created_at"),
        _big("last_seen_at"),
        _big("expires_at"),
        _big("revoked_at", nullable=True),
        **UTF8,
    )
    op.create_index("ix_sessions_user", "sessions", ["user_id"])
    op.create_index("ix_sessions_revoked", "sessions", ["revoked_at"])


def _conversations() -> None:
    op.create_table(
        "conversations",
        _key("id"),
        sa.Column("kind", _ascii(8), nullable=False),
        sa.Column("title", sa.String(200), nullable=True),
        sa.Column("history", _ascii(16), nullable=False),
        _big("revision"),
        _big("last_seq"),
        _big("last_message_at"),
        sa.Column("member_count", sa.Integer(), nullable=False),
        _big("created_at"),
        _big("created_by"),
        sa.Column("unique_key", _ascii(64), nullable=True),
        sa.Column("request_hash", _bytes(16), nullable=False),
        sa.UniqueConstraint("unique_key", name="uq_conversations_unique_key"),
        **UTF8,
    )
    op.create_table(
        "members",
        _key("user_id"),
        _key("conversation_id"),
        sa.Column("role", _ascii(8), nullable=False),
        sa.Column("active", sa.Integer(), nullable=False),
        _big("revision"),
        _big("joined_revision"),
        _big("visible_from_seq"),
        _big("delivered_seq"),
        _big("read_seq"),
        _big("skipped"),
        _big("shown_delivered_seq"),
        _big("shown_read_seq"),
        _big("me_revision"),
        **UTF8,
    )
    op.create_index("ix_members_conversation", "members", ["conversation_id", "user_id"])
    op.create_index("ix_members_revision", "members", ["conversation_id", "revision"])
    op.create_table(
        "messages",
        _key("conversation_id"),
        _key("seq"),
        _big("revision"),
        _big("sender_id"),
        sa.Column("client_message_id", _bytes(16), nullable=False),
        sa.Column("request_hash", _bytes(16), nullable=False),
        sa.Column("body", _text(), nullable=True),
        sa.Column("attachments", _text(), nullable=True),
        _big("created_at"),
        _big("edited_at", nullable=True),
        _big("deleted_at", nullable=True),
        _big("reply_to_seq", nullable=True),
        sa.UniqueConstraint("sender_id", "client_message_id", name="uq_messages_retry"),
        **UTF8,
    )
    op.create_index("ix_messages_revision", "messages", ["conversation_id", "revision"])


def _log() -> None:
    op.create_table(
        "batches",
        _key("process_id"),
        _key("n"),
        sa.Column("changes", _text(), nullable=False),
        _big("created_at"),
        **UTF8,
    )
    op.create_index("ix_batches_created", "batches", ["created_at"])
    epochs = op.create_table(
        "epochs",
        _key("id"),
        sa.Column("epoch", _ascii(32), nullable=False),
        _big("created_at"),
        **UTF8,
    )
    first = {"id": 1, "epoch": secrets.token_hex(8), "created_at": time.time_ns() // 1_000_000}
    op.bulk_insert(epochs, [first])


def downgrade() -> None:
    """Drop everything."""
    for table in ("epochs", "batches", "messages", "members", "conversations", "sessions", "users"):
        op.drop_table(table)
