"""An ASGI websocket whose server says that the client has gone."""

import asyncio
from typing import Any

import pytest

from gochat.events.engine import EngineApp, EngineServer

SCOPE = {
    "type": "websocket",
    "path": "/socket.io/",
    "query_string": b"EIO=4&transport=websocket",
    "headers": [],
}


class Client:
    """What an ASGI server gives an app: it connects, sends `packets`, and is gone at the `last` write."""

    def __init__(self, last: str, packets: list[str]) -> None:
        self._last = last
        self._messages = [
            {"type": "websocket.connect"},
            *({"type": "websocket.receive", "text": packet} for packet in packets),
        ]

    async def receive(self) -> dict[str, Any]:
        """The next message, if there is one."""
        if not self._messages:
            await asyncio.Event().wait()
        return self._messages.pop(0)

    async def send(self, message: dict[str, Any]) -> None:
        """What uvicorn does."""
        if message.get("text", message["type"]).startswith(self._last):
            raise OSError("the client has gone")


@pytest.mark.parametrize("last", ["websocket.accept", "0{", "40{", "43"])
async def test_one_that_goes_while_it_is_written_to_leaves_nothing_behind(last: str) -> None:
    server = EngineServer()
    came, went = [], []
    server.on("connect", lambda sid, *_: came.append(sid))
    server.on("disconnect", lambda sid, _reason: went.append(sid))
    server.on("echo", lambda _sid, *args: args)
    client = Client(last, ["40", '421["echo"]'])
    async with asyncio.timeout(10):
        await EngineApp(server)(SCOPE, client.receive, client.send)
        while server.eio._tasks:
            await asyncio.wait(server.eio._tasks)
    assert server.eio.sessions == {}
    assert server.environ == {}
    assert went == came
    assert bool(came) is (last in {"40{", "43"})
