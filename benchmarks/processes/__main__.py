"""What several processes cost each other, on real ones with MariaDB and Redis of their own.

    python -m benchmarks.processes [--seconds 10] [--rate 100] [--sockets 200] [--conversations 50]

Processor time is that of the server processes, from /proc. The load comes from this one process and shares
the machine, so latencies are upper bounds.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import orjson
import websockets

from gochat.storage.migrate import upgrade
from tests.services.gochat import GoChatServer
from tests.services.mariadb import MariaDB
from tests.services.redis import Redis
from tests.wire.account import Account, register

SETTINGS = {
    "REPLICAS": "3",
    "JWT_SECRET": "a3f9d2c81a7b64e05c1f7d9e2b4a6c8d0",
    "LOGIN_RATE": "100000/minute",
    "ARGON2_MEMORY_KIB": "8192",
    "LOG_LEVEL": "warning",
}
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Place:
    servers: list[GoChatServer]
    clients: list[httpx2.Client]
    mariadb: MariaDB

    def cpu(self) -> list[float]:
        """Seconds of processor time that each server has used."""
        used = []
        for server in self.servers:
            fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
            used.append((int(fields[11]) + int(fields[12])) / TICK)
        return used

    def questions(self) -> int:
        """Statements that the database has been asked."""
        with self.mariadb.admin() as connection, connection.cursor() as cursor:
            cursor.execute("SHOW GLOBAL STATUS LIKE 'Questions'")
            return int(cursor.fetchone()[1])


class Socket:
    """A Socket.IO client with as little of its own as can be."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._acks: dict[int, asyncio.Future[Any]] = {}
        self._next = 0

    async def connect(self, url: str, token: str) -> None:
        place = url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket"
        self._socket = await websockets.connect(place, compression=None, ping_interval=None)
        await self._socket.recv()
        await self._socket.send("40" + orjson.dumps({"token": token}).decode())
        answer = await self._socket.recv()
        assert str(answer).startswith("40"), answer
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for packet in self._socket:
            text = str(packet)
            if text == "2":
                await self._socket.send("3")
            elif text.startswith("43"):
                start = text.index("[")
                self._acks.pop(int(text[2:start])).set_result(orjson.loads(text[start:])[0])
            elif text.startswith("42"):
                event, payload = orjson.loads(text[2:])
                self.heard.put_nowait((event, payload))

    async def call(self, event: str, payload: Any) -> Any:
        number, self._next = self._next, self._next + 1
        future = self._acks[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(f"42{number}" + orjson.dumps([event, payload]).decode())
        async with asyncio.timeout(60):
            ack = await future
        assert ack["ok"], ack
        return ack["data"]

    async def close(self) -> None:
        self._reader.cancel()
        await self._socket.close()


@contextmanager
def place() -> Iterator[Place]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gochat-")))
        for name in ("mariadb", "redis", "servers"):
            (directory / name).mkdir()
        mariadb = stack.enter_context(MariaDB(directory / "mariadb"))
        redis = stack.enter_context(Redis(directory / "redis"))
        url = mariadb.create_database()
        upgrade(url)
        settings = SETTINGS | {"MYSQL_URL": url, "REDIS_URL": redis.url}
        servers = [stack.enter_context(GoChatServer(directory / "servers", settings)) for _ in range(3)]
        clients = [stack.enter_context(httpx2.Client(base_url=it.url, timeout=60)) for it in servers]
        yield Place(servers, clients, mariadb)


async def chat(it: Place, seconds: float, rate: float) -> None:
    """Ann at the first process writes to Ben at the second; the third has nobody of them."""
    ann, ben = register(it.clients[0], "ann"), register(it.clients[1], "ben")
    created = ann.post("/conversations", {"kind": "direct", "member_ids": [ben.id]})
    cid = created["conversation"]["id"]
    sockets = [Socket() for _ in range(2)]
    for socket, server, account in zip(sockets, it.servers, (ann, ben), strict=False):
        await socket.connect(server.url, account.token)
        await socket.call("sync", {})
    idle = await spent(it, asyncio.sleep(seconds))
    sent: dict[str, float] = {}
    delays: list[float] = []
    count = int(seconds * rate)

    async def hear() -> None:
        heard = 0
        while heard < count:
            _, delta = await sockets[1].heard.get()
            for message in delta.get("messages", ()):
                delays.append(time.perf_counter() - sent[message["client_message_id"]])
                heard += 1

    async def write() -> None:
        calls = []
        start = time.perf_counter()
        for n in range(count):
            await asyncio.sleep(max(0, start + n / rate - time.perf_counter()))
            key = str(uuid.uuid4())
            sent[key] = time.perf_counter()
            request = {"conversation_id": cid, "client_message_id": key, "body": "hello"}
            calls.append(asyncio.create_task(sockets[0].call("message:send", request)))
        await asyncio.gather(*calls)

    async def both() -> None:
        await asyncio.gather(hear(), write())

    used = await spent(it, both())
    cost = [(busy - quiet) / count * 1e6 for busy, quiet in zip(used, idle, strict=True)]
    delays.sort()
    print(f"{count} messages at {rate:.0f}/s, one conversation, sender and reader at different processes")
    print(f"  delivery p50 {1e3 * statistics.median(delays):.1f} ms,"
          f" p99 {1e3 * delays[int(len(delays) * 0.99)]:.1f} ms")  # fmt: skip
    print(f"  idle, with the poll: {1e3 * idle[2] / seconds:.1f} ms of processor time a second")
    for name, value in zip(("sender's process", "reader's process", "a third process"), cost, strict=True):
        print(f"  {name}: {value:.0f} µs a message")
    for socket in sockets:
        await socket.close()


async def spent(it: Place, work: Any) -> list[float]:
    """Processor seconds of each server while it lasts."""
    before = it.cpu()
    await work
    return [after - then for after, then in zip(it.cpu(), before, strict=True)]


async def storm(it: Place, count: int, conversations: int) -> None:
    """All sockets come at once, to one process, and sync with what they have."""
    accounts = [register(it.clients[n % 3], f"user{n}") for n in range(count)]
    for n in range(conversations):
        body = {"kind": "group", "title": f"{n}", "member_ids": [it.id for it in accounts[1:]]}
        accounts[0].post("/conversations", body)
    first = Socket()
    await first.connect(it.servers[0].url, accounts[0].token)
    known: dict[str, int] = {}
    synced = await first.call("sync", {})
    while True:
        known |= {delta["conversation_id"]: delta["revision"] for delta in synced["conversations"]}
        if not synced["more"]:
            break
        synced = await first.call("sync", {"cursor": synced["cursor"], "known": known})
    await first.close()
    sockets = [Socket() for _ in accounts]
    delays: list[float] = []

    async def come(socket: Socket, account: Account) -> None:
        began = time.perf_counter()
        await socket.connect(it.servers[0].url, account.token)
        asked = {"known": known, "epoch": synced["epoch"], "me": 0}
        await socket.call("sync", asked)
        delays.append(time.perf_counter() - began)

    async def everybody() -> None:
        await asyncio.gather(*(come(*pair) for pair in zip(sockets, accounts, strict=True)))

    questions = it.questions()
    began = time.perf_counter()
    used = await spent(it, everybody())
    took = time.perf_counter() - began
    asked = it.questions() - questions
    delays.sort()
    print(f"{count} sockets with {conversations} conversations each, at once, to one process")
    print(f"  all synced after {took:.1f} s; {1e3 * used[0] / count:.1f} ms of processor time each;"
          f" p50 {delays[count // 2]:.2f} s, p99 {delays[int(count * 0.99)]:.2f} s")  # fmt: skip
    print(f"  {asked / count:.1f} statements each")
    for socket in sockets:
        await socket.close()


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--sockets", type=int, default=200)
    parser.add_argument("--conversations", type=int, default=50)
    arguments = parser.parse_args()
    with place() as it:
        asyncio.run(chat(it, arguments.seconds, arguments.rate))
        asyncio.run(storm(it, arguments.sockets, arguments.conversations))


if __name__ == "__main__":
    main()
