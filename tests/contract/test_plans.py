"""How what is read often is looked up: by an index, never through a whole table."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import pytest
from sqlalchemy import Connection, Engine, event, insert

from gochat.core.queries import ListPosition
from gochat.core.search import SearchPosition, SearchRequest
from gochat.storage import migrate
from gochat.storage.accounts import StoredAccounts
from gochat.storage.database import Database
from gochat.storage.dialects import MySQL, SQLite
from gochat.storage.engines import transaction, write_engine
from gochat.storage.epoch import EpochGuard
from gochat.storage.fetch import run_all
from gochat.storage.log import BatchLog
from gochat.storage.reader import ConversationReader
from gochat.storage.rows import DECIDED, ME_REVISIONS, MOVING, MOVING_MEMBERS, PROFILES, Table
from gochat.storage.search_index import SearchIndex
from gochat.storage.sessions import StoredSessions
from gochat.storage.statements import statements as sql_statements
from gochat.storage.tables import (
    BatchRow,
    ConversationRow,
    MemberRow,
    MentionRow,
    MessageRow,
    SideRow,
    UserRow,
)
from tests.reading.world import asking
from tests.services.sql_server import SQLServer
from tests.writing.world import LIMITS

ME, LONG = 1, 1
"""A user, and a conversation of theirs with many messages."""
USERS, CONVERSATIONS, MESSAGES, FEW = 40, 400, 8_000, 3
MINE = range(1, CONVERSATIONS, 2)
EVERYTHING = dict.fromkeys(MINE, FEW + 1) | {LONG: MESSAGES + 1}
READ_MAX = 2_000
"""Entries that one statement may look at: a few for each of the user's conversations."""
LACKING = EVERYTHING | {LONG: MESSAGES - 150} | dict.fromkeys(range(101, 131, 2), 2)

Ask: TypeAlias = Callable[[ConversationReader, BatchLog, StoredAccounts, StoredSessions], Awaitable[object]]
HOT: dict[str, Ask] = {
    "memberships": lambda reader, log, accounts, sessions: reader.memberships(ME),
    "seen": lambda reader, log, accounts, sessions: reader.seen(ME, range(2, 6)),
    "seers": lambda reader, log, accounts, sessions: reader.seers(ME, range(2, 6)),
    "profile": lambda reader, log, accounts, sessions: accounts.profile(ME),
    "blocked": lambda reader, log, accounts, sessions: accounts.blocked(ME),
    "conversation": lambda reader, log, accounts, sessions: reader.conversation(ME, LONG),
    "conversations": lambda reader, log, accounts, sessions: reader.conversations(ME, None, 50),
    "conversations, more": lambda reader, log, accounts, sessions: reader.conversations(
        ME, ListPosition(False, 500, 2), 50
    ),
    "members": lambda reader, log, accounts, sessions: reader.members(ME, LONG, None, 20),
    "history": lambda reader, log, accounts, sessions: reader.history(ME, LONG),
    "history, before": lambda reader, log, accounts, sessions: reader.history(ME, LONG, before_seq=5_000),
    "history, after": lambda reader, log, accounts, sessions: reader.history(ME, LONG, after_seq=5_000),
    "history, around": lambda reader, log, accounts, sessions: reader.history(ME, LONG, around_seq=5_000),
    "status": lambda reader, log, accounts, sessions: reader.status(ME, [bytes([n]) * 16 for n in range(20)]),
    "changes, whole": lambda reader, log, accounts, sessions: reader.changes(ME, LONG, None),
    "changes": lambda reader, log, accounts, sessions: reader.changes(ME, LONG, MESSAGES - 20),
    "changes, too many": lambda reader, log, accounts, sessions: reader.changes(ME, LONG, 10),
    "repair": lambda reader, log, accounts, sessions: reader.repair(LONG, MESSAGES - 20),
    "repair, much": lambda reader, log, accounts, sessions: reader.repair(LONG, MESSAGES - 1_000),
    "me": lambda reader, log, accounts, sessions: reader.me(ME, 2),
    "sync, new phone": lambda reader, log, accounts, sessions: reader.sync(ME, asking()),
    "sync, nothing new": lambda reader, log, accounts, sessions: reader.sync(ME, asking(EVERYTHING, me=5)),
    "sync, some new": lambda reader, log, accounts, sessions: reader.sync(
        ME, asking(LACKING, me=2, limit=100)
    ),
    "heads": lambda reader, log, accounts, sessions: log.heads(),
    "batches": lambda reader, log, accounts, sessions: log.batches({1: 9_990, 2: 9_990, 3: 9_990}),
    "revoked": lambda reader, log, accounts, sessions: log.revoked(60_000),
    "me_revisions": lambda reader, log, accounts, sessions: log.me_revisions(range(1, 6)),
    "revisions": lambda reader, log, accounts, sessions: log.revisions(range(1, 6)),
    "by_username": lambda reader, log, accounts, sessions: accounts.by_username("user7"),
    "by_phone": lambda reader, log, accounts, sessions: accounts.by_phone("+49301234567"),
    "users": lambda reader, log, accounts, sessions: accounts.users([3, 5]),
    "users by prefix": lambda reader, log, accounts, sessions: accounts.search("user7"),
    "search": lambda reader, log, accounts, sessions: reader.search(ME, SearchRequest("body", 20)),
    "search, one conversation": lambda reader, log, accounts, sessions: reader.search(
        ME, SearchRequest("body", 20, LONG)
    ),
    "search, much": lambda reader, log, accounts, sessions: reader.search(
        ME, SearchRequest("body", 20, position=SearchPosition(0, 3, 2))
    ),
    "sessions": lambda reader, log, accounts, sessions: sessions.alive(ME, 1),
    "knows": lambda reader, log, accounts, sessions: sessions.knows(ME, bytes(16)),
    "session": lambda reader, log, accounts, sessions: sessions.session(1),
}


