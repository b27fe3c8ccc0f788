"""The official JavaScript client and the Python client against the engine."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import socketio

from tests.services.node import NodeClient
from tests.wire.engine.conftest import Start
from tests.wire.engine.wire import TIMEOUT

OPTIONS = {"ping_interval": 0.5, "ping_timeout": 5, "connect_timeout": 10, "max_message": 1_000_000}


@pytest.mark.parametrize("dispatch", ["handlers", "dispatcher"])
def test_javascript_client(start: Start, dispatch: str, tmp_path: Path) -> None:
    with (
        start(dispatch, **OPTIONS) as server,
        NodeClient("engine.js", f"http://127.0.0.1:{server.port}", log=tmp_path / "log") as node,
    ):
        results = [node.receive(timeout=TIMEOUT) for _ in range(34)]
        assert [result for result in results if not result["ok"]] == []


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]])
def test_python_client(start: Start, transports: list[str]) -> None:
    async def use(port: int) -> None:
        url = f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession() as http:
            client = socketio.AsyncClient(reconnection=False, http_session=http)
            received: asyncio.Queue[Any] = asyncio.Queue()
            client.on("room", received.put)
            client.on("back", lambda *args: received.put_nowait(args))
            await client.connect(url, auth={"token": "good"}, transports=transports)
            assert await client.call("echo", {"é": [1]}, timeout=TIMEOUT) == {"é": [1]}
            assert len(await client.call("echo", "z" * 200_000, timeout=TIMEOUT)) == 200_000
            await client.emit("back", (b"\0\1", {"x": b""}))
            assert await asyncio.wait_for(received.get(), TIMEOUT) == (b"\0\1", {"x": b""})
            await client.call("join", "room", timeout=TIMEOUT)
            for number in range(100):
                await client.emit("room", ("room", number))
            assert [await asyncio.wait_for(received.get(), TIMEOUT) for _ in range(100)] == list(range(100))
            await client.disconnect()
            with pytest.raises(socketio.exceptions.ConnectionError):
                await client.connect(url, auth={"token": "bad"}, transports=transports)
            await client.disconnect()

    with start(**OPTIONS) as server:
        asyncio.run(use(server.port))
