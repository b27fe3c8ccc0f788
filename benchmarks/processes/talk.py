"""Two who talk, at two of several processes: what it costs these, the others, Redis and the database."""

import asyncio
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from benchmarks.measure import percentile
from benchmarks.phones import SYNC, Line, acked, dial
from benchmarks.processes.deployment import POLL_S, Deployment, Meter, Person, Processes, converse
from benchmarks.stage import BODY
from gochat.contract.ids import id_out

PATIENCE_S = 60.0


@dataclass(frozen=True)
class Way:
    """How something is told to the members of a conversation.

    `member` and `stranger` are what phones say first. `request` makes the event, and what it takes, from a
    fresh UUID. `told` names the list in events that has one item for each. `aftermath` is for how long
    processes are busy with it in the end.
    """

    name: str
    processes: Processes
    member: bytes
    stranger: bytes
    request: Callable[[str], tuple[str, Any]]
    told: str
    aftermath: float = 0.0


@dataclass(frozen=True)
class Talked:
    """Processor time in µs for one message; delivery to the other process in ms."""

    sender: float
    reader: float
    other: float
    """Of a process without members; 0 if there is none."""
    processes: float
    """Of all together."""
    redis: float
    database: float
    p50: float
    p99: float
    load: float
    """The share of a core that the load took."""


async def ways(it: Deployment, people: Sequence[Person]) -> list[Way]:
    """Messages of GoChat, which last; its typing, which does not; and what python-socketio emits.

    The first two people are the conversation.
    """
    (cid,) = await converse(it.url, [[person.id for person in people[:2]]])
    here = {"conversation_id": id_out(cid)}
    room = {"room": "theirs"}
    return [
        Way(
            "GoChat, messages",
            it.gochat,
            member=SYNC,
            stranger=SYNC,
            request=lambda key: ("message:send", here | _body(key)),
            told="messages",
            aftermath=POLL_S,
        ),
        Way(
            "GoChat, typing",
            it.gochat,
            member=_greeting("conversation:join", here),
            stranger=SYNC,
            request=lambda _: ("typing:start", here),
            told="user_ids",
        ),
        Way(
            "python-socketio",
            it.stock,
            member=_greeting("join", room),
            stranger=_greeting("join", {"room": "another"}),
            request=lambda key: ("message:send", room | _body(key)),
            told="messages",
        ),
    ]


def _body(key: str) -> dict[str, str]:
    return {"client_message_id": key, "body": BODY}


def _greeting(event: str, request: Any) -> bytes:
    return b"420" + orjson.dumps([event, request])


class Talk:
    """A sender at the first process, a reader at the second, and at each other one a stranger."""

    def __init__(self, it: Deployment, way: Way, processes: int) -> None:
        self._way = way
        self._count = processes
        servers = way.processes.servers[:processes]
        self._meter = Meter([*servers, it.redis, it.mariadb])
        self._lines: list[Line] = []
        self._under_way: deque[float] = deque()
        self._delays: list[float] = []
        self._left = 0
        self._through = asyncio.Event()

    async def begin(self, people: Sequence[Person]) -> None:
        """Connect all."""
        for n, port in enumerate(self._way.processes.ports[: self._count]):
            greeting = self._way.member if n < 2 else self._way.stranger
            heard = self._heard_there if n == 1 else self._heard
            self._lines.append(await dial(port, people[n].token, greeting, heard))

    async def rest(self, seconds: float) -> list[float]:
        """What each process uses in a second while nothing happens; it is taken off from then on."""
        return (await self._meter.rest(seconds))[: self._count]

    async def run(self, seconds: float, rate: float) -> Talked:
        """So many messages a second, evenly, until all are acked and heard by both."""
        messages = int(seconds * rate)
        self._left, self._delays = 3 * messages, []
        self._through.clear()
        self._meter.start()
        for n in range(messages):
            early = self._meter.began + n / rate - time.perf_counter()
            await asyncio.sleep(max(0.0, early))
            self._under_way.append(time.perf_counter())
            request = self._way.request(str(uuid.uuid4()))
            self._lines[0].say(b"42%d%b" % (n, orjson.dumps(request)))
        async with asyncio.timeout(PATIENCE_S):
            await self._through.wait()
        load = self._meter.load()
        await asyncio.sleep(self._way.aftermath)
        *processes, redis, database = (used / messages * 1e6 for used in self._meter.used())
        others = processes[2:]
        delays = sorted(self._delays)
        return Talked(
            sender=processes[0],
            reader=processes[1],
            other=sum(others) / max(1, len(others)),
            processes=sum(processes),
            redis=redis,
            database=database,
            p50=percentile(delays, 0.50) * 1e3,
            p99=percentile(delays, 0.99) * 1e3,
            load=load,
        )

    def close(self) -> None:
        """Hang up."""
        for line in self._lines:
            line.close()

    def _heard(self, packet: bytes) -> None:
        """An ack of the sender's, or what they hear themselves of."""
        if packet.startswith(b"43"):
            ack = acked(packet)
            if not ack["ok"]:
                raise ValueError(ack)
            self._done(1)
        else:
            self._done(self._told(packet))

    def _heard_there(self, packet: bytes) -> None:
        """What comes first was sent first."""
        told, now = self._told(packet), time.perf_counter()
        self._delays += [now - self._under_way.popleft() for _ in range(told)]
        self._done(told)

    def _told(self, packet: bytes) -> int:
        _, payload = orjson.loads(packet[2:])
        return len(payload.get(self._way.told, ()))

    def _done(self, steps: int) -> None:
        self._left -= steps
        if self._left == 0:
            self._through.set()
