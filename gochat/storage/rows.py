"""Rows and core's values. Both directions are made of core's classes and of the columns in `tables.py`.

Columns stand in the order of the fields of core's class. A row read is any sequence of values in that order,
which may go on after them. A row to write is a list that JSON can hold: bytes as hexadecimal digits,
attachments as a JSON text within.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, fields, is_dataclass
from enum import EnumType
from types import UnionType
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import orjson
from sqlalchemy import inspect
from sqlmodel import SQLModel

from gochat.core.model import (
    TEXT,
    Attachment,
    Conversation,
    ConversationExtras,
    ConversationId,
    Extras,
    Forwarded,
    Member,
    Mentions,
    Message,
    Profile,
    Reaction,
    Side,
    Standing,
    User,
    UserId,
    Who,
)
from gochat.core.state import State
from gochat.core.values import value
from gochat.storage import tables
from gochat.storage.tables import Type

T = TypeVar("T")


@value(frozen=True, slots=True)
class Table:
    """A table as statements are made of it. `key` is the primary key."""

    name: str
    columns: Mapping[str, Type]
    key: tuple[str, ...]

    @property
    def values(self) -> tuple[str, ...]:
        """The columns outside of the key."""
        return tuple(column for column in self.columns if column not in self.key)


@value(frozen=True, slots=True)
class Stored(Table, Generic[T]):
    """A table whose rows are values of core."""

    read: Callable[[Sequence[Any]], T]
    """The value of a row."""
    write: Callable[[T], list[object]]
    """The row to write of a value."""


@value(frozen=True, slots=True)
class Moving(Table, Generic[T]):
    """The columns of a stored table that most changes change: written alone where the rest is as it was."""

    write: Callable[[T], list[object]]
    will_do: Callable[[T, T], bool]
    """Whether nothing else is different between two values of one row."""


def columns(table: Table, alias: str) -> str:
    """The columns of a SELECT list, in the order that `read` takes."""
    return ", ".join(f"{alias}.{column}" for column in table.columns)


def _table(row: type[SQLModel], names: Iterable[str] | None = None) -> Table:
    """What the statements need of a declared table; of all its columns, or of some."""
    declared = inspect(row).local_table
    wanted = declared.columns.keys() if names is None else names
    types = {name: declared.columns[name].info["type"] for name in wanted}
    return Table(declared.name, types, tuple(column.name for column in declared.primary_key))


def _stored(value: type[T], row: type[SQLModel]) -> Stored[T]:
    """A table, read and written as a class of core. Its fields are columns, or dataclasses of such fields."""
    known: dict[str, Any] = {
        "attachments_in": attachments_in,
        "attachments_out": _attachments_out,
        "extras_in": extras_in,
        "setup_in": _setup_in,
        "as_json": _as_json,
    }
    read = _compiled(f"lambda row: {_made(value, itertools.count(), known)}", known)
    write = _compiled(f"lambda it: [{', '.join(_taken(value, 'it'))}]", known)
    table = _table(row, _names(value))
    return Stored(table.name, table.columns, table.key, read, write)


def _moving(value: type[T], row: type[SQLModel], *names: str) -> Moving[T]:
    """Of a table as `_stored` has it: its key first, and columns that hold a field of that name as it is."""
    table = _table(row, names)
    write = _compiled(f"lambda it: [{', '.join(f'it.{name}' for name in names)}]", {})
    others = (name for name, _ in _fields(value) if name not in names)
    will_do = _compiled(f"lambda a, b: {' and '.join(f'a.{name} == b.{name}' for name in others)}", {})
    return Moving(table.name, table.columns, table.key, write, will_do)


def _names(value: Any) -> Iterator[str]:
    """The columns of a class of core."""
    for name, type_ in _fields(value):
        if is_dataclass(type_):
            yield from _names(type_)
        else:
            yield name


def _made(value: Any, numbers: Iterator[int], known: dict[str, Any]) -> str:
    """Source that makes a value of the next columns of `row`, with the names that it uses in `known`."""
    known[value.__name__] = value
    parts = (
        _made(type_, numbers, known)
        if is_dataclass(type_)
        else _decoded(f"row[{next(numbers)}]", type_, known)
        for _, type_ in _fields(value)
    )
    return f"{value.__name__}({', '.join(parts)})"


def _taken(value: Any, source: str) -> Iterator[str]:
    """Source of what is written of a value, column by column."""
    for name, type_ in _fields(value):
        if is_dataclass(type_):
            yield from _taken(type_, f"{source}.{name}")
        else:
            yield _encoded(f"{source}.{name}", type_)


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    """The names and types of a dataclass's fields."""
    hints = get_type_hints(value)
    return ((field.name, hints[field.name]) for field in fields(value))


