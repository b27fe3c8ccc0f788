import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from gochat.storage.migrate import upgrade as migrate
from tests.faults import dies_before_publishing
from tests.services.gochat import GoChatServer
from tests.services.redis import Redis
from tests.wire.account import Account, register
from tests.wire.phone import Phone

SETTINGS = {"REPLICAS": "2", "JWT_SECRET": "k" * 16 + "3f9d2c81a7b64e05", "LOGIN_RATE": "1000/minute"}


class Place:
    """Two processes on one database and one Redis; Ann is at the first of them, Ben at the second."""

    def __init__(self, servers: list[GoChatServer], clients: list[httpx2.Client], redis: Redis) -> None:
        self.servers = servers
        self.redis = redis
        self.ann: Account = register(clients[0], "ann")
        self.ben: Account = register(clients[1], "ben")
        self.eve: Account = register(clients[1], "eve")
        created = self.ann.post("/conversations", {"kind": "direct", "member_ids": [self.ben.id]})
        self.conversation = str(created["conversation"]["id"])

    @property
    def urls(self) -> list[str]:
        return [server.url for server in self.servers]


@pytest.fixture
def place(mariadb_url: str, redis: Redis, tmp_path: Path) -> Iterator[Place]:
    migrate(mariadb_url)
    settings = SETTINGS | {"MYSQL_URL": mariadb_url, "REDIS_URL": redis.url}
    with ExitStack() as stack:
        command = [sys.executable, dies_before_publishing.__file__, "serve"]
        first = GoChatServer(tmp_path, settings, command)
        servers = [stack.enter_context(server) for server in (first, GoChatServer(tmp_path, settings))]
        clients = [stack.enter_context(httpx2.Client(base_url=it.url, timeout=30)) for it in servers]
        yield Place(servers, clients, redis)


@asynccontextmanager
async def phone(place: Place, name: str, server: int) -> AsyncIterator[Phone]:
    """A phone of that user at that server, which has been told what it hears."""
    it = Phone(name)
    await it.connect(place.urls[server], getattr(place, name).token)
    await it.expect_ok("sync", {})
    try:
        yield it
    finally:
        await it.close()
