"""Databases with all tables that one test after another uses: to migrate one takes longer than most tests."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gochat.storage.migrate import upgrade
from tests.services.mysql import connect, create_database, drop_database, kill_connections

_KEPT = {"alembic_version", "epochs", "schema_marks"}
"""What migrations write, and nothing else."""
_DRAWN = (
    "SELECT table_name, column_name, column_type, is_nullable, column_default, extra, collation_name"
    " FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY 1, 2",
    "SELECT table_name, index_name, non_unique, seq_in_index, column_name FROM information_schema.statistics"
    " WHERE table_schema = DATABASE() ORDER BY 1, 2, 4",
    "SELECT version_num FROM alembic_version",
    "SELECT * FROM schema_marks",
    "SELECT * FROM epochs",
)


@dataclass
class MigratedFile:
    """A SQLite file with all tables, to be copied."""

    _path: Path

    def copy(self, path: Path) -> str:
        """Make such a file; return its URL."""
        if not self._path.exists():
            upgrade(f"sqlite:///{self._path}")
        shutil.copyfile(self._path, path)
        return f"sqlite:///{path}"


@dataclass
class MigratedDatabase:
    """One database of a server, emptied after each use; made anew where a test changed more than rows."""

    server_url: str
    _url: str = ""
    _drawing: list[Any] = field(default_factory=list)

    @contextmanager
    def lent(self) -> Iterator[str]:
        """Its URL, for one test. Whatever holds a connection to it then loses it."""
        if not self._url:
            self._url = create_database(self.server_url)
            upgrade(self._url)
            self._drawing = _drawing(self._url)
        yield self._url
        kill_connections(self._url)
        if _drawing(self._url) == self._drawing:
            _empty(self._url, {row[0] for row in self._drawing[0]} - _KEPT)
        else:
            self.drop()

    def drop(self) -> None:
        """Leave nothing on the server."""
        if self._url:
            drop_database(self._url)
            self._url = ""


def _drawing(url: str) -> list[Any]:
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        answers = []
        for query in _DRAWN:
            cursor.execute(query)
            answers.append(cursor.fetchall())
        return answers


def _empty(url: str, tables: set[str]) -> None:
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        looks = (f"(SELECT '{table}' FROM {table} LIMIT 1)" for table in sorted(tables))
        cursor.execute(" UNION ALL ".join(looks))
        for (table,) in cursor.fetchall():
            cursor.execute(f"DELETE FROM {table}")
