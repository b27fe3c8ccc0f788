"""The main job, on real parts: many phones chat, and nothing is lost, doubled or out of order.

.venv/bin/python -m pytest tests/wire/test_main_job.py
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gochat.storage.migrate import upgrade as migrate
from tests.contract.schema import validate_event
from tests.services.gochat import GoChatServer
from tests.services.node import NodeClient
from tests.wire.account import Account, register
from tests.wire.phone import Phone

USERS = 20
CONVERSATIONS = 5
MESSAGES_PER_USER = 500
WINDOW = 8
SECRET = "k" * 16 + "3f9d2c81a7b64e05"


@dataclass(frozen=True)
class Place:
    """Servers to chat through, and where phones that poll may go."""

    urls: list[str]
    transports: list[list[str]]


@pytest.fixture
def two_servers(sql_server_url: str, redis_url: str, tmp_path: Path) -> Iterator[Place]:
    """Two processes on MariaDB or MySQL, and Redis."""
    settings = {
        "MYSQL_URL": sql_server_url,
        "REDIS_URL": redis_url,
        "REPLICAS": "2",
        "JWT_SECRET": SECRET,
        "LOGIN_RATE": "1000/minute",
    }
    migrate(sql_server_url)
    with ExitStack() as stack:
        servers = [stack.enter_context(GoChatServer(tmp_path, settings)) for _ in range(2)]
        yield Place(
            [server.url for server in servers], [["websocket"], ["polling"], ["polling", "websocket"]]
        )


@pytest.fixture
def one_server(tmp_path: Path) -> Iterator[Place]:
    """One process with nothing configured: SQLite."""
    with GoChatServer(tmp_path, {"LOGIN_RATE": "1000/minute"}) as server:
        yield Place([server.url], [["websocket"], ["polling"], ["polling", "websocket"]])


@pytest.mark.timeout(300)
def test_two_processes_on_one_database_and_redis(two_servers: Place, tmp_path: Path) -> None:
    chat(two_servers, tmp_path)


@pytest.mark.timeout(300)
def test_one_process_on_sqlite(one_server: Place, tmp_path: Path) -> None:
    chat(one_server, tmp_path)


def chat(place: Place, tmp_path: Path) -> None:
    """Half of the phones are Node's, half Python's, spread over the servers; all send at once."""
    with ExitStack() as stack:
        clients = [stack.enter_context(httpx2.Client(base_url=url, timeout=30)) for url in place.urls]
        accounts = [register(clients[n % len(clients)], f"user{n}") for n in range(USERS)]
        members = dict(make_conversations(accounts))
        node = stack.enter_context(NodeClient("phones.js", log=tmp_path / "node.log"))
        acks, heard = asyncio.run(converse(place, accounts, members, node))
        check_acks(acks)
        history = {cid: people[0].history(cid) for cid, people in members.items()}
        check_history(history, acks)
        for cid, people in members.items():
            for account in people[1:]:
                assert account.history(cid) == history[cid]
            revision = people[0].get(f"/conversations/{cid}")["conversation"]["revision"]
            for account in people:
                check_heard(cid, heard[account.name], history[cid], revision)


def make_conversations(accounts: list[Account]) -> Iterator[tuple[str, list[Account]]]:
    """Groups of eight, each user in two of them; the first is created over REST by its owner."""
    for n in range(CONVERSATIONS):
        people = [accounts[(4 * n + k) % USERS] for k in range(8)]
        body = {
            "kind": "group",
            "title": f"Group {n}",
            "member_ids": [account.id for account in people[1:]],
        }
        yield people[0].post("/conversations", body)["conversation"]["id"], people


async def converse(
    place: Place, accounts: list[Account], members: dict[str, list[Account]], node: NodeClient
) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """The acks and the events of each phone, by name."""
    of_node, of_python = accounts[::2], accounts[1::2]
    mine = {a.name: [cid for cid, people in members.items() if a in people] for a in accounts}
    connects = []
    for n, account in enumerate(of_node):
        # Phones that poll stay with one process.
        server = n % len(place.urls)
        transports = place.transports[n // 2 % len(place.transports)] if server == 0 else ["websocket"]
        connects.append(
            {
                "name": account.name,
                "url": place.urls[server],
                "path": ["/socket.io/", "/api/v1/ws/"][n % 2],
                "token": account.token,
                "transports": transports,
            }
        )
    node.send({"connect": connects})
    phones = {account.name: Phone(account.name) for account in of_python}
    for n, account in enumerate(of_python):
        await phones[account.name].connect(place.urls[n % len(place.urls)], account.token)
    assert "error" not in await asyncio.to_thread(node.receive, 60)
    await settle(node, of_node, phones)
    plans = [
        {
            "phone": account.name,
            "conversations": mine[account.name],
            "count": MESSAGES_PER_USER,
            "window": WINDOW,
        }
        for account in of_node
    ]
    node.send({"send": plans})
    python_acks = await asyncio.gather(
        *(phone.send(mine[name], MESSAGES_PER_USER, WINDOW) for name, phone in phones.items())
    )
    answer = await asyncio.to_thread(node.receive, 240)
    assert "acks" in answer, answer
    acks = answer["acks"] | dict(zip(phones, python_acks, strict=True))
    total = {name: sum(len(acks[a.name]) // 2 for cid in mine[name] for a in members[cid]) for name in mine}
    heard = await hear_all(node, phones, total)
    for phone in phones.values():
        await phone.close()
    return acks, heard


async def settle(node: NodeClient, of_node: list[Account], phones: dict[str, Phone]) -> None:
    """Every phone has its answer to a sync: from now on it hears all."""
    for account in of_node:
        node.send({"emit": {"phone": account.name, "event": "sync", "payload": {}}})
        answer = await asyncio.to_thread(node.receive, 60)
        assert answer["ack"]["ok"], answer
    for phone in phones.values():
        ack = await phone.emit("sync", {})
        assert ack["ok"], ack


async def hear_all(
    node: NodeClient, phones: dict[str, Phone], total: dict[str, int]
) -> dict[str, list[tuple[str, Any]]]:
    """What each phone heard, when it has all that was sent to it; or what there is in a minute."""
    heard: dict[str, list[Any]] = {}
    for _ in range(600):
        node.send({"report": {}})
        heard = (await asyncio.to_thread(node.receive, 60))["heard"]
        heard |= {name: list(phone.heard) for name, phone in phones.items()}
        if all(count_messages(heard[name]) >= total[name] for name in total):
            break
        await asyncio.sleep(0.1)
    return heard


def count_messages(events: list[Any]) -> int:
    return sum(len(payload.get("messages", ())) for _, payload in events)


def check_acks(acks: dict[str, list[Any]]) -> None:
    assert sum(map(len, acks.values())) == USERS * MESSAGES_PER_USER
    assert not any(duplicate for answers in acks.values() for _, _, _, duplicate in answers)


def check_history(history: dict[str, list[dict[str, Any]]], acks: dict[str, list[Any]]) -> None:
    """Every acked message stands once in history, where its ack said; nothing else stands there."""
    acked: dict[str, dict[int, str]] = defaultdict(dict)
    for answers in acks.values():
        for cid, key, seq, _ in answers:
            assert seq not in acked[cid]
            acked[cid][seq] = key
    for cid, messages in history.items():
        assert [message["seq"] for message in messages] == list(range(1, len(messages) + 1))
        assert {message["seq"]: message["client_message_id"] for message in messages} == acked[cid]
        times = [message["created_at"] for message in messages]
        assert times == sorted(times)


def check_heard(cid: str, events: list[Any], history: list[dict[str, Any]], revision: int) -> None:
    """A phone heard each message once, in order, as it stands in history; its deltas chain to the end."""
    deltas = [(event, payload) for event, payload in events if payload.get("conversation_id") == cid]
    for event, payload in deltas:
        validate_event(event, payload)
    mine = deltas[0][1]["since"]
    for _, delta in deltas:
        assert delta["since"] == mine < delta["revision"]
        mine = delta["revision"]
    assert mine == revision
    assert [message for _, delta in deltas for message in delta.get("messages", ())] == history
