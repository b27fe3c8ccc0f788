"""A TCP proxy whose connections can be held, slowed, cut and abandoned: the network as it is at times."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Self, cast

SLOW_S = 0.5
"""How long a slow reader pauses after each read."""

Upstream = Callable[["Link", bytes], bool]
"""Sees what a client sends, before the server does. False: it was dealt with."""


class Link(asyncio.Protocol):
    """One end of a proxied connection; `other` is the other one."""

    def __init__(self, proxy: "Proxy", other: "Link | None" = None) -> None:
        self.proxy = proxy
        self.other = other
        self.transport: asyncio.Transport | None = None
        self.abandoned = False
        self._early: list[bytes] = []

    @property
    def is_client(self) -> bool:
        """Whether this is the end of who connected."""
        return self in self.proxy.clients

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self.other is None:
            self.proxy.clients.add(self)
            self.proxy.spawn(self._connect())
        self.regulate()

    async def _connect(self) -> None:
        """Connect to the server; if that fails, so does the client's connection."""
        loop = asyncio.get_running_loop()
        try:
            _, server = await loop.create_connection(
                lambda: Link(self.proxy, self), "127.0.0.1", self.proxy.target
            )
        except OSError:
            self.abort()
            return
        self.other = server
        for data in self._early:
            server.write(data)

    def data_received(self, data: bytes) -> None:
        if self.is_client:
            if self.proxy.upstream is None or self.proxy.upstream(self, data):
                self._pass_on(data)
        elif self.proxy.cutting:
            self.proxy.cutting -= 1
            self._pass_on(data[: len(data) // 2])
            self.cut()
        else:
            self._pass_on(data)
            if self.proxy.slow and self.transport is not None:
                self.transport.pause_reading()
                asyncio.get_running_loop().call_later(SLOW_S, self.regulate)

    def _pass_on(self, data: bytes) -> None:
        if self.other is None:
            self._early.append(data)
        else:
            self.other.write(data)

    def write(self, data: bytes) -> None:
        """Send to this end."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.regulate()

    def regulate(self) -> None:
        """Read, unless the proxy is held."""
        if self.transport is None or self.transport.is_closing():
            return
        if self.proxy.held or self.abandoned:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.proxy.clients.discard(self)
        other, self.other = self.other, None
        if other is not None and not self.abandoned:
            other.close()

    def close(self) -> None:
        """Close this end when what was written is out."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close this end at once."""
        if self.transport is not None:
            self.transport.abort()

    def detach(self) -> "Link":
        """End this end at once; the other one, which is not told, stays open."""
        other, self.other = self.other, None
        assert other is not None
        other.other = None
        self.abort()
        return other

    def cut(self) -> None:
        """End both ways: what was written still goes out."""
        other = self.other
        self.close()
        if other is not None:
            other.close()


class Proxy:
    """Listens on a free port of 127.0.0.1 and passes everything on to `target`, another port of it."""

    def __init__(self, target: int, upstream: Upstream | None = None) -> None:
        self.target = target
        self.upstream = upstream
        self.clients: set[Link] = set()
        self.held = False
        self.slow = False
        """Whether clients read slowly."""
        self.cutting = 0
        """How many of the server's next answers are cut in the middle, with their connections."""
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._abandoned: list[Link] = []

    @property
    def url(self) -> str:
        """As HTTP."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Link(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exception: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        self.bury()
        self.sever()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something of a connection."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def hold(self, held: bool) -> None:
        """A black hole, or the end of it: nothing passes, nobody is told, nothing is lost."""
        self.held = held
        self._regulate()

    def sever(self) -> int:
        """Close all connections at both ends; how many."""
        links = tuple(self.clients)
        for link in links:
            other = link.other
            link.abort()
            if other is not None:
                other.abort()
        return len(links)

    def abandon(self) -> int:
        """The connections that there are die, without a word to either end; new ones live."""
        links = tuple(self.clients)
        for link in links:
            for end in (link, link.other):
                if end is not None:
                    end.abandoned = True
                    end.regulate()
                    self._abandoned.append(end)
        return len(links)

    def bury(self) -> None:
        """Close what was abandoned."""
        abandoned, self._abandoned = self._abandoned, []
        for link in abandoned:
            with contextlib.suppress(RuntimeError):
                link.abort()

    def _regulate(self) -> None:
        for link in tuple(self.clients):
            link.regulate()
            if link.other is not None:
                link.other.regulate()
