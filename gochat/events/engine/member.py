"""A client in one namespace, and the answers it is owed. Without I/O."""

import logging
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Any

from . import packets
from .errors import ProtocolError
from .frames import COME_BACK
from .transports import Write, drop

if TYPE_CHECKING:
    from .client import Client


logger = logging.getLogger(__name__)


class Member:
    """A client in one namespace: what rooms hold.

    `write` takes frames. Until the client's CONNECT is answered it holds them back, so that nothing reaches
    the client before the answer, and nothing that was sent to its rooms meanwhile is lost.
    """

    __slots__ = ("_held", "_held_size", "client", "connected", "left", "namespace", "rooms", "sid", "write")

    def __init__(self, client: "Client", namespace: str, sid: str) -> None:
        self.client = client
        self.namespace = namespace
        self.sid = sid
        self.connected = False  # its CONNECT is answered, and it has not left
        self.left = False  # for good
        self.rooms: list[Any] = []
        self.write: Write = self._hold  # then the session's, at last nobody's
        self._held: list[bytes] | None = None  # what was written before the answer to CONNECT
        self._held_size = 0  # bytes of that

    def answer(self, frames: bytes) -> None:
        """Let the client be connected: send the answer, then what was held back."""
        session = self.client.session
        self.connected = True
        session.write(frames)
        for held in self._held or ():
            session.write(held)
        self._held = None
        self.write = session.write

    def leave(self) -> bool:
        """Be no longer connected; returns False the second time."""
        self.connected = False
        self.write = drop
        self._held = None
        first, self.left = not self.left, True
        return first

    def _hold(self, frames: bytes) -> None:
        if self._held is None:
            self._held = []
        self._held_size += len(frames)
        if self._held_size > self.client.session.engine.options.max_backlog:
            self.client.session.fail(ProtocolError("slow consumer"), COME_BACK)
        else:
            self._held.append(frames)


def deliver(members: dict[str, Member], frames: bytes, skip: Collection[str]) -> None:
    """Write frames to every member. One that fails harms no other: its session is closed.

    Nothing here may change `members`: closing a session defers what it does to rooms.
    """
    for sid, member in members.items():
        if skip and sid in skip:
            continue
        try:
            member.write(frames)
        except Exception as error:
            logger.info("session %s: write failed: %s", member.client.session.sid, type(error).__name__)
            member.client.session.close("transport error", code=COME_BACK)


class Ack:
    """Answers one event, exactly once: `ack(payload, ...)`; one argument of bytes is JSON already.

    Calling it also ends the event's place among the client's events in flight, so it is called for events
    that ask for no answer, too; nothing is sent then, nor to a client that has gone.
    """

    __slots__ = ("_identifier", "_member")

    def __init__(self, member: Member, identifier: int | None) -> None:
        self._member: Member | None = member
        self._identifier = identifier

    @property
    def wanted(self) -> bool:
        """Whether the client asked for an answer."""
        return self._identifier is not None

    def __call__(self, *payload: Any) -> None:
        """Answer. Raises RuntimeError the second time, and TypeError for what JSON cannot hold."""
        member, self._member = self._member, None
        if member is None:
            raise RuntimeError("an event is acked once")
        if self._identifier is not None and member.connected:
            if len(payload) == 1 and type(payload[0]) is bytes:
                member.write(packets.encode_ack(member.namespace, self._identifier, payload[0]))
            else:
                member.write(packets.encode(packets.ACK, member.namespace, payload, self._identifier))
        member.client.finished()

    def release(self) -> None:
        """End the event's place in flight, if that has not happened yet, without an answer."""
        member, self._member = self._member, None
        if member is not None:
            member.client.finished()


Dispatcher = Callable[[str, str, list[Any], Ack], Awaitable[object] | None]
"""Takes the sid, the event's name, its arguments and what answers it: see `EngineServer.set_dispatcher`."""
