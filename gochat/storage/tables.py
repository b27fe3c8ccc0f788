"""The tables, declared once. Statements are made of them, and so is the way of each row to and from core
(`rows.py`); Alembic compares a database with them. A column is a field of core's class, a line here, and a
migration.

Rows stay in storage: they are no domain objects, and nothing validates them. Times are integer milliseconds
UTC: no zone, no lost fraction, the same on every database. Keys compare binary.
"""

from enum import Enum, auto
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import mysql
from sqlmodel import Field, SQLModel

METADATA = SQLModel.metadata
"""All tables."""

_UTF8 = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}


class Type(Enum):
    """How a column's value travels in a JSON parameter; each column has it as `info["type"]`."""

    NUMBER = auto()
    TEXT = auto()
    KEY = auto()
    """Short ASCII text, compared by byte."""
    HEX = auto()
    """Bytes."""


def _column(kind: Any, type_: Type, **options: Any) -> Any:
    options.setdefault("nullable", False)
    return Field(sa_column=Column(kind, info={"type": type_}, **options))


def _key() -> Any:
    """A part of the primary key."""
    return _column(BigInteger, Type.NUMBER, primary_key=True, autoincrement=False)


def _big(**options: Any) -> Any:
    """An id, a time, a seq or a revision."""
    return _column(BigInteger, Type.NUMBER, **options)


def _small(**options: Any) -> Any:
    """A count, or whether something is so."""
    return _column(Integer, Type.NUMBER, **options)


def _bytes(length: int, **options: Any) -> Any:
    """Exactly that many bytes."""
    return _column(LargeBinary(length).with_variant(mysql.BINARY(length), "mysql"), Type.HEX, **options)


def _ascii(length: int, **options: Any) -> Any:
    """Short text that is never typed by a person: one byte a character, compared by byte."""
    kind = String(length).with_variant(mysql.VARCHAR(length, charset="ascii", collation="ascii_bin"), "mysql")
    return _column(kind, Type.KEY, **options)


def _words(length: int, **options: Any) -> Any:
    """What a person types, at most that many characters."""
    return _column(String(length), Type.TEXT, **options)


def _text(**options: Any) -> Any:
    """Text of any length that we allow."""
    kind = Text().with_variant(mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_bin"), "mysql")
    return _column(kind, Type.TEXT, **options)


class UserRow(SQLModel, table=True):
    """One account. `me_revision` counts what changed for this user alone.

    `profile_revision` is that at which they last decided about themselves: name, settings, blocks.
    """

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("username", name="uq_users_username"),
        UniqueConstraint("phone", name="uq_users_phone"),
        Index("ix_users_deletes", "deletes_at"),
        Index("ix_users_updated", "updated_at"),
        _UTF8,
    )

    id: int = _key()
    username: str = _words(32)
    phone: str | None = _ascii(20, nullable=True)
    password_hash: str = _ascii(200)
    display_name: str = _words(100)
    avatar_url: str | None = _words(2000, nullable=True)
    about: str | None = _words(500, nullable=True)
    me_revision: int = _big()
    profile_revision: int = _big(server_default="0")
    presence_hidden: int = _small(server_default="0")
    who_can_add: str = _ascii(8, server_default="everyone")
    data: str | None = _text(nullable=True)
    receipts_hidden: int = _small(server_default="0")
    discoverable_by_phone: int = _small(server_default="0")
    terms_version: str | None = _words(32, nullable=True)
    muted_until: int | None = _big(nullable=True)
    disabled_at: int | None = _big(nullable=True)
    """When an operator closed the account."""
    deletes_at: int | None = _big(nullable=True)
    """When the user's wish to be deleted is carried out; while it is, and until it is done, in the past."""
    deleted: int = _small(server_default="0")
    revision: int = _big(server_default="0")
    """How often changed what others see."""
    updated_at: int = _big(server_default="0")
    """When it last did; 0: never."""
    created_at: int = _big()


