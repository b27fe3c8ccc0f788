"""Two faults of python-socketio on polling, with a server of a few lines, and what an app does about them.

Should a case of the library alone fail, that has been mended: then what apps do about it can go.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import socketio
from aiohttp import web

from tests.edges.models import PythonClient

PATIENCE_S = 60
QUICKLY = {"reconnection_delay": 0.2, "reconnection_delay_max": 0.2, "randomization_factor": 0}


class Server:
    """Serves polling as it should, but for its first session."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self._polls: list[int] = []  # of each session, how many came
        self._posts: list[asyncio.Queue[bytes]] = []  # of each session: CONNECT, then its end
        self.back = asyncio.Event()
        """Set when there is a second session, which polls on."""
        self.heard = asyncio.Event()
        """To be set when the client has heard that its first POST failed."""
        self.failed = asyncio.Event()
        """Set when it has failed."""

    async def get(self, request: web.Request) -> web.StreamResponse:
        if "sid" not in request.query:
            self._polls.append(0)
            self._posts.append(asyncio.Queue())
            sid = str(len(self._polls) - 1)
            opened = {"sid": sid, "upgrades": [], "pingInterval": 25_000, "pingTimeout": 20_000}
            return web.Response(text="0" + json.dumps(opened))
        number = int(request.query["sid"])
        self._polls[number] += 1
        if self._polls[number] == 1:
            await self._posts[number].get()
            if number == 0 and self.fault == "post":
                await self.heard.wait()
            return web.Response(text='40{"sid":"one"}')
        if number == 0 and self.fault == "cut":
            return await self._cut(request)
        if number:
            self.back.set()
        await self._posts[number].get()
        return web.Response(text="6")

    async def post(self, request: web.Request) -> web.Response:
        number = int(request.query["sid"])
        self._posts[number].put_nowait(await request.read())
        if number == 0 and self.fault == "post":
            assert request.transport is not None
            request.transport.abort()
            self.failed.set()
        return web.Response(text="ok")

    @staticmethod
    async def _cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"2")
        assert request.transport is not None
        request.transport.abort()
        return response


@asynccontextmanager
async def served(fault: str) -> AsyncIterator[tuple[Server, str]]:
    server = Server(fault)
    app = web.Application()
    app.add_routes([web.get("/socket.io/", server.get), web.post("/socket.io/", server.post)])
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield server, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def until(is_so: Any) -> None:
    """Wait for what the library tells nobody."""
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def use(client: Any, server: Server, url: str) -> None:
    """Connect, and let the fault happen."""
    connecting = asyncio.create_task(client.connect(url, transports=["polling"]))
    if server.fault == "post":
        await asyncio.wait_for(server.failed.wait(), PATIENCE_S)
        await until(lambda: client.eio.write_loop_task is None)
        server.heard.set()
    await asyncio.wait((connecting,), timeout=PATIENCE_S)
    connecting.exception()


@pytest.mark.parametrize("fault", ["post", "cut"])
async def test_the_library_alone_stays_connected_to_nobody(fault: str) -> None:
    """`post`: the answer to the POST with CONNECT is lost, while a poll brings that of CONNECT itself.
    `cut`: a connection is lost in the middle of an answer."""
    async with served(fault) as (server, url):
        client = socketio.AsyncClient(**QUICKLY)
        await use(client, server, url)
        reading = client.eio.read_loop_task
        await until(reading.done)
        assert (reading.exception() is None) == (fault == "post")
        assert client.connected
        await client.emit("heard by nobody")
        assert not server.back.is_set()
        await client.eio._reset()
        await client.shutdown()


@pytest.mark.parametrize("fault", ["post", "cut"])
async def test_an_app_that_looks_is_back(fault: str) -> None:
    async with served(fault) as (server, url):
        client = PythonClient(**QUICKLY)
        told: list[str] = []
        client.on("disconnect", told.append)
        await use(client, server, url)
        await asyncio.wait_for(server.back.wait(), PATIENCE_S)
        await until(lambda: client.connected)
        assert told == ["transport error"]
        await client.shutdown()
