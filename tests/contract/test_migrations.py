"""The schema's versions, on every database."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from alembic.util import CommandError
from sqlalchemy import Connection, inspect
from sqlmodel import SQLModel

from gochat.storage import migrate, tables
from gochat.storage.engines import write_engine
from tests.services.mariadb import MariaDB

T = TypeVar("T")
TABLES = [table.name for table in SQLModel.metadata.sorted_tables]


def look(url: str, at: Callable[[Connection], T]) -> T:
    engine = write_engine(url)
    with engine.connect() as connection:
        return at(connection)


def table_names(url: str) -> set[str]:
    return look(url, lambda connection: set(inspect(connection).get_table_names())) - {"alembic_version"}


def definitions(connection: Connection) -> dict[str, list[str]]:
    """Each table as MySQL itself writes it down, its indexes in any order."""
    shown = {name: connection.exec_driver_sql(f"SHOW CREATE TABLE {name}").one()[1] for name in TABLES}
    return {name: sorted(line.rstrip(",") for line in text.splitlines()) for name, text in shown.items()}


def epochs(connection: Connection) -> list[tuple[int, str]]:
    rows = connection.exec_driver_sql(f"SELECT id, epoch FROM {tables.EpochRow.__tablename__}")
    return [(number, epoch) for number, epoch in rows]


def drop_an_index(connection: Connection) -> None:
    on = "" if connection.dialect.name == "sqlite" else " ON messages"
    connection.exec_driver_sql(f"DROP INDEX ix_messages_revision{on}")


def test_there_is_one_head() -> None:
    assert migrate.head() == "0002"


def test_up_check_down_up(database_url: str) -> None:
    assert migrate.current(database_url) is None
    migrate.upgrade(database_url)
    assert migrate.current(database_url) == migrate.head()
    assert table_names(database_url) == set(TABLES)
    migrate.check(database_url)
    migrate.downgrade(database_url, "base")
    assert migrate.current(database_url) is None
    assert table_names(database_url) == set()
    migrate.upgrade(database_url)
    migrate.check(database_url)


def test_a_second_upgrade_changes_nothing(database_url: str) -> None:
    migrate.upgrade(database_url)
    before = look(database_url, epochs)
    assert len(before) == 1
    migrate.upgrade(database_url)
    assert look(database_url, epochs) == before


def test_processes_that_migrate_at_once_agree(database_url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: migrate.upgrade(database_url), range(4)))
    assert migrate.current(database_url) == migrate.head()
    migrate.check(database_url)


def test_the_migrated_tables_are_the_tables_of_the_code(mariadb_url: str, mariadb: MariaDB) -> None:
    migrate.upgrade(mariadb_url)
    other_url = mariadb.create_database()
    look(other_url, SQLModel.metadata.create_all)
    assert look(mariadb_url, definitions) == look(other_url, definitions)


def test_a_difference_is_found(database_url: str) -> None:
    migrate.upgrade(database_url)
    look(database_url, drop_an_index)
    with pytest.raises(CommandError, match="ix_messages_revision"):
        migrate.check(database_url)
