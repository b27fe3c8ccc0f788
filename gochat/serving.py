"""One server process: uvicorn with the engine's fast path."""

import asyncio
import gc
import os
import signal
import sys
import time
from contextlib import suppress
from socket import socket
from types import FrameType

import structlog
import uvicorn

from gochat.config import Settings
from gochat.descriptors import take_most
from gochat.events.engine import engine_protocol_class
from gochat.listening import listen, listen_for_metrics
from gochat.main import Chat, create_app
from gochat.metrics.http import MetricsServer
from gochat.preflight import look

log = structlog.get_logger(__name__)

CLOSE_S = 5
"""How long what is open after the draining may take to close."""
TICK_S = 1.0
"""How often the `Date` of responses is renewed."""
LOOK_S = 0.1
"""How often is looked, in the lame-duck time, whether a second SIGINT came."""


class Server(uvicorn.Server):
    """uvicorn, which drains the chat before it closes what is left.

    Args:
        worker: its name among the workers of a supervisor; it leaves SIGINT to that, and ends with it. None:
            it is the only process.
        metrics: what to serve beside, if any.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        chat: Chat,
        settings: Settings,
        worker: str | None,
        metrics: MetricsServer | None,
    ) -> None:
        super().__init__(config)
        self._chat = chat
        self._settings = settings
        self._worker = worker
        self._metrics = metrics
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = asyncio.Event()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Listen; then say where."""
        await super().startup(sockets)
        if not self.started:
            return
        for server in self.servers:
            for listening in server.sockets:
                host, port = listening.getsockname()[:2]
                log.info("listening", url=f"http://{f'[{host}]' if ':' in host else host}:{port}")
        port = self.servers[0].sockets[0].getsockname()[1]
        await self._chat.operating.be_found(port, self._worker or "0")
        if self._metrics is not None:
            await self._metrics.start()
        if self._worker is not None:
            asyncio.get_running_loop().add_reader(sys.stdin, self._supervisor_ended)
        # What lives by now lives long: the collector need not walk it again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 50, 100)

    async def main_loop(self) -> None:
        """Wait for the end: looking for it ten times a second would be a tenth of what an idle one costs."""
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._ending.wait()

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Say that it ends, stop listening, drain, then close."""
        self._chat.turn_away()
        await self._pause(self._settings.lame_duck_seconds)
        for server in self.servers:
            server.close()
        await self._chat.drain()
        if self._metrics is not None:
            self._metrics.close()
        await super().shutdown(sockets)

    async def _pause(self, seconds: float) -> None:
        """Let that time pass, or until someone can't wait."""
        until = time.monotonic() + seconds
        while not self.force_exit and (left := until - time.monotonic()) > 0:  # noqa: ASYNC110 (signals set it)
            await asyncio.sleep(min(left, LOOK_S))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End well on a signal, where uvicorn dies of it; at once on a second SIGINT."""
        if self._worker is not None and sig == signal.SIGINT:
            return
        self.force_exit |= self.should_exit and sig == signal.SIGINT
        self._end()

    def _supervisor_ended(self) -> None:
        asyncio.get_running_loop().remove_reader(sys.stdin)
        self._end()

    def _end(self) -> None:
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ending.set)


def serve(settings: Settings, shared: socket | None = None, worker: str | None = None) -> None:
    """Serve until a signal comes.

    Args:
        shared: a worker's own socket, on the port that it shares with others.
        worker: its name among them.

    Raises:
        ConfigError: the settings name what can't be used.
        PortTakenError: so is the port.
        AlreadyServedError: another process serves the SQLite file.
    """
    sockets = listen(settings.host, settings.port) if shared is None else [shared]
    metrics_sockets = [] if shared is not None else listen_for_metrics(settings)
    take_most()
    chat = create_app(settings)
    if worker is None:
        look(settings)
    elif not os.read(sys.stdin.fileno(), 1):  # the supervisor has looked, or has ended
        return
    chat.claim()
    config = uvicorn.Config(
        chat,
        http=engine_protocol_class(chat.engine),
        ws="websockets-sansio",
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        headers=[("keep-alive", f"timeout={settings.keep_alive_s:g}")],
        timeout_graceful_shutdown=CLOSE_S,
    )
    metrics = MetricsServer(metrics_sockets, chat.operating.text) if metrics_sockets else None
    Server(config, chat, settings, worker, metrics).run(sockets)
