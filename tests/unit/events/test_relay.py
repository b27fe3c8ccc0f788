"""An answer that another process passes on: it is taken, or the session ends; it is never given twice."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
import pytest

from gochat.events.cluster import relay as relays
from gochat.events.cluster.doorbell import RedisDoorbell
from gochat.events.cluster.relay import RedisRelay
from gochat.events.cluster.seam import Topic
from gochat.events.engine.engine import Engine
from gochat.events.engine.exchange import Exchange, Headers
from gochat.events.engine.frames import frame
from gochat.events.engine.handshake import Request
from gochat.events.engine.options import EngineOptions
from gochat.events.engine.session import OPEN

pytestmark = pytest.mark.anyio

POLL = b"EIO=4&transport=polling"
UNKNOWN = (400, b'{"code":1,"message":"Session ID unknown"}')


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class App:
    """The application on a session: it notes why that ended."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def closed(self, reason: str) -> None:
        self.reasons.append(reason)

    def expired(self) -> None: ...
    def drain(self) -> None: ...
    def receive(self, data: str | bytes) -> None: ...
    def writer_changed(self, write: Any) -> None: ...


class Air:
    """What processes say to each other, soon, in order. Some of it may be lost, and processes may be dead."""

    def __init__(self) -> None:
        self.heard: dict[str, Callable[[Any], None]] = {}
        self.lost: set[str] = set()
        self.dead: set[str] = set()
        self.said: list[str] = []

    def say(self, by: str, room: str, topic: Topic[Any], news: Any) -> int:
        header, payload = topic.pack(news)
        kind, to = header["kind"], room.removeprefix("p:")
        self.said.append(kind)
        if by in self.dead or to in self.dead:
            return 0
        if kind not in self.lost:
            told = topic.unpack(orjson.loads(orjson.dumps(header)), payload)
            asyncio.get_running_loop().call_soon(self._deliver, to, told)
        return 1

    def _deliver(self, to: str, told: Any) -> None:
        if to not in self.dead:
            self.heard[to](told)


class Bell:
    """One process's doorbell."""

    def __init__(self, process: str, air: Air) -> None:
        self.process, self._air = process, air
        self.renew: Callable[[], None] = lambda: None

    def hear(self, _topic: Topic[Any], told: Callable[[Any], None]) -> None:
        self._air.heard[self.process] = told

    def renewed(self, told: Callable[[], None]) -> None:
        self.renew = told

    def listen(self, room: str) -> None: ...

    def ring(self, room: str, topic: Topic[Any], news: Any) -> None:
        self._air.say(self.process, room, topic, news)

    async def send(self, room: str, topic: Topic[Any], news: Any) -> int:
        await asyncio.sleep(0)
        return self._air.say(self.process, room, topic, news)


@dataclass
class Client:
    """One request's client, whose connection may not take the answer."""

    takes: bool | None = True
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    exchange: Exchange | None = None
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    def respond(self, status: int, _headers: Headers, body: bytes) -> bool | None:
        self.answers.append((status, body))
        self.answered.set()
        return self.takes


class Process:
    """An engine with its relay."""

    def __init__(self, name: str, air: Air, options: EngineOptions) -> None:
        self.app = App()
        self.bell = Bell(name * 16, air)
        self.engine = Engine(lambda _session, _request: self.app, options)
        self.relay = RedisRelay(cast(RedisDoorbell, self.bell), self.engine)
        self.engine.relay = self.relay
        self.relay.start()

    def get(self, query: bytes, client: Client | None = None) -> Client:
        client = client or Client()
        request = Request("GET", "/socket.io/", query, [], "address")
        client.exchange = Exchange(self.engine, request, client.respond, lambda: None)
        client.exchange.begin()
        client.exchange.feed(b"", last=True)
        return client


class Two:
    """Process b has a session; the client's requests come to a, which passes them on, or to b."""

    def __init__(self, options: EngineOptions) -> None:
        self.air = Air()
        self.a, self.b = Process("a", self.air, options), Process("b", self.air, options)
        ((_, opened),) = self.b.get(POLL).answers
        self.query = POLL + b"&sid=" + orjson.loads(opened[1:])["sid"].encode()
        (self.session,) = self.b.engine.sessions.values()

    def write(self, text: str) -> None:
        self.session.write(frame(b"4" + text.encode()))


@pytest.fixture
def options() -> EngineOptions:
    return EngineOptions()


@pytest.fixture
async def two(options: EngineOptions) -> Any:
    two = Two(options)
    yield two
    for process in (two.a, two.b):
        process.relay.close()
        await process.engine.shutdown()
    await turns()


async def turns() -> None:
    """Let all be said and heard."""
    for _ in range(30):
        await asyncio.sleep(0)


async def passed_on(two: Two, client: Client) -> Client:
    """A poll waits at b that came to a."""
    two.a.get(two.query, client)
    await turns()
    assert client.answers == []
    return client


