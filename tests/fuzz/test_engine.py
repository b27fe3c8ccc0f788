"""The engine under arbitrary input, with everything but the sockets: nothing may escape, wedge or leak."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gochat.events.engine import EngineApp, EngineOptions, EngineServer
from gochat.events.engine.frames import unframe
from gochat.events.engine.handshake import Request
from gochat.events.engine.websocket import WebSocket

OPTIONS = EngineOptions(max_message=2000, max_in_flight=4, connect_timeout=5, request_timeout=1)
WEBSOCKET = Request("GET", "/socket.io/", b"EIO=4&transport=websocket", [], "10.0.0.1")

ONE = '{"_placeholder":true,"num":0}'
PACKETS = st.one_of(
    st.sampled_from(
        ["40", "41", "3", "1", "2", "5", '42["echo",1]', '421["echo"]', '42["slow"]', "431[]", "40/custom,",
         f'451-["echo",{ONE}]', f'461-1[{ONE}]', '42["quit"]', '42["evict"]', '42["room",{}]', "4", "",
         "\x1e"]
    ),
    st.from_regex(r"4[0-7]([0-9]{1,2}-)?(/custom,)?[0-9]{0,3}[\[{]\"?[a-z]{0,6}\"?,?[\]}]", fullmatch=True),
    st.text(max_size=20),
    st.binary(max_size=20),
)  # fmt: skip


class Wire(asyncio.Transport):
    """What a websocket writes to, in the place of a socket."""

    def __init__(self) -> None:
        super().__init__()
        self.data = b""
        self.closed = False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.data += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


def make_server(*, dispatch: bool) -> EngineServer:
    server = EngineServer(options=OPTIONS)

    async def handle(sid: str, event: str, args: list[Any]) -> Any:
        if event == "quit":
            await server.disconnect(sid)
        elif event == "evict":
            server.evict(sid, "test")
        elif event == "room":
            await server.emit("room", args, to=sid)
        elif event == "slow":
            await asyncio.sleep(0)
        return tuple(args)

    async def any_event(event: str, sid: str, *args: Any) -> Any:
        return await handle(sid, event, list(args))

    def dispatcher(sid: str, event: str, args: list[Any], ack: Callable[..., None]) -> Awaitable[None] | None:
        if event == "echo":
            ack(*args)
            return None

        async def run() -> None:
            ack(*await handle(sid, event, args))

        return run()

    server.on("connect", lambda *_: None)
    server.on("connect", lambda *_: None, namespace="/custom")
    server.on("*", any_event)
    if dispatch:
        server.set_dispatcher(dispatcher)
    return server


def mask(payload: bytes, opcode: int) -> bytes:
    return bytes((0x80 | opcode, 0xFE)) + len(payload).to_bytes(2, "big") + bytes(4) + payload


async def settle(server: EngineServer) -> None:
    """Let everything that was begun come to its end."""
    for _ in range(200):
        await asyncio.sleep(0)
        if not server.eio._tasks:
            return
    raise AssertionError("tasks that never end")


async def play(server: EngineServer, chunks: list[bytes]) -> Wire:
    """Give a websocket what a client sent, then cut it off; nothing may be left of it."""
    wire = Wire()
    websocket = WebSocket(server.eio, wire, set())
    server.eio.attach(WEBSOCKET, websocket)
    for chunk in chunks:
        if wire.closed:
            break
        websocket.data_received(chunk)
        await asyncio.sleep(0)
    await settle(server)
    list(unframe(wire.data))  # whole frames only
    websocket.connection_lost(None)
    await settle(server)
    assert server.eio.sessions == {}
    assert server.environ == {}
    assert list(server.manager.room(None, "/")) == []
    return wire


@given(packets=st.lists(PACKETS, max_size=15), dispatch=st.booleans(), connect=st.booleans())
def test_any_packets_on_a_websocket(*, packets: list[str | bytes], dispatch: bool, connect: bool) -> None:
    chunks = [mask(b"40", 1)] if connect else []
    chunks += [mask(p.encode(), 1) if isinstance(p, str) else mask(p, 2) for p in packets]
    asyncio.run(play(make_server(dispatch=dispatch), chunks))


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_any_bytes_on_a_websocket(chunks: list[bytes]) -> None:
    asyncio.run(play(make_server(dispatch=False), [mask(b"40", 1), *chunks]))


Message = dict[str, Any]


async def ask(app: EngineApp, method: str, query: bytes, body: list[bytes]) -> tuple[int, bytes]:
    """Make one ASGI request; a client that has sent its body waits, and is gone if nobody answers."""
    sent: list[Message] = []
    parts = [{"type": "http.request", "body": part, "more_body": True} for part in body]
    parts.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Message:
        if parts:
            return parts.pop(0)
        for _ in range(20):
            await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": "/socket.io/", "query_string": query, "headers": []}
    await asyncio.wait_for(app(scope, receive, send), 10)
    return sent[0]["status"], sent[1]["body"]


@given(
    requests=st.lists(
        st.tuples(st.just("POST"), st.lists(PACKETS, max_size=6))
        | st.tuples(st.sampled_from(["GET", "PUT", "OPTIONS"]), st.just([])),
        max_size=10,
    ),
    dispatch=st.booleans(),
)
def test_any_requests_on_polling(*, requests: list[tuple[str, list[str | bytes]]], dispatch: bool) -> None:
    async def run() -> None:
        server = make_server(dispatch=dispatch)
        app = EngineApp(server)
        status, body = await ask(app, "GET", b"EIO=4&transport=polling", [])
        assert status == 200
        query = b"EIO=4&transport=polling&sid=" + body[8:28]
        for method, packets in requests:
            payload = b"\x1e".join(p.encode() if isinstance(p, str) else p for p in packets)
            status, _ = await ask(app, method, query, [payload])
            assert status in (200, 204, 400, 413)
        for session in list(server.eio.sessions.values()):
            session.close("end")
        await settle(server)
        server.eio.wheel.turn(server.eio.now() + 100)
        assert server.eio.sessions == {}
        assert server.environ == {}

    asyncio.run(run())


@given(st.sampled_from(["GET", "POST", "HEAD"]), st.binary(max_size=60), st.binary(max_size=60))
def test_any_query(method: str, query: bytes, body: bytes) -> None:
    async def run() -> None:
        status, _ = await ask(EngineApp(make_server(dispatch=False)), method, query, [body])
        assert status == 400

    asyncio.run(run())
