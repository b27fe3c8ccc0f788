"""Rows and core's values. Column names stand in the order of the fields of core's classes.

A row read is any sequence of values in that order. A row to write is a list that JSON can hold: bytes
as hexadecimal digits, attachments as a JSON text within.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import orjson

from gochat.core.model import (
    Attachment,
    Conversation,
    ConversationId,
    History,
    Kind,
    Member,
    Message,
    Role,
    UserId,
)
from gochat.core.state import State

_KINDS = {kind.value: kind for kind in Kind}
_HISTORIES = {history.value: history for history in History}
_ROLES = {role.value: role for role in Role}


class Type(Enum):
    """How a column's value travels in a JSON parameter."""

    NUMBER = auto()
    TEXT = auto()
    KEY = auto()
    """Short ASCII text, compared by byte."""
    HEX = auto()
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the conversation writer knows it. `key` is the primary key."""

    name: str
    columns: Mapping[str, Type]
    key: tuple[str, ...]

    @property
    def values(self) -> tuple[str, ...]:
        """The columns outside of the key."""
        return tuple(column for column in self.columns if column not in self.key)


CONVERSATIONS = Table(
    "conversations",
    {
        "id": Type.NUMBER,
        "kind": Type.KEY,
        "title": Type.TEXT,
        "history": Type.KEY,
        "revision": Type.NUMBER,
        "last_seq": Type.NUMBER,
        "last_message_at": Type.NUMBER,
        "member_count": Type.NUMBER,
        "created_at": Type.NUMBER,
        "created_by": Type.NUMBER,
        "unique_key": Type.KEY,
        "request_hash": Type.HEX,
        "blocked": Type.NUMBER,
    },
    key=("id",),
)
MEMBERS = Table(
    "members",
    {
        "conversation_id": Type.NUMBER,
        "user_id": Type.NUMBER,
        "role": Type.KEY,
        "active": Type.NUMBER,
        "revision": Type.NUMBER,
        "joined_revision": Type.NUMBER,
        "visible_from_seq": Type.NUMBER,
        "delivered_seq": Type.NUMBER,
        "read_seq": Type.NUMBER,
        "skipped": Type.NUMBER,
        "shown_delivered_seq": Type.NUMBER,
        "shown_read_seq": Type.NUMBER,
        "me_revision": Type.NUMBER,
    },
    key=("user_id", "conversation_id"),
)
MESSAGES = Table(
    "messages",
    {
        "conversation_id": Type.NUMBER,
        "seq": Type.NUMBER,
        "revision": Type.NUMBER,
        "sender_id": Type.NUMBER,
        "client_message_id": Type.HEX,
        "request_hash": Type.HEX,
        "body": Type.TEXT,
        "attachments": Type.TEXT,
        "created_at": Type.NUMBER,
        "edited_at": Type.NUMBER,
        "deleted_at": Type.NUMBER,
        "reply_to_seq": Type.NUMBER,
    },
    key=("conversation_id", "seq"),
)
BLOCKS = Table(
    "blocks",
    {"user_id": Type.NUMBER, "blocked_id": Type.NUMBER, "created_at": Type.NUMBER},
    key=("user_id", "blocked_id"),
)
BATCHES = Table(
    "batches",
    {"process_id": Type.NUMBER, "n": Type.NUMBER, "changes": Type.TEXT, "created_at": Type.NUMBER},
    key=("process_id", "n"),
)


def columns(table: Table, alias: str) -> str:
    """The columns of a SELECT list, in the order that the functions below read."""
    return ", ".join(f"{alias}.{column}" for column in table.columns)


def conversation(row: Sequence[Any]) -> Conversation:
    """A row of `CONVERSATIONS`."""
    values = (row[0], _KINDS[row[1]], row[2], _HISTORIES[row[3]], *row[4:12], row[12] == 1)
    return Conversation(*values)


def member(row: Sequence[Any]) -> Member:
    """A row of `MEMBERS`."""
    return Member(row[0], row[1], _ROLES[row[2]], row[3] == 1, *row[4:13])


def message(row: Sequence[Any]) -> Message:
    """A row of `MESSAGES`."""
    return Message(
        row[0],
        row[1],
        row[2],
        row[3],
        row[4],
        row[5],
        row[6],
        _attachments(row[7]),
        row[8],
        row[9],
        row[10],
        row[11],
    )


def conversation_row(it: Conversation) -> list[object]:
    """To be written to `CONVERSATIONS`."""
    return [
        it.id,
        it.kind.value,
        it.title,
        it.history.value,
        it.revision,
        it.last_seq,
        it.last_message_at,
        it.member_count,
        it.created_at,
        it.created_by,
        it.unique_key,
        it.request_hash.hex(),
        int(it.blocked),
    ]


def member_row(it: Member) -> list[object]:
    """To be written to `MEMBERS`."""
    return [
        it.conversation_id,
        it.user_id,
        it.role.value,
        int(it.active),
        it.revision,
        it.joined_revision,
        it.visible_from_seq,
        it.delivered_seq,
        it.read_seq,
        it.skipped,
        it.shown_delivered_seq,
        it.shown_read_seq,
        it.me_revision,
    ]


def message_row(it: Message) -> list[object]:
    """To be written to `MESSAGES`."""
    return [
        it.conversation_id,
        it.seq,
        it.revision,
        it.sender_id,
        it.client_message_id.hex(),
        it.request_hash.hex(),
        it.body,
        orjson.dumps(it.attachments).decode() if it.attachments else None,
        it.created_at,
        it.edited_at,
        it.deleted_at,
        it.reply_to_seq,
    ]


def _attachments(text: str | None) -> tuple[Attachment, ...]:
    if text is None:
        return ()
    return tuple(Attachment(**fields) for fields in orjson.loads(text))


@dataclass(frozen=True, slots=True)
class Changes:
    """What a row of `batches` names: the outbox of one committed batch."""

    conversations: Mapping[ConversationId, tuple[int, int]]
    """The revision before the batch, and after it."""
    users: Mapping[UserId, tuple[int, int]]
    """The same of the users' own logs."""
    joined: Mapping[ConversationId, tuple[UserId, ...]]
    """Who became a member."""
    profiles: tuple[UserId, ...] = ()
    """Who decided something about himself."""


def changes_out(state: State) -> str:
    """What the batch changed, as it is stored."""
    spans = {str(cid): span for cid, span in state.spans().items()}
    users = {str(user_id): (since, state.me[user_id]) for user_id, since in state.me_since.items()}
    joined = {
        str(cid): newcomers
        for cid, decisions in state.decisions.items()
        if (newcomers := [user_id for decision in decisions for user_id in decision.joined])
    }
    changes: dict[str, object] = {"conversations": spans, "users": users, "joined": joined}
    if state.profiles:
        changes["profiles"] = list(state.profiles)
    return orjson.dumps(changes).decode()


def changes_in(text: str) -> Changes:
    """What the column `changes` holds."""
    stored = orjson.loads(text)
    return Changes(
        {int(cid): (since, revision) for cid, (since, revision) in stored["conversations"].items()},
        {int(user_id): (since, revision) for user_id, (since, revision) in stored["users"].items()},
        {int(cid): tuple(user_ids) for cid, user_ids in stored["joined"].items()},
        tuple(stored.get("profiles", ())),
    )