@pytest.fixture(scope="module")
def filled(sql_server: SQLServer) -> str:
    url = sql_server.create_database()
    fill(url)
    return url


@pytest.fixture(scope="module")
def filled_sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('plans') / 'gochat.db'}"
    fill(url)
    return url


def fill(url: str) -> None:
    migrate.upgrade(url)
    engine = write_engine(url)
    with engine.connect() as connection:
        with transaction(connection):
            for table, rows in data():
                connection.execute(insert(table), rows)
            index_all(connection)
        tables = "users, conversations, members, messages, batches, sides, mentions"
        tables += ", search_texts, search_marks"
        sqlite = connection.dialect.name == "sqlite"
        connection.exec_driver_sql("ANALYZE" if sqlite else f"ANALYZE TABLE {tables}").close()
    engine.dispose()


def index_all(connection: Connection) -> None:
    """As the follower does."""
    done = False
    while not done:
        writes = SearchIndex().work(connection, range(1, CONVERSATIONS + 1))
        for statement, values in writes.statements:
            run_all(connection, statement, values)
        done = writes.done


def data() -> Iterator[tuple[type[Any], list[dict[str, object]]]]:
    text = {"password_hash": "", "display_name": "", "me_revision": 5, "created_at": 0}
    yield UserRow, [{"id": n, "username": f"user{n}", **text} for n in range(1, USERS + 1)]
    last = dict.fromkeys(range(1, CONVERSATIONS + 1), FEW) | {LONG: MESSAGES}
    group = {"kind": "group", "history": "from_start", "member_count": 20, "created_at": 0, "created_by": 1}
    yield (
        ConversationRow,
        [
            {
                "id": cid,
                "revision": seq + 1,
                "last_seq": seq,
                "last_message_at": cid * 37 % 1000,
                "request_hash": b"x" * 16,
                **group,
            }
            for cid, seq in last.items()
        ],
    )
    columns = ("delivered_seq", "read_seq", "skipped", "shown_delivered_seq", "shown_read_seq")
    joined = {"role": "member", "active": 1, "revision": 1, "joined_revision": 1, "visible_from_seq": 1}
    joined |= dict.fromkeys(columns, 0)
    yield (
        MemberRow,
        [
            {"user_id": user_id, "conversation_id": cid, "me_revision": cid % 5, **joined}
            for user_id in range(1, USERS + 1)
            for cid in last
            if cid % 2 == user_id % 2
        ],
    )
    yield (
        MessageRow,
        [
            {
                "conversation_id": cid,
                "seq": n,
                "revision": n + 1,
                "sender_id": n % USERS + 1,
                "client_message_id": (cid << 32 | n).to_bytes(16, "big"),
                "request_hash": b"x" * 16,
                "body": "body",
                "created_at": 0,
            }
            for cid, seq in last.items()
            for n in range(1, seq + 1)
        ],
    )
    unset = {"muted_until": 0, "mute_level": "all", "pinned_at": 0, "draft_at": 0}
    pairs = [(user_id, cid) for user_id in range(1, USERS + 1) for cid in last if cid % 2 == user_id % 2]
    yield SideRow, [{"user_id": user_id, "conversation_id": cid, **unset} for user_id, cid in pairs[::2]]
    yield (
        MentionRow,
        [
            {"conversation_id": cid, "user_id": n % USERS + 1, "seq": n}
            for cid, seq in last.items()
            for n in range(1, seq + 1)
        ],
    )
    changes = {"changes": '{"conversations": {}, "users": {}, "joined": {}}', "created_at": 0}
    yield BatchRow, [{"process_id": p, "n": n, **changes} for p in (1, 2, 3) for n in range(1, 10_001)]


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """The queries that run meanwhile, with their values."""
    seen: list[tuple[str, Any]] = []

    def note(*arguments: Any) -> None:
        if "SELECT" in arguments[2]:
            seen.append((arguments[2], arguments[3]))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def explain(url: str, ask: Ask, look: Callable[[Connection, str, Any], list[str]]) -> list[str]:
    """What `look` finds wrong with the statements that answer a question."""

    async def scenario() -> list[tuple[str, Any]]:
        database = Database(url, pool_size=1)
        try:
            reader = ConversationReader(database, LIMITS)
            log = BatchLog(database, EpochGuard())
            accounts, sessions = StoredAccounts(database), StoredSessions(database)
            await ask(reader, log, accounts, sessions)
            with statements() as seen:
                await ask(reader, log, accounts, sessions)
            return seen
        finally:
            await database.close()

    asked = asyncio.run(scenario())
    assert asked
    engine = write_engine(url)
    with engine.connect() as connection:
        faults = [fault for sql, values in asked for fault in look(connection, sql, values)]
    engine.dispose()
    return faults