async def test_a_session_goes_on_when_its_answer_was_taken(two: Two) -> None:
    client = await passed_on(two, Client())
    two.write("one")
    await turns()
    assert client.answers == [(200, b"4one")]
    two.write("two")
    assert two.b.get(two.query).answers == [(200, b"4two")]
    assert two.session.state is OPEN


async def test_the_next_poll_waits_until_the_answer_was_taken(two: Two) -> None:
    client = await passed_on(two, Client(takes=None))
    two.write("one")
    await turns()
    assert client.answers == [(200, b"4one")]
    two.write("two")
    following = two.b.get(two.query)
    await turns()
    assert following.answers == []
    assert client.exchange is not None
    client.exchange.written(True)
    await turns()
    assert following.answers == [(200, b"4two")]
    assert two.session.state is OPEN


async def test_what_dies_with_the_process_that_passes_it_on_ends_the_session(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It heard the answer, and nobody knows whether it wrote it: it is not given again, nor forgotten."""
    client = await passed_on(two, Client(takes=None))
    two.write("one")
    await turns()
    following = two.b.get(two.query)
    assert following.answers == []
    two.air.dead.add(two.a.bell.process)
    monkeypatch.setattr(relays, "CHECK_S", 0)
    two.b.relay.start()
    await turns()
    assert following.answers == [UNKNOWN]
    assert two.b.app.reasons == ["transport close"]
    assert client.answers == [(200, b"4one")]


@pytest.mark.parametrize("how", ["not written", "left before", "left after"])
async def test_what_a_client_that_is_gone_did_not_take_ends_the_session(two: Two, how: str) -> None:
    client = await passed_on(two, Client(takes=False if how == "not written" else None))
    assert client.exchange is not None
    if how == "left before":
        client.exchange.leave()
    two.write("one")
    if how == "left after":
        await turns()
        client.exchange.leave()
    await turns()
    assert two.b.app.reasons == ["transport close"]
    assert two.b.get(two.query).answers == [UNKNOWN]


@pytest.fixture
def quick() -> EngineOptions:
    return EngineOptions(ping_interval=0.5, ping_timeout=0.5)


async def test_without_a_confirmation_the_session_ends(quick: EngineOptions) -> None:
    """It was written, and the word of it lost: the client has it, and gets it no second time."""
    two = Two(quick)
    two.air.lost.add("taken")
    client = await passed_on(two, Client())
    two.write("one")
    await turns()
    assert client.answers == [(200, b"4one")]
    following = two.b.get(two.query)
    await asyncio.wait_for(following.answered.wait(), 30)
    assert following.answers == [UNKNOWN]
    assert len(two.b.app.reasons) == 1
    two.a.relay.close()
    two.b.relay.close()
    await turns()


async def test_after_redis_was_away_nobody_knows(two: Two) -> None:
    await passed_on(two, Client(takes=None))
    two.write("one")
    await turns()
    two.b.bell.renew()
    await turns()
    assert two.b.app.reasons == ["transport close"]


async def test_an_answer_that_nobody_waits_for_any_more_ends_the_session(two: Two) -> None:
    two.air.lost.add("gone")
    client = await passed_on(two, Client())
    assert client.exchange is not None
    client.exchange.leave()
    await turns()
    two.air.lost.clear()
    two.write("one")
    await turns()
    assert two.b.app.reasons == ["transport close"]


async def test_a_process_that_stops_gives_its_polls_back(two: Two) -> None:
    client = await passed_on(two, Client())
    assert client.exchange is not None
    client.exchange.give_way()
    await turns()
    assert client.answers == [(200, b"6")]
    two.write("one")
    assert two.b.get(two.query).answers == [(200, b"4one")]


async def test_nothing_is_lost_with_a_noop(two: Two) -> None:
    client = await passed_on(two, Client(takes=False))
    assert client.exchange is not None
    client.exchange.give_way()
    await turns()
    two.write("one")
    assert two.b.get(two.query).answers == [(200, b"4one")]


async def test_the_release_before_does_not_confirm(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    def pack(message: relays.Message) -> Any:
        header, payload = relays._packed(message)
        return {name: value for name, value in header.items() if name != "confirms"}, payload

    monkeypatch.setattr(relays, "ENGINE", Topic("engine", pack, relays._unpacked))
    two.air.lost.add("taken")
    await passed_on(two, Client())
    two.write("one")
    await turns()
    two.write("two")
    assert two.b.get(two.query).answers == [(200, b"4two")]


async def test_what_a_connection_of_ones_own_does_not_take_ends_the_session(two: Two) -> None:
    """No process stands between: the connection is closing when the answer comes."""
    two.b.get(two.query, Client(takes=False))
    two.write("one")
    await turns()
    assert two.b.app.reasons == ["transport close"]


async def test_a_session_that_is_over_is_unknown_when_all_is_told(two: Two) -> None:
    """python-socketio stays away after CLOSE; after this every library returns."""
    two.write("one")
    two.session.close("evicted", code=1006, flush=True)
    assert two.b.get(two.query).answers == [(200, b"4one")]
    assert two.b.get(two.query).answers == [UNKNOWN]
    assert two.b.engine.sessions == {}
