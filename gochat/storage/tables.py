"""The tables. Rows stay in storage: they are no domain objects, and nothing validates them.

Times are integer milliseconds UTC: no zone, no lost fraction, the same on every database. Keys
compare binary.
"""

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.dialects import mysql
from sqlmodel import Field, SQLModel

_UTF8 = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


def _bytes(length: int) -> Any:
    """Exactly that many bytes."""
    return LargeBinary(length).with_variant(mysql.BINARY(length), "mysql")


def _ascii(length: int) -> Any:
    """Short text that is never typed by a person: one byte a character, compared by byte."""
    return String(length).with_variant(mysql.VARCHAR(length, charset="ascii", collation="ascii_bin"), "mysql")


def _text() -> Any:
    """Text of any length that we allow."""
    return Text().with_variant(mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql")


def _key(name: str | None = None) -> Any:
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


def _big(*, nullable: bool = False) -> Any:
    return Column(BigInteger, nullable=nullable)


class UserRow(SQLModel, table=True):
    """One account. `me_revision` counts what changed for this user alone.

    `profile_revision` is that at which he last decided about himself: his name, his settings, his blocks.
    """

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("username", name="uq_users_username"),
        UniqueConstraint("phone", name="uq_users_phone"),
        _UTF8,
    )

    id: int = Field(sa_column=_key())
    username: str = Field(sa_column=Column(_ascii(32), nullable=False))
    phone: str | None = Field(default=None, sa_column=Column(_ascii(20), nullable=True))
    password_hash: str = Field(sa_column=Column(_ascii(200), nullable=False))
    display_name: str = Field(sa_column=Column(String(100), nullable=False))
    avatar_url: str | None = Field(default=None, sa_column=Column(String(2000), nullable=True))
    about: str | None = Field(default=None, sa_column=Column(String(500), nullable=True))
    me_revision: int = Field(sa_column=_big())
    profile_revision: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    presence_hidden: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    created_at: int = Field(sa_column=_big())


class BlockRow(SQLModel, table=True):
    """One user has blocked another."""

    __tablename__ = "blocks"
    __table_args__ = (Index("ix_blocks_blocked", "blocked_id", "user_id"), _UTF8)

    user_id: int = Field(sa_column=_key())
    blocked_id: int = Field(sa_column=_key())
    created_at: int = Field(sa_column=_big())


class SessionRow(SQLModel, table=True):
    """One login on one device. The hashes are of its newest refresh token and of the one before."""

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_user", "user_id"), Index("ix_sessions_revoked", "revoked_at"), _UTF8)

    id: int = Field(sa_column=_key())
    user_id: int = Field(sa_column=_big())
    device_name: str | None = Field(default=None, sa_column=Column(String(100), nullable=True))
    device_platform: str | None = Field(default=None, sa_column=Column(String(50), nullable=True))
    device_app_version: str | None = Field(default=None, sa_column=Column(String(50), nullable=True))
    refresh_hash: bytes = Field(sa_column=Column(_bytes(32), nullable=False))
    previous_hash: bytes | None = Field(default=None, sa_column=Column(_bytes(32), nullable=True))
    rotated_at: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    """Written by the code of revision 0001 only; to be dropped once nobody runs that any more."""
    created_at: int = Field(sa_column=_big())
    last_seen_at: int = Field(sa_column=_big())
    expires_at: int = Field(sa_column=_big())
    revoked_at: int | None = Field(default=None, sa_column=_big(nullable=True))