class ResetCodeRow(SQLModel, table=True):
    """A code that an operator gave a user, to set the password anew: once."""

    __tablename__ = "reset_codes"
    __table_args__ = (Index("ix_reset_codes_hash", "code_hash"), _UTF8)

    user_id: int = _key()
    code_hash: bytes = _bytes(32)
    expires_at: int = _big()


class ReportRow(SQLModel, table=True):
    """What a user told the operator of another, or of a message, which is kept here as it was."""

    __tablename__ = "reports"
    __table_args__ = (
        UniqueConstraint("reporter_id", "client_report_id", name="uq_reports_retry"),
        Index("ix_reports_created", "created_at"),
        _UTF8,
    )

    id: int = _key()
    reporter_id: int = _big()
    client_report_id: bytes = _bytes(16)
    user_id: int = _big()
    conversation_id: int | None = _big(nullable=True)
    seq: int | None = _big(nullable=True)
    reason: str = _ascii(16)
    comment: str | None = _words(1000, nullable=True)
    snapshot: str | None = _text(nullable=True)
    created_at: int = _big()
    resolved_at: int | None = _big(nullable=True)
    resolution: str | None = _words(500, nullable=True)


class ServerKeyRow(SQLModel, table=True):
    """A key of the team's own backend."""

    __tablename__ = "server_keys"
    __table_args__ = (UniqueConstraint("key_hash", name="uq_server_keys_hash"), _UTF8)

    id: int = _key()
    name: str = _words(100)
    key_hash: bytes = _bytes(32)
    scopes: str = _ascii(200)
    created_at: int = _big()
    used_at: int | None = _big(nullable=True)
    revoked_at: int | None = _big(nullable=True)


class ForeignUserRow(SQLModel, table=True):
    """Who a user is to somebody else, who vouches for them: an issuer of tokens, or the team's backend."""

    __tablename__ = "foreign_users"
    __table_args__ = (Index("ix_foreign_users_user", "user_id"), _UTF8)

    issuer: str = _ascii(200, primary_key=True)
    subject: str = _words(200, primary_key=True)
    user_id: int = _big()


class BlockRow(SQLModel, table=True):
    """One user has blocked another."""

    __tablename__ = "blocks"
    __table_args__ = (Index("ix_blocks_blocked", "blocked_id", "user_id"), _UTF8)

    user_id: int = _key()
    blocked_id: int = _key()
    created_at: int = _big()


class BanRow(SQLModel, table=True):
    """Somebody is banned from a group. `banned_by` is null where whoever runs the server did it."""

    __tablename__ = "bans"
    __table_args__ = (Index("ix_bans_user", "user_id"), _UTF8)

    conversation_id: int = _key()
    user_id: int = _key()
    banned_by: int | None = _big(nullable=True)
    created_at: int = _big()


class SessionRow(SQLModel, table=True):
    """One login on one device. The hashes are of its newest refresh token and of the one before.

    The newest follows from the one before by `refresh_seed`, since `refresh_seeded_at`.
    """

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_user", "user_id"), Index("ix_sessions_revoked", "revoked_at"), _UTF8)

    id: int = _key()
    user_id: int = _big()
    device_name: str | None = _words(100, nullable=True)
    device_platform: str | None = _words(50, nullable=True)
    device_app_version: str | None = _words(50, nullable=True)
    installation_id: bytes | None = _bytes(16, nullable=True)
    refresh_hash: bytes = _bytes(32)
    previous_hash: bytes | None = _bytes(32, nullable=True)
    refresh_seed: bytes | None = _bytes(16, nullable=True)
    refresh_seeded_at: int | None = _big(nullable=True)
    rotated_at: int = _big(server_default="0")
    """Written by the code of revision 0001 only; to be dropped once nobody runs that any more."""
    created_at: int = _big()
    last_seen_at: int = _big()
    expires_at: int = _big()
    revoked_at: int | None = _big(nullable=True)


