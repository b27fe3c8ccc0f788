"""A process that ends while it passes on what another process has to say to a phone."""

import copy
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest

from gochat.storage.migrate import upgrade as migrate
from tests.services.gochat import GoChatServer
from tests.wire.account import Account, register
from tests.wire.conftest import SETTINGS
from tests.wire.engine.wire import UNKNOWN, Poller, answer


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


@contextmanager
def poll_elsewhere(poller: Poller, other: GoChatServer) -> Iterator[socket.socket]:
    """A poll that came to another process and waits where its session is."""
    elsewhere = copy.copy(poller)
    elsewhere.port = other.port
    with elsewhere.pending_poll() as pending:
        assert elsewhere.post("6") == (200, "ok")  # which comes there after it
        yield pending


@pytest.fixture
def pinging(mariadb_url: str, redis_url: str, tmp_path: Path) -> Iterator[tuple[GoChatServer, GoChatServer]]:
    """Servers that ping often, and wait for the pong no longer than that."""
    migrate(mariadb_url)
    settings = SETTINGS | {"MYSQL_URL": mariadb_url, "REDIS_URL": redis_url, "REPLICAS": "2"}
    settings |= {"PING_INTERVAL_S": "1", "PING_TIMEOUT_S": "1"}
    with ExitStack() as stack:
        yield (
            stack.enter_context(GoChatServer(tmp_path, settings)),
            stack.enter_context(GoChatServer(tmp_path, settings)),
        )


def test_a_slow_upload_that_came_to_another_process_is_a_sign_of_life(
    pinging: tuple[GoChatServer, GoChatServer],
) -> None:
    """Who posts has no way to answer pings meanwhile."""
    owner, other = pinging
    with httpx2.Client(base_url=owner.url, timeout=30) as http:
        poller = connected(owner, register(http, "ann"))
    assert poller.handshake["pingInterval"] == poller.handshake["pingTimeout"] == 1_000
    body = b'422["nonsense",{}]'
    head = f"POST /socket.io/?EIO=4&transport=polling&sid={poller.sid} HTTP/1.1\r\nHost: x\r\n"
    with socket.create_connection(("127.0.0.1", other.port), 30) as client:
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
        for position in range(len(body)):
            client.sendall(body[position : position + 1])
            threading.Event().wait(0.3)  # the pace of the upload
        assert answer(client) == (200, "ok")
    heard = ""
    while "432[" not in heard:
        status, heard = poller.poll()
        assert status == 200


def test_what_was_lost_with_it_ends_the_session(
    servers: tuple[GoChatServer, GoChatServer], ann: Account
) -> None:
    owner, other = servers
    poller = connected(owner, ann)
    with poll_elsewhere(poller, other):
        other.kill()
        assert poller.post('422["nonsense",{}]')[0] == 200
        assert poller.poll() == UNKNOWN


def test_what_it_had_not_written_ends_the_session(
    servers: tuple[GoChatServer, GoChatServer], ann: Account
) -> None:
    """It has heard the answer: nobody else can know what became of that."""
    owner, other = servers
    poller = connected(owner, ann)
    with poll_elsewhere(poller, other):
        other.process.signal(signal.SIGSTOP)
        assert poller.post('422["nonsense",{}]')[0] == 200
        with poller.pending_poll() as following:
            following.settimeout(60)
            other.kill()
            assert answer(following) == UNKNOWN


def test_one_that_stops_gives_its_polls_back(
    servers: tuple[GoChatServer, GoChatServer], ann: Account
) -> None:
    owner, other = servers
    poller = connected(owner, ann)
    with poll_elsewhere(poller, other) as pending:
        pending.settimeout(60)
        stopping = threading.Thread(target=other.stop)
        stopping.start()
        try:
            assert answer(pending) == (200, "6")
        finally:
            stopping.join()
    assert poller.post('422["nonsense",{}]')[0] == 200
    assert "432[" in poller.poll()[1]
