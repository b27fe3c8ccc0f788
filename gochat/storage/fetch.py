"""Running SQL as it is written: `?` marks a value, on every database."""

from collections.abc import Iterable, Sequence, Sized
from typing import Any

import orjson
import pymysql
from sqlalchemy import Connection, CursorResult

from gochat.storage.answers import ask
from gochat.storage.dialects import Dialect, MySQL, SQLite

_TOGETHER = 100
"""Parts of one statement."""


def dialect(connection: Connection) -> type[Dialect]:
    """The words of the database at the other end."""
    return SQLite if connection.dialect.name == "sqlite" else MySQL


def run(connection: Connection, sql: str, *values: object) -> CursorResult[Any]:
    """Run a statement that has no other `?` and no `%`."""
    return connection.exec_driver_sql(sql.replace("?", dialect(connection).marker), values)


def run_all(connection: Connection, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Run one with each of many rows of values; an INSERT with many at once, as many as a packet takes."""
    if rows:
        connection.exec_driver_sql(sql.replace("?", dialect(connection).marker), list(rows))


def fetch(connection: Connection, sql: str, *values: object) -> Sequence[Sequence[Any]]:
    """All its rows.

    On MySQL past SQLAlchemy and PyMySQL's cursor, which take twice as long as all else that a thread
    does for a short answer. If somebody listens to what is run, they hear of it.
    """
    if _goes_past(connection):
        return _ask(connection, sql.replace("?", MySQL.marker), values)
    return run(connection, sql, *values).fetchall()


def say(connection: Connection, sql: str) -> None:
    """Run a statement without values that answers nothing."""
    if _goes_past(connection):
        _ask(connection, sql, ())
    else:
        connection.exec_driver_sql(sql)


def _goes_past(connection: Connection) -> bool:
    """Whether a statement goes past SQLAlchemy."""
    return not (
        connection.dialect.name == "sqlite" or connection._has_events or connection.engine._has_events
    )


def _ask(connection: Connection, sql: str, values: Sequence[object]) -> Sequence[Sequence[Any]]:
    """Its rows, of MySQL. Raises what SQLAlchemy does; if the connection is lost, all in the pool are new."""
    driver: Any = connection.connection.driver_connection
    given = [str(value) if type(value) is int else driver.escape(value) for value in values]
    try:
        return ask(driver, sql % (*given,))[0]
    except pymysql.Error as error:
        connection._handle_dbapi_exception(error, sql, None, None, None)


def fetch_any(
    connection: Connection,
    sql: str,
    where: str,
    values: Sequence[tuple[object, ...]],
    *,
    limit: int | None = None,
) -> Iterable[Sequence[Any]]:
    """The rows for which a condition holds with any of the tuples of values, in any order; at most `limit`.

    Conditions joined by OR, each on the same index, are a list of ranges to every optimiser. A join with a
    list of keys would be shorter, but looks up no ranges.
    """
    for first in range(0, len(values), _TOGETHER):
        some = values[first : first + _TOGETHER]
        conditions = " OR ".join([f"({where})"] * len(some))
        given = [value for them in some for value in them]
        if limit is None:
            yield from fetch(connection, f"{sql} WHERE {conditions}", *given)
            continue
        found = fetch(connection, f"{sql} WHERE {conditions} LIMIT ?", *given, limit)
        limit -= len(found)
        yield from found
        if limit <= 0:
            return


def as_list(connection: Connection, *columns: str) -> str:
    """An expression for all rows as one JSON text, which `parse_list` reads: for many rows of numbers.

    A driver written in Python takes ten times as long for the rows themselves.
    """
    values = ", ".join(columns)
    if connection.dialect.name == "sqlite":
        return f"json_group_array(json_array({values}))"
    return f"JSON_ARRAYAGG(JSON_ARRAY({values}))"


def parse_list(text: str | None) -> list[list[Any]]:
    """The rows of `as_list`; MySQL says NULL if there are none."""
    rows: list[list[Any]] = orjson.loads(text or "[]")
    return rows


def marks(values: Sized) -> str:
    """What stands between the brackets of `IN` or `VALUES`."""
    return ", ".join("?" * len(values))
