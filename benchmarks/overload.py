"""More than a server can carry: what was accepted is acked in bounded time, the rest is told; it passes.

`python -m benchmarks.overload WORD...` prints the scenes alone in whose names one of these words is.
"""

import asyncio
import functools
import multiprocessing
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import orjson
import uvloop
from sqlalchemy import make_url

from benchmarks import stage
from benchmarks.measure import percentile, resident
from benchmarks.phones import SYNC, Line, acked, dial
from benchmarks.processes.deployment import SECRET, TTL_S, converse, enrol
from benchmarks.report import Page, circumstances, mariadb_version
from benchmarks.returning import Came, Returning
from gochat.contract.ids import id_out
from gochat.storage.migrate import upgrade
from tests.services.gochat import GoChatServer
from tests.services.process import free_port
from tests.services.redis import Redis
from tests.wire.account import Account, register

USERS, EACH = 250, 2
"""Users, and sockets of each."""
NORMAL_S, OVER_S, BACK_S = 6, 10, 20
STATEMENT_S = 0.05
STORM = 5_000
GROUP = 10_000
CALM_S = 30
"""After what it carried at most: the search index follows behind."""
QUIET = 100
"""Messages a second of a machine on which little happens."""
SOCKETS_OF_ONE = (20, 180)
"""Of one user, who sends on each the next message when the one before is acked."""
DESCRIPTORS, FIRST, OTHERS = 1_024, 250, 350
"""How many a server may have; and phones that come beside the senders, then others for which there is no room
until the first go."""
SERVE = Path(sys.executable).parent / "gochat serve"
SETTINGS = {
    "LOGIN_RATE": "100000/minute",
    "ARGON2_MEMORY_KIB": "8192",
    "ARGON2_TIME_COST": "1",
    "RATES": "all=off",
    "SOCKETS_PER_USER": "10000",
    "LOG_LEVEL": "error",
    "REPLICAS": "2",
    "JWT_SECRET": SECRET,
    "ACCESS_TOKEN_TTL_S": str(TTL_S),
}


@dataclass
class Told:
    """What became of some sends."""

    latencies: list[float] = field(default_factory=list)
    """Of those that were accepted, in seconds."""
    refused: Counter[str] = field(default_factory=Counter)
    seconds: float = 1.0
    late_s: float = 0.0
    """How late the phones themselves were at most: that is in the latencies, too."""

    @property
    def p99(self) -> float:
        """Milliseconds."""
        return percentile(sorted(self.latencies), 0.99) * 1e3


class Senders:
    """Phones that send at a rate, whatever becomes of what they sent before."""

    def __init__(self) -> None:
        self._lines: list[Line] = []
        self._cids: list[str] = []
        self._n = 0
        self._waiting: dict[int, tuple[float, Told]] = {}

    async def connect(self, port: int, accounts: Sequence[Account], cids: Sequence[str]) -> None:
        """Connect them all; each sends to the conversation in the place of its own."""
        self._cids = list(cids)
        for account in (*accounts,) * EACH:
            self._lines.append(await dial(port, account.token, SYNC, self._hear))

    async def offer(self, rate: float, seconds: float) -> Told:
        """Send so many a second for so long; wait until each is answered."""
        told, began = Told(seconds=seconds), time.perf_counter()
        for n in range(int(rate * seconds)):
            if (early := began + n / rate - time.perf_counter()) > 0.001:
                await asyncio.sleep(early)
            elif not n % 16:  # what was answered is heard, however late it is
                await asyncio.sleep(0)
            told.late_s = max(told.late_s, -early)
            self._send(told)
        await self._answered(told)
        return told

    async def closed(self, senders: int, seconds: float) -> float:
        """Keep so many under way; return how many a second were accepted."""
        told, until = Told(), time.perf_counter() + seconds
        while time.perf_counter() < until:
            while len(self._waiting) < senders:
                self._send(told)
            await asyncio.sleep(0.002)
        done = len(told.latencies)
        await self._answered(told)
        return done / seconds

    def _send(self, told: Told) -> None:
        self._n += 1
        who = self._n % len(self._lines)
        digits = secrets.token_hex(16)
        key = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
        request = {
            "conversation_id": self._cids[who % len(self._cids)],
            "client_message_id": key,
            "body": stage.BODY,
        }
        self._waiting[self._n] = time.perf_counter(), told
        self._lines[who].say(b"42%d%b" % (self._n, orjson.dumps(["message:send", request])))

    async def _answered(self, told: Told) -> None:
        until = time.perf_counter() + 30
        while self._waiting and time.perf_counter() < until:  # noqa: ASYNC110 (each line answers by itself)
            await asyncio.sleep(0.01)
        told.refused["no answer"] += len(self._waiting)
        self._waiting.clear()

    def _hear(self, packet: bytes) -> None:
        if packet.startswith(b"42"):
            return
        waited = self._waiting.pop(int(packet[2 : packet.index(b"[")]), None)
        if waited is None:
            return
        at, told = waited
        ack = acked(packet)
        if ack["ok"]:
            told.latencies.append(time.perf_counter() - at)
        else:
            told.refused[ack["error"]["code"]] += 1

    @property
    def lost(self) -> int:
        """How many have lost their connection."""
        return sum(line.lost for line in self._lines)

    def close(self) -> None:
        """Hang up, all."""
        for line in self._lines:
            line.close()


