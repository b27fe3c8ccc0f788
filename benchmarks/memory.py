"""Memory of the phones of users who are logged in: what a connection holds in the whole application."""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import uvloop

from benchmarks import stage
from benchmarks.end_to_end import SETTINGS
from benchmarks.measure import resident
from benchmarks.phones import Crowd
from benchmarks.report import Page, circumstances, mariadb_version
from gochat.storage.migrate import upgrade
from tests.services.gochat import GoChatServer
from tests.wire.account import Account, register

CONVERSATIONS = 20
"""Of each user."""
MEMBERS = 50
FIRST = 50
"""Phones that have come before: what the first of all need is not counted."""
AIM_KIB = 12


def run(*, quick: bool) -> Page:
    """Measure, and tell."""
    page = Page("What the connection of a user holds")
    count = 500 if quick else 2_000
    with ExitStack() as stack:
        server = stack.enter_context(stage.mariadb())
        url = server.create_database()
        upgrade(url)
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="gochat-")))
        settings = {"MYSQL_URL": url, **SETTINGS}
        page.say(circumstances(mariadb_version(server)))
        with GoChatServer(directory, settings) as ours, httpx2.Client(base_url=ours.url, timeout=30) as http:
            accounts = [register(http, f"user{n}") for n in range(FIRST + count)]
            converse(accounts)
        tokens = [account.token for account in accounts]
        # A process that has done nothing else: what others left behind would be used again, and not be seen.
        ours = stack.enter_context(GoChatServer(directory, settings))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            held = runner.run(_held(ours, tokens))
        page.say(
            f"{count:,} phones on websockets, each of another user in {CONVERSATIONS} conversations of"
            f" {MEMBERS}, after CONNECT and `sync`. Resident memory of `gochat serve`, KiB for one."
        )
        page.table(("phones", "KiB", "aim"), [(f"{count:,}", f"{held:.1f}", AIM_KIB)])
        print(page.parts[-1], flush=True)
    return page


def converse(accounts: Sequence[Account]) -> None:
    """Put everyone into so many groups: of neighbours at one time, of others at the next."""
    count = len(accounts)
    for turn in range(CONVERSATIONS):
        stride = turn + 1
        order = [accounts[n] for start in range(stride) for n in range(start, count, stride)]
        for at in range(0, count, MEMBERS):
            people = order[at : at + MEMBERS]
            body = {"kind": "group", "title": f"Group {turn}", "member_ids": [it.id for it in people[1:]]}
            people[0].post("/conversations", body)


async def _held(ours: GoChatServer, tokens: Sequence[str]) -> float:
    """KiB of memory for each phone beyond the first."""
    first = await Crowd(0).connect(ours.port, tokens[:FIRST])
    before = resident(ours.process.pid)
    others = await Crowd(0).connect(ours.port, tokens[FIRST:])
    held = (resident(ours.process.pid) - before) / len(tokens[FIRST:])
    for crowd in (first, others):
        if crowd.lost:
            raise ConnectionError(f"{crowd.lost} connections were lost")
        crowd.close()
    return held