class ConversationRow(SQLModel, table=True):
    """One conversation. Its lock orders everything in it."""

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("unique_key", name="uq_conversations_unique_key"),
        Index("ix_conversations_creator", "created_by"),
        _UTF8,
    )

    id: int = _key()
    kind: str = _ascii(8)
    title: str | None = _words(200, nullable=True)
    history: str = _ascii(16)
    revision: int = _big()
    last_seq: int = _big()
    last_message_at: int = _big()
    member_count: int = _small()
    created_at: int = _big()
    created_by: int = _big()
    unique_key: str | None = _ascii(64, nullable=True)
    request_hash: bytes = _bytes(16)
    blocked: int = _small(server_default="0")
    extras: str | None = _text(nullable=True)


class MemberRow(SQLModel, table=True):
    """One user's standing in one conversation; never deleted."""

    __tablename__ = "members"
    __table_args__ = (
        Index("ix_members_conversation", "conversation_id", "user_id"),
        Index("ix_members_revision", "conversation_id", "revision"),
        _UTF8,
    )

    user_id: int = _key()
    conversation_id: int = _key()
    role: str = _ascii(8)
    active: int = _small()
    revision: int = _big()
    joined_revision: int = _big()
    visible_from_seq: int = _big()
    delivered_seq: int = _big()
    read_seq: int = _big()
    skipped: int = _big()
    shown_delivered_seq: int = _big()
    shown_read_seq: int = _big()
    me_revision: int = _big()


class SideRow(SQLModel, table=True):
    """What a member has set for themselves in a conversation; no row: nothing."""

    __tablename__ = "sides"
    __table_args__ = (_UTF8,)

    user_id: int = _key()
    conversation_id: int = _key()
    muted_until: int = _big()
    mute_level: str = _ascii(8)
    archived_seq: int | None = _big(nullable=True)
    pinned_at: int = _big()
    marked_seq: int | None = _big(nullable=True)
    draft: str | None = _text(nullable=True)
    draft_at: int = _big()


class MessageRow(SQLModel, table=True):
    """One message. The primary key keeps a conversation together and in order."""

    __tablename__ = "messages"
    __table_args__ = (
        UniqueConstraint("sender_id", "client_message_id", name="uq_messages_retry"),
        Index("ix_messages_revision", "conversation_id", "revision"),
        _UTF8,
    )

    conversation_id: int = _key()
    seq: int = _key()
    revision: int = _big()
    sender_id: int = _big()
    client_message_id: bytes = _bytes(16)
    request_hash: bytes = _bytes(16)
    body: str | None = _text(nullable=True)
    attachments: str | None = _text(nullable=True)
    created_at: int = _big()
    edited_at: int | None = _big(nullable=True)
    deleted_at: int | None = _big(nullable=True)
    reply_to_seq: int | None = _big(nullable=True)
    extras: str | None = _text(nullable=True)


class ReactionRow(SQLModel, table=True):
    """A user reacted so to a message. `revision`: when."""

    __tablename__ = "reactions"
    __table_args__ = (
        Index("ix_reactions_newest", "conversation_id", "seq", "emoji", "revision", "user_id"),
        _UTF8,
    )

    conversation_id: int = _key()
    user_id: int = _key()
    seq: int = _key()
    emoji: str = _words(40, primary_key=True)
    revision: int = _big()


class MentionRow(SQLModel, table=True):
    """A message means a member; user 0: all of them."""

    __tablename__ = "mentions"
    __table_args__ = (_UTF8,)

    conversation_id: int = _key()
    user_id: int = _key()
    seq: int = _key()


class BatchRow(SQLModel, table=True):
    """One committed batch of one process: proof that it committed, and the outbox of what it changed."""

    __tablename__ = "batches"
    __table_args__ = (Index("ix_batches_created", "created_at"), _UTF8)

    process_id: int = _key()
    n: int = _key()
    changes: str = _text()
    created_at: int = _big()


