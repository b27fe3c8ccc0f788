import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from gochat.storage.migrate import upgrade
from tests.services.gochat import PLAIN_ASGI, GoChatServer
from tests.services.issuer import Issuer
from tests.services.redis import Redis
from tests.services.sql_server import SQLServer
from tests.wire.account import Account, register
from tests.wire.place import Place

SECRET = "a3f9d2c81a7b64e05c1f7d9e2b4a6c8d0"
SETTINGS = {"LOGIN_RATE": "10000/minute", "JWT_SECRET": SECRET, "ARGON2_MEMORY_KIB": "8192"}


@pytest.fixture(scope="session", params=["serve", "asgi"])
def serving(request: pytest.FixtureRequest) -> str:
    """Each way to serve the application keeps the same promises."""
    way: str = request.param
    return way


@pytest.fixture(scope="session")
def server(serving: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoChatServer]:
    """One server on SQLite for all tests that only talk to it."""
    command = PLAIN_ASGI if serving == "asgi" else None
    with GoChatServer(tmp_path_factory.mktemp("server"), SETTINGS, command) as running:
        yield running


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    """Who vouches for users of `place` by tokens."""
    with Issuer() as running:
        yield running


@pytest.fixture(scope="session", params=["sqlite", "mariadb", "mysql"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, issuer: Issuer
) -> Iterator[Place]:
    """One process on SQLite; two on MariaDB or MySQL, and Redis."""
    directory = tmp_path_factory.mktemp(request.param)
    settings = SETTINGS | {"JWT_ISSUERS": json.dumps([issuer.setting])}
    url = f"sqlite:///{directory / 'gochat.db'}"
    several = request.param != "sqlite"
    if several:
        sql_server: SQLServer = request.getfixturevalue(request.param)
        redis: Redis = request.getfixturevalue("redis")
        url = sql_server.create_database()
        upgrade(url)
        settings |= {"MYSQL_URL": url, "REDIS_URL": redis.url, "REPLICAS": "2"}
    with ExitStack() as stack:
        here = there = stack.enter_context(GoChatServer(directory, settings))
        if several:
            there = stack.enter_context(GoChatServer(directory, settings))
        http, http_there = (
            stack.enter_context(httpx2.Client(base_url=it.url, timeout=30)) for it in (here, there)
        )
        yield Place(here, there, http, http_there, url, settings)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[GoChatServer]:
    """A server that the test may stop."""
    with GoChatServer(tmp_path, SETTINGS) as running:
        yield running


@pytest.fixture
def http(server: GoChatServer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=30) as client:
        yield client


_names = iter(range(1_000_000))


@pytest.fixture
def ann(http: httpx2.Client) -> Account:
    return register(http, f"ann{next(_names)}")


@pytest.fixture
def ben(http: httpx2.Client) -> Account:
    return register(http, f"ben{next(_names)}")


@pytest.fixture
def eve(http: httpx2.Client) -> Account:
    """A stranger to the others."""
    return register(http, f"eve{next(_names)}")


@pytest.fixture
def direct(ann: Account, ben: Account) -> str:
    """The id of a conversation of Ann and Ben."""
    created = ann.post("/conversations", {"kind": "direct", "member_ids": [ben.id]})
    return str(created["conversation"]["id"])