def look_mysql(connection: Connection, sql: str, values: Any) -> list[str]:
    rows = connection.exec_driver_sql(f"EXPLAIN FORMAT=TRADITIONAL {sql}", values).mappings().all()
    real = [row for row in rows if row["table"] is not None and not row["table"].startswith(("<", "given"))]
    assert real or all("const table" in row["Extra"] for row in rows)
    faults = [f"{dict(row)} in {sql}" for row in real if row["type"] in {"ALL", "index"}]
    read = rows_read(connection, sql, values)
    return faults if read <= READ_MAX else [*faults, f"{read} rows read in {sql}"]


def rows_read(connection: Connection, sql: str, values: Any) -> int:
    """How many rows, or entries of an index, a statement looks at."""
    connection.exec_driver_sql("FLUSH STATUS").close()
    connection.exec_driver_sql(sql, values).fetchall()
    return sum(int(count) for _, count in connection.exec_driver_sql("SHOW STATUS LIKE 'Handler_read%%'"))


def look_sqlite(connection: Connection, sql: str, values: Any) -> list[str]:
    steps = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert any(step.startswith(("SEARCH", "SCAN e")) for step in steps)
    scanned = [step for step in steps if step.startswith("SCAN ") and step.split()[1] not in SMALL]
    return [f"{step} in {sql}" for step in scanned]


SMALL = {"page", "changed", "part", "acquainted", "processes", "CONSTANT", "e", "given"}
"""What a statement made itself, and the table of the one epoch."""


@pytest.mark.parametrize("name", HOT)
def test_servers_look_up_by_an_index(filled: str, name: str) -> None:
    assert explain(filled, HOT[name], look_mysql) == []


MANY = 256
"""Keys that a batch may look up at once."""
LOOKED_UP: dict[str, Callable[[int], list[object]]] = {
    "lock_conversations": lambda n: [n],
    "find_keys": lambda n: [f"key{n}"],
    "sent": lambda n: [n % USERS + 1, f"{LONG << 32 | n:032x}"],
    "members": lambda n: [n, n % USERS + 1],
    "messages": lambda n: [LONG, n],
    "lock_users": lambda n: [n],
    "blocks": lambda n: [n, n + 1],
}


@pytest.mark.parametrize("count", [1, MANY])
@pytest.mark.parametrize("name", LOOKED_UP)
def test_the_writer_looks_up_by_an_index(filled: str, name: str, count: int) -> None:
    keys = [LOOKED_UP[name](n) for n in range(1, count + 1)]
    statement = MySQL()._with(getattr(sql_statements(MySQL()), name), keys)
    statement = statement[statement.index("SELECT") :]  # after what bounds its time
    engine = write_engine(filled)
    with engine.connect() as connection:
        assert look_mysql(connection, statement, ()) == []
    engine.dispose()


@pytest.mark.parametrize("name", sorted(HOT.keys() - {"heads", "batches"}))
def test_sqlite_looks_up_by_an_index(filled_sqlite: str, name: str) -> None:
    assert explain(filled_sqlite, HOT[name], look_sqlite) == []


UPDATED: dict[str, Table] = {
    "write_users": ME_REVISIONS,
    "write_profiles": PROFILES,
    "write_decided": DECIDED,
    "move_conversations": MOVING,
    "move_members": MOVING_MEMBERS,
}


@pytest.mark.parametrize("count", [1, MANY])
@pytest.mark.parametrize("name", UPDATED)
def test_servers_update_by_the_key(filled: str, name: str, count: int) -> None:
    rows = [(n,) * len(UPDATED[name].columns) for n in range(1, count + 1)]
    statement = MySQL()._with(getattr(sql_statements(MySQL()), name), rows)
    engine = write_engine(filled)
    with engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN FORMAT=TRADITIONAL {statement}").mappings().all()
        (table,) = [row for row in plan if row["table"] in ("t", UPDATED[name].name)]
        assert table["type"] in ("eq_ref", "range", "const"), plan
        assert table["key"] == "PRIMARY"
    engine.dispose()


@pytest.mark.parametrize("name", UPDATED)
def test_sqlite_updates_by_the_key(filled_sqlite: str, name: str) -> None:
    engine = write_engine(filled_sqlite)
    with engine.connect() as connection:
        SQLite().prepare(connection)
        statement = getattr(sql_statements(SQLite()), name)
        assert look_sqlite(connection, statement.text, (1,) * len(UPDATED[name].columns)) == []
    engine.dispose()
