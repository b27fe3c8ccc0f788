"""What the database's health is said to be."""

import asyncio

from gochat.storage import migrate
from gochat.storage.database import Database
from gochat.storage.health import DatabaseHealth
from tests.services.sql_server import SQLServer


async def health_of(url: str) -> dict[str, str]:
    database = Database(url, pool_size=1)
    try:
        return dict(await DatabaseHealth(database).check())
    finally:
        await database.close()


def test_it_is_well_once_it_is_migrated(database_url: str) -> None:
    before = asyncio.run(health_of(database_url))
    assert before == {"database": "ok", "schema": f"is at nothing, must be at {migrate.head()}"}
    migrate.upgrade(database_url)
    assert asyncio.run(health_of(database_url)) == {"database": "ok", "schema": "ok"}


def test_it_is_not_well_when_it_is_gone(sql_server_url: str, sql_server: SQLServer) -> None:
    migrate.upgrade(sql_server_url)
    sql_server.kill()
    try:
        health = asyncio.run(health_of(sql_server_url))
        assert health == {"database": "does not answer", "schema": "unknown"}
    finally:
        sql_server.start()
