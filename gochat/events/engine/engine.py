"""The Engine.IO server: its sessions, its clock and its limits.

It stands where python-socketio expects an `engineio.AsyncServer`, with the few methods that are called there.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Collection, Coroutine
from typing import Any

from .errors import Refused, SessionUnknown
from .frames import COME_BACK
from .handshake import Query, Request, parse_query
from .heartbeat import Wheel
from .newcomers import Newcomers
from .options import EngineOptions
from .origins import OriginPolicy, Origins
from .output import Output
from .payloads import open_packet
from .polling import Polling
from .relay import Relay
from .session import Application, Session
from .transports import NOWHERE, Carrier, SocketTransport, Transport
from .upgrade import Surplus, Upgrade

logger = logging.getLogger(__name__)

MAX_REASONS = 100
"""Rows of `Engine.closes`."""

Accept = Callable[[Session, Request], Application]


class Engine:
    """Opens, finds and forgets sessions; drives one timing wheel for all of them."""

    async_mode = "asgi"

    def __init__(
        self, accept: Accept, options: EngineOptions, origins: Origins | OriginPolicy = None
    ) -> None:
        self.options = options
        self.origins = origins if isinstance(origins, OriginPolicy) else OriginPolicy(origins)
        self.sessions: dict[str, Session] = {}
        self.wheel = Wheel(max(min(options.ping_timeout, options.close_timeout) / 20, 0.005), self._wind)
        self.output = Output(io_uring=options.io_uring)
        self.newcomers = Newcomers()
        self.draining = False
        self.opens: dict[str, int] = {}
        """How many sessions were opened, by the transport that they began on."""
        self.closes: dict[tuple[str, str], int] = {}
        """How many ended, by the reason and the transport that they ended on."""
        self.connections: Collection[object] = ()
        """Those of the fast path that are open, websockets and others."""
        self.congested: set[Carrier] = set()
        """The transports for which more waits than their connections take at once, or than `much`."""
        self.much = options.max_backlog // 8
        """Bytes, where nothing else tells that a client is slow."""
        self.relay: Relay | None = None
        """Reaches the sessions of other processes, where requests come without sticky sessions."""
        self.now: Callable[[], float] = time.monotonic
        """The time in seconds."""
        self._accept = accept
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._addresses: dict[str, int] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    # Sessions

    def open(self, request: Request, make: Callable[[Session], Transport], upgrades: list[str]) -> bytes:
        """Open a session on the transport that `make` builds; return its OPEN packet. Raises Refused."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        if self.draining:
            raise Refused(503, 3, "Server is stopping")
        if self.full:
            raise Refused(503, 3, "Server is full")
        if self.options.late():
            raise Refused(503, 3, "Server is busy")
        client = self.options.counted_as(request.client)
        self._count(client)
        session = Session(self, self.generate_id(), client)
        self.sessions[session.sid] = session
        transport = make(session)
        self.opens[transport.name] = self.opens.get(transport.name, 0) + 1
        session.start(transport, self._accept(session, request))
        options = self.options
        return open_packet(
            session.sid, upgrades, options.ping_interval, options.ping_timeout, options.max_message
        )

    def attach(self, request: Request, websocket: SocketTransport) -> bytes | None:
        """Open a session on a websocket and return its OPEN packet, None for one that is there already.

        Such a websocket takes a polling session over; a further one is closed. Raises Refused.
        """
        query = parse_query(request.query)
        if query.transport != "websocket" or request.method != "GET":
            raise Refused(400, 3, "Bad request")
        if query.sid is None:

            def carry(session: Session) -> Transport:
                websocket.inlet = session
                return websocket

            return self.open(request, carry, [])
        owner = self.owner(query)
        if self.relay is not None and owner is not None:
            self.relay.attach(owner, request, websocket)
            return None
        session = self.find(query)
        if isinstance(session.transport, Polling) and session.upgrade is None:
            Upgrade(session, session.transport, websocket)
        else:
            Surplus(session, websocket)
        return None

    def owner(self, query: Query) -> str | None:
        """Return the other process that has the session which a request names."""
        return None if self.relay is None or query.sid is None else self.relay.owner(query.sid)

    def find(self, query: Query) -> Session:
        """Return the session that a request names. Raises Refused."""
        self.wheel.turn(self.now())  # a session that has timed out is not found, however late its timer
        session = self.sessions.get(query.sid or "")
        if session is None:
            raise SessionUnknown()
        return session

    def find_polling(self, query: Query) -> tuple[Session, Polling]:
        """Return the named session if it is on polling. Raises Refused."""
        session = self.find(query)
        if not isinstance(session.transport, Polling):
            raise Refused(400, 3, "Bad request")
        return session, session.transport

    @property
    def full(self) -> bool:
        """Whether there are more connections than sessions may be opened over."""
        most = self.options.max_connections
        return most is not None and len(self.connections) > most

    @property
    def overfull(self) -> bool:
        """Whether there are more than may be heard at all."""
        most = self.options.max_connections
        return most is not None and len(self.connections) > most + self.options.spare_connections

    def forget(self, session: Session) -> None:
        """Drop a session that is over."""
        if self.sessions.pop(session.sid, None) is None:
            return
        self.wheel.cancel(session)
        session.transport = NOWHERE
        left = self._addresses[session.client] - 1
        if left:
            self._addresses[session.client] = left
        else:
            del self._addresses[session.client]

    def count_close(self, reason: str, transport: str) -> None:
        """Count the end of a session. Reasons are texts of ours; what would make them too many is `other`."""
        key = (reason, transport)
        if key not in self.closes and len(self.closes) >= MAX_REASONS:
            key = ("other", transport)
        self.closes[key] = self.closes.get(key, 0) + 1

    def _count(self, address: str) -> None:
        held = self._addresses.get(address, 0)
        limit = self.options.max_sessions_per_address
        if limit is not None and held >= limit:
            raise Refused(429, 3, "Too many sessions")
        self._addresses[address] = held + 1

    def drain(self) -> None:
        """Open no more sessions, and end those that are open as soon as what they accepted is answered."""
        if not self.draining:
            self.draining = True
            for session in list(self.sessions.values()):
                session.drain()

    # Time

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the engine runs on: the one of its first session."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    def _wind(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.wheel.tick, self._turn)

    def _turn(self) -> None:
        self._timer = None
        self.wheel.turn(self.now())
        if self.wheel:
            self._wind()

    # Tasks

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine, holding on to its task."""
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # What python-socketio asks of its Engine.IO server

    def on(self, _event: str, _handler: Any) -> None:
        """Take python-socketio's three handlers; sessions talk to their application instead."""

    def generate_id(self) -> str:
        """Return a new id that cannot be guessed."""
        prefix = "" if self.relay is None else self.relay.prefix
        return prefix + secrets.token_urlsafe(15)

    def transport(self, sid: str) -> str:
        """Return the name of a session's transport. Raises KeyError."""
        return self.sessions[sid].transport.name

    async def get_session(self, sid: str) -> dict[str, Any]:
        """Return what the application keeps with a session. Raises KeyError."""
        session = self.sessions[sid]
        if session.kept is None:
            session.kept = {}
        return session.kept

    def create_event(self) -> asyncio.Event:
        """Return an event for `AsyncServer.call`."""
        return asyncio.Event()

    def start_background_task(
        self, target: Callable[..., Coroutine[Any, Any, Any]], *args: Any, **kwargs: Any
    ) -> asyncio.Task[Any]:
        """Run `target` as a task."""
        return self.spawn(target(*args, **kwargs))

    async def sleep(self, seconds: float = 0) -> None:
        """Sleep."""
        await asyncio.sleep(seconds)

    async def shutdown(self) -> None:
        """Close every session, without waiting for anything."""
        self.draining = True
        for session in list(self.sessions.values()):
            session.close("server shutdown", code=COME_BACK)
