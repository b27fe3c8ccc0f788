"""Many phones at several processes: they come all at once, and then hear what is sent to their groups."""

import asyncio
import random
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import orjson

from benchmarks.measure import percentile
from benchmarks.phones import Line, acked
from benchmarks.processes.deployment import POLL_S, Deployment, Meter, Person, converse
from benchmarks.stage import BODY
from gochat.contract.ids import id_out

MEMBERS = 20
"""Of a small group."""
PATIENCE_S = 120.0
QUIET_S = 0.5
KEY = b'"client_message_id":"'
DIGITS = 36


@dataclass(frozen=True)
class Stormed:
    """What it took for all to come at once. Processor time in ms for one of them."""

    seconds: float
    """Until all had synced."""
    p50: float
    """Seconds from the first byte to the answer of `sync`."""
    p99: float
    processes: float
    redis: float
    database: float
    statements: float
    """For one."""
    errors: int
    load: float
    """The share of a core that the load took."""


@dataclass(frozen=True)
class Told:
    """What it took to tell a group. Processor time in µs; times in ms."""

    message: float
    """Of all processes, for one message."""
    delivery: float
    """The same, for one delivery."""
    redis: float
    database: float
    p50: float
    """From the message to a member."""
    p99: float
    last: float
    """From the message to its last member; the median."""
    load: float
    """The share of a core that the load took."""


@dataclass
class _Message:
    at: float
    left: int


