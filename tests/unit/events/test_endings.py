"""What runs beside ends when it is to, though a library swallows the cancellation, as redis-py does."""

import asyncio
from typing import Any, cast

import pytest
from redis.asyncio.connection import AbstractConnection
from structlog.testing import capture_logs

from gochat.events import tasks as module
from gochat.events.cluster.pipeline import Publisher
from gochat.events.cluster.subscriptions import Subscriptions
from gochat.events.tasks import Tasks, end


class Deaf:
    """A connection to Redis that never comes to be, and takes a cancellation for an answer."""

    is_connected = False

    def __init__(self) -> None:
        self.tries = 0
        self.trying = asyncio.Event()

    def __call__(self) -> AbstractConnection:
        return cast(AbstractConnection, self)

    async def connect(self) -> None:
        self.tries += 1
        self.trying.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    async def disconnect(self, *, nowait: bool) -> None:
        pass


async def test_subscriptions_that_connect_end() -> None:
    connection = Deaf()
    it = Subscriptions(connection, lambda channel, message: None, lambda: None)
    it.start()
    await connection.trying.wait()
    with capture_logs() as logs:
        await asyncio.wait_for(it.close(), 10)
    assert [line["event"] for line in logs] == ["subscriptions_lost"]
    assert connection.tries == 1


async def test_a_publisher_that_connects_ends() -> None:
    connection = Deaf()
    it = Publisher(connection)
    it.start()
    it.publish(b"channel", b"data")
    await connection.trying.wait()
    with capture_logs() as logs:
        await asyncio.wait_for(it.close(patience=0), 10)
    assert [line["event"] for line in logs] == ["doorbell_lost"]
    assert connection.tries == 1


async def test_what_does_not_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    free = asyncio.Event()

    async def stubborn() -> None:
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    with capture_logs() as logs:
        await asyncio.wait_for(end((task,), patience=0.01), 10)
    assert logs == [{"event": "tasks_do_not_end", "count": 1, "log_level": "warning"}]
    free.set()
    await task


async def test_a_task_that_fails_says_so() -> None:
    async def faulty() -> None:
        raise ValueError("a fault of ours")

    it = Tasks()
    with capture_logs() as logs:
        await asyncio.wait((it.spawn(faulty()),))
        await asyncio.sleep(0)
    (line,) = logs
    assert (line["event"], type(cast(Any, line["exc_info"]))) == ("task_failed", ValueError)
    assert module.END_S < 10
    await it.end()