async def back(senders: Senders, rate: float, normal: float) -> float:
    """Seconds until a second's sends are acked as before: within twice the normal."""
    began = time.perf_counter()
    while time.perf_counter() - began < BACK_S:
        at = time.perf_counter() - began
        told = await senders.offer(rate, 1)
        if not told.refused.total() and told.p99 <= max(2 * normal, 50):
            return at
    return BACK_S


def delay(port: int, target: int, late: "Synchronized[float]", listens: Event) -> None:
    """A line on which each thing that is said takes so many seconds; what is answered does not."""

    async def serve() -> None:
        loop = asyncio.get_running_loop()

        async def link(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            upward, upwriter = await asyncio.open_connection("127.0.0.1", target)

            async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, slow: bool) -> None:
                while data := await source.read(65536):
                    if slow and late.value:
                        loop.call_later(late.value, sink.write, data)
                    else:
                        sink.write(data)
                loop.call_later(late.value, sink.close)

            await asyncio.gather(
                pump(reader, upwriter, True), pump(upward, writer, False), return_exceptions=True
            )

        server = await asyncio.start_server(link, "127.0.0.1", port)
        listens.set()
        await server.serve_forever()

    asyncio.run(serve())


@contextmanager
def slow_line(target: int) -> "Iterator[tuple[int, Synchronized[float]]]":
    """The port of a line, and how many seconds it takes: none, until that is set."""
    port, context = free_port(), multiprocessing.get_context("spawn")
    late, listens = context.Value("d", 0.0), context.Event()
    process = context.Process(target=delay, args=(port, target, late, listens), daemon=True)
    process.start()
    try:
        assert listens.wait(60)
        yield port, late
    finally:
        process.kill()
        process.join()


class Scene:
    """A server on its database and Redis, and phones at it."""

    def __init__(self, stack: ExitStack, settings: dict[str, str], descriptors: int | None = None) -> None:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="gochat-")))
        command = None if descriptors is None else ("sh", "-c", f"ulimit -n {descriptors}; exec {SERVE}")
        self.server = stack.enter_context(GoChatServer(directory, SETTINGS | settings, command))
        self.senders = Senders()
        http = stack.enter_context(httpx2.Client(base_url=self.server.url, timeout=60))
        self.accounts = [register(http, f"u{secrets.token_hex(5)}") for _ in range(USERS)]
        self.cids = [
            self.accounts[n].post(
                "/conversations", {"kind": "direct", "member_ids": [self.accounts[n - 1].id]}
            )["conversation"]["id"]
            for n in range(USERS)
        ]

    async def connect(self) -> None:
        """The phones come."""
        await self.senders.connect(self.server.port, self.accounts, self.cids)

    async def quarter(self) -> float:
        """A quarter of the messages a second that it carries; it has done by then what those left behind."""
        carried = await self.senders.closed(512, 6)
        await asyncio.sleep(CALM_S)
        return carried / 4

    async def beside(self, over: Callable[[], Awaitable[object]], *, busy: bool) -> tuple[object, ...]:
        """The same messages a second all the time, few or a quarter of what it carries: a row."""
        await self.connect()
        rate = await self.quarter() if busy else QUIET
        return await self.measured(rate, rate, over)

    async def measured(
        self, rate: float, over_rate: float, over: Callable[[], Awaitable[object]] | None = None
    ) -> tuple[object, ...]:
        """Normal, then too much, then normal again: a row of the table."""
        pid = self.server.process.pid
        normal = await self.senders.offer(rate, NORMAL_S)
        before = resident(pid)
        beside = asyncio.ensure_future(over()) if over is not None else None
        during = await self.senders.offer(over_rate, OVER_S)
        ended = time.perf_counter()
        if beside is not None:
            await beside
        later_s = time.perf_counter() - ended
        after_s = await back(self.senders, rate, normal.p99)
        grown = (resident(pid) - before) / 1024
        lost = self.senders.lost
        self.senders.close()
        refused = ", ".join(f"{count} {code}" for code, count in during.refused.items() if count) or "none"
        return (
            f"{rate:.0f}/s: {normal.p99:.0f}",
            f"{over_rate:.0f}/s",
            f"{len(during.latencies) / OVER_S:.0f}/s",
            f"{during.p99:.0f}",
            f"{during.p99 / max(normal.p99, 1):.1f}",
            refused,
            f"{during.late_s * 1e3:.0f}",
            f"{later_s + after_s:.0f}",
            f"{grown:.0f}",
            lost,
        )