class Crowd:
    """People who are all in one group, and each in some small ones, spread over all processes."""

    def __init__(self, it: Deployment, people: Sequence[Person], groups: Sequence[Sequence[int]]) -> None:
        self._it = it
        self._people = people
        self._groups = groups
        self._ids: list[str] = []
        self._greetings: list[bytes] = []
        self._meter = Meter([*it.gochat.servers, it.redis, it.mariadb])
        self._lines: list[Line] = []
        self._under_way: dict[bytes, _Message] = {}
        self._delays: list[float] = []
        self._lasts: list[float] = []
        self._none_left = asyncio.Event()

    async def converse(self) -> None:
        """Make the groups; from then on each knows how far all of theirs are."""
        made = await converse(self._it.url, [[self._people[n].id for n in them] for them in self._groups])
        self._ids = [id_out(cid) for cid in made]
        revisions = dict(self._it.ask("SELECT id, revision FROM conversations"))
        own = dict(self._it.ask("SELECT id, me_revision FROM users"))
        ((epoch,),) = self._it.ask("SELECT epoch FROM epochs")
        known: list[dict[str, int]] = [{} for _ in self._people]
        for cid, members in zip(made, self._groups, strict=True):
            for n in members:
                known[n][id_out(cid)] = revisions[cid]
        for person, mine in zip(self._people, known, strict=True):
            request = {"known": mine, "me": own[person.id], "epoch": epoch}
            self._greetings.append(b"420" + orjson.dumps(["sync", request]))
        await asyncio.sleep(POLL_S)

    # ---- all at once

    async def storm(self) -> Stormed:
        """All come, each with the last revisions of all that they have; they stay."""
        statements = self._statements()
        delays: list[float] = []
        self._meter.start()
        came = [self._come(n, delays) for n in range(len(self._people))]
        async with asyncio.timeout(PATIENCE_S):
            errors = [error for error in await asyncio.gather(*came) if error]
        seconds = time.perf_counter() - self._meter.began
        load = self._meter.load()
        *processes, redis, database = self._meter.used()
        statements = self._statements() - statements
        for error in errors[:3]:
            print(repr(error), flush=True)
        delays.sort()
        count = len(self._people)
        return Stormed(
            seconds=seconds,
            p50=percentile(delays, 0.50),
            p99=percentile(delays, 0.99),
            processes=sum(processes) / count * 1e3,
            redis=redis / count * 1e3,
            database=database / count * 1e3,
            statements=statements / count,
            errors=len(errors) + sum(line.lost for line in self._lines),
            load=load,
        )

    async def _come(self, n: int, delays: list[float]) -> Exception | None:
        """One phone; what went wrong. Whoever lacks anything would have lost something: nothing changed."""
        ports = self._it.gochat.ports
        began = time.perf_counter()
        try:
            _, line = await asyncio.get_running_loop().create_connection(
                partial(Line, self._people[n].token, self._greetings[n], self._heard),
                "127.0.0.1",
                ports[n % len(ports)],
            )
            self._lines.append(line)
            answer = await line.ready
        except (OSError, ValueError) as error:
            return error
        delays.append(time.perf_counter() - began)
        return ValueError(answer) if answer["conversations"] or answer["more"] else None

    def _statements(self) -> int:
        ((_, asked),) = self._it.ask("SHOW GLOBAL STATUS LIKE 'Questions'")
        return int(asked)

    async def leave(self) -> None:
        """Hang up, all; until the processes have forgotten them."""
        for line in self._lines:
            line.close()
        self._lines = []
        await self.quiet()

    async def quiet(self) -> None:
        """Until the processes have little to do."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self._meter.start()
                await asyncio.sleep(QUIET_S)
                if sum(self._meter.used()) < 0.1 * QUIET_S:
                    return

    # ---- groups

    async def tell_all(self, messages: int) -> Told:
        """One message after the other to the group of all."""

        async def send() -> None:
            for n in range(messages):
                self._say(n, 0)
                await self._none_left.wait()

        return await self._told(messages, len(self._people), send)

    async def tell_some(self, messages: int, rate: float) -> Told:
        """So many a second, each to a small group by chance."""
        chance = random.Random(1)

        async def send() -> None:
            for n in range(messages):
                early = self._meter.began + n / rate - time.perf_counter()
                await asyncio.sleep(max(0.0, early))
                group = chance.randrange(1, len(self._groups))
                self._say(chance.choice(self._groups[group]), group)
            await self._none_left.wait()

        return await self._told(messages, MEMBERS, send)

    async def _told(self, messages: int, members: int, send: Callable[[], Awaitable[None]]) -> Told:
        await self._meter.rest(POLL_S)
        self._delays, self._lasts = [], []
        self._meter.start()
        async with asyncio.timeout(PATIENCE_S):
            await send()
        load = self._meter.load()
        await asyncio.sleep(POLL_S)
        *processes, redis, database = (used / messages * 1e6 for used in self._meter.used())
        delays = sorted(self._delays)
        return Told(
            message=sum(processes),
            delivery=sum(processes) / members,
            redis=redis,
            database=database,
            p50=percentile(delays, 0.50) * 1e3,
            p99=percentile(delays, 0.99) * 1e3,
            last=statistics.median(self._lasts) * 1e3,
            load=load,
        )

    def _say(self, sender: int, group: int) -> None:
        key = str(uuid.uuid4())
        request = {"conversation_id": self._ids[group], "client_message_id": key, "body": BODY}
        self._under_way[key.encode()] = _Message(time.perf_counter(), len(self._groups[group]))
        self._none_left.clear()
        self._lines[sender].say(b"421" + orjson.dumps(["message:send", request]))

    def _heard(self, packet: bytes) -> None:
        """A member has a message, or the sender its ack."""
        if packet.startswith(b"43"):
            ack = acked(packet)
            if not ack["ok"]:
                raise ValueError(ack)
            return
        at = packet.find(KEY) + len(KEY)
        key = packet[at : at + DIGITS]
        message = self._under_way.get(key)
        if message is None:  # no message at all
            return
        self._delays.append(time.perf_counter() - message.at)
        message.left -= 1
        if message.left == 0:
            self._lasts.append(self._delays[-1])
            del self._under_way[key]
            if not self._under_way:
                self._none_left.set()


def groups(people: int, each: int) -> list[list[int]]:
    """One of all, and small ones, so that everyone is in `each` altogether."""
    chance = random.Random(1)
    made = [list(range(people))]
    for _ in range(each - 1):
        mixed = chance.sample(range(people), people)
        made += [mixed[n : n + MEMBERS] for n in range(0, people, MEMBERS)]
    return made