def _compiled(source: str, known: Mapping[str, object]) -> Any:
    """A function of this source: as fast as if it were written out, which a loop over the fields is not."""
    return eval(source, {**known})  # noqa: S307  (put together of the names of fields)


def _decoded(column: str, type_: Any, known: dict[str, Any]) -> str:
    """Source that makes a field's value of a column's, with the names that it uses in `known`."""
    plain, optional = _plain(type_)
    if isinstance(plain, EnumType):
        known[plain.__name__] = {member.value: member for member in plain}  # type: ignore[var-annotated]
        source = f"{plain.__name__}[{column}]"
    elif plain is bool:
        source = f"{column} == 1"
    elif plain == tuple[Attachment, ...]:
        return f"() if {column} is None else attachments_in({column})"
    elif plain is Extras:
        source = f"extras_in({column})"
    elif plain is ConversationExtras:
        source = f"setup_in({column})"
    else:
        return column
    return f"None if {column} is None else {source}" if optional else source


def _encoded(value: str, type_: Any) -> str:
    """Source that makes what is written of a field's value."""
    plain, optional = _plain(type_)
    if isinstance(plain, EnumType):
        source = f"{value}.value"
    elif plain is bool:
        source = f"int({value})"
    elif plain is bytes:
        source = f"{value}.hex()"
    elif plain == tuple[Attachment, ...]:
        return f"attachments_out({value}) if {value} else None"
    elif plain in (Extras, ConversationExtras):
        source = f"as_json({value})"
    else:
        return value
    return f"None if {value} is None else {source}" if optional else source


def _plain(type_: Any) -> tuple[Any, bool]:
    """A field's type without None, and whether None was there."""
    if get_origin(type_) is not UnionType:
        return type_, False
    (plain,) = (it for it in get_args(type_) if it is not type(None))
    return plain, True


_ATTACHMENT = frozenset(field.name for field in fields(Attachment))


def attachments_in(text: str) -> tuple[Attachment, ...]:
    """The attachments of a column, which is not null, without what a newer release has stored of them."""
    return tuple(
        Attachment(**{name: value for name, value in stored.items() if name in _ATTACHMENT})
        for stored in orjson.loads(text)
    )


def extras_in(text: str) -> Extras:
    """The extras of a column, which is not null, without what a newer release has stored in it."""
    stored: dict[str, Any] = orjson.loads(text)
    mentions, forwarded = stored.get("mentions"), stored.get("forwarded_from")
    return Extras(
        stored.get("kind", TEXT),
        stored.get("data"),
        None if mentions is None else Mentions(tuple(mentions["user_ids"]), mentions["everyone"]),
        stored.get("silent", False),
        None if forwarded is None else Forwarded(forwarded["conversation_id"], forwarded["seq"]),
        stored.get("read_up_to"),
        tuple(
            Reaction(it["emoji"], it["count"], tuple(it["user_ids"]), it["mine"])
            for it in stored.get("reactions", ())
        ),
    )


_SETUP = frozenset(field.name for field in fields(ConversationExtras))


def _setup_in(text: str) -> ConversationExtras:
    """The same of a conversation."""
    stored = {name: value for name, value in orjson.loads(text).items() if name in _SETUP}
    stored |= {name: Who(stored[name]) for name in ("who_sends", "who_adds") if name in stored}
    lists = {name: tuple(value) for name, value in stored.items() if isinstance(value, list)}
    return ConversationExtras(**stored | lists)


def _as_json(extras: Extras | ConversationExtras) -> str:
    return orjson.dumps(extras).decode()


