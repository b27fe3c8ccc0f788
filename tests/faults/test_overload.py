"""More than the database takes: who could not be answered in time is told at once, and nothing is lost."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gochat.events.entrance import AT_ONCE, FEWEST
from gochat.storage.migrate import upgrade as migrate
from tests.faults.conftest import SETTINGS
from tests.services.gochat import GoChatServer
from tests.services.sql_server import SQLServer
from tests.wire.account import Account, register
from tests.wire.engine.wire import Ws
from tests.wire.phone import Phone, message
from tests.writing.proxy import Proxy

pytestmark = [pytest.mark.timeout(180), pytest.mark.slow]

TOKEN = "m" * 32
ROWS = 8
USERS = 4


@pytest.fixture
def proxy(mariadb_url: str) -> Iterator[Proxy]:
    migrate(mariadb_url)
    with Proxy(mariadb_url) as it:
        yield it


@pytest.fixture
def server(proxy: Proxy, tmp_path: Path) -> Iterator[GoChatServer]:
    """One process, with small batches, on a database that can be held."""
    settings = {
        "MYSQL_URL": proxy.url,
        "REPLICAS": "1",
        "METRICS_TOKEN": TOKEN,
        "WRITER_BATCH_MAX_ROWS": f"{ROWS}",
    }
    with GoChatServer(tmp_path, SETTINGS | settings) as running:
        yield running


@pytest.fixture
def people(server: GoChatServer) -> Iterator[tuple[list[Account], str]]:
    with httpx2.Client(base_url=server.url, timeout=60) as http:
        accounts = [register(http, f"user{n}") for n in range(USERS)]
        others = [it.id for it in accounts[1:]]
        created = accounts[0].post("/conversations", {"kind": "group", "title": "all", "member_ids": others})
        yield accounts, created["conversation"]["id"]


async def test_who_comes_while_the_database_stands_is_refused_at_once_and_served_when_it_goes_on(
    server: GoChatServer, people: tuple[list[Account], str], proxy: Proxy
) -> None:
    accounts, cid = people
    phones = [Phone(f"user{n}") for n in range(USERS)]
    for phone, account in zip(phones, accounts, strict=True):
        await phone.connect(server.url, account.token)
        await phone.expect_ok("message:send", message(cid, "before"))
    refused: list[dict[str, Any]] = []
    errors: list[Any] = []

    async def send(phone: Phone, payload: dict[str, Any]) -> None:
        """As an app does: the same again when it is told to, until it is stored."""
        while not (ack := await phone.emit("message:send", payload))["ok"]:
            assert ack["error"]["code"] in {"overloaded", "unavailable"}, ack
            if ack["error"]["code"] == "overloaded":
                refused.append(payload)
                errors.append(ack["error"])
            await asyncio.sleep(ack["error"]["retry_after_ms"] / 1000)

    proxy.hold(True)
    sending: list[asyncio.Task[None]] = []
    payloads: list[dict[str, Any]] = []
    while not refused:  # the first batch hangs, one waits, and the next is not let in
        payloads.append(message(cid, f"{len(payloads)}"))
        sending.append(asyncio.create_task(send(phones[len(payloads) % USERS], payloads[-1])))
        await asyncio.sleep(0.01)
    assert not any(it.done() for it in sending)
    assert payloads.index(refused[0]) > ROWS  # at the door: not somebody who waited in vain
    assert all(1_000 <= error["retry_after_ms"] <= 2_000 for error in errors)
    text = httpx2.get(f"{server.url}/metrics", headers={"authorization": f"Bearer {TOKEN}"}).text
    assert 'gochat_shed_total{late="writer"' in text
    proxy.hold(False)
    async with asyncio.timeout(120):
        await asyncio.gather(*sending)
    keys = [it["client_message_id"] for it in accounts[0].history(cid)[USERS:]]
    assert sorted(keys) == sorted(it["client_message_id"] for it in payloads)
    for phone in phones:
        await phone.expect_ok("message:send", message(cid, "after"))
        await phone.close()


async def test_what_heals_waits_for_no_reader(mariadb: SQLServer, mariadb_url: str, tmp_path: Path) -> None:
    """While all threads that read hang, what another process committed is heard by the poll."""
    migrate(mariadb_url)
    settings = SETTINGS | {"MYSQL_URL": mariadb_url, "REDIS_URL": "redis://127.0.0.1:1", "REPLICAS": "2"}
    live = "/api/v1/health/live"  # ready it is not, without Redis
    with ExitStack() as stack:
        here = stack.enter_context(GoChatServer(tmp_path, settings | {"DB_POOL_SIZE": "1"}, ready_path=live))
        there = stack.enter_context(GoChatServer(tmp_path, settings, ready_path=live))
        http = stack.enter_context(httpx2.Client(base_url=there.url, timeout=60))
        ann, ben = register(http, "ann"), register(http, "ben")
        created = ann.post("/conversations", {"kind": "group", "title": "x", "member_ids": [ben.id]})
        cid = created["conversation"]["id"]
        ben.post("/messages", message(cid, "hello"))
        phone = Phone("ann")
        await phone.connect(here.url, ann.token)
        await phone.expect_ok("sync", {})
        await phone.expect_ok("conversation:join", {"conversation_id": cid})
        admin = stack.enter_context(mariadb.admin())
        with admin.cursor() as cursor:
            cursor.execute(f"LOCK TABLES {mariadb_url.rpartition('/')[2]}.search_texts WRITE")
            asked = f"{here.url}/api/v1/messages/search?q=hello"
            hangs = asyncio.create_task(asyncio.to_thread(httpx2.get, asked, headers=ann.headers, timeout=60))
            await asyncio.to_thread(wait_until_it_hangs, mariadb)
            sent = await asyncio.to_thread(ben.post, "/messages", message(cid, "are you there?"))
            await phone.expect_message(lambda it: it["seq"] == sent["message"]["seq"])
            assert not hangs.done()
            cursor.execute("UNLOCK TABLES")
        await hangs
        await phone.close()


def wait_until_it_hangs(mariadb: SQLServer) -> None:
    """Return once a search waits for a lock."""
    deadline = time.monotonic() + 30
    with mariadb.admin() as admin, admin.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(
                "SELECT 1 FROM information_schema.PROCESSLIST"
                " WHERE STATE LIKE 'Waiting for table metadata lock%' AND INFO LIKE 'SELECT%search_texts%'"
            )
            if cursor.fetchall():
                return
            time.sleep(0.05)
    raise AssertionError("no search waits")


def test_while_many_wait_to_be_looked_at_the_handshake_of_others_is_answered_503(
    server: GoChatServer, people: tuple[list[Account], str], proxy: Proxy
) -> None:
    packet = f'40{{"token":"{people[0][0].token}"}}'
    with ExitStack() as stack:
        proxy.hold(True)
        waiting = 0
        while (ws := stack.enter_context(Ws(server.port))).status == 101:
            ws.open()
            ws.send(packet)
            waiting += 1
            assert waiting < 5_000
        assert (ws.status, ws.headers["retry-after"]) == (503, "2")
        assert waiting > AT_ONCE + FEWEST
        proxy.hold(False)
        while (ws := stack.enter_context(Ws(server.port))).status != 101:
            assert ws.status == 503
        ws.connect(packet)
