"""Messages over the socket, to the ack and to all members: GoChat, and a Node server that does the same."""

import asyncio
import random
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
import uvloop

from benchmarks import stage
from benchmarks.load import Load
from benchmarks.measure import Cost, clock, median
from benchmarks.phones import Crowd, Sending
from benchmarks.report import Page, circumstances, mariadb_version
from gochat.storage.migrate import upgrade
from tests.services.gochat import GoChatServer
from tests.services.mariadb import MariaDB
from tests.services.programs import NODE, require
from tests.wire.account import Account, register

USERS = 200
CONVERSATIONS = 200
MEMBERS = 5
SENDERS = (1, 16, 64, 256)
COUNTS = {1: 200, 16: 1_000, 64: 2_000, 256: 4_000}
RATES = (50, 200)
OFFERED_S = 4
JS = Path(__file__).parent / "js"
SETTINGS = {
    "LOGIN_RATE": "10000/minute",
    "ARGON2_MEMORY_KIB": "8192",
    "ARGON2_TIME_COST": "1",
    "RATES": "message:send=1000000/1",  # counted as ever, and never too many
    "SOCKETS_PER_USER": "10000",
}


def run(*, quick: bool) -> Page:
    """Measure, and tell."""
    page = Page("What it costs to send a message, end to end")
    with ExitStack() as stack:
        server = stack.enter_context(stage.mariadb())
        url = server.create_database()
        upgrade(url)
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="gochat-")))
        ours = stack.enter_context(GoChatServer(directory, {"MYSQL_URL": url, **SETTINGS}))
        node, node_port = stack.enter_context(node_server(url))
        page.say(circumstances(mariadb_version(server), node_version()))
        page.say(
            "From `message:send` to its durable ack and to the sockets of all members:"
            f" {CONVERSATIONS} conversations of {MEMBERS} among {USERS} phones, each on a websocket."
            " *GoChat*: `gochat serve`, one process. *Node*: socket.io and mysql2, a transaction with the"
            " same checks and rows for each message, 32 connections."
            " Both on one MariaDB, which keeps what it acknowledges."
            " Processor time in µs for one message: of the server process, and of the database."
        )
        with httpx2.Client(base_url=ours.url, timeout=30) as http:
            accounts = [register(http, f"user{n}") for n in range(USERS)]
            # Each server has its own: GoChat would tell its phones what another process writes to them.
            conversations = {name: list(converse(accounts)) for name in ("GoChat", "Node")}
        pids = {"GoChat": ours.process.pid, "Node": node.pid}
        lines = {
            "GoChat": (ours.port, [account.token for account in accounts]),
            "Node": (node_port, [account.id for account in accounts]),
        }
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_measure(page, server, pids, lines, conversations, quick=quick))
    return page


def converse(accounts: Sequence[Account]) -> Iterator[tuple[str, list[int]]]:
    """Make conversations: the id of each, and who is in it."""
    chance = random.Random(1)
    for n in range(CONVERSATIONS):
        people = chance.sample(range(USERS), MEMBERS)
        others = [accounts[who].id for who in people[1:]]
        body = {"kind": "group", "title": f"Group {n}", "member_ids": others}
        yield accounts[people[0]].post("/conversations", body)["conversation"]["id"], people


def sendings(conversations: Sequence[tuple[str, list[int]]], seed: int) -> Iterator[Sending]:
    """Messages without end, from anyone to any of their conversations."""
    chance = random.Random(seed)
    while True:
        cid, people = chance.choice(conversations)
        yield chance.choice(people), cid, stage.BODY


async def _measure(
    page: Page,
    server: MariaDB,
    pids: dict[str, int],
    lines: dict[str, tuple[int, list[str]]],
    conversations: dict[str, list[tuple[str, list[int]]]],
    *,
    quick: bool,
) -> None:
    crowds = {name: await Crowd(MEMBERS).connect(*line) for name, line in lines.items()}
    loads = {
        name: Load(crowd.send, clock(pids[name]), clock(server.process.pid), lambda: stage.commits(server))
        for name, crowd in crowds.items()
    }
    plans: list[tuple[str, int, Any]] = [
        (f"{rate} a second", rate * OFFERED_S, lambda load, all_, rate=rate: load.offered(all_, rate))
        for rate in RATES
    ]
    plans += [(f"{n} senders", COUNTS[n], lambda load, all_, n=n: load.closed(all_, n)) for n in SENDERS]
    rows = []
    for what, count, measure in plans:
        costs: dict[str, list[Cost]] = {name: [] for name in loads}
        for seed in range(1 if quick else 3):
            for name, load in loads.items():
                some = list(islice(sendings(conversations[name], seed), count))
                costs[name].append(await measure(load, some))
        rows.append(_compared(what, *(median(costs[name]) for name in loads)))
        print(rows[-1], flush=True)
    for crowd in crowds.values():
        crowd.close()
    page.say("## GoChat / Node")
    page.table(
        ("load", "server", "ratio", "database", "ratio", "commits", "messages/s", "p50 ms", "p99 ms"), rows
    )


def _compared(what: str, mine: Cost, other: Cost) -> tuple[object, ...]:
    return (
        what,
        f"{mine.cpu:.0f} / {other.cpu:.0f}",
        f"**{mine.cpu / other.cpu:.2f}**",
        f"{mine.database:.0f} / {other.database:.0f}",
        f"{mine.database / other.database:.2f}",
        f"{mine.commits:.3f} / {other.commits:.2f}",
        f"{mine.rate:,.0f} / {other.rate:,.0f}",
        f"{mine.p50:.0f} / {other.p50:.0f}",
        f"{mine.p99:.0f} / {other.p99:.0f}",
    )


@contextmanager
def node_server(url: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The Node server on a database, and its port."""
    address = url.replace("mysql+pymysql:", "mysql:")
    with subprocess.Popen(
        [require(NODE), JS / "server.js", address], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def node_version() -> str:
    """Its name and number."""
    said = subprocess.run([require(NODE), "--version"], capture_output=True, text=True, check=True).stdout
    return f"Node {said.strip().removeprefix('v')}"
