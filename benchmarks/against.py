"""What this checkout costs beside another one, in turns on one database server.

`python -m benchmarks.against CHECKOUT [--rounds N]` prints it, of two rounds or more. The other checkout has
been set up in its own `.venv` (`scripts/bootstrap.py test` there). A change may not make a plain send, a
delivery or an idle connection dearer by more than 3 %.
"""

import argparse
import asyncio
import os
import random
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import uvloop

from benchmarks import stage
from benchmarks.end_to_end import SETTINGS, USERS, converse, sendings
from benchmarks.load import Load
from benchmarks.measure import clock
from benchmarks.phones import Crowd, Sending
from benchmarks.report import Page, circumstances, mariadb_version
from tests.services.gochat import GoChatServer
from tests.services.mariadb import MariaDB
from tests.wire.account import register

HERE = Path(__file__).resolve().parent.parent
ROUNDS = 9
IDLE_S = 25
"""In which each connection is asked once whether it is alive."""
PLANS = {
    "a send, one sender": (1, 2_000),
    "a send, 16 senders": (16, 8_000),
    "a send, 256 senders": (256, 16_000),
}
"""Senders, and messages of a round: some seconds, so that the followers' rounds fall into each alike."""
DELIVERIES = 500
"""Messages of a round to a group of all; what each costs is divided by its members."""


@dataclass
class Side:
    """One checkout's server, and the phones at it."""

    server: GoChatServer
    conversations: list[tuple[str, list[int]]]
    everybody: str
    tokens: list[str]
    few: Crowd
    many: Crowd

    @property
    def clock(self) -> Callable[[], float]:
        """Of its process."""
        return clock(self.server.process.pid)


def run(other: Path, rounds: int) -> Page:
    """Measure, and tell."""
    page = Page("What it costs, beside before")
    with ExitStack() as stack:
        database = stack.enter_context(stage.mariadb())
        page.say(circumstances(mariadb_version(database)))
        page.say(
            f"Processor time in µs, now / before, each the median of {rounds} rounds; the ratio is the median"
            " of the rounds' ratios, and in brackets the middle half of them."
        )
        sides = [_side(stack, database, checkout) for checkout in (HERE, other)]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_measure(page, database, sides, rounds))
    return page


def _side(stack: ExitStack, database: MariaDB, checkout: Path) -> Side:
    url = database.create_database()
    directory = Path(stack.enter_context(TemporaryDirectory(prefix="gochat-")))
    program = checkout / ".venv" / "bin" / "gochat"
    subprocess.run([program, "migrate"], cwd=directory, env={**os.environ, "MYSQL_URL": url}, check=True)
    settings = {"MYSQL_URL": url, **SETTINGS, "RATES": "all=off"}
    server = stack.enter_context(GoChatServer(directory, settings, [str(program), "serve"]))
    with httpx2.Client(base_url=server.url, timeout=30) as http:
        accounts = [register(http, f"user{n}") for n in range(USERS)]
        conversations = list(converse(accounts))
        body = {"kind": "group", "title": "All", "member_ids": [it.id for it in accounts[1:]]}
        everybody = accounts[0].post("/conversations", body)["conversation"]["id"]
    tokens = [account.token for account in accounts]
    members = len(conversations[0][1])
    return Side(server, conversations, everybody, tokens, Crowd(members), Crowd(USERS))


async def _measure(page: Page, database: MariaDB, sides: Sequence[Side], rounds: int) -> None:
    rows = []
    for side in sides:
        await side.few.connect(side.server.port, side.tokens)
    for what, (senders, count) in PLANS.items():
        costs: list[list[tuple[float, float]]] = [[], []]
        for number in range(rounds + 1):
            for n in _order(number):
                side = sides[n]
                load: Load[Sending] = Load(side.few.send, side.clock, clock(database.process.pid), float)
                cost = await load.closed(list(islice(sendings(side.conversations, number), count)), senders)
                costs[n].append((cost.cpu, cost.database))
        rows += _rows(what, costs)
    idle: list[list[tuple[float, float]]] = [[], []]
    for _ in range(rounds + 1):
        before = [side.clock() for side in sides]
        await asyncio.sleep(IDLE_S)
        for n, side in enumerate(sides):
            idle[n].append(((side.clock() - before[n]) / USERS * 1e6, 0.0))
    rows += _rows("an idle connection for 25 s, its process's polls with it", idle)[:1]
    for side in sides:
        side.few.close()
        await side.many.connect(side.server.port, side.tokens)
    chance = random.Random(1)
    delivered: list[list[tuple[float, float]]] = [[], []]
    for number in range(rounds + 1):
        for n in _order(number):
            side = sides[n]
            some = [(chance.randrange(USERS), side.everybody, stage.BODY) for _ in range(DELIVERIES)]
            all_: Load[Sending] = Load(side.many.send, side.clock, clock(database.process.pid), float)
            cost = await all_.closed(some, 4)
            delivered[n].append((cost.cpu / USERS, cost.database / USERS))
    rows += _rows(f"a delivery, to a group of {USERS}", delivered)[:1]
    for side in sides:
        side.many.close()
    page.table(("what", "now / before", "ratio"), rows)


def _order(number: int) -> tuple[int, int]:
    """Each is first in every other round."""
    return (0, 1) if number % 2 else (1, 0)


def _rows(what: str, costs: Sequence[Sequence[tuple[float, float]]]) -> list[tuple[str, str, str]]:
    """Of the server and of the database; the first round warms up."""
    rows = []
    for place, whose in enumerate(("server", "database")):
        now, before = ([cost[place] for cost in side[1:]] for side in costs)
        if any(before):
            ratios = [one / other for one, other in zip(now, before, strict=True)]
            low, middle, high = statistics.quantiles(ratios, n=4)
            pair = f"{statistics.median(now):.1f} / {statistics.median(before):.1f}"
            rows.append((f"{what}: {whose}", pair, f"**{middle:.3f}** ({low:.3f} to {high:.3f})"))
            print(rows[-1], f"{time.strftime('%H:%M:%S')}", flush=True)
    return rows


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.against", description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    print(run(options.checkout.resolve(), options.rounds).text())


if __name__ == "__main__":
    main()
