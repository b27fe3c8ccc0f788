"""What an operator does is rung for, so that servers need not find it in the database first."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from gochat.contract.ids import id_in
from gochat.core.measures import Measures
from gochat.events.cluster.doorbell import RedisDoorbell
from gochat.events.delivery.topics import PROFILE, REVOKED, Ended
from gochat.events.sockets import user_room
from gochat.peers import RedisPeers
from tests.contract.rest import PASSWORD, SECRET, operator, register, running

PREFIX = "bell"


async def test_operators_ring(redis_url: str, tmp_path: Path) -> None:
    """Each act that ends logins or changes what a user may do, heard by who hears that user's room."""
    url = f"sqlite:///{tmp_path / 'gochat.db'}"
    heard: asyncio.Queue[object] = asyncio.Queue()
    peers = RedisPeers(redis_url, PREFIX, [SECRET.encode()], (), Measures())
    doorbell = peers.doorbell
    assert isinstance(doorbell, RedisDoorbell)
    async with AsyncExitStack() as stack:
        rest = await stack.enter_async_context(running(url))
        stack.push_async_callback(peers.close)
        ann = await register(rest, "ann")
        user_id = id_in(ann.id)
        doorbell.hear(REVOKED, heard.put_nowait)
        doorbell.hear(PROFILE, heard.put_nowait)
        doorbell.listen(user_room(user_id))
        listening = asyncio.Event()
        doorbell.renewed(listening.set)
        doorbell.start()
        async with asyncio.timeout(30):
            await listening.wait()

        async def acts(*command: str) -> object:
            settings = {"REDIS_URL": redis_url, "REDIS_PREFIX": PREFIX}
            await asyncio.to_thread(operator, url, *command, "--why=x", **settings)
            async with asyncio.timeout(30):
                return await heard.get()

        async def session() -> str:
            logged_in = await rest.ok("POST", "/auth/login", {"username": "ann", "password": PASSWORD})
            return str(logged_in["session"]["id"])

        first = str(ann.tokens["session"]["id"])

        def ended(session_id: str) -> Ended:
            return Ended(user_id, id_in(session_id), "session_revoked")

        assert await acts("session", "end", first) == ended(first)
        second = await session()
        assert await acts("user", "logout", "ann") == ended(second)
        assert await acts("user", "mute", "ann") == user_id
        third = await session()
        assert await acts("user", "disable", "ann") == ended(third)
        assert heard.empty()
    # While Redis does not answer the act is done all the same, without a long wait.
    gone = {"REDIS_URL": "redis://127.0.0.1:1", "REDIS_PREFIX": PREFIX}
    operator(url, "user", "enable", "ann", "--why=x", **gone)
    operator(url, "user", "mute", "ann", "--why=x", **gone)
