"""What the database's health is said to be."""

import asyncio
from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import make_url

from gochat.storage import migrate, probe
from gochat.storage.database import Database
from gochat.storage.doctor import examine
from gochat.storage.health import DatabaseHealth
from tests.services import mysql
from tests.services.sql_server import SQLServer


async def health_of(url: str) -> dict[str, str]:
    database = Database(url, pool_size=1)
    try:
        return dict(await DatabaseHealth(database).check())
    finally:
        await database.close()


def test_it_is_well_once_it_is_migrated(empty_database_url: str) -> None:
    before = asyncio.run(health_of(empty_database_url))
    assert before == {"database": "ok", "schema": f"is at nothing, must be at {migrate.head()}"}
    migrate.upgrade(empty_database_url)
    assert asyncio.run(health_of(empty_database_url)) == {"database": "ok", "schema": "ok"}


def test_it_is_not_well_when_it_is_gone(sql_server_url: str, sql_server: SQLServer) -> None:
    migrate.upgrade(sql_server_url)
    sql_server.kill()
    try:
        health = asyncio.run(health_of(sql_server_url))
        assert health == {"database": "does not answer", "schema": "unknown"}
    finally:
        sql_server.start()


def test_it_is_not_well_when_a_statement_of_the_writer_is_none_of_the_servers(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = {
        key: replace(sql, lock_users=sql.dialect.lock("u.nothing", "users u", "id"))
        for key, sql in probe._SQL.items()
    }
    monkeypatch.setattr(probe, "_SQL", broken)
    health = asyncio.run(health_of(database_url))
    assert health["database"].startswith("can't be used: ")
    finding = next(it for it in examine(database_url) if not it.well)
    assert finding.what == "the statements of the writer"


def test_it_is_not_well_when_the_user_may_only_read(sql_server_url: str) -> None:
    migrate.upgrade(sql_server_url)
    at = make_url(sql_server_url)
    reader = f"'{at.database}'@'127.0.0.1'"
    with closing(mysql.connect(sql_server_url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE USER {reader} IDENTIFIED BY 'secret'")
        cursor.execute(f"GRANT SELECT ON {at.database}.* TO {reader}")
    url = at.set(username=at.database, password="secret").render_as_string(hide_password=False)
    health = asyncio.run(health_of(url))
    assert health["database"] == "can't be used: OperationalError 1142 (the user may not do this)"


def test_what_the_writer_suffers_from_is_told(database_url: str) -> None:

    async def scenario() -> None:
        database = Database(database_url, pool_size=1)
        try:
            told = await DatabaseHealth(database, lambda: "a full disk").check()
            assert told == {"database": "can't be used: a full disk", "schema": "ok"}
        finally:
            await database.close()

    asyncio.run(scenario())
