"""Phones in a process of their own, which come back as the official client libraries do, until all are in."""

import asyncio
import multiprocessing
import os
import random
import resource
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

import orjson
import uvloop

from benchmarks.measure import percentile
from benchmarks.phones import SYNC, Line, acked
from benchmarks.stage import BODY

FIRST_S, LONGEST_S = 1.0, 5.0
"""How long socket.io-client waits before it tries again, half as much more or less by chance; each time twice
as long."""
LAST = 19
"""How the phones' process stands back for the server's: phones bring a processor of their own."""
SENDERS = 16
"""Phones that send to the one conversation, each its next message when the one before is acked."""


@dataclass(frozen=True)
class Came:
    """How phones got in. Seconds from a phone's first try until it has synced."""

    seconds: float
    """Until the last was in."""
    p50: float
    p99: float
    refused: dict[str, int]
    """Tries in vain, by what the phone saw."""


@dataclass(frozen=True)
class Heard:
    """What one conversation carried."""

    sent: float
    """Messages a second that were acked."""
    delivered: float
    """Deltas a second that came to any phone, each with one message or more."""
    refused: int


class _Line(Line):
    """A line that tells of its end."""

    def __init__(self, ended: asyncio.Event, *given: Any) -> None:
        super().__init__(*given)
        self.ended = ended

    @property
    def opened(self) -> bool:
        """Whether there ever was a websocket."""
        return self._upgraded

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.ended.set()


class _Phones:
    def __init__(self, port: int, tokens: Sequence[str]) -> None:
        self._port = port
        self._tokens = tokens
        self._in = 0
        self._delays: list[float] = []
        self._refused: Counter[str] = Counter()
        self._all_in = asyncio.Event()
        self._lines: dict[int, Line] = {}
        self._staying: list[asyncio.Task[None]] = []
        self._delivered = 0
        self._acked: dict[int, asyncio.Future[bool]] = {}

    async def come(self) -> Came:
        began = time.perf_counter()
        self._staying = [asyncio.create_task(self._stay(n)) for n in range(len(self._tokens))]
        await self._all_in.wait()
        ordered = sorted(self._delays)
        seconds = time.perf_counter() - began
        return Came(seconds, percentile(ordered, 0.5), percentile(ordered, 0.99), dict(self._refused))

    async def shout(self, conversation_id: str, seconds: float, senders: int) -> Heard:
        self._delivered, until = 0, time.perf_counter() + seconds
        sent = await asyncio.gather(*(self._send(n, conversation_id, until) for n in range(senders)))
        heard = self._delivered
        done = sum(ok for ok, _ in sent)
        return Heard(done / seconds, heard / seconds, sum(refused for _, refused in sent))

    async def leave(self) -> None:
        for task in self._staying:
            task.cancel()
        for line in self._lines.values():
            line.close()

    async def _stay(self, n: int) -> None:
        """Be connected, again and again."""
        loop, began, wait_s = asyncio.get_running_loop(), time.perf_counter(), FIRST_S
        while True:
            make = partial(_Line, asyncio.Event(), self._tokens[n], SYNC, partial(self._hear, n))
            line: _Line | None = None
            try:
                _, line = await loop.create_connection(make, "127.0.0.1", self._port)
                await line.ready
            except ValueError as error:  # its sync was refused
                self._refused[error.args[0]["error"]["code"]] += 1
            except OSError as error:
                text = str(error).partition("\r")[0]
                self._refused[text if text.startswith("HTTP") else type(error).__name__] += 1
            else:
                self._lines[n] = line
                self._in += 1
                self._delays.append(time.perf_counter() - began)
                if self._in == len(self._tokens):
                    self._all_in.set()
                await line.ended.wait()
                self._in -= 1
                self._refused["closed later"] += 1
            if line is not None:
                line.close()
                wait_s = FIRST_S if line.opened else wait_s
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.5))
            wait_s = min(2 * wait_s, LONGEST_S)

    async def _send(self, n: int, conversation_id: str, until: float) -> tuple[int, int]:
        done = refused = 0
        while time.perf_counter() < until:
            digits = secrets.token_hex(16)
            key = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
            request = {"conversation_id": conversation_id, "client_message_id": key, "body": BODY}
            self._acked[n] = asyncio.get_running_loop().create_future()
            self._lines[n].say(b"421%b" % orjson.dumps(["message:send", request]))
            if await self._acked[n]:
                done += 1
            else:
                refused += 1
                await asyncio.sleep(1)
        return done, refused

    def _hear(self, n: int, packet: bytes) -> None:
        if packet.startswith(b"42"):
            self._delivered += 1
        else:
            self._acked[n].set_result(acked(packet)["ok"])


def _live(port: int, tokens: Sequence[str], orders: Connection) -> None:
    os.nice(LAST)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    async def live() -> None:
        phones = _Phones(port, tokens)
        while True:
            name, *given = await asyncio.to_thread(orders.recv)
            orders.send(await getattr(phones, name)(*given))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(live())


class Returning:
    """Phones with these tokens, in a process of their own."""

    def __init__(self, port: int, tokens: Sequence[str]) -> None:
        context = multiprocessing.get_context("spawn")
        self._orders, self._theirs = context.Pipe()
        self._process = context.Process(target=_live, args=(port, tokens, self._theirs), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self._theirs.close()  # or nobody would hear of its end
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.join()

    async def come(self) -> Came:
        """All come at once; until all are in."""
        came: Came = await self._ask("come")
        return came

    async def shout(self, conversation_id: str, seconds: float, senders: int = SENDERS) -> Heard:
        """Send to a conversation as fast as it goes, and count what all hear."""
        heard: Heard = await self._ask("shout", conversation_id, seconds, senders)
        return heard

    async def leave(self) -> None:
        """Hang up, all."""
        await self._ask("leave")

    async def _ask(self, *order: object) -> Any:
        self._orders.send(order)
        return await asyncio.to_thread(self._orders.recv)
