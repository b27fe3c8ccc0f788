"""`Sockets` over the engine: the only module of the chat's face that knows how python-socketio is asked."""

import asyncio
from collections.abc import Collection

from gochat.contract.events import Told
from gochat.core.measures import Measures
from gochat.events.engine import EngineServer
from gochat.events.engine.member import LEFT

NAMESPACE = "/"
SHARE = 4
"""Of what may wait for a socket so much is for what it can be told later; the rest is for what it asks."""
LARGE = 4_096
"""Bytes of one send; of smaller ones those of one turn of the loop make nobody slow who was not."""


class EngineSockets:
    """`Sockets` over the engine."""

    def __init__(self, server: EngineServer, measures: Measures | None = None) -> None:
        self._server = server
        self._deliveries = (measures or Measures()).deliveries
        self._backlog = server.options.max_backlog // SHARE
        self._leaving: set[asyncio.Future[None]] = set()

    def enter(self, sid: str, room: str) -> None:
        """See the seam."""
        member = self._server.manager.member(sid, NAMESPACE)
        if member is not None and member.state is not LEFT:
            self._server.manager.basic_enter_room(sid, NAMESPACE, room)

    def leave(self, sid: str, room: str) -> None:
        """See the seam."""
        self._server.manager.basic_leave_room(sid, NAMESPACE, room)

    def members(self, room: str) -> Collection[str]:
        """See the seam."""
        members: Collection[str] = self._server.manager.room(room, NAMESPACE)
        return members

    def broadcast(self, told: Told, room: str, skip: Collection[str] = ()) -> None:
        """See the seam."""
        members = self._server.broadcast(told.event, told.payload, room, skip=skip)
        if members:
            self._deliveries.add(told.event, n=members - len(skip))

    def behind(self, room: str, size: int) -> Collection[str]:
        """See the seam."""
        congested = self._server.eio.congested
        if size < LARGE and not congested:
            return ()
        among = congested if size < LARGE else None
        behind: Collection[str] = self._server.manager.behind(room, NAMESPACE, self._backlog, among)
        return behind

    def is_behind(self, sid: str) -> bool:
        """See the seam."""
        return self.describe(sid)[1] > self._backlog // 2

    def describe(self, sid: str) -> tuple[str, int]:
        """The transport of a socket, and how many bytes wait to be sent to it."""
        member = self._server.manager.member(sid, NAMESPACE)
        if member is None:
            return "gone", 0
        transport = member.client.session.transport
        return transport.name, transport.backlog

    def drain(self, sid: str) -> None:
        """See the seam."""
        member = self._server.manager.member(sid, NAMESPACE)
        if member is not None:
            member.client.session.drain()

    def evict(self, sid: str, why: str) -> None:
        """See the seam."""
        self._server.evict(sid, why)

    def dismiss(self, sid: str) -> None:
        """See the seam."""
        task = asyncio.ensure_future(self._server.disconnect(sid, NAMESPACE, ignore_queue=True))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