def told(came: Came) -> str:
    """How phones got in, for the page."""
    refused = ", ".join(f"{count} times {what}" for what, count in sorted(came.refused.items())) or "none"
    return (
        f"the last was in after {came.seconds:.1f} s; each from its first try: median {came.p50:.1f} s,"
        f" p99 {came.p99:.1f} s; tries in vain: {refused}."
    )


def run(*, quick: bool, words: Sequence[str] = ("",)) -> Page:
    """Measure, and tell; only the scenes in whose names one of these words is."""
    page = Page("What it does under more than it can carry")
    rows: list[tuple[object, ...]] = []
    with ExitStack() as stack:
        server = stack.enter_context(stage.mariadb())
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="gochat-")))
        redis = stack.enter_context(Redis(directory))
        page.say(circumstances(mariadb_version(server)))
        page.say(
            f"One process, {USERS} users with {EACH} sockets each, in direct conversations; phones, server,"
            " MariaDB and Redis share the machine. First a normal load, then what the line names for"
            f" {OVER_S} s, whatever becomes of what was sent before, then the normal load until all is acked"
            " within twice what is normal (or 50 ms). Twice the load: of what was carried with 512 messages"
            " under way; normal is a quarter of that, also where the line says *beside a quarter*. Latency is"
            " from the phone's send to the ack that it has read; *phones late* is how far the phones"
            " themselves were behind at most, which is part of it."
            " Nobody sends again what was refused."
        )
        load = os.getloadavg()[0]
        page.say(f"The machine's load was {load:.1f} when it began: what else it did is in the figures.")

        def measure(what: str, scene: Callable[[ExitStack, str, int], Awaitable[tuple[object, ...]]]) -> None:
            if not any(word in what for word in words):
                return
            url = server.create_database()
            upgrade(url)
            with ExitStack() as inner, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                row = (what, *runner.run(scene(inner, url, server.port)))  # type: ignore[arg-type]
            server.drop_database(url)
            rows.append(row)
            print(row, flush=True)

        def on(
            stack: ExitStack, url: str, port: int | None = None, descriptors: int | None = None, **more: str
        ) -> Scene:
            to = make_url(url).set(port=port) if port else make_url(url)
            text = to.render_as_string(hide_password=False)
            return Scene(stack, {"MYSQL_URL": text, "REDIS_URL": redis.url, **more}, descriptors)

        async def twice(inner: ExitStack, url: str, port: int, late: float) -> tuple[object, ...]:
            through, slow = inner.enter_context(slow_line(port)) if late else (None, None)
            scene = on(inner, url, through)
            await scene.connect()
            if slow is not None:
                slow.value = late
            normal = await scene.quarter()
            return await scene.measured(normal, normal * 8)

        async def redis_away(inner: ExitStack, url: str, port: int) -> tuple[object, ...]:
            async def away() -> None:
                redis.stop()
                await asyncio.sleep(OVER_S)
                await asyncio.to_thread(redis.start)

            scene = on(inner, url)
            return await scene.beside(away, busy=False)

        async def redis_slow(inner: ExitStack, url: str, port: int) -> tuple[object, ...]:
            through, slow = inner.enter_context(slow_line(redis.port))
            scene = on(inner, url, REDIS_URL=redis.url.replace(str(redis.port), str(through)))

            async def be_slow() -> None:
                slow.value = 1.0
                await asyncio.sleep(OVER_S)
                slow.value = 0.0

            return await scene.beside(be_slow, busy=False)

        async def storm(inner: ExitStack, url: str, port: int, busy: bool) -> tuple[object, ...]:
            scene = on(inner, url)
            tokens = [it.token for it in enrol(url, STORM // 10 if quick else STORM)]
            phones = inner.enter_context(Returning(scene.server.port, tokens))

            async def come() -> None:
                page.say(f"{len(tokens):,} phones came back at once: {told(await phones.come())}")

            return await scene.beside(come, busy=busy)

        async def hot_group(inner: ExitStack, url: str, port: int, busy: bool) -> tuple[object, ...]:
            scene = on(inner, url)
            people = enrol(url, GROUP // 10 if quick else GROUP)
            (group,) = await converse(url, [[it.id for it in people]])
            phones = inner.enter_context(Returning(scene.server.port, [it.token for it in people]))
            print(await phones.come(), flush=True)

            async def shout() -> None:
                heard = await phones.shout(id_out(group), OVER_S)
                page.say(
                    f"The group of {len(people):,} carried {heard.sent:.0f} messages a second, in"
                    f" {heard.delivered:,.0f} deliveries."
                )

            return await scene.beside(shout, busy=busy)

        async def greedy(
            inner: ExitStack, url: str, port: int, sockets: int, busy: bool
        ) -> tuple[object, ...]:
            scene = on(inner, url)
            user, other = enrol(url, 2)
            (conversation,) = await converse(url, [[user.id, other.id]])
            phones = inner.enter_context(Returning(scene.server.port, [user.token] * sockets))
            await phones.come()

            async def shout() -> None:
                heard = await phones.shout(id_out(conversation), OVER_S, sockets)
                page.say(
                    f"One user on {sockets} sockets: {heard.sent:.0f} of their messages a second were acked,"
                    f" {heard.refused} refused."
                )

            return await scene.beside(shout, busy=busy)

        async def without_descriptors(
            inner: ExitStack, url: str, port: int, busy: bool
        ) -> tuple[object, ...]:
            scene = on(inner, url, descriptors=DESCRIPTORS)
            tokens = [it.token for it in enrol(url, FIRST + OTHERS)]
            first = inner.enter_context(Returning(scene.server.port, tokens[:FIRST]))
            others = inner.enter_context(Returning(scene.server.port, tokens[FIRST:]))

            async def come() -> None:
                until = time.perf_counter() + OVER_S
                await first.come()
                coming = asyncio.ensure_future(others.come())
                await asyncio.sleep(until - time.perf_counter())
                used = len(os.listdir(f"/proc/{scene.server.process.pid}/fd"))
                await first.leave()
                page.say(
                    f"Of {DESCRIPTORS:,} descriptors {used:,} were used while {USERS * EACH} phones sent,"
                    f" {FIRST} had come and {OTHERS} wanted to; then the {FIRST} went. Of the {OTHERS},"
                    f" {told(await coming)}"
                )

            return await scene.beside(come, busy=busy)

        measure("twice the load, all fast", functools.partial(twice, late=0.0))
        measure("twice the load, 50 ms a statement", functools.partial(twice, late=STATEMENT_S))
        measure("Redis away for 10 s", redis_away)
        measure("Redis answers after 1 s", redis_slow)
        for busy, beside in ((False, ""), (True, ", beside a quarter")):
            measure(f"{STORM:,} phones that come back at once{beside}", functools.partial(storm, busy=busy))
            hot = functools.partial(hot_group, busy=busy)
            measure(f"a group of {GROUP:,} sockets as fast as it goes{beside}", hot)
            for sockets in SOCKETS_OF_ONE:
                one = functools.partial(greedy, sockets=sockets, busy=busy)
                measure(f"one user on {sockets} sockets{beside}", one)
            few = functools.partial(without_descriptors, busy=busy)
            measure(f"{DESCRIPTORS:,} descriptors, and more phones{beside}", few)
    page.table(
        (
            "scene",
            "normal: p99 ms",
            "offered",
            "accepted",
            "p99 ms",
            "of normal",
            "told",
            "phones late, ms",
            "normal again, s",
            "MiB more",
            "lost",
        ),
        rows,
        numbers=False,
    )
    return page


if __name__ == "__main__":
    print(run(quick=False, words=sys.argv[1:] or ("",)).text())
