"""Databases with many rows, as a server would have written them; and each kind of database to fill."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import insert
from sqlmodel import SQLModel

from benchmarks.measure import clock
from gochat.core.model import ConversationId, UserId
from gochat.storage.engines import write_engine
from tests.services.mariadb import MariaDB
from tests.services.mysqld import MySQL
from tests.services.sql_server import SQLServer

AT = 1_700_000_000_000
"""Milliseconds: when all began."""
_TOGETHER = 2_000
BUFFER = 1 << 30
"""Bytes: the buffer pool holds all."""

Database = Callable[[], AbstractContextManager[tuple[str, Callable[[], float]]]]
"""The URL of an empty database, and what tells the processor time that its server has used, in seconds."""


@contextmanager
def sqlite() -> Iterator[tuple[str, Callable[[], float]]]:
    """A file; its work is done by whoever asks."""
    with TemporaryDirectory(prefix="gochat-") as directory:
        yield f"sqlite:///{Path(directory) / 'gochat.db'}", lambda: 0.0


@contextmanager
def _server(make: type[SQLServer], **settings: str) -> Iterator[tuple[str, Callable[[], float]]]:
    with TemporaryDirectory(prefix="gochat-") as directory, make(Path(directory)) as server:
        with closing(server.admin()) as admin, admin.cursor() as cursor:
            cursor.execute(f"SET GLOBAL innodb_buffer_pool_size = {BUFFER}")
            for name, value in settings.items():
                cursor.execute(f"SET GLOBAL {name} = {value}")
        yield server.create_database(), clock(server.process.pid)


DATABASES: Mapping[str, Database] = {
    "SQLite": sqlite,
    "MariaDB": lambda: _server(MariaDB),
    "MySQL": lambda: _server(MySQL),
}
HASHED: Mapping[str, Database] = {
    "MySQL (innodb_adaptive_hash_index=ON)": lambda: _server(MySQL, innodb_adaptive_hash_index="ON"),
}
"""As compose.yaml has it."""


def fill(url: str, table: type[SQLModel], rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert rows."""
    engine = write_engine(url)
    waiting = iter(rows)
    try:
        with engine.connect() as connection:
            while some := list(islice(waiting, _TOGETHER)):
                with connection.begin():
                    connection.execute(insert(table), some)
    finally:
        engine.dispose()


def server_version(url: str) -> str:
    """What the database calls its own version."""
    if url.startswith("sqlite"):
        return sqlite3.sqlite_version
    engine = write_engine(url)
    with engine.connect() as connection:
        version = str(connection.exec_driver_sql("SELECT VERSION()").scalar_one())
    engine.dispose()
    return version


def conversation(cid: ConversationId, messages: int, members: int) -> dict[str, Any]:
    """A group's row; its first revision made it, and each message took one."""
    return {
        "id": cid,
        "kind": "group",
        "title": f"Conversation {cid}",
        "history": "from_start",
        "revision": 1 + messages,
        "last_seq": messages,
        "last_message_at": AT + cid,
        "member_count": members,
        "created_at": AT,
        "created_by": 1,
        "request_hash": bytes(16),
    }


def member(user_id: UserId, cid: ConversationId, read_seq: int) -> dict[str, Any]:
    """A member's row, who was there from the beginning."""
    zeros = ("skipped", "shown_delivered_seq", "shown_read_seq", "me_revision")
    return dict.fromkeys(zeros, 0) | {
        "user_id": user_id,
        "conversation_id": cid,
        "role": "member",
        "active": 1,
        "revision": 1,
        "joined_revision": 1,
        "visible_from_seq": 1,
        "delivered_seq": read_seq,
        "read_seq": read_seq,
    }


def message(cid: ConversationId, seq: int, sender_id: UserId, body: str, at: int) -> dict[str, Any]:
    """A message's row."""
    return {
        "conversation_id": cid,
        "seq": seq,
        "revision": 1 + seq,
        "sender_id": sender_id,
        "client_message_id": cid.to_bytes(8, "big") + seq.to_bytes(8, "big"),
        "request_hash": bytes(16),
        "body": body,
        "created_at": at,
    }
