"""What the server leans on goes away and comes back: answers say so, and nothing has to be restarted."""

import asyncio
import http.client
import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gochat.storage.migrate import upgrade as migrate
from tests.faults.conftest import SETTINGS
from tests.services.gochat import GoChatServer
from tests.services.mariadb import MariaDB
from tests.services.node import NodeClient
from tests.services.redis import Redis
from tests.wire.account import Account, register
from tests.wire.phone import Phone, message

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def server(mariadb_url: str, tmp_path: Path) -> Iterator[GoChatServer]:
    """One process on MariaDB, without Redis."""
    migrate(mariadb_url)
    with GoChatServer(tmp_path, SETTINGS | {"MYSQL_URL": mariadb_url, "REPLICAS": "1"}) as running:
        yield running


@pytest.fixture
def people(server: GoChatServer) -> Iterator[tuple[Account, Account, str]]:
    """Ann, Ben and their conversation."""
    with httpx2.Client(base_url=server.url, timeout=60) as http:
        ann, ben = register(http, "ann"), register(http, "ben")
        created = ann.post("/conversations", {"kind": "direct", "member_ids": [ben.id]})
        yield ann, ben, created["conversation"]["id"]


def ready(server: GoChatServer) -> tuple[int, dict[str, str]]:
    """The status of `health/ready`, and what it says of each part."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", "/api/v1/health/ready")
        response = connection.getresponse()
        return response.status, json.loads(response.read())["parts"]
    finally:
        connection.close()


def test_without_the_database_answers_are_unavailable_and_then_it_goes_on(
    server: GoChatServer, people: tuple[Account, Account, str], mariadb: MariaDB
) -> None:
    ann, ben, cid = people
    payload = message(cid, "into the outage")

    async def scene() -> None:
        a, b = Phone("ann"), Phone("ben")
        for phone, account in ((a, ann), (b, ben)):
            await phone.connect(server.url, account.token)
            await phone.expect_ok("sync", {})
        await a.expect_ok("message:send", message(cid, "before"))
        await asyncio.to_thread(mariadb.stop)
        try:
            asked: list[tuple[str, dict[str, Any]]] = [
                ("message:send", payload),
                ("message:edit", {"conversation_id": cid, "seq": 1, "body": "x"}),
                ("receipt:read", {"conversation_id": cid, "seq": 1}),
                ("messages:status", {"client_message_ids": [str(uuid.uuid4())]}),
                ("conversation:join", {"conversation_id": cid}),
                ("sync", {}),
            ]
            errors = await asyncio.gather(*(a.expect_error(*it, "unavailable") for it in asked))
            assert all(error["retryable"] for error in errors)
            by_rest = await asyncio.to_thread(
                ann.http.post, "/api/v1/messages", json=payload, headers=ann.headers
            )
            assert (by_rest.status_code, by_rest.json()["code"]) == (503, "unavailable")
            assert (await asyncio.to_thread(ready, server))[0] == 503
        finally:
            await asyncio.to_thread(mariadb.start)
        async with asyncio.timeout(30):
            while not (ack := await a.emit("message:send", payload))["ok"]:
                assert ack["error"]["retryable"]
        seq = ack["data"]["message"]["seq"]
        assert seq == 2
        await b.expect_message(lambda it: it["seq"] == seq)
        async with asyncio.timeout(30):  # an answer may be as old as it may be kept
            while (await asyncio.to_thread(ready, server))[0] != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        for phone in (a, b):
            await phone.close()

    asyncio.run(scene())
    first, second = (m["body"] for m in ann.history(cid))
    assert first in ("before", "x")  # an edit that is told `unavailable` may be stored or not
    assert second == "into the outage"


def test_a_phone_that_comes_while_the_database_is_away_comes_again(
    server: GoChatServer, people: tuple[Account, Account, str], mariadb: MariaDB, tmp_path: Path
) -> None:
    """A refusal would keep it away: the client libraries take CONNECT_ERROR for final."""
    ann, _, cid = people
    where = {"name": "ann", "url": server.url, "path": "/socket.io/", "token": ann.token}
    with NodeClient("phones.js", log=tmp_path / "node.log") as node:
        mariadb.stop()
        try:
            node.send({"connect": [where | {"transports": ["websocket"]}]})
            server.process.wait_until(lambda: "connect_postponed" in server.process.log, timeout=30)
        finally:
            mariadb.start()
        assert node.receive(60) == {"connected": ["ann"]}
        node.send({"emit": {"phone": "ann", "event": "message:send", "payload": message(cid, "back")}})
        assert node.receive(60)["ack"]["ok"]


def test_it_starts_without_redis_and_finds_it_when_it_comes(mariadb_url: str, tmp_path: Path) -> None:
    migrate(mariadb_url)
    with Redis(tmp_path) as redis, ExitStack() as stack:
        settings = SETTINGS | {"MYSQL_URL": mariadb_url, "REDIS_URL": redis.url}
        redis.stop()
        servers = [
            stack.enter_context(GoChatServer(tmp_path, settings, ready_path="/api/v1/health/live"))
            for _ in range(2)
        ]
        for server in servers:
            status, parts = ready(server)
            assert (status, parts["database"]) == (503, "ok")
            assert parts["redis"] != "ok"
        with httpx2.Client(base_url=servers[0].url, timeout=30) as http:
            ann, ben = register(http, "ann"), register(http, "ben")
            body = {"kind": "direct", "member_ids": [ben.id]}
            cid = ann.post("/conversations", body)["conversation"]["id"]
        asyncio.run(talk(servers, [ann, ben], cid, redis))


async def talk(servers: list[GoChatServer], accounts: list[Account], cid: str, redis: Redis) -> None:
    phones = [Phone(account.name) for account in accounts]
    for phone, server, account in zip(phones, servers, accounts, strict=True):
        await phone.connect(server.url, account.token)
        await phone.expect_ok("sync", {})
    for n, start in enumerate((False, True), 1):
        if start:
            await asyncio.to_thread(redis.start)
            async with asyncio.timeout(30):
                while (await asyncio.to_thread(ready, servers[0]))[0] != 200:
                    pass
        await phones[0].expect_ok("message:send", message(cid, f"{n}"))
        async with asyncio.timeout(30):
            while n not in {m["seq"] for _, delta in phones[1].heard for m in delta.get("messages", ())}:
                await phones[1].expect_news()
    for phone in phones:
        await phone.close()
