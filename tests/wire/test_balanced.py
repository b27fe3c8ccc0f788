"""Four processes behind a balancer without sticky sessions: the official client works on each transport."""

import asyncio
import itertools
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gochat.storage.migrate import upgrade as migrate
from tests.services.balancer import balancer
from tests.services.gochat import GoChatServer
from tests.services.node import NodeClient
from tests.wire.account import Account, register
from tests.wire.conftest import SETTINGS

PROCESSES = 4
TRANSPORTS = [["websocket"], ["polling", "websocket"], ["polling"]]
MESSAGES = 25

pytestmark = pytest.mark.timeout(120)


@dataclass
class Place:
    servers: list[GoChatServer]
    accounts: list[Account]
    conversation: str

    @property
    def ports(self) -> list[int]:
        return [server.port for server in self.servers]


@pytest.fixture
def place(mariadb_url: str, redis_url: str, tmp_path: Path) -> Iterator[Place]:
    migrate(mariadb_url)
    settings = SETTINGS | {"MYSQL_URL": mariadb_url, "REDIS_URL": redis_url, "REPLICAS": str(PROCESSES)}
    with ExitStack() as stack:
        servers = [stack.enter_context(GoChatServer(tmp_path, settings)) for _ in range(PROCESSES)]
        http = stack.enter_context(httpx2.Client(base_url=servers[0].url, timeout=30))
        accounts = [register(http, f"user{n}") for n in range(6)]
        body = {"kind": "group", "title": "All", "member_ids": [it.id for it in accounts[1:]]}
        conversation = accounts[0].post("/conversations", body)["conversation"]["id"]
        yield Place(servers, accounts, conversation)


async def connect(node: NodeClient, place: Place, port: int) -> None:
    """Two phones with each of the transports."""
    phones = [
        {
            "name": account.name,
            "url": f"http://127.0.0.1:{port}",
            "path": "/socket.io/",
            "token": account.token,
            "transports": transports,
        }
        for account, transports in zip(place.accounts, itertools.cycle(TRANSPORTS), strict=False)
    ]
    node.send({"connect": phones})
    answer = await receive(node)
    assert "connected" in answer, answer


async def receive(node: NodeClient) -> Any:
    return await asyncio.to_thread(node.receive, 60)


async def report(node: NodeClient) -> Any:
    node.send({"report": {}})
    return await receive(node)


async def test_every_transport_works(place: Place, tmp_path: Path) -> None:
    with balancer(place.ports) as port, NodeClient("phones.js", log=tmp_path / "node.log") as node:
        await connect(node, place, port)
        for account in place.accounts:
            node.send({"emit": {"phone": account.name, "event": "sync", "payload": {}}})
            assert (await receive(node))["ack"]["ok"]
        node.send({"send": [
            {"phone": account.name, "conversations": [place.conversation], "count": MESSAGES, "window": 4}
            for account in place.accounts
        ]})  # fmt: skip
        answer = await receive(node)
        assert "acks" in answer, answer
        total = MESSAGES * len(place.accounts)
        async with asyncio.timeout(30):
            while True:
                told = await report(node)
                if all(len(seqs(told, it.name)) >= total for it in place.accounts):
                    break
                await asyncio.sleep(0.1)
        for account in place.accounts:
            assert seqs(told, account.name) == list(range(1, total + 1))
        used = [told["transports"][account.name] for account in place.accounts]
        assert used == ["websocket", "websocket", "polling"] * 2


def seqs(told: Any, name: str) -> list[int]:
    return [message["seq"] for _, delta in told["heard"][name] for message in delta.get("messages", ())]


async def test_who_lost_his_process_comes_back(place: Place, tmp_path: Path) -> None:
    """Its sessions are unknown from then on, as the protocol says it, and the libraries connect again."""
    with balancer(place.ports[1:]) as port, NodeClient("phones.js", log=tmp_path / "node.log") as node:
        await connect(node, place, port)
        place.servers[1].kill()
        place.servers[1].start()
        for account in place.accounts:
            async with asyncio.timeout(60):
                while True:
                    node.send({"try": {"phone": account.name, "event": "sync", "payload": {}}})
                    answer = await receive(node)
                    if answer["ack"] and answer["ack"]["ok"]:
                        break


def test_a_session_of_no_process_is_unknown(place: Place) -> None:
    for sid in ("0123456789abcdef" + "x" * 20, "unheard-of"):
        url = f"{place.servers[0].url}/socket.io/?EIO=4&transport=polling&sid={sid}"
        response = httpx2.get(url, timeout=30)
        assert response.status_code == 400
        assert response.json() == {"code": 1, "message": "Session ID unknown"}


def test_requests_of_one_session_may_come_anywhere(place: Place) -> None:
    """By hand: open here, post there, poll elsewhere; a body too large, and a second poll, are refused."""
    one, two, three, _ = (f"{server.url}/socket.io/?EIO=4&transport=polling" for server in place.servers)
    with httpx2.Client(timeout=30) as client:
        opened = json.loads(client.get(one).text[1:])
        sid = opened["sid"]
        token = place.accounts[0].token
        posted = client.post(f"{two}&sid={sid}", content=f'40{{"token":"{token}"}}')
        assert (posted.status_code, posted.text) == (200, "ok")
        assert client.get(f"{three}&sid={sid}").text.startswith("40")
        refused = client.post(f"{two}&sid={sid}", content="4" * (opened["maxPayload"] + 1))
        assert refused.status_code == 413, refused.text
        assert client.post(f"{three}&sid={sid}", content="nonsense").status_code == 400
        assert client.get(f"{one}&sid={sid}").status_code in {200, 400}
