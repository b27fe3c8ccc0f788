"""A process that is killed while it passes on what another process has to say to a phone."""

import copy
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from gochat.storage.migrate import upgrade as migrate
from tests.services.gochat import GoChatServer
from tests.wire.account import Account, register
from tests.wire.conftest import SETTINGS
from tests.wire.engine.wire import Poller


@pytest.fixture
def servers(mariadb_url: str, redis_url: str, tmp_path: Path) -> Iterator[tuple[GoChatServer, GoChatServer]]:
    migrate(mariadb_url)
    settings = SETTINGS | {"MYSQL_URL": mariadb_url, "REDIS_URL": redis_url, "REPLICAS": "2"}
    with ExitStack() as stack:
        yield (
            stack.enter_context(GoChatServer(tmp_path, settings)),
            stack.enter_context(GoChatServer(tmp_path, settings)),
        )


@pytest.fixture
def ann(servers: tuple[GoChatServer, GoChatServer]) -> Iterator[Account]:
    with httpx2.Client(base_url=servers[0].url, timeout=30) as http:
        yield register(http, "ann")


def connected(server: GoChatServer, ann: Account) -> Poller:
    """A phone on polling, that has heard all up to the answer to a `sync`."""
    poller = Poller(server.port)
    assert poller.post(f'40{{"token":"{ann.token}"}}')[0] == 200
    heard = poller.poll()[1]
    assert heard.startswith("40{")
    poller.post('421["sync",{}]')
    while "431[" not in heard:
        heard = poller.poll()[1]
    return poller


def asks_again(owner: GoChatServer, other: GoChatServer, ann: Account) -> tuple[int, str]:
    """A poll waits at another process, which is killed; then its answer is due. What the next poll hears."""
    poller = connected(owner, ann)
    elsewhere = copy.copy(poller)
    elsewhere.port = other.port
    with elsewhere.pending_poll() as pending:
        pending.settimeout(0.5)
        with pytest.raises(TimeoutError):
            pending.recv(1)
        other.kill()
        assert poller.post('422["nonsense",{}]')[0] == 200
        return poller.poll()


def test_what_was_lost_with_it_ends_the_session(
    servers: tuple[GoChatServer, GoChatServer], ann: Account
) -> None:
    owner, other = servers
    status, body = asks_again(owner, other, ann)
    while "432[" in body:  # the poll had not come to its owner yet
        other.start()
        status, body = asks_again(owner, other, ann)
    assert status == 400 or body == "1", body