def _attachments_out(attachments: tuple[Attachment, ...]) -> str:
    return orjson.dumps(attachments).decode()


CONVERSATIONS = _stored(Conversation, tables.ConversationRow)
MOVING = _moving(Conversation, tables.ConversationRow, "id", "revision", "last_seq", "last_message_at")
MEMBERS = _stored(Member, tables.MemberRow)
MOVING_MEMBERS = _moving(
    Member,
    tables.MemberRow,
    "conversation_id",
    "user_id",
    "revision",
    "delivered_seq",
    "read_seq",
    "skipped",
    "shown_delivered_seq",
    "shown_read_seq",
    "me_revision",
)
SIDES = _stored(Side, tables.SideRow)
MESSAGES = _stored(Message, tables.MessageRow)
USERS = _stored(User, tables.UserRow)
PROFILES = _stored(Profile, tables.UserRow)
STANDINGS = _stored(Standing, tables.UserRow)
ME_REVISIONS = _table(tables.UserRow, ("id", "me_revision"))
DECIDED = _table(tables.UserRow, ("id", "profile_revision"))
BLOCKS = _table(tables.BlockRow)
BANS = _table(tables.BanRow)
MENTIONS = _table(tables.MentionRow)
REACTIONS = _table(tables.ReactionRow)
BATCHES = _table(tables.BatchRow)
SEARCHED = _table(
    tables.MessageRow,
    ("conversation_id", "revision", "seq", "created_at", "sender_id", "body", "attachments"),
)
"""What the index of search is made of."""
SEARCH_TEXTS = _table(tables.SearchTextRow)
SEARCH_MARKS = _table(tables.SearchMarkRow)
COLUMNS: Mapping[str, Type] = {
    name: type_
    for table in (CONVERSATIONS, MEMBERS, MESSAGES, USERS, BLOCKS, BANS, MENTIONS, REACTIONS, BATCHES)
    for name, type_ in table.columns.items()
}
"""What keys may be given by: a name means the same in every table."""


@value(frozen=True, slots=True)
class Changes:
    """What a row of `batches` names: the outbox of one committed batch."""

    conversations: Mapping[ConversationId, tuple[int, int]]
    """The revision before the batch, and after it."""
    users: Mapping[UserId, tuple[int, int]]
    """The same of the users' own logs."""
    joined: Mapping[ConversationId, tuple[UserId, ...]]
    """Who became a member."""
    profiles: tuple[UserId, ...] = ()
    """Who decided something about themselves."""
    said: Mapping[UserId, int] = field(default_factory=dict)
    """Of whom others see something else from then on, with the revision of that."""


FENCE = '{"conversations":{},"users":{},"joined":{}}'
"""What stands in `batches` under a number that no batch has or will have: nothing changed with it."""


def changes_out(state: State) -> str:
    """What the batch changed, as it is stored."""
    spans = {str(conversation_id): span for conversation_id, span in state.spans().items()}
    users = {str(user_id): (since, state.me[user_id]) for user_id, since in state.me_since.items()}
    joined = {
        str(conversation_id): newcomers
        for conversation_id, decisions in state.decisions.items()
        if (newcomers := [user_id for decision in decisions for user_id in decision.joined])
    }
    decided = list(state.decided)
    changes: dict[str, object] = {"conversations": spans, "users": users, "joined": joined}
    if decided:
        changes["profiles"] = decided
    if state.said:
        changes["said"] = {str(user_id): revision for user_id, revision in state.said.items()}
    return orjson.dumps(changes).decode()


def changes_in(text: str) -> Changes:
    """What the column `changes` holds."""
    stored = orjson.loads(text)
    return Changes(
        {
            int(conversation_id): (since, revision)
            for conversation_id, (since, revision) in stored["conversations"].items()
        },
        {int(user_id): (since, revision) for user_id, (since, revision) in stored["users"].items()},
        {int(conversation_id): tuple(user_ids) for conversation_id, user_ids in stored["joined"].items()},
        tuple(stored.get("profiles", ())),
        {int(user_id): revision for user_id, revision in stored.get("said", {}).items()},
    )
