"""The doorbell on a real Redis: who hears what, and what it makes of faults and of strangers."""

import asyncio
import asyncio.selector_events
import gc
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest

from gochat.events.cluster import doorbell as module
from gochat.events.cluster import subscriptions
from gochat.events.cluster.doorbell import RedisDoorbell
from gochat.events.cluster.seam import Topic
from tests.services.certificates import Authority
from tests.services.redis import Redis

KEY = b"k" * 32
PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def patient_with_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has much to do is no Redis that is away."""
    monkeypatch.setattr(subscriptions, "CONFIRM_TIMEOUT_S", PATIENCE_S)


class Ring(NamedTuple):
    """News as it is told."""

    header: Mapping[str, Any]
    payload: bytes


DELTA: Topic[Ring] = Topic("delta", lambda it: it, Ring)


class Bell:
    """One process's doorbell, with what it heard."""

    def __init__(self, url: str, prefix: str, keys: list[bytes]) -> None:
        self.heard: list[Ring] = []
        self.renewals = 0
        self._news = asyncio.Event()
        self.doorbell = RedisDoorbell(url, prefix, keys)
        self.doorbell.hear(DELTA, self._hear)
        self.doorbell.renewed(self._connected)

    def _hear(self, ring: Ring) -> None:
        self.heard.append(ring)
        self._news.set()

    def _connected(self) -> None:
        self.renewals += 1
        self._news.set()

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def expect(self, ring: Ring) -> None:
        await self.until(lambda: ring in self.heard)

    async def listen(self, *rooms: str) -> None:
        for room in rooms:
            self.doorbell.listen(room)
        await self.doorbell.confirmed()

    async def well(self) -> None:
        """Redis takes what is rung."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.doorbell.check() != "ok":
                pass


@asynccontextmanager
async def bell(url: str, prefix: str = "test:0", keys: list[bytes] | None = None) -> AsyncIterator[Bell]:
    it = Bell(url, prefix, keys or [KEY])
    it.doorbell.start()
    try:
        await it.until(lambda: it.renewals)
        yield it
    finally:
        await it.doorbell.close()


def open_transports() -> list[object]:
    """Connections of asyncio that have not been closed yet."""
    kind = asyncio.selector_events._SelectorTransport  # type: ignore[attr-defined]
    return [it for it in gc.get_objects() if isinstance(it, kind) and it._sock is not None]


def ring(n: int) -> Ring:
    return Ring({"n": n}, b"payload\n%d" % n)


async def test_only_who_listens_hears(redis_url: str) -> None:
    async with bell(redis_url) as one, bell(redis_url) as other, bell(redis_url) as third:
        await other.listen("c:1")
        await third.listen("c:2")
        one.doorbell.ring("c:1", DELTA, ring(1))
        one.doorbell.ring("c:2", DELTA, ring(2))
        await other.expect(ring(1))
        await third.expect(ring(2))
        assert other.heard == [ring(1)]
        assert third.heard == [ring(2)]


async def test_one_does_not_hear_oneself(redis_url: str) -> None:
    async with bell(redis_url) as one, bell(redis_url) as other:
        await one.listen("c:1")
        one.doorbell.ring("c:1", DELTA, ring(1))
        await other.listen("c:2")
        other.doorbell.ring("c:1", DELTA, ring(2))
        await one.expect(ring(2))
        assert one.heard == [ring(2)]


async def test_who_listens_no_more_hears_no_more(redis_url: str) -> None:
    async with bell(redis_url) as one, bell(redis_url) as other:
        await other.listen("c:1", "c:2")
        other.doorbell.unlisten("c:1")
        await other.doorbell.confirmed()
        one.doorbell.ring("c:1", DELTA, ring(1))
        one.doorbell.ring("c:2", DELTA, ring(2))
        await other.expect(ring(2))
        assert other.heard == [ring(2)]


async def test_thousands_of_rooms_are_confirmed_together(redis_url: str) -> None:
    async with bell(redis_url) as one, bell(redis_url) as other:
        await asyncio.gather(
            *(other.listen(*(f"c:{n}" for n in range(at, at + 50))) for at in range(0, 10_000, 25))
        )
        for n in (0, 777, 2_048):
            assert await one.doorbell.send(f"c:{n}", DELTA, ring(n)) == 1
            await other.expect(ring(n))


async def test_how_many_heard_it_is_told(redis_url: str) -> None:
    async with bell(redis_url) as one, bell(redis_url) as other:
        assert await one.doorbell.send("p:nobody", DELTA, ring(1)) == 0
        await other.listen("c:1")
        assert await one.doorbell.send("c:1", DELTA, ring(1)) == 1


@pytest.mark.parametrize(("prefix", "keys"), [("other:0", [KEY]), ("test:0", [b"x" * 32])])
async def test_another_deployment_is_not_heard(redis: Redis, prefix: str, keys: list[bytes]) -> None:
    """Neither directly nor when what it rang is played on our channel."""
    async with bell(redis.url) as ours, bell(redis.url, prefix, keys) as theirs:
        await ours.listen("c:1")
        _, message = theirs.doorbell._message("c:1", DELTA, ring(1))
        with redis.client() as client:
            client.publish("test:0:c:1", message)
        theirs.doorbell.ring("c:1", DELTA, ring(1))
        async with bell(redis.url) as friend:
            friend.doorbell.ring("c:1", DELTA, ring(2))
            await ours.expect(ring(2))
        assert ours.heard == [ring(2)]
        assert ours.doorbell.forged >= 1


@pytest.mark.parametrize("garbage", [b"", b"x", b"x" * 100, b'{"method": "emit", "event": "x", "data": [1]}'])
async def test_garbage_is_dropped_and_counted(redis: Redis, garbage: bytes) -> None:
    async with bell(redis.url) as ours, bell(redis.url) as friend:
        await ours.listen("c:1")
        with redis.client() as client:
            client.publish("test:0:c:1", garbage)
            client.publish("test:0:all", garbage)
        friend.doorbell.ring("c:1", DELTA, ring(1))
        await ours.expect(ring(1))
        assert ours.heard == [ring(1)]
        assert ours.doorbell.forged == 2


async def test_a_message_of_another_room_is_not_heard(redis: Redis) -> None:
    async with bell(redis.url) as ours, bell(redis.url) as friend:
        await ours.listen("c:1")
        _, message = friend.doorbell._message("c:2", DELTA, ring(1))
        with redis.client() as client:
            client.publish("test:0:c:1", message)
        friend.doorbell.ring("c:1", DELTA, ring(2))
        await ours.expect(ring(2))
        assert ours.heard == [ring(2)]


async def test_a_former_key_is_still_heard(redis_url: str) -> None:
    async with bell(redis_url, keys=[b"n" * 32, KEY]) as ours, bell(redis_url, keys=[KEY]) as older:
        await ours.listen("c:1")
        older.doorbell.ring("c:1", DELTA, ring(1))
        await ours.expect(ring(1))


async def test_a_cut_connection_hears_everything_again(redis: Redis) -> None:
    async with bell(redis.url) as one, bell(redis.url) as other:
        await other.listen("c:1")
        with redis.client() as client:
            client.client_kill_filter(_type="pubsub")
        await other.until(lambda: other.renewals == 2)
        one.doorbell.ring("c:1", DELTA, ring(1))
        await other.expect(ring(1))


async def test_redis_that_comes_back_is_heard_again(redis: Redis) -> None:
    async with bell(redis.url) as one, bell(redis.url) as other:
        await other.listen("c:1")
        redis.stop()
        try:
            assert await one.doorbell.check() != "ok"
            await other.listen("c:2")
        finally:
            redis.start()
        await other.until(lambda: other.renewals == 2)
        await one.until(lambda: one.renewals == 2)
        await one.doorbell.send("c:2", DELTA, ring(1))
        await other.expect(ring(1))
        await one.well()


async def test_a_deaf_connection_is_given_up(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.1)
    monkeypatch.setattr(module, "DEAF_S", 0.5)
    async with bell(redis.url) as one:
        redis.process.signal(signal.SIGSTOP)
        try:
            async with asyncio.timeout(PATIENCE_S):
                while one.doorbell.is_up:  # noqa: ASYNC110, there is no event for it
                    await asyncio.sleep(0.05)
        finally:
            redis.process.signal(signal.SIGCONT)
        await one.until(lambda: one.renewals >= 2)


async def test_what_is_given_up_while_it_writes_comes_back(redis_url: str) -> None:
    """At whatever step of a write: a writer that outlives its connection keeps the next from beginning."""
    async with bell(redis_url) as one:
        for steps in range(8):
            one.renewals = 0
            one.doorbell.listen(f"c:{steps}")
            for _ in range(steps):
                await asyncio.sleep(0)
            one.doorbell._subscriptions.reset()
            await one.until(lambda: one.renewals)


async def test_redis_with_a_password(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("redis")
    with Redis(directory, password="sesame") as server:
        async with bell(server.url) as one, bell(server.url) as other:
            await other.listen("c:1")
            one.doorbell.ring("c:1", DELTA, ring(1))
            await other.expect(ring(1))


async def test_redis_with_tls(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path_factory.mktemp("redis")
    authority, certificate = Authority().write(directory, "127.0.0.1")
    with Redis(directory, password="sesame", certificate=certificate, authority=authority) as server:
        assert server.url.startswith("rediss://")
        async with bell(server.url) as one, bell(server.url) as other:
            await other.listen("c:1")
            one.doorbell.ring("c:1", DELTA, ring(1))
            await other.expect(ring(1))
        assert not open_transports(), "a loop that ends now would leave them open"
        stranger = Bell(server.url.partition("?")[0], "test:0", [KEY])
        stranger.doorbell.start()
        try:
            assert await stranger.doorbell.check() != "ok", "an unknown certificate"
        finally:
            await stranger.doorbell.close()
        monkeypatch.setattr(module, "_TIMEOUT_S", 2)
        async with bell(server.url):
            server.process.signal(signal.SIGSTOP)  # which says no farewell
        server.process.signal(signal.SIGCONT)
        async with asyncio.timeout(PATIENCE_S):
            while open_transports():  # noqa: ASYNC110, there is no event for it
                await asyncio.sleep(0.05)
