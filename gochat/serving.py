"""One server process: uvicorn with the engine's fast path."""

import asyncio
import gc
import signal
import sys
from socket import socket
from types import FrameType

import structlog
import uvicorn

from gochat.config import Settings
from gochat.events.engine import engine_protocol_class
from gochat.main import Chat, create_app

log = structlog.get_logger(__name__)

CLOSE_S = 5
"""How long what is open after the draining may take to close."""


class Server(uvicorn.Server):
    """uvicorn, which drains the chat before it closes what is left.

    One that is `supervised` leaves SIGINT to its supervisor, and ends with it.
    """

    def __init__(self, config: uvicorn.Config, chat: Chat, *, supervised: bool) -> None:
        super().__init__(config)
        self._chat = chat
        self._supervised = supervised

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Listen; then say where."""
        await super().startup(sockets)
        if not self.started:
            return
        for server in self.servers:
            for listening in server.sockets:
                host, port = listening.getsockname()[:2]
                log.info("listening", url=f"http://{f'[{host}]' if ':' in host else host}:{port}")
        if self._supervised:
            asyncio.get_running_loop().add_reader(sys.stdin, self._supervisor_ended)
        # What lives by now lives long: the collector need not walk it again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 50, 100)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Stop listening, drain, then close."""
        for server in self.servers:
            server.close()
        await self._chat.drain()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End well on a signal, where uvicorn dies of it; at once on a second SIGINT."""
        if self._supervised and sig == signal.SIGINT:
            return
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    def _supervisor_ended(self) -> None:
        asyncio.get_running_loop().remove_reader(sys.stdin)
        self.should_exit = True


def serve(settings: Settings, shared: socket | None = None) -> bool:
    """Serve until a signal comes; False if it could not start.

    Args:
        shared: a worker's own socket, on the port that it shares with others.
    """
    chat = create_app(settings)
    config = uvicorn.Config(
        chat,
        host=settings.host,
        port=settings.port,
        http=engine_protocol_class(chat.engine),
        ws="websockets-sansio",
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=CLOSE_S,
    )
    server = Server(config, chat, supervised=shared is not None)
    server.run(None if shared is None else [shared])
    return server.started