class EpochRow(SQLModel, table=True):
    """One row: which history this database tells. Another one means that some of it was lost."""

    __tablename__ = "epochs"
    __table_args__ = (_UTF8,)

    id: int = _key()
    epoch: str = _ascii(32)
    created_at: int = _big()


class FollowerRow(SQLModel, table=True):
    """Who reads the log beside the processes. `holder`: the process that does its work, until `held_until`.

    `compared`: up to which id all conversations were compared; -1: they were, the log tells the rest.
    """

    __tablename__ = "followers"
    __table_args__ = (_UTF8,)

    name: str = _ascii(32, primary_key=True)
    holder: int = _big()
    held_until: int = _big()
    compared: int = _big()


class FollowerCursorRow(SQLModel, table=True):
    """How far a follower is in the log of one process."""

    __tablename__ = "follower_cursors"
    __table_args__ = (_UTF8,)

    name: str = _ascii(32, primary_key=True)
    process_id: int = _key()
    n: int = _big()


class SearchStateRow(SQLModel, table=True):
    """Used by the code of revisions 0005 to 0015 only; to be dropped once nobody runs that any more."""

    __tablename__ = "search_states"
    __table_args__ = (_UTF8,)

    conversation_id: int = _key()
    revision: int = _big()


class SearchBlockRow(SQLModel, table=True):
    """Used by the code of revisions 0005 to 0015 only; to be dropped once nobody runs that any more."""

    __tablename__ = "search_blocks"
    __table_args__ = (
        Index("ix_search_blocks_times", "conversation_id", "block", "newest_at", "oldest_at"),
        _UTF8,
    )

    conversation_id: int = _key()
    block: int = _key()
    newest_at: int = _big()
    oldest_at: int = _big()
    filter: bytes = _column(LargeBinary(65_535).with_variant(mysql.BLOB(), "mysql"), Type.HEX)


class SearchMarkRow(SQLModel, table=True):
    """Up to which revision a conversation's messages are in the index of search."""

    __tablename__ = "search_marks"
    __table_args__ = (_UTF8,)

    conversation_id: int = _key()
    revision: int = _big()


class SearchTextRow(SQLModel, table=True):
    """The folded texts of successive messages, and what search asks of each (`core.search.pack`).

    `newest_at` and `oldest_at`: when the last and the first of them were sent. `partial`: whether there is
    one whose text is too long to stand here.
    """

    __tablename__ = "search_texts"
    __table_args__ = (
        Index("ix_search_texts_times", "conversation_id", "block", "newest_at", "oldest_at"),
        _UTF8,
    )

    conversation_id: int = _key()
    block: int = _key()
    newest_at: int = _big()
    oldest_at: int = _big()
    partial: int = _small()
    about: bytes = _column(LargeBinary(65_535).with_variant(mysql.BLOB(), "mysql"), Type.HEX)
    text: bytes = _column(LargeBinary(0xFFFFFF).with_variant(mysql.MEDIUMBLOB(), "mysql"), Type.HEX)


class SchemaMarkRow(SQLModel, table=True):
    """One row: the oldest revision whose code may run on this schema."""

    __tablename__ = "schema_marks"
    __table_args__ = (_UTF8,)

    id: int = _key()
    oldest_code: str = _ascii(32)


class OperatorActRow(SQLModel, table=True):
    """One act of whoever runs the server: who did what to whom, when and why. Only ever added to."""

    __tablename__ = "operator_acts"
    __table_args__ = (Index("ix_operator_acts_target", "target"), _UTF8)

    id: int = _key()
    at: int = _big()
    who: str = _words(64)
    act: str = _ascii(32)
    target: str = _words(100)
    why: str = _words(500)


class InviteRow(SQLModel, table=True):
    """An invitation to register: the hash of its code, and how often it may still be used."""

    __tablename__ = "invites"
    __table_args__ = (_UTF8,)

    code_hash: bytes = _bytes(32, primary_key=True)
    expires_at: int = _big()
    uses_left: int = _big()
