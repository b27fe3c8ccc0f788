"""Messages written to SQLite: by GoChat's writer, by SQLModel and by `sqlite3`, each of these with a
transaction for every message."""

import asyncio
import time
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from benchmarks import stage
from benchmarks.load import Load, Send, nothing
from benchmarks.measure import Cost, median
from benchmarks.naive import PlainTransactionEach, TransactionEach
from benchmarks.report import Page, circumstances, sqlite_version
from benchmarks.stage import Stage
from gochat.core.messages import SendMessage

COUNTS = {
    1: (600, 200, 300),
    16: (3_000, 300, 600),
    256: (16_000, 500, 1_000),
    1024: (24_000, 1_100, 2_000),
}
"""By senders, how many messages each of the three sends."""


def run(*, quick: bool) -> Page:
    """Measure, and tell."""
    page = Page("What it costs to write a message on SQLite")
    page.say(circumstances(sqlite_version()))
    page.say(
        "WAL and `synchronous=FULL`: durable before the ack. *GoChat*: `ConversationWriter.submit` to the"
        " answer, with all rules. *SQLModel* and *sqlite3*: a transaction and a commit for each message in a"
        " thread, with the same checks and rows. Processor time of the process (user and kernel, all threads,"
        f" the database and the load with it) in µs for one message. *Many*: {stage.CONVERSATIONS}"
        f" conversations of {stage.MEMBERS}; *hot*: one of {stage.USERS}."
    )
    with TemporaryDirectory(prefix="gochat-") as directory:
        built = stage.build(f"sqlite:///{Path(directory) / 'gochat.db'}")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_measure(page, built, repeats=1 if quick else 3))
    return page


async def _measure(page: Page, built: Stage, repeats: int) -> None:
    model, plain = TransactionEach(built.url), PlainTransactionEach(built.url)
    rows = []
    async with stage.writer(built.url) as ours:
        sends: tuple[Send[SendMessage], ...] = (ours.submit, model.submit, plain.submit)
        loads = [Load(send, time.process_time, nothing, nothing) for send in sends]
        for hot in (False, True):
            for senders, counts in COUNTS.items():
                costs: list[list[Cost]] = [[], [], []]
                for n in range(repeats):
                    for load, count, into in zip(loads, counts, costs, strict=True):
                        into.append(
                            await load.closed(list(islice(built.sends(hot=hot, seed=n), count)), senders)
                        )
                rows.append(_compared("hot" if hot else "many", senders, *map(median, costs)))
                print(rows[-1], flush=True)
    model.close()
    plain.close()
    page.say("## Senders in a closed loop\n\nEach has one message under way. GoChat / SQLModel / sqlite3.")
    page.table(("conversations", "senders", "process", "ratios", "messages/s", "p99 ms"), rows)


def _compared(where: str, senders: int, mine: Cost, model: Cost, plain: Cost) -> tuple[object, ...]:
    return (
        where,
        senders,
        f"{mine.cpu:.0f} / {model.cpu:.0f} / {plain.cpu:.0f}",
        f"**{model.cpu / mine.cpu:.0f}**, **{plain.cpu / mine.cpu:.1f}**",
        f"{mine.rate:,.0f} / {model.rate:,.0f} / {plain.rate:,.0f}",
        f"{mine.p99:.0f} / {model.p99:.0f} / {plain.p99:.0f}",
    )
