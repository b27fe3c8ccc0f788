"""The pool of threads that reads, on every database, and when the database is gone."""

import asyncio
import itertools
import socket
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError

from gochat.core.errors import Overloaded, Unavailable
from gochat.storage.database import Database
from gochat.storage.engines import read_engine, snapshot, write_engine
from gochat.storage.faults import fault_of
from gochat.storage.fetch import fetch
from tests.services.sql_server import SQLServer
from tests.writing.world import prepare

MANY = 50


@asynccontextmanager
async def open_database(url: str, **options: Any) -> AsyncIterator[Database]:
    database = Database(url, **options)
    try:
        yield database
    finally:
        await database.close()


def one(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT 1").scalar_one())


def fetched(connection: Connection) -> int:
    return int(fetch(connection, "SELECT ?", 1)[0][0])


def in_a_snapshot(connection: Connection) -> int:
    with snapshot(connection):
        return fetched(connection)


READINGS = (one, fetched, in_a_snapshot)


def waits_for(event: threading.Event) -> Callable[[Connection], int]:
    def wait(connection: Connection) -> int:
        assert event.wait(30)
        return one(connection)

    return wait


def users(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT COUNT(*) FROM users").scalar_one())


def rename_all(connection: Connection) -> None:
    connection.exec_driver_sql("UPDATE users SET display_name = 'renamed'")


def names(connection: Connection) -> set[str]:
    return set(connection.exec_driver_sql("SELECT display_name FROM users").scalars())


def test_a_new_sqlite_file_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    together = threading.Barrier(8, timeout=30)

    def open_and_read(url: str) -> int:
        engine = write_engine(url)
        together.wait()
        with engine.connect() as connection:
            return one(connection)

    with ThreadPoolExecutor(8) as threads:
        for n in range(4 * MANY):
            urls = [f"sqlite:///{tmp_path / str(n)}.db"] * 8
            assert list(threads.map(open_and_read, urls)) == [1] * 8


def test_many_read_at_once(database_url: str) -> None:
    async def scenario() -> None:
        async with open_database(database_url, pool_size=4) as database:
            assert await asyncio.gather(*(database.read(one) for _ in range(MANY))) == [1] * MANY

    asyncio.run(scenario())


def test_more_than_may_wait_are_refused_at_once(database_url: str) -> None:
    async def scenario() -> None:
        async with open_database(database_url, pool_size=1, waiting=2) as database:
            go = threading.Event()
            accepted = [asyncio.create_task(database.read(waits_for(go))) for _ in range(3)]
            await asyncio.sleep(0)
            with pytest.raises(Overloaded) as refusal:
                await database.read(one)
            assert refusal.value.retry_after_ms
            go.set()
            assert await asyncio.gather(*accepted) == [1, 1, 1]
            assert await asyncio.gather(*(database.read(one) for _ in range(3))) == [1, 1, 1]

    asyncio.run(scenario())


def test_who_waits_no_longer_takes_no_place(database_url: str) -> None:
    async def scenario() -> None:
        async with open_database(database_url, pool_size=1, waiting=1) as database:
            go = threading.Event()
            running = asyncio.create_task(database.read(waits_for(go)))
            waiting = asyncio.create_task(database.read(one))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
            assert waiting.cancelled()
            another = asyncio.create_task(database.read(one))
            await asyncio.sleep(0)
            go.set()
            assert list(await asyncio.gather(running, another)) == [1, 1]

    asyncio.run(scenario())


def test_nobody_waits_for_ever(database_url: str) -> None:
    async def scenario() -> None:
        go = threading.Event()
        async with open_database(database_url, pool_size=1, timeout=0.05) as database:
            with pytest.raises(Unavailable):
                await database.read(waits_for(go))
            go.set()

    asyncio.run(scenario())


def test_after_closing_nothing_is_read(database_url: str) -> None:
    async def scenario() -> None:
        async with open_database(database_url) as database:
            assert await database.read(one) == 1
        with pytest.raises(Unavailable):
            await database.read(one)

    asyncio.run(scenario())


def test_a_mistake_of_ours_is_no_outage(database_url: str) -> None:
    wrong = "SELECT nothing FROM nowhere"

    def mistaken(connection: Connection) -> None:
        connection.exec_driver_sql(wrong)

    def fetches(connection: Connection) -> None:
        fetch(connection, wrong)

    async def scenario() -> None:
        async with open_database(database_url, pool_size=1) as database:
            raised = []
            for run, wrongly in itertools.product((database.read, database.write), (mistaken, fetches)):
                with pytest.raises(DBAPIError) as error:
                    await run(wrongly)
                raised.append((type(error.value), fault_of(error.value), error.value.statement))
            assert len(set(raised)) == 1
            assert await database.read(one) == 1

    asyncio.run(scenario())


def test_a_write_is_all_or_nothing(database_url: str) -> None:
    prepare(database_url, 2)

    def fails(connection: Connection) -> None:
        rename_all(connection)
        raise KeyError

    async def scenario() -> None:
        async with open_database(database_url, pool_size=1) as database:
            with pytest.raises(KeyError):
                await database.write(fails)
            assert await database.read(names) == {""}
            await database.write(rename_all)
            assert await database.read(names) == {"renamed"}

    asyncio.run(scenario())


def test_a_snapshot_is_of_one_state(database_url: str) -> None:
    prepare(database_url, 2)
    engine = write_engine(database_url)

    def look_twice(connection: Connection) -> tuple[set[str], set[str]]:
        with snapshot(connection):
            before = names(connection)
            with engine.connect() as other:
                rename_all(other)
            return before, names(connection)

    async def scenario() -> None:
        async with open_database(database_url, pool_size=1) as database:
            assert await database.read(look_twice) == ({""}, {""})
            assert await database.read(names) == {"renamed"}

    asyncio.run(scenario())
    engine.dispose()


VALUES: tuple[object, ...] = (
    *(0, -(2**63), 2**63 - 1, None, 1.5, True, "", "plain", b"", b"\x00\xff'\\"),
    *('it\'s \\ "quoted"', "\x00\n\r\x1a 100 % é 👋"),
)


def test_what_is_fetched_is_what_sqlalchemy_would_bring(database_url: str) -> None:
    heard: list[str] = []
    engine = read_engine(database_url, 1)
    prepare(database_url, 3)
    questions: list[tuple[str, tuple[object, ...]]] = [("SELECT ?", (value,)) for value in VALUES]
    questions += [
        ("SELECT id, username, display_name, created_at, disabled_at FROM users ORDER BY id", ()),
        ("SELECT SUM(id), COUNT(*), MAX(username), MIN(disabled_at), 3 / 2 FROM users", ()),
        ("SELECT id FROM users WHERE username = ?", ("nobody",)),
    ]
    with engine.connect() as connection:
        fast = [[tuple(row) for row in fetch(connection, sql, *values)] for sql, values in questions]
    event.listen(engine, "before_cursor_execute", lambda _, __, statement, *more: heard.append(statement))
    with engine.connect() as connection:
        slow = [[tuple(row) for row in fetch(connection, sql, *values)] for sql, values in questions]
        with snapshot(connection):
            pass
    assert len(heard) == len(questions) + 2, "who listens hears of each"
    assert [repr(it) for it in fast] == [repr(it) for it in slow]
    engine.dispose()


def test_how_a_session_is_set(database_url: str) -> None:
    def settings(connection: Connection) -> list[object]:
        if connection.dialect.name == "sqlite":
            asked = [
                "PRAGMA journal_mode",
                "PRAGMA synchronous",
                "PRAGMA foreign_keys",
                "PRAGMA busy_timeout",
            ]
        else:
            asked = [
                "SELECT @@character_set_client",
                "SELECT @@character_set_connection",
                "SELECT @@sql_mode LIKE '%%STRICT_ALL_TABLES%%'",
                "SELECT @@autocommit",
            ]
        return [connection.exec_driver_sql(statement).scalar_one() for statement in asked]

    async def scenario() -> None:
        async with open_database(database_url) as database:
            expected = ["wal", 2, 1, 5000] if "sqlite" in database_url else ["utf8mb4", "utf8mb4", 1, 1]
            assert await database.read(settings) == expected

    asyncio.run(scenario())


@pytest.mark.parametrize("read", READINGS)
def test_a_killed_connection_is_replaced(
    sql_server_url: str, sql_server: SQLServer, read: Callable[[Connection], int]
) -> None:
    async def scenario() -> None:
        async with open_database(sql_server_url, pool_size=4) as database:
            await asyncio.gather(*(database.read(read) for _ in range(MANY)))
            assert sql_server.kill_connections() >= 1
            assert await asyncio.gather(*(database.read(read) for _ in range(MANY))) == [1] * MANY

    asyncio.run(scenario())


def test_a_killed_connection_is_replaced_before_it_writes(sql_server_url: str, sql_server: SQLServer) -> None:
    async def scenario() -> None:
        async with open_database(sql_server_url, pool_size=4) as database:
            await asyncio.gather(*(database.read(one) for _ in range(MANY)))
            assert sql_server.kill_connections() >= 1
            assert await asyncio.gather(*(database.write(fetched) for _ in range(MANY))) == [1] * MANY

    asyncio.run(scenario())


def test_a_write_that_has_begun_is_not_begun_again(sql_server_url: str, sql_server: SQLServer) -> None:
    begun = []

    def is_killed(connection: Connection) -> int:
        begun.append(connection)
        assert sql_server.kill_connections() >= 1
        return fetched(connection)

    async def scenario() -> None:
        async with open_database(sql_server_url) as database:
            with pytest.raises(Unavailable):
                await database.write(is_killed)

    asyncio.run(scenario())
    assert len(begun) == 1


@pytest.mark.parametrize("read", READINGS)
def test_a_server_that_is_gone_is_unavailable_until_it_is_back(
    sql_server_url: str, sql_server: SQLServer, read: Callable[[Connection], int]
) -> None:
    async def scenario() -> None:
        async with open_database(sql_server_url, pool_size=2) as database:
            assert await database.read(read) == 1
            sql_server.kill()
            try:
                for run in (database.read, database.write, database.read):
                    with pytest.raises(Unavailable):
                        await run(read)
            finally:
                sql_server.start()
            assert await asyncio.gather(*(database.read(read) for _ in range(MANY))) == [1] * MANY
            assert await database.write(read) == 1

    asyncio.run(scenario())


def test_a_server_that_says_nothing_is_unavailable() -> None:
    async def scenario() -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as listener:
            url = f"mysql+pymysql://nobody@127.0.0.1:{listener.getsockname()[1]}/nothing"
            async with open_database(url, pool_size=1, timeout=0.05) as database:
                with pytest.raises(Unavailable):
                    await database.read(one)
                listener.accept()[0].close()

    asyncio.run(scenario())
