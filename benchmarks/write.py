"""Messages written to MariaDB: by GoChat's writer, and by SQLModel with a transaction for each."""

import asyncio
import time
from itertools import islice

import uvloop

from benchmarks import stage
from benchmarks.load import Load, Send, nothing
from benchmarks.measure import Cost, clock, median
from benchmarks.naive import TransactionEach
from benchmarks.report import Page, circumstances, mariadb_version
from benchmarks.stage import Stage
from gochat.core.messages import SendMessage
from tests.services.mariadb import MariaDB

COUNTS = {1: (400, 200), 16: (4_000, 400), 256: (16_000, 600), 1024: (24_000, 1_100)}
"""By senders, how many messages ours sends, and how many the other one."""
RATES = (100, 1_000, 3_000)
OFFERED_S = 4
FLOOR = 20_000


def run(*, quick: bool) -> Page:
    """Measure, and tell."""
    page = Page("What it costs to write a message")
    with stage.mariadb() as server:
        page.say(circumstances(mariadb_version(server)))
        page.say(
            "Every message is durable before its ack: binlog on, `sync_binlog=1`,"
            " `innodb_flush_log_at_trx_commit=1`. *GoChat*: `ConversationWriter.submit` to the answer, with"
            " all rules: membership, retry, reply, read position of the sender, the row of `batches`."
            " *SQLModel*: a session, a transaction and a commit for each message in 32 threads, with the same"
            " checks and rows. Processor time in µs for one message: of the process (user and kernel, all"
            " threads, the load itself with it), and of the database. *Many*:"
            f" {stage.CONVERSATIONS} conversations of {stage.MEMBERS}; *hot*: one of {stage.USERS}."
        )
        built = stage.build(server.create_database())
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_measure(page, server, built, quick=quick))
    return page


async def _measure(page: Page, server: MariaDB, built: Stage, *, quick: bool) -> None:
    database = clock(server.process.pid)
    naive = TransactionEach(built.url)
    repeats = 1 if quick else 3
    async with stage.writer(built.url) as ours:

        def load(send: Send[SendMessage]) -> Load[SendMessage]:
            return Load(send, time.process_time, database, lambda: stage.commits(server))

        await closed_loop(page, built, load(ours.submit), load(naive.submit), repeats)
        await _offered(page, built, load(ours.submit), repeats)
    naive.close()
    await floor(page, built)


async def closed_loop(
    page: Page, built: Stage, ours: Load[SendMessage], naive: Load[SendMessage], repeats: int
) -> None:
    """Both side by side, over and over; the median of each."""
    rows = []
    for hot in (False, True):
        for senders, counts in COUNTS.items():
            costs: tuple[list[Cost], list[Cost]] = [], []
            for n in range(repeats):
                for load, count, into in zip((ours, naive), counts, costs, strict=True):
                    commands = list(islice(built.sends(hot=hot, seed=n), count))
                    into.append(await load.closed(commands, senders))
            mine, other = map(median, costs)
            rows.append(_compared("hot" if hot else "many", senders, mine, other))
            print(rows[-1], flush=True)
    page.say("## Senders in a closed loop\n\nEach has one message under way. GoChat / SQLModel.")
    page.table(
        (
            "conversations",
            "senders",
            "process",
            "ratio",
            "database",
            "ratio",
            "commits",
            "messages/s",
            "p99 ms",
        ),
        rows,
    )


def _compared(where: str, senders: int, mine: Cost, other: Cost) -> tuple[object, ...]:
    return (
        where,
        senders,
        f"{mine.cpu:.0f} / {other.cpu:.0f}",
        f"**{other.cpu / mine.cpu:.0f}**",
        f"{mine.database:.0f} / {other.database:.0f}",
        f"{other.database / mine.database:.0f}" if mine.database else "",
        f"{mine.commits:.4f} / {other.commits:.2f}",
        f"{mine.rate:,.0f} / {other.rate:,.0f}",
        f"{mine.p99:.0f} / {other.p99:.0f}",
    )


async def _offered(page: Page, built: Stage, ours: Load[SendMessage], repeats: int) -> None:
    rows = []
    for hot in (False, True):
        for rate in RATES:
            costs = []
            for n in range(repeats):
                commands = list(islice(built.sends(hot=hot, seed=n), rate * OFFERED_S))
                costs.append(await ours.offered(commands, rate))
            cost = median(costs)
            rows.append(
                (
                    "hot" if hot else "many",
                    f"{rate:,}",
                    f"{cost.p50:.1f}",
                    f"{cost.p99:.1f}",
                    f"{cost.cpu:.0f}",
                    f"{cost.database:.0f}",
                    f"{cost.commits:.3f}",
                )
            )
            print(rows[-1], flush=True)
    page.say(
        "## Against offered load\n\nGoChat alone; messages come by chance, whatever becomes of the others."
    )
    page.table(("conversations", "messages/s", "p50 ms", "p99 ms", "process", "database", "commits"), rows)


async def floor(page: Page, built: Stage) -> None:
    """What the load costs by itself."""
    loop = asyncio.get_running_loop()

    def answer(command: object) -> asyncio.Future[None]:
        future = loop.create_future()
        loop.call_soon(future.set_result, None)
        return future

    cost = await Load(answer, time.process_time, nothing, nothing).closed(
        list(islice(built.sends(hot=False, seed=0), FLOOR)), 256
    )
    page.say(f"The load by itself, with nothing behind it, takes {cost.cpu:.1f} µs of the process's time.")