class ConversationRow(SQLModel, table=True):
    """One conversation. Its lock orders everything in it."""

    __tablename__ = "conversations"
    __table_args__ = (UniqueConstraint("unique_key", name="uq_conversations_unique_key"), _UTF8)

    id: int = Field(sa_column=_key())
    kind: str = Field(sa_column=Column(_ascii(8), nullable=False))
    title: str | None = Field(default=None, sa_column=Column(String(200), nullable=True))
    history: str = Field(sa_column=Column(_ascii(16), nullable=False))
    revision: int = Field(sa_column=_big())
    last_seq: int = Field(sa_column=_big())
    last_message_at: int = Field(sa_column=_big())
    member_count: int = Field(sa_column=Column(Integer, nullable=False))
    created_at: int = Field(sa_column=_big())
    created_by: int = Field(sa_column=_big())
    unique_key: str | None = Field(default=None, sa_column=Column(_ascii(64), nullable=True))
    request_hash: bytes = Field(sa_column=Column(_bytes(16), nullable=False))
    blocked: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))


class MemberRow(SQLModel, table=True):
    """One user's standing in one conversation; never deleted."""

    __tablename__ = "members"
    __table_args__ = (
        Index("ix_members_conversation", "conversation_id", "user_id"),
        Index("ix_members_revision", "conversation_id", "revision"),
        _UTF8,
    )

    user_id: int = Field(sa_column=_key())
    conversation_id: int = Field(sa_column=_key())
    role: str = Field(sa_column=Column(_ascii(8), nullable=False))
    active: int = Field(sa_column=Column(Integer, nullable=False))
    revision: int = Field(sa_column=_big())
    joined_revision: int = Field(sa_column=_big())
    visible_from_seq: int = Field(sa_column=_big())
    delivered_seq: int = Field(sa_column=_big())
    read_seq: int = Field(sa_column=_big())
    skipped: int = Field(sa_column=_big())
    shown_delivered_seq: int = Field(sa_column=_big())
    shown_read_seq: int = Field(sa_column=_big())
    me_revision: int = Field(sa_column=_big())


class MessageRow(SQLModel, table=True):
    """One message. The primary key keeps a conversation together and in order."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("sender_id", "client_message_id", name="uq_messages_retry"),
        Index("ix_messages_revision", "conversation_id", "revision"),
        _UTF8,
    )

    conversation_id: int = Field(sa_column=_key())
    seq: int = Field(sa_column=_key())
    revision: int = Field(sa_column=_big())
    sender_id: int = Field(sa_column=_big())
    client_message_id: bytes = Field(sa_column=Column(_bytes(16), nullable=False))
    request_hash: bytes = Field(sa_column=Column(_bytes(16), nullable=False))
    body: str | None = Field(default=None, sa_column=Column(_text(), nullable=True))
    attachments: str | None = Field(default=None, sa_column=Column(_text(), nullable=True))
    created_at: int = Field(sa_column=_big())
    edited_at: int | None = Field(default=None, sa_column=_big(nullable=True))
    deleted_at: int | None = Field(default=None, sa_column=_big(nullable=True))
    reply_to_seq: int | None = Field(default=None, sa_column=_big(nullable=True))


class BatchRow(SQLModel, table=True):
    """One committed batch of one process: proof that it committed, and the outbox of what it changed."""

    __tablename__ = "batches"
    __table_args__ = (Index("ix_batches_created", "created_at"), _UTF8)

    process_id: int = Field(sa_column=_key())
    n: int = Field(sa_column=_key())
    changes: str = Field(sa_column=Column(_text(), nullable=False))
    created_at: int = Field(sa_column=_big())


class EpochRow(SQLModel, table=True):
    """One row: which history this database tells. Another one means that some of it was lost."""

    __tablename__ = "epochs"
    __table_args__ = (_UTF8,)

    id: int = Field(sa_column=_key())
    epoch: str = Field(sa_column=Column(_ascii(32), nullable=False))
    created_at: int = Field(sa_column=_big())


class SchemaMarkRow(SQLModel, table=True):
    """One row: the oldest revision whose code may run on this schema."""

    __tablename__ = "schema_marks"
    __table_args__ = (_UTF8,)

    id: int = Field(sa_column=_key())
    oldest_code: str = Field(sa_column=Column(_ascii(32), nullable=False))
