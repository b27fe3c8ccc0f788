"""Running SQL as it is written: `?` marks a value, on every database."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, CursorResult

from gochat.storage.dialects import Dialect, MySQL, SQLite

_BRANCHES = 100
"""Parts of one UNION. SQLite takes 500."""


def dialect(connection: Connection) -> type[Dialect]:
    """The words of the database at the other end."""
    return SQLite if connection.dialect.name == "sqlite" else MySQL


def run(connection: Connection, sql: str, *values: object) -> CursorResult[Any]:
    """Run a statement that has no other `?` and no `%`."""
    return connection.exec_driver_sql(sql.replace("?", dialect(connection).marker), values)


def fetch(connection: Connection, sql: str, *values: object) -> Sequence[Sequence[Any]]:
    """All its rows."""
    return run(connection, sql, *values).fetchall()


def fetch_union(
    connection: Connection, parts: Sequence[tuple[str, tuple[object, ...]]]
) -> Iterable[Sequence[Any]]:
    """The rows of many small statements with like columns, in few round trips, in any order.

    A join with a list of keys would be shorter, but no database here looks up a range of an index for each
    row of a list.
    """
    for first in range(0, len(parts), _BRANCHES):
        some = parts[first : first + _BRANCHES]
        sql = " UNION ALL ".join(part for part, _ in some)
        yield from fetch(connection, sql, *(value for _, values in some for value in values))


def marks(values: Sequence[object]) -> str:
    """What stands between the brackets of `IN`."""
    return ", ".join("?" * len(values))
