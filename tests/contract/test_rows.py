"""Every field of core's values comes back from every database as it was written, by both ways of reading."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection

from gochat.core.model import Conversation, Member, Message, User
from gochat.core.ports.accounts import Account
from gochat.storage import migrate, rows
from gochat.storage.accounts import StoredAccounts
from gochat.storage.database import Database
from gochat.storage.dialects import MySQL, SQLite, Statement
from gochat.storage.engines import write_engine
from gochat.storage.fetch import fetch
from gochat.storage.load import Transaction
from gochat.storage.statements import Statements, statements
from tests.unit.core.filled import filled, variants

T = TypeVar("T")
MANY = 9
"""More than are written as VALUES, and found by keys that stand in the statement."""


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection to a database without rows."""
    migrate.upgrade(url)
    engine = write_engine(url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture(params=[1, MANY], ids=["few", "many"])
def count(request: pytest.FixtureRequest) -> int:
    """Of rows in one statement."""
    assert isinstance(request.param, int)
    return request.param


def test_conversations(database_url: str, count: int) -> None:
    value = filled(Conversation)
    values = [replace(value, id=value.id + n, unique_key=f"key {n}") for n in range(count)]
    check(
        database_url,
        rows.CONVERSATIONS,
        values,
        lambda sql: (sql.insert_conversations, sql.update_conversations, sql.lock_conversations),
        lambda it: (it.id,),
    )


def test_members(database_url: str, count: int) -> None:
    value = filled(Member)
    check(
        database_url,
        rows.MEMBERS,
        [replace(value, user_id=value.user_id + n) for n in range(count)],
        lambda sql: (sql.write_members, sql.write_members, sql.members),
        lambda it: (it.conversation_id, it.user_id),
    )


def test_messages(database_url: str, count: int) -> None:
    value = replace(filled(Message), body="U+0000 \0, a quote ' and 👍")
    keys = [n.to_bytes(16, "big") for n in range(count)]
    check(
        database_url,
        rows.MESSAGES,
        [replace(value, seq=n, client_message_id=key) for n, key in enumerate(keys)],
        lambda sql: (sql.insert_messages, sql.update_messages, sql.messages),
        lambda it: (it.conversation_id, it.seq),
    )


def test_what_moves_of_conversations(database_url: str, count: int) -> None:
    value = filled(Conversation)
    values = [replace(value, id=value.id + n, unique_key=f"key {n}") for n in range(count)]
    check_moving(
        database_url,
        (rows.CONVERSATIONS, rows.MOVING),
        values,
        lambda sql: (sql.insert_conversations, sql.move_conversations),
    )


def test_what_moves_of_members(database_url: str, count: int) -> None:
    value = filled(Member)
    values = [replace(value, user_id=value.user_id + n) for n in range(count)]
    check_moving(
        database_url,
        (rows.MEMBERS, rows.MOVING_MEMBERS),
        values,
        lambda sql: (sql.write_members, sql.move_members),
    )


@pytest.mark.parametrize(
    ("value", "moving", "names"),
    [
        (filled(Conversation), rows.MOVING, {"revision", "last_seq", "last_message_at"}),
        (
            filled(Member),
            rows.MOVING_MEMBERS,
            {
                "revision",
                "delivered_seq",
                "read_seq",
                "skipped",
                "shown_delivered_seq",
                "shown_read_seq",
                "me_revision",
            },
        ),
    ],
)
def test_what_moves_will_do_where_all_else_is_the_same(
    value: T, moving: rows.Moving[T], names: set[str]
) -> None:
    for name, it in variants(value):
        if name not in moving.key:
            other = replace(value, **{name: getattr(it, name)})  # type: ignore[type-var]
            assert moving.will_do(value, other) == (name in names), name
    assert moving.will_do(value, value)


async def test_users(database_url: str) -> None:
    user = filled(User)
    database = Database(database_url, pool_size=1)
    accounts = StoredAccounts(database)
    account = filled(Account, user=user)
    await accounts.create(account, 1)
    assert await accounts.users([user.id]) == (user,)
    assert await accounts.by_username(user.username) == account
    await database.close()


@contextmanager
def writing(url: str) -> Iterator[tuple[Connection, Transaction]]:
    """A transaction on a database without rows."""
    with connected(url) as connection:
        sql = statements(SQLite() if connection.dialect.name == "sqlite" else MySQL())
        sql.dialect.prepare(connection)
        if sql.dialect.begin is not None:
            connection.exec_driver_sql(sql.dialect.begin)
        yield connection, Transaction(connection.connection.driver_connection, sql)


def check_moving(
    url: str,
    tables: tuple[rows.Stored[T], rows.Moving[T]],
    values: Sequence[T],
    pick: Callable[[Statements], tuple[Statement, Statement]],
) -> None:
    """Write the values, then of others what moves, all but of the last: nothing else is different then."""
    stored, moving = tables
    differs = dict(variants(values[0]))
    other = {name: getattr(it, name) for name, it in differs.items() if name not in stored.key}
    moves = {name: it for name, it in other.items() if name in moving.values}
    with writing(url) as (connection, transaction):
        insert, move = pick(transaction.sql)
        last = values[-1:] if len(values) > 1 else []
        moved = values[: len(values) - len(last)]
        transaction.write((insert, [stored.write(it) for it in values]))
        transaction.write((move, [moving.write(replace(it, **other)) for it in moved]))  # type: ignore[type-var]
        transaction.commit()
        read = fetch(connection, f"SELECT {rows.columns(stored, 't')} FROM {stored.name} t ORDER BY 1, 2")
        expected = [replace(it, **moves) for it in moved]  # type: ignore[type-var]
        assert list(map(stored.read, read)) == [*expected, *last]


def check(
    url: str,
    table: rows.Stored[T],
    values: Sequence[T],
    pick: Callable[[Statements], tuple[Statement, Statement, Statement]],
    key: Callable[[T], tuple[int, ...]],
) -> None:
    """Write the values, read them, and overwrite all that is no key of the first."""
    other = {name: getattr(it, name) for name, it in variants(values[0]) if name not in table.key}
    changed: T = replace(values[0], **other)  # type: ignore[type-var]
    with writing(url) as (connection, transaction):
        insert, update, find = pick(transaction.sql)

        def found() -> list[T]:
            unpacked: Sequence[Any] = transaction.sql.dialect.unpack(
                transaction.find(find, [key(it) for it in values]), table
            )
            return sorted(map(table.read, unpacked), key=key)

        transaction.write((insert, [table.write(it) for it in values]))
        assert found() == values
        transaction.write((update, [table.write(changed)]))
        assert found() == [changed, *values[1:]]
        transaction.commit()
        read = fetch(connection, f"SELECT {rows.columns(table, 't')} FROM {table.name} t")
        assert sorted(map(table.read, read), key=key) == [changed, *values[1:]]
