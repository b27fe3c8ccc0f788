"""The schema's versions, on every database."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from alembic.util import CommandError
from sqlalchemy import Connection, inspect
from typer.testing import CliRunner, Result

from gochat import cli
from gochat.storage import migrate, tables
from gochat.storage.engines import write_engine
from tests.services.sql_server import SQLServer

T = TypeVar("T")
TABLES = [table.name for table in tables.METADATA.sorted_tables]


REVISIONS = sorted(path.name[:4] for path in Path("alembic/versions").glob("[0-9]*.py"))
NEXT = "9999"
"""A revision that this code has never heard of."""


def look(url: str, at: Callable[[Connection], T]) -> T:
    engine = write_engine(url)
    with engine.connect() as connection:
        return at(connection)


def table_names(url: str) -> set[str]:
    return look(url, lambda connection: set(inspect(connection).get_table_names())) - {"alembic_version"}


def definitions(connection: Connection) -> dict[str, list[str]]:
    """Each table as MySQL itself writes it down, its indexes in any order, and no charset said twice."""
    shown = {
        name: connection.exec_driver_sql(f"SHOW CREATE TABLE {name}")
        .one()[1]
        .replace(" CHARACTER SET utf8mb4 COLLATE", " COLLATE")
        for name in TABLES
    }
    return {name: sorted(line.rstrip(",") for line in text.splitlines()) for name, text in shown.items()}


def epochs(connection: Connection) -> list[tuple[int, str]]:
    rows = connection.exec_driver_sql(f"SELECT id, epoch FROM {tables.EpochRow.__tablename__}")
    return [(number, epoch) for number, epoch in rows]


def drop_an_index(connection: Connection) -> None:
    on = "" if connection.dialect.name == "sqlite" else " ON messages"
    connection.exec_driver_sql(f"DROP INDEX ix_messages_revision{on}")


def test_up_check_down_up(empty_database_url: str) -> None:
    before = migrate.current(empty_database_url)
    assert (before.version, before.fits) == (None, False)
    assert migrate.upgrade(empty_database_url) == migrate.Standing(migrate.head(), True, "ok")
    assert migrate.current(empty_database_url).fits
    assert table_names(empty_database_url) == set(TABLES)
    migrate.check(empty_database_url)
    migrate.downgrade(empty_database_url, "base")
    assert migrate.current(empty_database_url) == before
    assert table_names(empty_database_url) == set()
    migrate.upgrade(empty_database_url)
    migrate.check(empty_database_url)


def test_a_second_upgrade_changes_nothing(empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    before = look(empty_database_url, epochs)
    assert len(before) == 1
    migrate.upgrade(empty_database_url)
    assert look(empty_database_url, epochs) == before


def test_processes_that_migrate_at_once_agree(empty_database_url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: migrate.upgrade(empty_database_url), range(4)))
    assert migrate.current(empty_database_url).fits
    migrate.check(empty_database_url)


def test_the_migrated_tables_are_the_tables_of_the_code(sql_server_url: str, sql_server: SQLServer) -> None:
    migrate.upgrade(sql_server_url)
    other_url = sql_server.create_database()
    look(other_url, tables.METADATA.create_all)
    assert look(sql_server_url, definitions) == look(other_url, definitions)


def test_a_difference_is_found(empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    look(empty_database_url, drop_an_index)
    with pytest.raises(CommandError, match="ix_messages_revision"):
        migrate.check(empty_database_url)


def newer(url: str, oldest_code: str) -> None:
    """What the code of a later release leaves behind that ran `gochat migrate`."""
    look(
        url,
        lambda connection: connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{NEXT}'"),
    )
    look(
        url,
        lambda connection: connection.exec_driver_sql(
            f"UPDATE schema_marks SET oldest_code = '{oldest_code}'"
        ),
    )


def test_a_newer_schema_that_only_adds_fits_and_is_left_alone(empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    newer(empty_database_url, "0001")
    expected = migrate.Standing(NEXT, True, "ok")
    assert migrate.current(empty_database_url) == expected
    assert migrate.upgrade(empty_database_url) == expected


def test_a_newer_schema_that_took_something_away_does_not_fit(empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    newer(empty_database_url, "9998")
    standing = migrate.current(empty_database_url)
    assert not standing.fits
    assert standing.state == f"is at 9999, which needs the code of 9998 or newer; this is {migrate.head()}"
    with pytest.raises(migrate.SchemaTooNewError, match="needs the code of 9998"):
        migrate.upgrade(empty_database_url)


def test_the_mark_goes_up_and_down_with_the_schema(empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    assert look(empty_database_url, marks) == ["0001"]
    newer(empty_database_url, "9998")
    look(
        empty_database_url,
        lambda connection: connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0003'"),
    )
    migrate.upgrade(empty_database_url)
    migrate.downgrade(empty_database_url, "0003")
    assert look(empty_database_url, marks) == ["0001"]


def marks(connection: Connection) -> list[str]:
    return list(connection.exec_driver_sql("SELECT oldest_code FROM schema_marks").scalars())


def test_a_revision_may_be_named(empty_database_url: str) -> None:
    assert migrate.upgrade(empty_database_url, "0002").version == "0002"
    with pytest.raises(migrate.MigrationError, match=r"no revision 0815; there are 0001, 0002, "):
        migrate.upgrade(empty_database_url, "0815")
    migrate.upgrade(empty_database_url)
    migrate.check(empty_database_url)


def test_both_histories_of_the_second_revision_meet(empty_database_url: str) -> None:
    """An earlier form of 0002 dropped a column that the code of 0001 fills."""
    migrate.upgrade(empty_database_url, "0002")
    look(
        empty_database_url,
        lambda connection: connection.exec_driver_sql("ALTER TABLE sessions DROP COLUMN rotated_at"),
    )
    migrate.upgrade(empty_database_url)
    migrate.check(empty_database_url)


def test_back_and_forth(empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    for revision in reversed(REVISIONS[:-1]):
        migrate.downgrade(empty_database_url, revision)
        assert migrate.current(empty_database_url).version == revision
    for revision in REVISIONS[1:]:
        assert migrate.upgrade(empty_database_url, revision).version == revision
    migrate.check(empty_database_url)


@pytest.fixture
def gochat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `gochat migrate` on a database; what it said and how it ended."""
    runner = CliRunner()

    def run(url: str, *options: str) -> Result:
        is_sqlite = url.startswith("sqlite")
        env = {"SQLITE_PATH": url.removeprefix("sqlite:///")} if is_sqlite else {"MYSQL_URL": url}
        return runner.invoke(cli.app, ["migrate", *options], env=env)

    monkeypatch.chdir(tmp_path)
    return run


def test_the_command_looks_and_waits(empty_database_url: str, gochat: Callable[..., Result]) -> None:
    looked = gochat(empty_database_url, "--check")
    assert (looked.exit_code, "is at nothing" in looked.output) == (1, True)
    assert gochat(empty_database_url, "--to", "0002").output == "The schema is at 0002.\n"
    assert gochat(empty_database_url, "--wait", "0.1").exit_code == 1
    with ThreadPoolExecutor(1) as threads:
        waits = threads.submit(migrate.wait, empty_database_url, 30)
        assert gochat(empty_database_url).output == f"The schema is at {migrate.head()}.\n"
        assert waits.result(30).fits
    assert gochat(empty_database_url, "--check").exit_code == 0
    newer(empty_database_url, "0001")
    assert (
        gochat(empty_database_url).output
        == gochat(empty_database_url, "--check").output
        == "The schema is at 9999.\n"
    )
