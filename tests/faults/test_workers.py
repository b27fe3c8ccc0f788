"""`gochat serve` with several workers: they share a port, are replaced when they die, and end together."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from gochat.storage.migrate import upgrade as migrate
from tests.faults.conftest import SETTINGS
from tests.services.gochat import GoChatServer
from tests.services.process import NotStartedError
from tests.services.redis import Redis
from tests.wire.account import register
from tests.wire.phone import Phone

WORKERS = 3


@pytest.fixture
def server(mariadb_url: str, redis: Redis, tmp_path: Path) -> Iterator[GoChatServer]:
    migrate(mariadb_url)
    places = {"MYSQL_URL": mariadb_url, "REDIS_URL": redis.url, "REPLICAS": "1", "WORKERS": str(WORKERS)}
    with GoChatServer(tmp_path, SETTINGS | places | {"DRAIN_SECONDS": "0.5"}) as running:
        until(lambda: len(workers(running)) == WORKERS)
        yield running


def workers(server: GoChatServer) -> set[int]:
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return {int(child) for child in children.read_text().split()}


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def sockets(pid: int) -> int:
    return sum(1 for fd in Path(f"/proc/{pid}/fd").iterdir() if os.readlink(fd).startswith("socket:"))


async def test_connections_are_spread(server: GoChatServer) -> None:
    until(lambda: server.process.log.count("listening ") >= WORKERS)
    with httpx2.Client(base_url=server.url, timeout=30) as client:
        ann = register(client, "ann")
    before = {pid: sockets(pid) for pid in workers(server)}
    phones = [Phone(f"ann {n}") for n in range(60)]
    for phone in phones:
        await phone.connect(server.url, ann.token)
    more = Counter({pid: sockets(pid) - count for pid, count in before.items()})
    assert min(more.values()) >= 5, more
    for phone in phones:
        await phone.close()


def test_a_dead_worker_is_replaced(server: GoChatServer) -> None:
    before = workers(server)
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    until(lambda: len(workers(server) - {victim}) == WORKERS)
    assert before - {victim} < workers(server)


def test_sigterm_ends_them_all(server: GoChatServer) -> None:
    pids = workers(server)
    assert server.stop() == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_workers_end_with_their_supervisor(server: GoChatServer) -> None:
    pids = workers(server)
    os.kill(server.process.pid, signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{pid}/fd/0").exists() for pid in pids))


def test_what_cannot_start_says_so(mariadb_url: str, tmp_path: Path) -> None:
    with pytest.raises(NotStartedError, match=r"exit status 78(.|\n)*REDIS_URL"):
        GoChatServer(tmp_path, {"MYSQL_URL": mariadb_url, "WORKERS": "2"}).start()
