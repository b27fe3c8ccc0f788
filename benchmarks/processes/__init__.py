"""What several processes cost each other: messages beside python-socketio's, reconnects, groups."""

import asyncio
import os
import resource
from collections.abc import Sequence
from contextlib import closing
from importlib.metadata import version

import uvloop

from benchmarks.measure import median
from benchmarks.processes.crowd import MEMBERS, Crowd, Stormed, Told, groups
from benchmarks.processes.deployment import Deployment, Person, deployment, enrol
from benchmarks.processes.talk import Talk, Talked, Way, ways
from benchmarks.report import Page, circumstances, mariadb_version

PLANS = ((2, 100), (4, 100), (8, 100), (8, 400))
"""Processes, and messages a second."""
ROUNDS, ROUND_S, WARM_S, IDLE_S = 3, 2.0, 1.0, 6.0
CROWDED = 4
"""Processes that a crowd comes to."""
PEOPLE, EACH = 2_000, 50
"""So many, each in so many groups."""
RATE = 100.0
"""Messages a second to small groups."""
PARTS = ("sender's process", "reader's", "one without members")
PACKAGES = ("python-socketio", "python-engineio", "uvicorn", "redis")


def run(*, quick: bool) -> Page:
    """Measure, and tell."""
    page = Page("What several processes cost each other")
    load = os.getloadavg()[0]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a file for each socket, here and at servers
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        with deployment() as it:
            packages = [f"{name} {version(name)}" for name in PACKAGES]
            page.say(circumstances(mariadb_version(it.mariadb), redis_version(it), *packages))
            page.say(
                "All processes, MariaDB, Redis and the load are on this machine, so times of delivery are"
                f" upper bounds; the load average before it began was {load:.1f}. Processor time is that of"
                " whole processes, all threads, user and kernel."
            )
            runner.run(talk(page, it, quick=quick))
        with deployment() as it:
            it.gochat.grow(CROWDED)
            runner.run(crowd(page, it, quick=quick))
    return page


def redis_version(it: Deployment) -> str:
    """Its name and number."""
    with closing(it.redis.client()) as client:
        return f"Redis {client.info('server')['redis_version']}"


# ---- two who talk


async def talk(page: Page, it: Deployment, *, quick: bool) -> None:
    """Messages from one process to another, in all ways."""
    rounds, seconds = (1, 1.0) if quick else (ROUNDS, ROUND_S)
    people = enrol(it.url, max(processes for processes, _ in PLANS))
    all_ways = await ways(it, people)
    rows, ratios, rests, busiest = [], [], {}, 0.0
    for processes, rate in PLANS[:2] if quick else PLANS:
        talked, idle = await compare(it, all_ways, people, processes, rate, rounds, seconds)
        plan = (processes, f"{rate} a second")
        rows += [(*plan, way.name, *_costs(one)) for way, one in zip(all_ways, talked, strict=True)]
        ratios.append((*plan, *_ratios(*(one.processes for one in talked))))
        rests[processes] = (processes, f"{idle[0]:.1f}", f"{idle[-1]:.1f}")
        busiest = max(busiest, *(one.load for one in talked))
        for row in rows[-3:]:
            print(row, flush=True)
    page.say("## A message from one process to another")
    page.say(
        "A conversation of two: the sender's socket is at the first process, the reader's at the second; each"
        " other process has a socket of somebody who is not in it. A message is acked and told to both."
        f" Sent evenly for {seconds:.0f} s; median of {rounds} rounds, in which all ways take turns. What"
        f" everything uses while nothing happens is taken off. The load used at most {busiest:.0%} of a core."
    )
    page.say(
        "- *GoChat, messages*: `message:send` to `gochat serve`: checked, written durably before the ack,"
        " told; with what the log costs that every process reads. It carries the work with the database,"
        " which python-socketio does not do: that keeps nothing.\n"
        "- *GoChat, typing*: `typing:start` to the same processes: checked and told, kept nowhere. The"
        " nearest to what python-socketio does; but its event is smaller, as it has no body.\n"
        "- *python-socketio*: `AsyncServer` and `AsyncRedisManager` as they come, on uvicorn, uvloop and"
        " httptools, without compression; a handler that emits to a room, and acks. No token, no membership"
        " and no shape is checked."
    )
    page.say("Processor time in µs for one message; delivery to the reader in ms.")
    page.table(("processes", "load", "what", *PARTS, "all processes", "Redis", "MariaDB", "p50", "p99"), rows)
    page.say(
        "All server processes together, without Redis and MariaDB, beside python-socketio's"
        " (GoChat / python-socketio):"
    )
    page.table(("processes", "load", "messages", "ratio", "typing", "ratio"), ratios)
    page.say("An idle process, in ms of processor time a second, with its poll, beats and heartbeats:")
    page.table(("processes", "GoChat", "python-socketio"), list(rests.values()))


