"""The database refuses, or is full: no bug. It is said so, in a line that names it, and ends by itself."""

import asyncio
import re
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import httpx2
import pymysql
import pytest
from sqlalchemy import make_url

from gochat.storage.migrate import upgrade
from tests.faults.conftest import SETTINGS
from tests.faults.test_outages import ready
from tests.services import mysql
from tests.services.gochat import GoChatServer
from tests.services.sql_server import SQLServer
from tests.wire.account import Account, register
from tests.wire.phone import Phone, message

pytestmark = pytest.mark.timeout(180)
PASSWORD, ANOTHER = "as it was", "a new one"


class Owner:
    """Whoever runs the server, and what they can do to the user that GoChat is."""

    def __init__(self, server: SQLServer, url: str) -> None:
        self._server = server
        self._url = url
        name = make_url(url).database
        self.user = f"'{name}'@'127.0.0.1'"
        self.run(
            f"CREATE USER {self.user} IDENTIFIED BY '{PASSWORD}'", f"GRANT ALL ON {name}.* TO {self.user}"
        )
        self.url = make_url(url).set(username=name, password=PASSWORD).render_as_string(hide_password=False)
        self._stack = ExitStack()

    def run(self, *statements: str) -> None:
        with closing(mysql.connect(self._url)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def password(self, password: str) -> None:
        self.run(f"ALTER USER {self.user} IDENTIFIED BY '{password}'")
        self._server.kill_connections()

    def quota(self) -> None:
        """One connection, which is taken: by whoever is first, after all were ended."""
        self.run(f"ALTER USER {self.user} WITH MAX_USER_CONNECTIONS 1")
        while True:
            self._server.kill_connections()
            with suppress(pymysql.err.OperationalError):
                self._stack.enter_context(closing(mysql.connect(self.url)))
                return

    def no_quota(self) -> None:
        self._stack.close()
        self.run(f"ALTER USER {self.user} WITH MAX_USER_CONNECTIONS 0")

    def fill(self, number: int) -> None:
        """Nothing can be inserted, and the error is that of a full disk."""
        for table in ("messages", "batches"):
            self.run(
                f"CREATE TRIGGER full_{table} BEFORE INSERT ON {table} FOR EACH ROW"
                f" SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'secret'"
            )

    def empty(self) -> None:
        self.run(*(f"DROP TRIGGER full_{table}" for table in ("messages", "batches")))


CASES: dict[str, tuple[Callable[[Owner], None], Callable[[Owner], None]]] = {
    "1045": (lambda it: it.password(ANOTHER), lambda it: it.password(PASSWORD)),
    "1226": (lambda it: it.quota(), lambda it: it.no_quota()),
    "1114": (lambda it: it.fill(1114), lambda it: it.empty()),
}


@pytest.mark.parametrize("number", CASES)
def test_a_server_that_refuses(
    number: str, sql_server: SQLServer, sql_server_url: str, tmp_path: Path
) -> None:
    upgrade(sql_server_url)
    owner = Owner(sql_server, sql_server_url)
    begin, end = CASES[number]
    with serving(tmp_path, {"MYSQL_URL": owner.url}) as (server, ann, cid):
        asyncio.run(get_over(server, ann, cid, lambda: begin(owner), lambda: end(owner)))
        assert_told(server, number)


@contextmanager
def limited(server: GoChatServer, what: int, most: int) -> Iterator[None]:
    before = resource.prlimit(server.process.pid, what)
    resource.prlimit(server.process.pid, what, (most, before[1]))
    try:
        yield
    finally:
        resource.prlimit(server.process.pid, what, before)


def test_a_file_that_can_not_grow(tmp_path: Path) -> None:
    with serving(tmp_path, {}) as (server, ann, cid), ExitStack() as stack:
        size = max(it.stat().st_size for it in tmp_path.glob("gochat.db*"))

        def begin() -> None:
            stack.enter_context(limited(server, resource.RLIMIT_FSIZE, size))

        asyncio.run(get_over(server, ann, cid, begin, stack.close))
        assert_told(server, "10|13")


def test_no_file_can_be_opened(sql_server: SQLServer, sql_server_url: str, tmp_path: Path) -> None:
    """Nor a connection be accepted, so that nobody can ask whether it is ready."""
    upgrade(sql_server_url)
    with (
        serving(tmp_path, {"MYSQL_URL": sql_server_url}) as (server, ann, cid),
        ExitStack() as stack,
    ):
        descriptors = Path(f"/proc/{server.process.pid}/fd")

        def begin() -> None:
            stack.enter_context(limited(server, resource.RLIMIT_NOFILE, 8))
            sql_server.kill_connections()
            assert len(list(descriptors.iterdir())) >= 8

        asyncio.run(get_over(server, ann, cid, begin, stack.close, asks=False))
        assert_told(server, "2003")


@contextmanager
def serving(directory: Path, settings: dict[str, str]) -> Iterator[tuple[GoChatServer, Account, str]]:
    """A server; Ann, and her conversation with Ben."""
    with ExitStack() as stack:
        server = stack.enter_context(GoChatServer(directory, SETTINGS | {"REPLICAS": "1"} | settings))
        http = stack.enter_context(httpx2.Client(base_url=server.url, timeout=60))
        ann, ben = register(http, "ann"), register(http, "ben")
        created = ann.post("/conversations", {"kind": "direct", "member_ids": [ben.id]})
        yield server, ann, created["conversation"]["id"]


async def get_over(
    server: GoChatServer,
    ann: Account,
    cid: str,
    begin: Callable[[], None],
    end: Callable[[], None],
    *,
    asks: bool = True,
) -> None:
    """While it lasts sends are answered, and it is not ready; afterwards all goes on, on the same socket."""
    phone = Phone("ann")
    await phone.connect(server.url, ann.token)
    await phone.expect_ok("sync", {})
    await phone.expect_ok("message:send", message(cid, "before"))
    await asyncio.to_thread(begin)
    async with asyncio.timeout(60):
        while (ack := await phone.emit("message:send", message(cid, "into it")))["ok"]:
            pass
        assert ack["error"]["code"] == "unavailable"
        assert ack["error"]["retry_after_ms"] == 1_000
        if asks:
            await asyncio.to_thread(wait_until_ready_is, 503, server)
        await asyncio.to_thread(end)
        await asyncio.to_thread(wait_until_ready_is, 200, server)
        await phone.expect_ok("message:send", message(cid, "out of it"))
    await phone.close()


def wait_until_ready_is(status: int, server: GoChatServer) -> None:
    until = time.monotonic() + 60
    while ready(server)[0] != status:
        assert time.monotonic() < until, ready(server)
        time.sleep(0.1)


def server_log(server: GoChatServer) -> str:
    return (server.directory / f"server-{server.port}.log").read_text()


def assert_told(server: GoChatServer, number: str) -> None:
    """By one line of each kind, that has its number; no text of the database's own."""
    log = server_log(server)
    assert "Traceback" not in log
    assert "secret" not in log
    away = [line for line in log.splitlines() if "The database is away" in line]
    assert any(re.search(rf" ({number}) \(", line) for line in away), log
    assert len(set(away)) == len(away), log
    assert log.count("request_failed") == log.count("event_failed") == 0, log
