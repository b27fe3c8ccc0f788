"""What is deleted in time, on every database; and how the log is read when it is long."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from gochat.storage import maintenance, migrate
from gochat.storage.database import Database
from gochat.storage.engines import write_engine
from gochat.storage.epoch import EpochGuard
from gochat.storage.maintenance import (
    KEEP_BATCHES_MS,
    KEEP_PROCESSES_MS,
    KEEP_SESSIONS_MS,
    STEP_ROWS,
    Maintenance,
)
from gochat.storage.tables import BatchRow, FollowerCursorRow, FollowerRow, SessionRow

MINUTE_MS = 60_000


@asynccontextmanager
async def caring(url: str) -> AsyncIterator[Maintenance]:
    database = Database(url, pool_size=1)
    try:
        yield Maintenance(database)
    finally:
        await database.close()


def put(url: str, table: type[Any], rows: list[dict[str, Any]]) -> None:
    engine = write_engine(url)
    with engine.connect() as connection:
        connection.execute(insert(table), rows)
    engine.dispose()


def ids(url: str, column: Any) -> list[int]:
    engine = write_engine(url)
    with engine.connect() as connection:
        found = sorted(row[0] for row in connection.execute(select(column)))
    engine.dispose()
    return found


def batch(n: int, created_at: int) -> dict[str, Any]:
    return {"process_id": 1 + n % 3, "n": n, "changes": "{}", "created_at": created_at}


def session(id_: int, expires_at: int, revoked_at: int | None = None) -> dict[str, Any]:
    times = {"created_at": 0, "last_seen_at": 0, "expires_at": expires_at, "revoked_at": revoked_at}
    return {"id": id_, "user_id": 1, "refresh_hash": bytes(32), **times}


def test_old_batches_go_however_many_there_are(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(maintenance, "KEPT_ROWS", 1)
    now = time.time_ns() // 1_000_000
    old, young = now - KEEP_BATCHES_MS - MINUTE_MS, now - KEEP_BATCHES_MS + MINUTE_MS
    many = 3 * STEP_ROWS + 10
    put(
        database_url,
        BatchRow,
        [batch(n, old) for n in range(many)] + [batch(n, young) for n in range(many, many + 5)],
    )

    async def scenario() -> None:
        async with caring(database_url) as care:
            await care.catch_up()

    asyncio.run(scenario())
    assert ids(database_url, BatchRow.n) == [*range(many, many + 5)]


def test_the_newest_of_each_process_stay_for_days(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By number: the database's clock may be set by hours, and nothing is taken for lost history."""
    monkeypatch.setattr(maintenance, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(maintenance, "KEPT_ROWS", 4)
    now = time.time_ns() // 1_000_000
    hours, days = now - 5 * KEEP_BATCHES_MS, now - KEEP_PROCESSES_MS - MINUTE_MS
    put(database_url, BatchRow, [batch(n, hours) for n in range(30)])
    put(
        database_url,
        BatchRow,
        [{"process_id": 9, "n": n, "changes": "{}", "created_at": days} for n in (98, 99)],
    )

    async def scenario() -> None:
        async with caring(database_url) as care:
            await care.catch_up()

    asyncio.run(scenario())
    assert ids(database_url, BatchRow.n) == [*range(24, 30)]


def test_what_a_follower_has_not_read_is_kept_for_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a week at most; the slowest follower decides, also one that does not know a process yet."""
    monkeypatch.setattr(maintenance, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(maintenance, "KEPT_ROWS", 1)
    now = time.time_ns() // 1_000_000
    hours, week = now - 5 * KEEP_BATCHES_MS, now - KEEP_PROCESSES_MS - MINUTE_MS
    put(database_url, BatchRow, [batch(n, week if n < 6 else hours) for n in range(30)])
    follower = {"holder": 0, "held_until": 0, "compared": -1}
    put(database_url, FollowerRow, [{"name": name, **follower} for name in ("fast", "slow")])
    read = [("fast", 1, 27), ("fast", 2, 28), ("fast", 3, 29), ("slow", 1, 12), ("slow", 2, 28)]
    put(
        database_url,
        FollowerCursorRow,
        [dict(zip(("name", "process_id", "n"), it, strict=True)) for it in read],
    )

    async def scenario() -> None:
        async with caring(database_url) as care:
            await care.catch_up()

    asyncio.run(scenario())
    kept = ids(database_url, BatchRow.n)
    assert [n for n in kept if n % 3 == 0] == [15, 18, 21, 24, 27]
    assert [n for n in kept if n % 3 == 1] == [28]
    assert [n for n in kept if n % 3 == 2] == [8, 11, 14, 17, 20, 23, 26, 29]


def test_logins_that_ended_long_ago_go(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(maintenance, "STEP_ROWS", 10)
    now = time.time_ns() // 1_000_000
    long_ago, lately = now - KEEP_SESSIONS_MS - MINUTE_MS, now - KEEP_SESSIONS_MS + MINUTE_MS
    kinds = [(long_ago, None), (now, long_ago), (lately, None), (now, lately), (now, None)]
    put(database_url, SessionRow, [session(n, *kinds[n // 12]) for n in range(1, 60)])

    async def scenario() -> None:
        async with caring(database_url) as care:
            for _ in range(4):  # a walk goes on where the one before had nothing to do
                await care.catch_up()

    asyncio.run(scenario())
    assert ids(database_url, SessionRow.id) == [*range(24, 60)]


def test_how_far_the_log_is_costs_no_more_when_it_is_long(tmp_path: Path) -> None:
    """SQLite counts what its machine does: as many steps for a long log as for a short one."""
    steps = []
    for many in (10, 5_000):
        url = f"sqlite:///{tmp_path / str(many)}.db"
        migrate.upgrade(url)
        put(url, BatchRow, [batch(n, 1) for n in range(many)])
        engine = write_engine(url)
        with engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            counted = itertools.count()
            driver.set_progress_handler(lambda counted=counted: next(counted) < 0, 1)
            numbers = EpochGuard().check(connection).numbers
            driver.set_progress_handler(None, 0)
        engine.dispose()
        assert len(numbers) == 3
        assert max(numbers.values()) == many - 1
        steps.append(next(counted))
    assert steps[1] < 2 * steps[0]
