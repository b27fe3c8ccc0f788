"""A websocket on real connections."""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
import uvloop

from gochat.events.engine.engine import Engine
from gochat.events.engine.frames import COME_BACK
from gochat.events.engine.handshake import Request
from gochat.events.engine.options import EngineOptions
from gochat.events.engine.session import OVER
from gochat.events.engine.websocket import WebSocket

REQUEST = Request("GET", "/socket.io/", b"EIO=4&transport=websocket", [], "")
RESET = struct.pack("ii", 1, 0)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("flush", [False, True])
def test_whoever_has_reset_a_connection_can_be_hung_up_on(new_loop: Callable[[], Any], flush: bool) -> None:
    async def scene() -> None:
        engine = Engine(lambda *_: OVER, EngineOptions())
        with closing(socket.create_server(("127.0.0.1", 0))) as listener:
            client = socket.create_connection(listener.getsockname())
            accepted, _ = listener.accept()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, accepted)
        connections: set[Any] = set()
        websocket = WebSocket(engine, transport, connections)
        connections.add(websocket)
        engine.attach(REQUEST, websocket)
        transport.set_protocol(websocket)  # type: ignore[arg-type]
        (session,) = engine.sessions.values()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
        session.close("test", code=COME_BACK, flush=flush)  # before the loop tells of the reset
        assert not engine.sessions
        async with asyncio.timeout(30):
            while connections:  # noqa: ASYNC110 - the websocket has no event for it
                await asyncio.sleep(0.01)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(scene())
