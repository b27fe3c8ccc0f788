"""Connections as every use of the database needs them, on MySQL, MariaDB and SQLite alike.

All are in autocommit at the driver: a single statement costs one round trip, and whoever needs several as
one says so with `snapshot` or `transaction`.
"""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pymysql.constants import CLIENT
from sqlalchemy import URL, Connection, Engine, NullPool, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import Pool

from gochat.storage.fetch import say
from gochat.storage.tls import PARAMETERS, tls

CONNECT_TIMEOUT = 5
SOCKET_TIMEOUT = 10
"""Seconds that one statement may be silent on the network. A server that died without a word is noticed."""
SQLITE_BUSY_TIMEOUT = 5
_SQLITE_PAUSE = 0.01

_RECYCLE = 3600
_MYSQL_SESSION: Mapping[str, str | int] = {
    "sql_mode": "'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
    # After a COMMIT no transaction goes on.
    "completion_type": 0,
    "autocommit": 1,
    "time_zone": "'+00:00'",
    # MariaDB cuts a JSON_ARRAYAGG after that many bytes.
    "group_concat_max_len": 64 << 20,
    "sql_select_limit": (1 << 64) - 1,
    "sql_big_selects": 1,
    "sql_safe_updates": 0,
    # Longer than the pool keeps one; the writer asks for less.
    "wait_timeout": 2 * _RECYCLE,
}
"""A server's owner may have chosen otherwise."""


def read_engine(url: str, size: int) -> Engine:
    """Up to `size` connections for reading, and for the short transactions of accounts.

    On MySQL at REPEATABLE READ: the statements of one `snapshot` see one state.
    """
    return _engine(url, QueuePool, "REPEATABLE READ", pool_size=size, max_overflow=0, pool_recycle=_RECYCLE)


def write_engine(url: str) -> Engine:
    """A new connection at each `connect()`: for the writer's pinned one.

    On MySQL at READ COMMITTED: what is read after the locks is what the last holder committed. It takes
    several statements in one round trip.
    """
    return _engine(url, NullPool, "READ COMMITTED", client_flag=CLIENT.MULTI_STATEMENTS)


def migration_engine(url: str, patience: int) -> Engine:
    """The same for statements that may take `patience` seconds, or wait as long for a lock."""
    return _engine(url, NullPool, "READ COMMITTED", patience=patience)


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """Read several statements from one state of the database."""
    with _transaction(connection, "BEGIN"):
        yield


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Write several statements as one. On SQLite it takes the write lock first of all."""
    with _transaction(connection, "BEGIN IMMEDIATE" if connection.dialect.name == "sqlite" else "BEGIN"):
        yield


@contextmanager
def _transaction(connection: Connection, begin: str) -> Iterator[None]:
    say(connection, begin)
    try:
        yield
        say(connection, "COMMIT")
    except BaseException:
        _roll_back(connection)
        raise


def _roll_back(connection: Connection) -> None:
    """Never hand back a connection that is in a transaction: if it can't roll back, it is dropped."""
    if connection.invalidated:
        return
    try:
        connection.exec_driver_sql("ROLLBACK")
    except DBAPIError:
        connection.invalidate()


def _engine(
    url: str,
    pool: type[Pool],
    isolation: str,
    *,
    patience: int | None = None,
    client_flag: int = 0,
    **options: Any,
) -> Engine:
    target = make_url(url)
    sqlite = target.get_backend_name() == "sqlite"
    arguments = _sqlite_arguments(patience) if sqlite else _mysql_arguments(patience, client_flag, target)
    engine = create_engine(
        target if sqlite else _plain(target),
        poolclass=pool,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        hide_parameters=True,
        connect_args=arguments,
        **options,
    )
    settings = _sqlite_session() if sqlite else _mysql_session(isolation)

    # First of all: SQLAlchemy's own questions at a connection's start lean on some of these settings.
    @event.listens_for(engine, "connect", insert=True)
    def prepare(connection: Any, record: object) -> None:
        cursor = connection.cursor()
        if sqlite:
            _write_ahead(cursor)
        for statement in settings:
            cursor.execute(statement)
        cursor.close()

    return engine


def _plain(url: URL) -> URL:
    """Without what `tls` reads, and with the one character set that holds everything."""
    return url.difference_update_query(PARAMETERS).update_query_dict({"charset": "utf8mb4"})


def _mysql_arguments(patience: int | None, client_flag: int, url: URL) -> dict[str, Any]:
    timeout = patience or SOCKET_TIMEOUT
    return {
        "connect_timeout": CONNECT_TIMEOUT,
        "read_timeout": timeout,
        "write_timeout": timeout,
        "client_flag": client_flag,
        **tls(url.query),
    }


def _mysql_session(isolation: str) -> tuple[str, ...]:
    return (
        "SET SESSION " + ", ".join(f"{name} = {value}" for name, value in _MYSQL_SESSION.items()),
        f"SET SESSION TRANSACTION ISOLATION LEVEL {isolation}",
    )


def _sqlite_arguments(patience: int | None) -> dict[str, Any]:
    return {"timeout": patience or SQLITE_BUSY_TIMEOUT}


def _sqlite_session() -> tuple[str, ...]:
    # What is deleted is overwritten with zeros: some builds leave it there until its room is used again.
    return ("PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON", "PRAGMA secure_delete = ON")


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Change a new file to WAL, which it stays in. Who does so while another one does is refused at once.

    SQLite does not wait there, since two that wait for each other would wait for ever
    (https://www.sqlite.org/c3ref/busy_handler.html).
    """
    until = time.monotonic() + SQLITE_BUSY_TIMEOUT
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as fault:
            if fault.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_SQLITE_PAUSE)
        else:
            return