async def compare(
    it: Deployment,
    all_ways: Sequence[Way],
    people: Sequence[Person],
    processes: int,
    rate: float,
    rounds: int,
    seconds: float,
) -> tuple[list[Talked], list[float]]:
    """All ways in turns; and what an idle process uses in each, in ms a second."""
    it.gochat.grow(processes)
    it.stock.grow(processes)
    talks = [Talk(it, way, processes) for way in all_ways]
    for one in talks:
        await one.begin(people)
        await one.run(WARM_S, rate)
    rests = await asyncio.gather(*(one.rest(IDLE_S / ROUND_S * seconds) for one in talks))
    turns = [[await one.run(seconds, rate) for one in talks] for _ in range(rounds)]
    for one in talks:
        one.close()
    talked = [median(runs) for runs in zip(*turns, strict=True)]
    return talked, [1e3 * sum(rest) / processes for rest in rests]


def _costs(it: Talked) -> tuple[str, ...]:
    other = f"{it.other:.0f}" if it.other else ""
    most = (f"{value:.0f}" for value in (it.processes, it.redis, it.database))
    return f"{it.sender:.0f}", f"{it.reader:.0f}", other, *most, f"{it.p50:.1f}", f"{it.p99:.1f}"


def _ratios(messages: float, typing: float, stock: float) -> tuple[str, ...]:
    pairs = [(f"{mine:.0f} / {stock:.0f}", f"**{mine / stock:.2f}**") for mine in (messages, typing)]
    return *pairs[0], *pairs[1]


# ---- many


async def crowd(page: Page, it: Deployment, *, quick: bool) -> None:
    """Many who come at once, and then hear."""
    count, rounds = (PEOPLE // 5, 1) if quick else (PEOPLE, ROUNDS)
    phones = Crowd(it, enrol(it.url, count), groups(count, EACH))
    await phones.converse()
    await phones.quiet()
    storms: list[Stormed] = []
    for _ in range(rounds):
        await phones.leave()
        storms.append(await phones.storm())
        print(storms[-1], flush=True)
    _storm(page, storms, count)
    await phones.quiet()
    messages = 10 if quick else 100
    told = [await phones.tell_all(messages), await phones.tell_some(5 * messages, RATE)]
    _groups(page, told, count)
    await phones.leave()


def _storm(page: Page, storms: Sequence[Stormed], count: int) -> None:
    it = median(storms)
    errors = sum(storm.errors for storm in storms)
    page.say("## All come back at once")
    page.say(
        f"{count:,} phones on {CROWDED} processes, {EACH} conversations each: one of all, the others"
        f" of {MEMBERS}. All connect in the same moment and `sync` with the revisions that they have, which"
        f" are the last. Median of {len(storms)} times; the load used {it.load:.0%} of a core."
    )
    page.table(
        ("what", ""),
        [
            ("all have synced after", f"{it.seconds:.1f} s"),
            ("from the first byte to the answer of `sync`, p50", f"{it.p50:.2f} s"),
            ("p99", f"{it.p99:.2f} s"),
            ("processor time of the processes, for each", f"{it.processes:.2f} ms"),
            ("of MariaDB", f"{it.database:.2f} ms"),
            ("of Redis", f"{it.redis:.2f} ms"),
            ("statements, for each", f"{it.statements:.1f}"),
            ("errors, and connections lost, in all", errors),
        ],
    )


def _groups(page: Page, told: Sequence[Told], count: int) -> None:
    names = (f"{count:,}, one message at a time", f"{MEMBERS}, {RATE:.0f} messages a second")
    page.say("## Groups")
    page.say(
        f"The same phones, all online. Processor time in µs of all {CROWDED} processes together; delivery in"
        " ms to each member, and the median until the last one has it. The load used"
        f" {told[0].load:.0%} and {told[1].load:.0%} of a core: it hears every delivery, in one process."
    )
    page.table(
        ("group of", "for a message", "for a delivery", "Redis", "MariaDB", "p50", "p99", "last"),
        [
            (
                name,
                f"{it.message:.0f}",
                f"{it.delivery:.1f}",
                *(f"{value:.0f}" for value in (it.redis, it.database)),
                *(f"{value:.1f}" for value in (it.p50, it.p99, it.last)),
            )
            for name, it in zip(names, told, strict=True)
        ],
    )
