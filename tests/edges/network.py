"""The network between phones and edges: it takes time, it fails, and gives phones another address."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

CHUNK = 65_536
UNDER_WAY = 64
"""Pieces that may be under way in one direction."""


class Network:
    """Ways to ports of 127.0.0.1, each with its round trip. It runs on a thread of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._near: set[asyncio.StreamWriter] = set()
        self._far: set[asyncio.StreamWriter] = set()
        self._address: str | None = "127.0.0.2"

    def way(self, port: int, round_trip_s: float) -> int:
        """Return the port of a way to a port."""
        return asyncio.run_coroutine_threadsafe(self._way(port, round_trip_s), self._loop).result(30)

    def lose(self) -> None:
        """Phones are told by their system that their connections are lost; servers are told nothing."""
        asyncio.run_coroutine_threadsafe(self._lose(), self._loop).result(30)

    def find(self, address: str) -> None:
        """Phones have a network again, and this address."""
        self._address = address

    async def _way(self, port: int, round_trip_s: float) -> int:
        def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = self._loop.create_task(self._serve(reader, writer, port, round_trip_s / 2))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        server = await asyncio.start_server(taken, "127.0.0.1", 0, backlog=1024)
        self._servers.append(server)
        found: int = server.sockets[0].getsockname()[1]
        return found

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, delay_s: float
    ) -> None:
        self._near.add(writer)
        try:
            await self._carry(reader, writer, port, delay_s)
        finally:
            self._near.discard(writer)
            writer.transport.abort()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, delay_s: float
    ) -> None:
        if self._address is None:
            return
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(
                "127.0.0.1", port, local_addr=(self._address, 0)
            )
            self._far.add(far_writer)
            there = asyncio.create_task(_pump(reader, far_writer, delay_s))
            back = asyncio.create_task(_pump(far_reader, writer, delay_s))
            try:
                await asyncio.wait((there, back))
            finally:
                there.cancel()
                back.cancel()
            if writer in self._near:
                self._far.discard(far_writer)
                far_writer.transport.abort()
            # else the phone is gone without a word: the server's end stays open until all is over

    async def _lose(self) -> None:
        self._address = None
        near, self._near = self._near, set()
        for writer in near:
            writer.transport.abort()

    async def close(self) -> None:
        """Close whatever is open."""
        for server in self._servers:
            server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._far:
            writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Carry bytes one way; an end is carried on too."""
    try:
        async for data in _later(reader, delay_s):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()


async def _later(reader: asyncio.StreamReader, delay_s: float) -> AsyncIterator[bytes]:
    """What is read, in pieces, each after the delay."""
    if not delay_s:
        while data := await reader.read(CHUNK):
            yield data
        return
    loop = asyncio.get_running_loop()
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(UNDER_WAY)

    async def read() -> None:
        data = b"..."
        while data:
            try:
                data = await reader.read(CHUNK)
            except OSError:
                data = b""
            await under_way.put((loop.time() + delay_s, data))

    reading = asyncio.create_task(read())
    try:
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                return
            yield data
    finally:
        reading.cancel()


@contextmanager
def network() -> Iterator[Network]:
    """A network, up and running."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="network")
    thread.start()
    it = Network(loop)
    try:
        yield it
    finally:
        asyncio.run_coroutine_threadsafe(it.close(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
